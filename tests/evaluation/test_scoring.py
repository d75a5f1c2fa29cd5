import numpy as np
import pytest

from bids_deeptaskgen.evaluation.scoring import Predictor, compare, score, summarise
from bids_deeptaskgen.stats import dice
from bids_deeptaskgen.stats.map_rows import LeaveOneOut


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def cohort(n_participants=30, n_voxels=300):
    """Simulate measured maps, predictions with information about each participant, and a group average."""
    rng = np.random.default_rng(5)
    pattern, participant = rng.normal(size=n_voxels), rng.normal(size=(n_participants, n_voxels))
    noise = rng.normal(size=(2, n_participants, n_voxels))
    measured = (pattern + participant + noise[0]).astype(np.float32)
    return measured, (pattern + participant + noise[1]).astype(np.float32), pattern.astype(np.float32)


def score_cohort(rng):
    """Score a network and a group average."""
    measured, predicted, average = cohort()
    predictors = [Predictor("network", False, predicted), Predictor("group average", True, average)]
    return score(measured, predictors, average, rng)


def select_rows(rows, **entries):
    """Select the rows with the given entries."""
    return [row for row in rows if all(row[key] == value for key, value in entries.items())]


def test_models_and_baselines_get_the_same_scores(rng):
    measured, predicted, average = cohort()
    first, second = score(
        measured, [Predictor("a", False, predicted), Predictor("b", True, predicted)], average, rng
    )
    assert first.by_participant.keys() == second.by_participant.keys()
    for name in first.by_participant:
        np.testing.assert_array_equal(first.by_participant[name], second.by_participant[name])


def test_the_group_average_has_a_difference_of_zero_and_no_residual(rng):
    _, average = score_cohort(rng)
    assert (average.by_participant["difference"] == 0).all()
    assert np.isnan(average.by_participant["residual_r"]).all()
    assert np.isfinite(average.by_participant["r"]).all()


def test_leave_one_out_averages_count_as_one_map_for_all(rng):
    measured, _, _ = cohort()
    averages = LeaveOneOut(measured)
    np.testing.assert_allclose(averages[3:4][0], np.delete(measured, 3, axis=0).mean(axis=0), atol=1e-6)
    (scores,) = score(measured, [Predictor("group average", True, averages)], averages, rng)
    expected = np.corrcoef(measured[3], np.delete(measured, 3, axis=0).mean(axis=0))[0, 1]
    assert scores.by_participant["r"][3] == pytest.approx(expected, abs=1e-6)
    assert (scores.by_participant["difference"] == 0).all()
    assert (scores.by_participant["rank"] == 15.5).all()
    assert np.isnan(scores.by_participant["residual_r"]).all()


def test_participants_without_a_map_are_in_no_average(rng):
    measured, _, _ = cohort()
    holes = measured.copy()
    holes[7] = np.nan
    averages, expected = LeaveOneOut(holes), LeaveOneOut(np.delete(measured, 7, axis=0))
    np.testing.assert_array_equal(averages[0:3], expected[0:3])
    assert np.isnan(LeaveOneOut(measured[:1])[0:1]).all()


def test_a_summary_has_values_chance_levels_and_ceilings(rng):
    network, average = score_cohort(rng)
    rows = {row["score"]: row for row in summarise(network, np.arange(30), rng)}
    assert set(rows) == {
        "r",
        "difference",
        "difference_over_diagonal",
        "difference_times_own_diagonal",
        "difference_times_mean_diagonal",
        "percent_of_off_diagonal",
        "identification_rate",
        "mean_rank",
        "dice_auc",
        "residual_r",
        "slope",
        "sd_ratio",
        "residual_slope",
        "residual_sd_ratio",
        "own_vs_others_ks",
        "own_vs_others_auc",
    }
    assert rows["identification_rate"]["chance"] == 1 / 30
    assert rows["mean_rank"]["chance"] == 15.5
    assert (rows["dice_auc"]["chance"], rows["dice_auc"]["ceiling"]) == (
        dice.DICE_CHANCE,
        dice.DICE_CEILING,
    )
    for name in ("r", "difference", "dice_auc", "residual_r"):
        assert rows[name]["ci_low"] < rows[name]["value"] < rows[name]["ci_high"]
        assert rows[name]["n_participants"] == 30
    of_average = {row["score"]: row["value"] for row in summarise(average, np.arange(30), rng)}
    assert of_average["difference"] == 0
    assert of_average["identification_rate"] == 0
    assert of_average["mean_rank"] == 15.5


def test_a_network_with_information_about_participants_is_better_than_the_average(rng):
    rows = list(compare(score_cohort(rng), np.arange(30), rng, n_permutations=999))
    assert {row["score"] for row in rows} == {"r", "difference", "dice_auc"}
    for row in rows:
        assert (row["predictor"], row["compared_with"]) == ("network", "group average")
        assert row["p"] == 1 / 1000
        assert row["ci_low"] > 0
        assert row["cliffs_delta"] > 0.3
        assert (row["n_participants"], row["n_families"]) == (30, 30)


def test_models_are_compared_with_each_other_and_baselines_are_not(rng):
    measured, predicted, average = cohort()
    predictors = [
        Predictor("first", False, predicted),
        Predictor("second", False, predicted),
        Predictor("group average", True, average),
        Predictor("retest", True, predicted),
    ]
    rows = list(compare(score(measured, predictors, average, rng), np.arange(30), rng, n_permutations=99))
    pairs = {(row["predictor"], row["compared_with"]) for row in rows}
    assert pairs == {
        ("first", "group average"),
        ("first", "retest"),
        ("second", "group average"),
        ("second", "retest"),
        ("first", "second"),
    }
    for row in select_rows(rows, predictor="first", compared_with="second"):
        assert row["p"] == 1
        assert row["mean_difference"] == 0


def test_comparisons_use_the_participants_with_both_scores(rng):
    measured, predicted, average = cohort()
    subset = predicted.copy()
    subset[10:] = np.nan
    scores = score(
        measured, [Predictor("network", False, predicted), Predictor("retest", True, subset)], average, rng
    )
    row = select_rows(compare(scores, np.arange(30) // 2, rng, n_permutations=99), score="r")[0]
    assert (row["n_participants"], row["n_families"]) == (10, 5)
    assert row["mean_difference"] == 0
