"""From datasets of maps to tables and a page."""

import csv
import json
import re

import numpy as np
import pytest

from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.dice import DICE_CEILING, DICE_CHANCE

# Coarse, so that files are small.
GRID = Grid.of((23, 28, 23), np.array([[8, 0, 0, -90.0], [0, 8, 0, -126], [0, 0, 8, -72], [0, 0, 0, 1]]))
SPACE = "task-x_space-MNI152NLin6Asym_res-8"
# One that can be relied on, and one that cannot.
CONTRASTS = ("wm2bk", "gamblingPunishMinusReward")
N_PARTICIPANTS = 6


def population(n_participants=2 * N_PARTICIPANTS, seed=0):
    """Simulate the common and the individual part of maps, for each contrast."""
    rng = np.random.default_rng(seed)
    return {
        label: 2 * rng.standard_normal(GRID.shape) + rng.standard_normal((n_participants, *GRID.shape))
        for label in CONTRASTS
    }


def write(root, maps, participants, *, desc="measured", noise=0.5, seed=1, session=None):
    """Write a dataset of the maps with noise; `participants` are row numbers."""
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
    tested, others = range(N_PARTICIPANTS), range(N_PARTICIPANTS, 2 * N_PARTICIPANTS)
    write(root / "measured", maps, tested)
    write(root / "retest", maps, tested, seed=2)
    write(root / "good", maps, tested, desc="predicted", seed=3)
    write(root / "bad", population(seed=9), tested, desc="predicted", seed=4)
    write(root / "others", maps, [*others, 0], seed=5)
    rows = [f"sub-{participant:02d}\tf{participant // 2}" for participant in tested]
    (root / "measured" / "participants.tsv").write_text(
        "\n".join(["participant_id\tfamily_id", *rows]) + "\n"
    )
    return root


def settings_of(data, out, **changes):
    values = {
        "out": out,
        "predicted": (f"good={data / 'good'}",),
        "measured": data / "measured",
        "n_permutations": 99,
    }
    return EvaluateSettings(**(values | changes))


