import numpy as np
import pytest
from scipy.stats import t as t_distribution
from scipy.stats import ttest_1samp

from bids_deeptaskgen.stats.resampled_t import corrected_resampled_t


@pytest.fixture
def differences():
    return np.random.default_rng(0).normal(0.3, 1, (4, 5))


def test_t_is_that_of_the_published_formula(differences):
    # Nadeau and Bengio: t = mean / sqrt((1 / J + n_test / n_train) s^2), J - 1 degrees of freedom.
    result = corrected_resampled_t(differences.ravel(), n_test=20, n_train=80)
    error = np.sqrt((1 / 20 + 20 / 80) * differences.var(ddof=1))
    assert result.t == pytest.approx(differences.mean() / error)
    assert result.p == pytest.approx(2 * t_distribution.sf(abs(result.t), 19))
    assert (result.mean, result.n_folds) == (pytest.approx(differences.mean()), 20)
    assert result.ci_high - result.mean == pytest.approx(t_distribution.ppf(0.975, 19) * error)
    assert result.ci_high - result.mean == pytest.approx(result.mean - result.ci_low)


def test_repeats_add_no_degrees_of_freedom(differences):
    result = corrected_resampled_t(differences, 20, 80)
    assert result.t == corrected_resampled_t(differences.ravel(), 20, 80).t
    assert result.p == pytest.approx(2 * t_distribution.sf(abs(result.t), 4))


def test_without_test_participants_it_is_the_usual_t_test(differences):
    result, usual = corrected_resampled_t(differences.ravel(), 0, 80), ttest_1samp(differences.ravel(), 0)
    interval = usual.confidence_interval(0.95)
    assert (result.t, result.p) == pytest.approx((usual.statistic, usual.pvalue))
    assert (result.ci_low, result.ci_high) == pytest.approx((interval.low, interval.high))


def test_the_interval_contains_0_if_p_is_above_1_minus_its_level(differences):
    for shift in np.linspace(-1, 1, 21):
        result = corrected_resampled_t(differences + shift, 20, 80, level=0.9)
        assert (result.ci_low <= 0 <= result.ci_high) == (result.p >= 0.1)


def test_a_test_is_two_sided(differences):
    first, second = (corrected_resampled_t(sign * differences, 20, 80) for sign in (1, -1))
    assert (first.t, first.p, first.ci_low) == pytest.approx((-second.t, second.p, -second.ci_high))


def test_sizes_of_folds_enter_as_the_mean_of_their_ratios(differences):
    n_test, n_train = np.full((4, 5), 10.0), np.full((4, 5), 40.0)
    n_test[:, 0], n_train[:, 0] = 30, 20
    mean_ratio = (4 * 10 / 40 + 30 / 20) / 5
    expected = corrected_resampled_t(differences, mean_ratio, 1)
    assert corrected_resampled_t(differences, n_test, n_train) == pytest.approx(expected)


def test_folds_with_an_undefined_score_are_ignored_with_their_sizes(differences):
    n_test = np.broadcast_to(np.arange(5) + 10, differences.shape)
    with_gaps = differences.copy()
    with_gaps[:, 1] = np.nan
    expected = corrected_resampled_t(np.delete(differences, 1, 1), np.delete(n_test, 1, 1), 80)
    assert corrected_resampled_t(with_gaps, n_test, 80) == pytest.approx(expected)


def test_without_a_score_nothing_is_known_and_with_one_the_mean_alone():
    assert corrected_resampled_t([np.nan, np.nan], 1, 4).n_folds == 0
    assert all(np.isnan(corrected_resampled_t([np.nan], 1, 4)[:5]))
    single = corrected_resampled_t([np.nan, 0.5], 1, 4)
    assert (single.mean, single.n_folds) == (0.5, 1)
    assert all(np.isnan(single[1:5]))


@pytest.mark.parametrize(("value", "p", "t"), [(0.0, 1, 0), (0.1, 0, np.inf), (-0.1, 0, -np.inf)])
def test_equal_scores_have_an_interval_without_width(value, p, t):
    assert corrected_resampled_t([value] * 7, 20, 80) == pytest.approx((value, value, value, t, p, 7))


def test_rounding_errors_of_equal_scores_are_no_variance():
    scores = [0.1 + 0.2, 0.3, 0.3]
    assert scores[0] != scores[1]
    assert corrected_resampled_t(scores, 20, 80).t == np.inf


def test_folds_without_training_participants_are_refused():
    with pytest.raises(ValueError, match="n_train"):
        corrected_resampled_t([0.1, 0.2], 1, [4, 0])


def test_false_positives_are_near_the_nominal_rate_where_the_usual_t_test_has_too_many():
    # Mean of the test participants of random halves: folds are correlated as in cross-validation.
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(400):
        sample = rng.normal(size=60)
        means = [sample[rng.permutation(60)[:20]].mean() for _ in range(15)]
        p_values.append((corrected_resampled_t(means, 20, 40).p, ttest_1samp(means, 0).pvalue))
    corrected, usual = (np.array(p_values) < 0.05).mean(axis=0)
    assert corrected < 0.1
    assert usual > 0.2
