"""Evaluation of datasets of maps: tables, figures and page."""

import csv
import json
import os
import re
import subprocess

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.result_files import work_folder
from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.dice import DICE_CEILING, DICE_CHANCE

# A coarse grid keeps files small.
GRID = Grid.from_image(
    (23, 28, 23), np.array([[8, 0, 0, -90.0], [0, 8, 0, -126], [0, 0, 8, -72], [0, 0, 0, 1]])
)
SPACE = "task-x_space-MNI152NLin6Asym_res-8"
# A reliable and an unreliable contrast.
CONTRASTS = ("wm2bk", "gamblingPunishMinusReward")
N_PARTICIPANTS = 6


def population(n_participants=2 * N_PARTICIPANTS, seed=0):
    """Simulate maps of each contrast: a common pattern plus a pattern of each participant."""
    rng = np.random.default_rng(seed)
    return {
        label: 2 * rng.standard_normal(GRID.shape) + rng.standard_normal((n_participants, *GRID.shape))
        for label in CONTRASTS
    }


def write(root, maps, participants, *, desc="measured", noise=0.5, seed=1, session=None):
    """Write a dataset of the maps with noise; `participants` are numbers of rows."""
    rng = np.random.default_rng(seed)
    for participant in participants:
        entities = f"sub-{participant:02d}" + (f"_ses-{session}" if session else "")
        folder = root / entities.replace("_", "/") / "func"
        for label, values in maps.items():
            name = (
                f"{entities}_task-x_space-MNI152NLin6Asym_res-8_contrast-{label}_stat-z_desc-{desc}_statmap"
            )
            values = values[participant] + noise * rng.standard_normal(GRID.shape)
            save_nifti(folder / f"{name}.nii.gz", values.astype(np.float32), GRID.matrix)
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write measured, retest and predicted maps of six participants, and measured maps of six others."""
    root, maps = tmp_path_factory.mktemp("data"), population()
    tested_rows, training_rows = range(N_PARTICIPANTS), range(N_PARTICIPANTS, 2 * N_PARTICIPANTS)
    write(root / "measured", maps, tested_rows)
    write(root / "retest", maps, tested_rows, seed=2)
    write(root / "good", maps, tested_rows, desc="predicted", seed=3)
    write(root / "bad", population(seed=9), tested_rows, desc="predicted", seed=4)
    write(root / "others", maps, [*training_rows, 0], seed=5)
    rows = [f"sub-{participant:02d}\tf{participant // 2}" for participant in tested_rows]
    (root / "measured" / "participants.tsv").write_text(
        "\n".join(["participant_id\tfamily_id", *rows]) + "\n"
    )
    return root


def settings_of(data, out, **changes):
    """Create settings for the simulated datasets."""
    values = {
        "out": out,
        "predicted": (f"good={data / 'good'}",),
        "measured": data / "measured",
        "n_permutations": 99,
    }
    return EvaluateSettings(**(values | changes))


def table(out, name):
    """Read a table of an evaluation."""
    with (out / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def value(rows, **entries):
    """Return the value of the only row with the given entries."""
    (row,) = [row for row in rows if all(row[key] == entry for key, entry in entries.items())]
    return float(row.get("value") or row["mean_difference"])


@pytest.fixture(scope="module")
def output(data, tmp_path_factory):
    """Run an evaluation of two models with a training baseline and a retest."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    predicted = (f"good={data / 'good'}", str(data / "bad"))
    settings = settings_of(
        data, out, predicted=predicted, baseline_train=data / "others", retest=data / "retest"
    )
    assert evaluate.run(settings) == 0
    return out


def test_every_score_has_rows_of_all_models_and_baselines(output):
    rows = table(output, "scores")
    groups = {}
    for row in rows:
        groups.setdefault((row["contrast"], row["score"]), set()).add((row["predictor"], row["role"]))
    expected = {
        ("good", "model"),
        ("bad", "model"),
        ("group average", "baseline"),
        ("retest", "baseline"),
    }
    assert len(groups) == len(CONTRASTS) * 16
    assert all(predictors == expected for predictors in groups.values())
    assert {row["n_participants"] for row in rows} == {str(N_PARTICIPANTS)}


def test_only_models_with_information_about_participants_have_a_difference(output):
    rows = table(output, "scores")
    for contrast in CONTRASTS:
        difference = {"contrast": contrast, "score": "difference"}
        assert value(rows, predictor="good", **difference) > 0.1
        assert abs(value(rows, predictor="bad", **difference)) < 0.02
        assert value(rows, predictor="group average", **difference) == 0
        assert value(rows, predictor="retest", contrast=contrast, score="identification_rate") == 1
        assert value(rows, predictor="good", contrast=contrast, score="residual_r") > 0.5