def table(out, name):
    with (out / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def value(rows, **wanted):
    (row,) = [row for row in rows if all(row[key] == item for key, item in wanted.items())]
    return float(row.get("value") or row["mean_difference"])


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation") / "out"
    predicted = (f"good={data / 'good'}", str(data / "bad"))
    settings = settings_of(
        data, out, predicted=predicted, baseline_train=data / "others", retest=data / "retest"
    )
    assert evaluate.run(settings) == 0
    return out


def test_models_and_baselines_stand_beside_each_other_in_every_score(done):
    rows = table(done, "scores")
    result = {}
    for row in rows:
        result.setdefault((row["contrast"], row["score"]), set()).add((row["predictor"], row["role"]))
    participants = {
        ("good", "model"),
        ("bad", "model"),
        ("group average", "baseline"),
        ("retest", "baseline"),
    }
    assert len(result) == len(CONTRASTS) * 10
    assert all(predictors == participants for predictors in result.values())
    assert {row["n_people"] for row in rows} == {str(N_PARTICIPANTS)}


def test_a_model_with_individual_information_is_detected(done):
    rows = table(done, "scores")
    for contrast in CONTRASTS:
        of = {"contrast": contrast, "score": "difference"}
        assert value(rows, predictor="good", **of) > 0.1
        assert abs(value(rows, predictor="bad", **of)) < 0.02
        assert value(rows, predictor="group average", **of) == 0
        assert value(rows, predictor="retest", contrast=contrast, score="identification_rate") == 1
        assert value(rows, predictor="good", contrast=contrast, score="residual_r") > 0.5


def test_chance_and_ceiling_are_in_the_table(done):
    rows = [row for row in table(done, "scores") if row["predictor"] == "good"]
    dice = [row for row in rows if row["score"] == "dice_auc"]
    assert {(float(row["chance"]), float(row["ceiling"])) for row in dice} == {(DICE_CHANCE, DICE_CEILING)}
    assert {row["chance"] for row in rows if row["score"] == "mean_rank"} == {"3.5"}


def test_the_tested_participant_is_not_in_the_group_average(done):
    assert json.loads((done / "evaluation.json").read_text())["Group average"].startswith("of 6 other people")


def test_tests_are_on_families_and_adjusted_over_contrasts_and_pairs(done):
    rows = table(done, "comparisons")
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


def test_contrasts_that_cannot_be_relied_on_are_marked(done):
    marks = {row["contrast"]: row["unreliable"] for row in table(done, "scores")}
    assert marks == {"wm2bk": "False", "gamblingPunishMinusReward": "True"}
    assert "gamblingPunishMinusReward \u2020" in (done / "evaluation.html").read_text("utf-8")


def test_participant_scores_have_a_row_per_contrast_and_predictor(done):
    rows = table(done, "participant_scores")
    assert len(rows) == N_PARTICIPANTS * len(CONTRASTS) * 4
    scores = table(done, "scores")
    own_part = [float(row["r"]) for row in rows if (row["predictor"], row["contrast"]) == ("good", "wm2bk")]
    assert np.mean(own_part) == pytest.approx(
        value(scores, predictor="good", contrast="wm2bk", score="r"), abs=1e-5
    )


def test_matrices_have_measured_maps_as_rows(done):
    matrix = np.load(done / "matrices" / "predictor-good_contrast-wm2bk_correlations.npy")
    rows = [
        row
        for row in table(done, "participant_scores")
        if (row["predictor"], row["contrast"]) == ("good", "wm2bk")
    ]
    assert matrix.shape == (N_PARTICIPANTS, N_PARTICIPANTS)
    np.testing.assert_allclose(np.diag(matrix), [float(row["r"]) for row in rows], atol=1e-5)
    others = (matrix.sum(axis=1) - np.diag(matrix)) / (N_PARTICIPANTS - 1)
    np.testing.assert_allclose(others, [float(row["others_r"]) for row in rows], atol=1e-5)


def test_the_page_refers_to_nothing_outside(done):
    page = (done / "evaluation.html").read_text("utf-8")
    sources = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']{0,40})", page)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "nan" not in re.findall(r">\s*([^<]*?)\s*<", page)
    assert {path.name for path in (done / "figures").glob("*.png")} >= {"r.png", "matrices_good.png"}


def test_nothing_but_the_results_stays(done):
    assert sorted(path.name for path in done.iterdir()) == [
        "comparisons.tsv",
        "evaluation.html",
        "evaluation.json",
        "figures",
        "matrices",
        "participant_scores.tsv",
        "scores.tsv",
    ]


def test_without_other_participants_the_average_leaves_one_out_and_the_report_states_it(data, tmp_path):
    evaluate.run(settings_of(data, tmp_path / "out"))
    facts = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert "without the one at hand" in facts["Group average"]
    rows = table(tmp_path / "out", "scores")
    assert value(rows, predictor="group average", contrast="wm2bk", score="difference") == 0
    assert 0.5 < value(rows, predictor="group average", contrast="wm2bk", score="r") < 0.95


def test_the_same_seed_gives_the_same_tables_and_other_contrasts_do_not_matter(data, tmp_path):
    for name, contrasts in (("a", ()), ("b", ()), ("one", ("wm2bk",))):
        evaluate.run(settings_of(data, tmp_path / name, contrasts=contrasts))
    for name in ("scores", "participant_scores", "comparisons"):
        assert table(tmp_path / "a", name) == table(tmp_path / "b", name)
    of_one = [row for row in table(tmp_path / "a", "scores") if row["contrast"] == "wm2bk"]
    assert table(tmp_path / "one", "scores") == of_one


def test_sessions_are_chosen_or_averaged(tmp_path):
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
    item = table(tmp_path / "out", "scores")
    pair = settings_of(tmp_path, tmp_path / "both", predicted=(str(tmp_path / "predicted"),))
    evaluate.run(pair)
    two = table(tmp_path / "both", "scores")
    assert "retest" in {row["predictor"] for row in item}
    assert "retest" not in {row["predictor"] for row in two}
    of = {"predictor": "predicted", "contrast": "wm2bk", "score": "r"}
    assert value(two, **of) > value(item, **of) + 0.01


def test_an_unusable_map_excludes_only_its_participant(data, tmp_path, caplog):
    maps = population()
    maps["wm2bk"][2] = 0
    write(tmp_path / "measured", maps, range(4), noise=0)
    evaluate.run(settings_of(data, tmp_path / "out", measured=tmp_path / "measured"))
    rows = table(tmp_path / "out", "scores")
    n_participants = {row["contrast"]: row["n_people"] for row in rows if row["predictor"] == "good"}
    assert n_participants == {"wm2bk": "3", "gamblingPunishMinusReward": "4"}
    assert "sub-02" in caplog.text
    assert "as few as 3 of the 4 people" in (tmp_path / "out" / "evaluation.html").read_text("utf-8")


def test_participants_without_predicted_and_measured_maps_are_reported(data, tmp_path):
    with pytest.raises(InputError, match=r"(?s)Nobody has both.*Measured: 2 contrasts of 7 people") as caught:
        evaluate.run(settings_of(data, tmp_path / "out", measured=data / "others", participant_label=("99",)))
    assert "sub-06" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_not_written_into(data, tmp_path):
    write_json(tmp_path / "out" / "mine.json", {})
    with pytest.raises(UserError, match="not empty"):
        evaluate.run(settings_of(data, tmp_path / "out"))
    assert evaluate.run(settings_of(data, tmp_path / "out", overwrite=True)) == 0


def test_two_datasets_of_one_name_are_refused(data):
    with pytest.raises(UserError, match="two datasets are named good"):
        settings_of(data, data / "out", predicted=(f"good={data / 'bad'}", str(data / "good")))


def test_a_linear_model_needs_parcels_and_training_participants(data):
    with pytest.raises(UserError, match="--baseline-train"):
        settings_of(data, data / "out", connectomes=(data / "good",))


def test_a_retest_must_not_be_among_the_measured_maps(data):
    for changes in ({}, {"measured_session": "2"}, {"measured_session": "2", "retest": data / "measured"}):
        with pytest.raises(UserError, match="its maps are also among the measured maps"):
            settings_of(data, data / "out", retest_session="2", **changes)


def test_a_predicted_dataset_must_not_be_called_as_a_baseline(data, tmp_path):
    with pytest.raises(UserError, match="retest is a reserved name"):
        evaluate.run(settings_of(data, tmp_path / "out", predicted=(f"retest={data / 'good'}",)))


def test_a_baseline_of_tested_participants_only_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="everybody in it is tested"):
        evaluate.run(settings_of(data, tmp_path / "out", baseline_train=data / "retest"))
