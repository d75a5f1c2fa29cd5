from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from bids_deeptaskgen.biomarkers.problem import PermutationTest
from bids_deeptaskgen.biomarkers.results.comparisons import comparison_rows
from bids_deeptaskgen.biomarkers.results.score_tables import (
    fold_score_rows,
    penalty_rows,
    permutation_rows,
    prediction_rows,
    score_rows,
    score_setup,
)
from bids_deeptaskgen.biomarkers.results.scores import NESTED, PUBLISHED
from bids_deeptaskgen.biomarkers.results.target_result import TargetResult
from bids_deeptaskgen.stats.resampled_t import corrected_resampled_t
from tests.biomarkers.made_results import SIGNALS, make_result


@pytest.fixture(scope="module")
def result():
    return make_result()


@pytest.fixture(scope="module")
def fold_scores(result):
    return score_setup(result, NESTED)


def row_of(rows, **cells):
    """Find the only row with some cells."""
    (row,) = [row for row in rows if all(row[name] == value for name, value in cells.items())]
    return row


def test_values_and_intervals_are_those_of_the_folds(result, fold_scores):
    row = row_of(score_rows(result, NESTED, fold_scores), features="wm", score="R2")
    expected = corrected_resampled_t(fold_scores["wm"]["R2"], 20, 80)
    assert (row["value"], row["ci_low"], row["ci_high"]) == pytest.approx(expected[:3])
    assert (row["n_participants"], row["n_features"], row["kind"]) == (100, 100, "continuous")


@pytest.mark.parametrize(("confounds", "reference"), [(("age",), "confounds"), ((), "mean")])
def test_a_gain_is_over_the_confounds_or_else_over_the_mean(confounds, reference):
    result = make_result(confounds=confounds)
    fold_scores = score_setup(result, NESTED)
    rows = score_rows(result, NESTED, fold_scores)
    for score in ("R2", "MAE"):
        difference = fold_scores["wm"][score] - fold_scores[reference][score]
        row = row_of(rows, features="wm", score=score)
        expected = corrected_resampled_t(difference, 20, 80)[:3]
        assert (row["gain"], row["gain_low"], row["gain_high"]) == pytest.approx(expected)
    assert all(np.isnan(row["gain"]) for row in rows if row["features"] in ("mean", "confounds"))


def test_the_published_setup_has_its_folds_and_a_gain_over_the_mean(result):
    fold_scores = score_setup(result, PUBLISHED)
    assert "confounds" not in fold_scores
    rows = score_rows(result, PUBLISHED, fold_scores)
    assert fold_scores["wm"]["R2"].shape == (1, 5)
    row = row_of(rows, features="wm", score="R2")
    assert row["gain"] == pytest.approx(row["value"])


def test_scores_of_folds_have_a_row_each(result, fold_scores):
    rows = fold_score_rows(result, NESTED, fold_scores)
    # mean: R2, MAE; confounds: r, R2, MAE; three feature sets with 4 scores.
    assert len(rows) == (2 + 3 + 3 * 4) * 10
    row = row_of(rows, features="wm", score="r", repeat=2, fold=5)
    assert row["value"] == fold_scores["wm"]["r"][1, 4]
    assert (row["n_train"], row["n_test"]) == (80, 20)


def test_false_discovery_rates_are_those_of_all_targets_and_features_of_a_setup():
    results = [make_result(seed=seed, n_permutations=99) for seed in (0, 1)]
    rng = np.random.default_rng(0)
    results = [
        replace(
            result,
            tests={key: PermutationTest(rng.normal(), rng.normal(size=99)) for key in result.tests},
        )
        for result in results
    ]
    rows = permutation_rows(results)
    for setup in (NESTED, PUBLISHED):
        p, p_fdr = np.array([(row["p"], row["p_fdr"]) for row in rows if row["setup"] == setup]).T
        assert len(p) == 6
        assert p_fdr == pytest.approx(false_discovery_control(p))
    assert {row["n_permutations"] for row in rows} == {99}


def test_without_permutations_there_is_no_p():
    result = make_result(n_permutations=0)
    assert all(np.isnan([row["p"], row["p_fdr"]]).all() for row in permutation_rows([result]))


