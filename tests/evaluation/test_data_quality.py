"""Relation of scores to data quality."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from bids_deeptaskgen.evaluation.data_quality import quality_tables, read_measures

PARTICIPANTS = tuple(f"{number:02d}" for number in range(1, 11))
CONTRASTS = ("wm2bk", "motorLh", "motorRh")


def write_record(root, label, metrics, session=None, task="rest", run=None):
    """Write the record of a finished session, which lists no files."""
    entities = [("sub", label), ("ses", session), ("task", task), ("run", run)]
    name = "_".join(f"{key}-{value}" for key, value in entities if value)
    folder = root.joinpath(f"sub-{label}", *([f"ses-{session}"] if session else []), "func")
    folder.mkdir(parents=True, exist_ok=True)
    content = {**metrics, "DeepTaskGen": {"SettingsHash": "a", "Files": [], "Contrasts": ["wm2bk"]}}
    (folder / f"{name}_desc-qc_metrics.json").write_text(json.dumps(content))


def metrics(minutes, fd_mm, tsnr):
    """Return the metrics of a session."""
    return {"minutes_kept": minutes, "fd_mean_mm": fd_mm, "tsnr_median": tsnr}


@pytest.fixture
def study():
    """Return ten unrelated participants."""
    return SimpleNamespace(participants=PARTICIPANTS, families=np.array(PARTICIPANTS), task=None)


@pytest.fixture
def dataset(tmp_path):
    """Write records: minutes rise and motion falls with the number of the participant."""
    for number, label in enumerate(PARTICIPANTS):
        write_record(
            tmp_path / "out", label, metrics(5.0 + number, 0.5 - 0.03 * number, 40.0 + (7 * number) % 10)
        )
    return tmp_path / "out"


def settings(dataset, **changes):
    """Return the settings that matter here."""
    values = {"predicted": (("mine", dataset),), "connectomes": (), "seed": 0, "n_permutations": 999}
    return SimpleNamespace(**(values | changes))


def score_rows(predictor="mine", role="model", slope=0.05, r=None):
    """Make scores that rise with the number of the participant, of contrasts of different levels."""
    return [
        {
            "participant_id": f"sub-{label}", "predictor": predictor, "role": role, "contrast": contrast,
            "r": 0.1 * level + slope * number if r is None else r,
            "difference": 0.01 * number, "residual_r": float("nan"),
        }
        for level, contrast in enumerate(CONTRASTS)
        for number, label in enumerate(PARTICIPANTS)
    ]  # fmt: skip


def entry(rows, **cells):
    """Return the only row with the given cells."""
    (row,) = [row for row in rows if all(row[key] == cell for key, cell in cells.items())]
    return row


def test_scores_that_follow_the_quality_have_the_planted_correlation(dataset, study):
    rows = quality_tables(settings(dataset), study, score_rows())["quality"]
    minutes = entry(rows, score="r", measure="minutes")
    assert minutes["spearman"] == pytest.approx(1)
    assert minutes["p"] == pytest.approx(0.001, abs=0.002)
    assert entry(rows, score="r", measure="mean_fd")["spearman"] == pytest.approx(-1)
    assert abs(entry(rows, score="r", measure="tsnr")["spearman"]) < 0.5
    assert all(row["p_fdr"] >= row["p"] for row in rows)
    assert {row["n_participants"] for row in rows} == {10}
    # A score that no participant has is not related.
    assert {row["score"] for row in rows} == {"r", "difference"}


def test_runs_and_sessions_of_a_participant_are_combined(tmp_path, study):
    for session, values in (("a", metrics(4.0, 0.1, 50.0)), ("b", metrics(6.0, 0.3, 70.0))):
        write_record(tmp_path, "01", values, session=session)
    write_record(tmp_path, "02", metrics(3.0, 0.2, 40.0), task="rest", run="1")
    write_record(tmp_path, "02", metrics(3.5, 0.4, 60.0), task="rest", run="2")
    write_record(tmp_path, "02", metrics(9.0, 0.9, 10.0), task="movie")
    measures = read_measures(tmp_path, SimpleNamespace(participants=("01", "02", "03"), task="rest"))
    np.testing.assert_allclose(measures["minutes"], [10, 6.5, np.nan])
    np.testing.assert_allclose(measures["mean_fd"], [0.2, 0.3, np.nan])
    np.testing.assert_allclose(measures["tsnr"], [60, 50, np.nan])


def test_labels_are_matched_as_in_the_maps(tmp_path):
    write_record(tmp_path, "1", metrics(4.0, 0.1, 50.0))
    measures = read_measures(tmp_path, SimpleNamespace(participants=("001",), task=None))
    assert measures["minutes"].tolist() == [4.0]


def test_participants_without_a_measure_are_counted(dataset, study):
    write_record(dataset, "03", metrics(7.0, None, 40.0))
    rows = quality_tables(settings(dataset), study, score_rows())["quality"]
    row = entry(rows, score="r", measure="mean_fd")
    assert (row["n_participants"], row["n_missing"]) == (9, 1)
    assert entry(rows, score="r", measure="minutes")["n_missing"] == 0


def test_a_baseline_is_related_to_the_data_of_the_predicted_maps_and_a_calibrated_model_to_its_own(
    dataset, study, tmp_path
):
    for number, label in enumerate(PARTICIPANTS):
        write_record(tmp_path / "other", label, metrics(20.0 - number, 0.2, 50.0))
    rows = score_rows() + score_rows("other, calibrated") + score_rows("retest", "baseline")
    several = settings(dataset, predicted=(("mine", dataset), ("other", tmp_path / "other")))
    table = quality_tables(several, study, rows)["quality"]
    rho = {name: entry(table, predictor=name, score="r", measure="minutes")["spearman"] for name in
           ("mine", "other, calibrated", "retest")}  # fmt: skip
    assert rho == pytest.approx({"mine": 1, "other, calibrated": -1, "retest": 1})


def test_baselines_alone_are_related_to_the_data_of_their_connectomes(dataset, study):
    alone = settings(dataset, predicted=(), connectomes=(dataset,))
    rows = quality_tables(alone, study, score_rows("linear model", "baseline"))["quality"]
    assert entry(rows, score="r", measure="minutes")["spearman"] == pytest.approx(1)


def test_without_measures_there_is_no_table(tmp_path, study):
    assert quality_tables(settings(tmp_path), study, score_rows()) == {}
    assert quality_tables(settings(tmp_path, predicted=()), study, score_rows()) == {}


def test_a_participant_without_a_difficult_contrast_does_not_score_higher(dataset, study):
    rows = [
        row for row in score_rows(slope=0) if (row["participant_id"], row["contrast"]) != ("sub-04", "wm2bk")
    ]
    table = quality_tables(settings(dataset), study, rows)["participant_quality"]
    assert [row["r"] for row in table] == pytest.approx([0.1] * 10)


def test_the_table_of_participants_has_measures_and_scores(dataset, study):
    rows = quality_tables(settings(dataset), study, score_rows())["participant_quality"]
    assert len(rows) == len(PARTICIPANTS)
    row = entry(rows, participant_id="sub-03")
    assert (row["minutes"], row["mean_fd"]) == (7.0, pytest.approx(0.44))
    assert row["r"] == pytest.approx(0.1 + 0.05 * 2)
