import numpy as np
import pytest

from bids_deeptaskgen.evaluation.scoring import Predictor, compare, score, summarise
from bids_deeptaskgen.stats import dice
from bids_deeptaskgen.stats.map_rows import LeaveOneOut


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def cohort(n_participants=30, n_voxels=300):
    """Measured maps, those of a model that knows something of each person, and the average of others."""
    rng = np.random.default_rng(5)
    pattern, participant = rng.normal(size=n_voxels), rng.normal(size=(n_participants, n_voxels))
    noise = rng.normal(size=(2, n_participants, n_voxels))
    measured = (pattern + participant + noise[0]).astype(np.float32)
    return measured, (pattern + participant + noise[1]).astype(np.float32), pattern.astype(np.float32)


def all_scored(rng):
    measured, predicted, average = cohort()
    predictors = [Predictor("network", False, predicted), Predictor("group average", True, average)]
    return score(measured, predictors, average, rng)


def select_rows(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_models_and_baselines_get_the_same_scores(rng):
    measured, predicted, average = cohort()
    first, second = score(
        measured, [Predictor("a", False, predicted), Predictor("b", True, predicted)], average, rng
    )
    assert first.by_participant.keys() == second.by_participant.keys()
    for name in first.by_participant:
        np.testing.assert_array_equal(first.by_participant[name], second.by_participant[name])


def test_the_average_of_others_has_a_difference_of_exactly_zero_and_no_residual(rng):
    _, average = all_scored(rng)
    assert (average.by_participant["difference"] == 0).all()
    assert np.isnan(average.by_participant["residual_r"]).all()
    assert np.isfinite(average.by_participant["r"]).all()


def test_an_average_that_leaves_out_each_person_counts_as_one_map_for_everybody(rng):
    measured, _, _ = cohort()
    averages = LeaveOneOut(measured)
    np.testing.assert_allclose(averages[3:4][0], np.delete(measured, 3, axis=0).mean(axis=0), atol=1e-6)
    (found,) = score(measured, [Predictor("group average", True, averages)], averages, rng)
    expected = np.corrcoef(measured[3], np.delete(measured, 3, axis=0).mean(axis=0))[0, 1]
    assert found.by_participant["r"][3] == pytest.approx(expected, abs=1e-6)
    assert (found.by_participant["difference"] == 0).all()
    assert (found.by_participant["rank"] == 15.5).all()
    assert np.isnan(found.by_participant["residual_r"]).all()


def test_who_has_no_map_is_in_no_average(rng):
    measured, _, _ = cohort()
    holes = measured.copy()
    holes[7] = np.nan
    found, expected = LeaveOneOut(holes), LeaveOneOut(np.delete(measured, 7, axis=0))
    np.testing.assert_array_equal(found[0:3], expected[0:3])
    assert np.isnan(LeaveOneOut(measured[:1])[0:1]).all()


def test_a_summary_has_chance_and_ceiling_beside_the_values(rng):
    network, average = all_scored(rng)
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
    }
    assert rows["identification_rate"]["chance"] == 1 / 30
    assert rows["mean_rank"]["chance"] == 15.5
    assert (rows["dice_auc"]["chance"], rows["dice_auc"]["ceiling"]) == (
        dice.DICE_CHANCE,
        dice.DICE_CEILING,
    )
    for name in ("r", "difference", "dice_auc", "residual_r"):
        assert rows[name]["ci_low"] < rows[name]["value"] < rows[name]["ci_high"]
        assert rows[name]["n_people"] == 30
    same = {row["score"]: row["value"] for row in summarise(average, np.arange(30), rng)}
    assert same["difference"] == 0
    assert same["identification_rate"] == 0
    assert same["mean_rank"] == 15.5


def test_a_network_that_knows_the_person_beats_the_average(rng):
    rows = list(compare(all_scored(rng), np.arange(30), rng, n_permutations=999))
    assert {row["score"] for row in rows} == {"r", "difference", "dice_auc"}
    for row in rows:
        assert (row["predictor"], row["compared_with"]) == ("network", "group average")
        assert row["p"] == 1 / 1000
        assert row["ci_low"] > 0
        assert row["cliffs_delta"] > 0.3
        assert (row["n_people"], row["n_families"]) == (30, 30)


def test_models_are_compared_with_each_other_and_baselines_are_not(rng):
    measured, predicted, average = cohort()
    predictors = [
        Predictor("one", False, predicted),
        Predictor("other", False, predicted),
        Predictor("group average", True, average),
        Predictor("retest", True, predicted),
    ]
    rows = list(compare(score(measured, predictors, average, rng), np.arange(30), rng, n_permutations=99))
    pairs = {(row["predictor"], row["compared_with"]) for row in rows}
    assert pairs == {
        ("one", "group average"),
        ("one", "retest"),
        ("other", "group average"),
        ("other", "retest"),
        ("one", "other"),
    }
    for row in select_rows(rows, predictor="one", compared_with="other"):
        assert row["p"] == 1
        assert row["mean_difference"] == 0


def test_comparisons_are_on_the_people_whom_both_have(rng):
    measured, predicted, average = cohort()
    few = predicted.copy()
    few[10:] = np.nan
    scored = score(
        measured, [Predictor("network", False, predicted), Predictor("retest", True, few)], average, rng
    )
    row = select_rows(compare(scored, np.arange(30) // 2, rng, n_permutations=99), score="r")[0]
    assert (row["n_people"], row["n_families"]) == (10, 5)
    assert row["mean_difference"] == 0