def test_the_table_has_chance_levels_and_ceilings(output):
    rows = [row for row in table(output, "scores") if row["predictor"] == "good"]
    dice = [row for row in rows if row["score"] == "dice_auc"]
    assert {(float(row["chance"]), float(row["ceiling"])) for row in dice} == {(DICE_CHANCE, DICE_CEILING)}
    assert {row["chance"] for row in rows if row["score"] == "mean_rank"} == {"3.5"}


def test_tested_participants_are_not_in_the_group_average(output):
    assert "6 other participants" in json.loads((output / "evaluation.json").read_text())["Group average"]


def test_tests_are_on_families_and_adjusted_over_contrasts_and_pairs(output):
    rows = table(output, "comparisons")
    assert {row["n_families"] for row in rows} == {"3"}
    pairs = {(row["predictor"], row["compared_with"]) for row in rows}
    assert pairs == {
        ("good", "group average"),
        ("good", "retest"),
        ("bad", "group average"),
        ("bad", "retest"),
        ("good", "bad"),
    }
    assert all(float(row["p_fdr"]) >= float(row["p"]) for row in rows)
    # Three families have eight patterns of signs.
    assert min(float(row["p"]) for row in rows) > 0.1


def test_unreliable_contrasts_are_marked(output):
    marks = {row["contrast"]: row["unreliable"] for row in table(output, "scores")}
    assert marks == {"wm2bk": "False", "gamblingPunishMinusReward": "True"}
    assert "gamblingPunishMinusReward \u2020" in (output / "evaluation.html").read_text("utf-8")


def test_the_table_of_participants_has_a_row_for_each_contrast_and_predictor(output):
    rows = table(output, "participant_scores")
    assert len(rows) == N_PARTICIPANTS * len(CONTRASTS) * 4
    scores = table(output, "scores")
    r = [float(row["r"]) for row in rows if (row["predictor"], row["contrast"]) == ("good", "wm2bk")]
    assert np.mean(r) == pytest.approx(value(scores, predictor="good", contrast="wm2bk", score="r"), abs=1e-5)


def test_matrices_have_measured_maps_as_rows(output):
    matrix = np.load(output / "matrices" / "predictor-good_contrast-wm2bk_correlations.npy")
    rows = [
        row
        for row in table(output, "participant_scores")
        if (row["predictor"], row["contrast"]) == ("good", "wm2bk")
    ]
    assert matrix.shape == (N_PARTICIPANTS, N_PARTICIPANTS)
    np.testing.assert_allclose(np.diag(matrix), [float(row["r"]) for row in rows], atol=1e-5)
    others_r = (matrix.sum(axis=1) - np.diag(matrix)) / (N_PARTICIPANTS - 1)
    np.testing.assert_allclose(others_r, [float(row["others_r"]) for row in rows], atol=1e-5)


def test_the_page_is_self_contained(output):
    page = (output / "evaluation.html").read_text("utf-8")
    sources = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']{0,40})", page)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "nan" not in re.findall(r">\s*([^<]*?)\s*<", page)
    assert {path.name for path in (output / "figures").glob("*.png")} >= {"r.png", "matrices_good.png"}


def test_no_other_files_remain(output):
    assert sorted(path.name for path in output.iterdir()) == [
        "across_participants.tsv",
        "comparisons.tsv",
        "evaluation.html",
        "evaluation.json",
        "figures",
        "maps",
        "matrices",
        "participant_scores.tsv",
        "reliability.tsv",
        "scores.tsv",
        "task_scores.tsv",
    ]


def test_without_training_baseline_the_average_is_leave_one_out_and_is_described(data, tmp_path):
    evaluate.run(settings_of(data, tmp_path / "out"))
    facts = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert "leave-one-out" in facts["Group average"]
    rows = table(tmp_path / "out", "scores")
    assert value(rows, predictor="group average", contrast="wm2bk", score="difference") == 0
    assert 0.5 < value(rows, predictor="group average", contrast="wm2bk", score="r") < 0.95


def test_tables_follow_from_the_seed_and_do_not_depend_on_other_contrasts(data, tmp_path):
    for name, contrasts in (("a", ()), ("b", ()), ("single", ("wm2bk",))):
        evaluate.run(settings_of(data, tmp_path / name, contrasts=contrasts))
    for name in ("scores", "participant_scores", "comparisons"):
        assert table(tmp_path / "a", name) == table(tmp_path / "b", name)
    rows = [row for row in table(tmp_path / "a", "scores") if row["contrast"] == "wm2bk"]
    assert table(tmp_path / "single", "scores") == rows