def test_all_pairs_are_compared_by_the_main_score_on_the_same_folds(result, fold_scores):
    rows = comparison_rows([(result, NESTED, fold_scores)])
    names = list(SIGNALS)
    pairs = [(row["features"], row["compared_with"]) for row in rows]
    assert pairs == [(names[0], names[1]), (names[0], names[2]), (names[1], names[2])]
    difference = fold_scores[names[0]]["partial_r"] - fold_scores[names[1]]["partial_r"]
    expected = corrected_resampled_t(difference, 20, 80)
    row = rows[0]
    assert (row["difference"], row["ci_low"], row["ci_high"]) == pytest.approx(expected[:3])
    assert (row["t"], row["p"], row["score"]) == (expected.t, expected.p, "partial_r")
    assert [row["p_fdr"] for row in rows] == pytest.approx(
        false_discovery_control([row["p"] for row in rows])
    )


def test_comparisons_are_adjusted_over_targets_and_pairs_of_each_setup(result):
    results = [result, make_result("categorical", 2)]
    scores = [(item, setup, score_setup(item, setup)) for item in results for setup in item.setups]
    rows = comparison_rows(scores)
    for setup in (NESTED, PUBLISHED):
        p, p_fdr = np.array([(row["p"], row["p_fdr"]) for row in rows if row["setup"] == setup]).T
        assert len(p) == 6
        assert p_fdr == pytest.approx(false_discovery_control(p))
    assert {row["score"] for row in rows} == {"partial_r", "AUC", "r", "balanced_accuracy"}


def test_a_feature_set_that_is_equal_to_another_does_not_differ(result):
    first, second, _ = SIGNALS
    predictions = dict(result.predictions)
    predictions[NESTED, second] = predictions[NESTED, first]
    equal = replace(result, predictions=predictions)
    row = comparison_rows([(equal, NESTED, score_setup(equal, NESTED))])[0]
    assert (row["difference"], row["t"], row["p"]) == (0, 0, 1)


def test_penalties_have_a_row_per_fold_and_folds_that_are_absent_have_none(result):
    rows = [row for row in penalty_rows(result) if row["features"] == "wm"]
    penalties = result.predictions[NESTED, "wm"].penalties
    assert [row["penalty"] for row in rows] == penalties.ravel().tolist()
    assert (rows[-1]["repeat"], rows[-1]["fold"]) == (2, 5)
    penalties = penalties.copy()
    penalties[1, 4] = np.nan
    predictions = {
        **result.predictions,
        (NESTED, "wm"): replace(result.predictions[NESTED, "wm"], penalties=penalties),
    }
    assert len(penalty_rows(replace(result, predictions=predictions))) == len(penalty_rows(result)) - 1


def test_predictions_are_means_over_repeats(result):
    rows = prediction_rows(result)
    row = row_of(rows, participant_id="sub-0003", setup=NESTED, features="wm")
    assert row["measured"] == result.problem.target.values[3]
    assert row["predicted"] == pytest.approx(result.predictions[NESTED, "wm"].values[:, 3, 0].mean())
    assert len(rows) == 100 * (5 + 4)


def test_predicted_categories_have_the_largest_mean_score_and_two_have_a_score():
    result = make_result("categorical", 2)
    row = row_of(prediction_rows(result), participant_id="sub-0003", setup=NESTED, features="wm")
    scores = result.predictions[NESTED, "wm"].values[:, 3].mean(axis=0)
    assert row["measured"] == result.problem.target.levels[int(result.problem.target.values[3])]
    assert row["predicted"] == result.problem.target.levels[scores.argmax()]
    assert row["score"] == pytest.approx(scores[1] - scores[0])
    assert "score" not in prediction_rows(make_result("categorical", 3))[0]


def test_confounds_need_a_baseline_and_the_published_setup_its_folds(result):
    nested = {key: value for key, value in result.predictions.items() if key != (NESTED, "confounds")}
    with pytest.raises(ValueError, match="confounds alone"):
        TargetResult(result.problem, result.features, nested)
    with pytest.raises(ValueError, match="`published`"):
        replace(result, published=None)
