"""Evaluation of baselines without predicted maps."""

import csv
import json

import pytest

from bids_deeptaskgen.cli import workbench
from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from tests.commands.learning import LABELS, SPLIT
from tests.commands.test_evaluate import CONTRASTS, N_PARTICIPANTS, population, write

TESTED = ("04", "05", "06")


def table(out, name):
    """Read a table of an evaluation."""
    with (out / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def facts(out):
    """Read the description of an evaluation."""
    return json.loads((out / "evaluation.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def output(world, tmp_path_factory):
    """Run an evaluation of the group average and the linear model with the command line."""
    out = tmp_path_factory.mktemp("baselines") / "out"
    words = ["evaluate", out, "--measured", world.root / "measured"]
    words += ["--baseline-train", world.root / "measured", "--participant-label", *TESTED]
    words += ["--model", world.model.folder, "--connectomes", world.root / "connectomes"]
    assert workbench.main([*map(str, words), "--n-permutations", "99"]) == 0
    return out


def test_group_average_and_linear_model_are_scored_for_each_measured_contrast(output):
    rows = table(output, "scores")
    assert {row["contrast"] for row in rows} == set(LABELS)
    assert {(row["predictor"], row["role"]) for row in rows} == {
        ("ridge model", "baseline"),
        ("group average", "baseline"),
        ("linear model", "baseline"),
    }
    assert {row["n_participants"] for row in rows} == {str(len(TESTED))}
    assert facts(output)["Participants"] == list(TESTED)


def test_the_baselines_use_the_participants_who_are_not_tested(output):
    n_training = len(SPLIT) - len(TESTED)
    assert facts(output)["Linear model"].startswith(f"fitted to {n_training} ")
    assert f"{n_training} other participants" in facts(output)["Group average"]
    assert not any(name.startswith("Predicted") for name in facts(output))


def test_baselines_are_compared_with_each_other(output):
    rows = table(output, "comparisons")
    assert {(row["predictor"], row["compared_with"]) for row in rows} == {
        ("linear model", "group average"),
        ("ridge model", "group average"),
        ("ridge model", "linear model"),
    }
    assert {row["score"] for row in rows} == {"r", "difference", "dice_auc", "residual_r"}


def test_the_page_states_that_there_are_no_predicted_maps(output):
    page = (output / "evaluation.html").read_text("utf-8")
    assert "<h1>Baselines against measured task maps</h1>" in page
    assert "No predicted maps were given (--predicted)" in page
    assert "trained on or calibrated with" not in page
    assert (output / "figures" / "r.png").is_file()
    assert not (output / "matrices").exists()


def test_with_connectomes_only_participants_with_connectomes_are_tested(world, tmp_path):
    (tmp_path / "connectomes").mkdir()
    for participant in ("01", "02", "06"):
        (tmp_path / "connectomes" / f"sub-{participant}").symlink_to(
            world.root / "connectomes" / f"sub-{participant}"
        )
    settings = {
        "measured": world.root / "measured",
        "baseline_train": world.root / "measured",
        "model": str(world.model.folder),
        "connectomes": (tmp_path / "connectomes",),
        "n_permutations": 9,
    }
    selection = EvaluateSettings(out=tmp_path / "out", participant_label=("05", "06"), **settings)
    assert evaluate.run(selection) == 0
    assert facts(tmp_path / "out")["Participants"] == ["06"]
    without_connectomes = EvaluateSettings(out=tmp_path / "no", participant_label=("05",), **settings)
    with pytest.raises(InputError, match=r"(?s)No participant has both .* and connectomes .*Connectomes: 3 "):
        evaluate.run(without_connectomes)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("has_others", [True, False])
def test_a_second_measurement_is_a_baseline(tmp_path, has_others):
    maps = population()
    tested_rows, training_rows = range(N_PARTICIPANTS), range(N_PARTICIPANTS, 2 * N_PARTICIPANTS)
    for name, participants, seed in (
        ("measured", tested_rows, 1),
        ("retest", tested_rows, 2),
        ("others", training_rows, 3),
    ):
        write(tmp_path / name, maps, participants, seed=seed)
    settings = EvaluateSettings(
        out=tmp_path / "out",
        measured=tmp_path / "measured",
        retest=tmp_path / "retest",
        baseline_train=tmp_path / "others" if has_others else None,
        n_permutations=9,
    )
    assert evaluate.run(settings) == 0
    rows = table(tmp_path / "out", "scores")
    assert {row["predictor"] for row in rows} == {"group average", "retest"}
    assert {row["contrast"] for row in rows} == set(CONTRASTS)
    # The catalogue of contrasts has their reliability.
    assert {row["contrast"] for row in rows if row["unreliable"] == "True"} == {CONTRASTS[1]}
    assert len(facts(tmp_path / "out")["Participants"]) == N_PARTICIPANTS


def test_without_predictions_and_training_baseline_the_command_is_refused(tmp_path, capsys):
    words = ["evaluate", str(tmp_path / "out"), "--measured", str(tmp_path)]
    assert workbench.main(words) == 2
    stderr = capsys.readouterr().err
    assert "--predicted" in stderr
    assert "--baseline-train" in stderr
    assert "internal error" not in stderr
    with pytest.raises(UserError, match="Neither --predicted nor a baseline "):
        EvaluateSettings(out=tmp_path / "out", measured=tmp_path)


def test_a_participant_without_measured_maps_is_refused(tmp_path):
    write(tmp_path / "measured", population(), range(2))
    settings = EvaluateSettings(
        out=tmp_path / "out",
        measured=tmp_path / "measured",
        baseline_train=tmp_path / "measured",
        participant_label=("99",),
    )
    with pytest.raises(InputError, match="None of the participants of `participant_label` has measured maps"):
        evaluate.run(settings)