def test_sessions_are_selected_or_averaged(tmp_path):
    maps = population()
    for number, session in enumerate(("test", "retest")):
        write(tmp_path / "measured", maps, range(3), session=session, seed=number, noise=2)
    write(tmp_path / "predicted", maps, range(3), desc="predicted", seed=5)
    settings = settings_of(
        tmp_path,
        tmp_path / "out",
        predicted=(str(tmp_path / "predicted"),),
        measured_session="ses-test",
        retest_session="retest",
    )
    evaluate.run(settings)
    of_session = table(tmp_path / "out", "scores")
    settings = settings_of(tmp_path, tmp_path / "averaged", predicted=(str(tmp_path / "predicted"),))
    evaluate.run(settings)
    of_average = table(tmp_path / "averaged", "scores")
    assert "retest" in {row["predictor"] for row in of_session}
    assert "retest" not in {row["predictor"] for row in of_average}
    entries = {"predictor": "predicted", "contrast": "wm2bk", "score": "r"}
    assert value(of_average, **entries) > value(of_session, **entries) + 0.01


def test_an_unusable_map_excludes_only_its_participant(data, tmp_path, caplog):
    maps = population()
    maps["wm2bk"][2] = 0
    write(tmp_path / "measured", maps, range(4), noise=0)
    evaluate.run(settings_of(data, tmp_path / "out", measured=tmp_path / "measured"))
    rows = table(tmp_path / "out", "scores")
    n_participants = {row["contrast"]: row["n_participants"] for row in rows if row["predictor"] == "good"}
    assert n_participants == {"wm2bk": "3", "gamblingPunishMinusReward": "4"}
    assert "sub-02" in caplog.text
    assert "as few as 3 of the 4 participants" in (tmp_path / "out" / "evaluation.html").read_text("utf-8")


def test_no_participant_with_both_maps_is_an_error_that_lists_the_measured_ones(data, tmp_path):
    with pytest.raises(
        InputError, match=r"(?s)No participant has both.*Measured: 2 contrasts of 7 "
    ) as caught:
        evaluate.run(settings_of(data, tmp_path / "out", measured=data / "others", participant_label=("99",)))
    assert "sub-06" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_refused_without_overwrite(data, tmp_path):
    write_json(tmp_path / "out" / "mine.json", {})
    with pytest.raises(UserError, match="not empty"):
        evaluate.run(settings_of(data, tmp_path / "out"))
    assert evaluate.run(settings_of(data, tmp_path / "out", overwrite=True)) == 0


def test_hidden_files_and_those_of_killed_runs_are_no_results(data, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(["true"]) as ended, work_folder(tmp_path, "evaluation") as folder:
        name = folder.name.replace(f".{os.getpid()}.", f".{ended.pid}.")
    (out / name / "results").mkdir(parents=True)
    (out / ".DS_Store").touch()
    assert evaluate.run(settings_of(data, out)) == 0
    assert {path.name for path in out.iterdir() if path.name.startswith(".")} == {".DS_Store"}


def test_two_datasets_with_the_same_name_are_refused(data):
    with pytest.raises(UserError, match="two datasets are named good"):
        settings_of(data, data / "out", predicted=(f"good={data / 'bad'}", str(data / "good")))


def test_a_linear_model_needs_a_model_and_a_training_baseline(data):
    with pytest.raises(UserError, match="--baseline-train"):
        settings_of(data, data / "out", connectomes=(data / "good",))


def test_a_retest_must_not_be_among_the_measured_maps(data):
    for changes in ({}, {"measured_session": "2"}, {"measured_session": "2", "retest": data / "measured"}):
        with pytest.raises(UserError, match="--retest-session 2: .*--measured-session"):
            settings_of(data, data / "out", retest_session="2", **changes)


def test_a_predicted_dataset_must_not_have_the_name_of_a_baseline(data, tmp_path):
    with pytest.raises(UserError, match="retest is a reserved name"):
        evaluate.run(settings_of(data, tmp_path / "out", predicted=(f"retest={data / 'good'}",)))


def test_a_training_baseline_of_tested_participants_alone_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="`baseline_train` .*all 6 participants are tested"):
        evaluate.run(settings_of(data, tmp_path / "out", baseline_train=data / "retest"))
