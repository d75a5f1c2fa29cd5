"""Properties of the voxelwise correlation of maps with a number per participant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, pearsonr

from bids_deeptaskgen.stats.running_correlation import RunningCorrelation, p_of_r


def correlation_of(numbers, maps, **options):
    """Collect the correlations of numbers with maps."""
    correlation = RunningCorrelation(maps[0].shape, **options)
    for number, values in zip(numbers, maps, strict=True):
        correlation.add(number, values)
    return correlation


@given(
    n=st.integers(3, 30), missing=st.floats(0, 0.7), offset=st.sampled_from([0, 1000]), seed=st.integers(0)
)
def test_r_and_p_are_those_of_scipy_for_the_participants_with_a_value(n, missing, offset, seed):
    rng = np.random.default_rng(seed)
    numbers, maps = rng.normal(offset, size=n), rng.normal(offset, size=(n, 4, 3))
    is_missing = rng.random(maps.shape) < missing
    maps[is_missing] = rng.choice([0, np.nan, np.inf], size=is_missing.sum())
    correlation = correlation_of(numbers, maps)
    p = p_of_r(correlation.r, correlation.count)
    for voxel in np.ndindex(4, 3):
        has_value = ~is_missing[(slice(None), *voxel)]
        assert correlation.count[voxel] == has_value.sum()
        if has_value.sum() < 3:
            assert np.isnan(correlation.r[voxel])
            assert np.isnan(p[voxel])
            continue
        expected = pearsonr(numbers[has_value], maps[(has_value, *voxel)])
        assert correlation.r[voxel] == pytest.approx(expected.statistic, abs=1e-8)
        assert p[voxel] == pytest.approx(expected.pvalue, rel=1e-5, abs=1e-7)


def test_equal_values_or_numbers_have_no_correlation():
    values = np.array([0.1, 0.7], np.float32)
    assert np.isnan(correlation_of([1.0, 2.0, 4.0], [values] * 3).r).all()
    assert np.isnan(correlation_of([0.3] * 3, [values, 2 * values, 5 * values]).r).all()


def test_zero_is_a_value_where_it_is_not_missing():
    maps = np.array([[0.0], [1], [2], [np.nan]])
    assert correlation_of(range(4), maps).count == [2]
    correlation = correlation_of(range(4), maps, is_zero_missing=False)
    assert correlation.count == [3]
    assert correlation.r == pytest.approx([1])


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_participant_without_number_is_refused(number):
    with pytest.raises(ValueError, match=f"`number` is {number}"):
        RunningCorrelation((2,)).add(number, np.ones(2))


def test_p_of_perfect_and_tiny_correlations():
    np.testing.assert_allclose(p_of_r([1.0, -1.0, 0.0], 20), [0, 0, 1])
    assert np.isnan(p_of_r(1.0, 2))
    x, y = np.arange(100.0), np.arange(100.0) + np.tile([30, -30], 50)
    expected = pearsonr(x, y)
    np.testing.assert_allclose(p_of_r(expected.statistic, 100), expected.pvalue, rtol=1e-9)


def test_a_planted_relation_is_detected_and_without_relation_p_is_uniform():
    rng = np.random.default_rng(0)
    n, n_voxels = 60, 4000
    mean_fd = rng.gamma(4, 0.05, n)
    maps = rng.normal(size=(n, n_voxels))
    z = (mean_fd - mean_fd.mean()) / mean_fd.std()
    maps[:, :400] += 2 * z[:, None]
    correlation = correlation_of(mean_fd, maps)
    p = p_of_r(correlation.r, correlation.count)
    assert (p[:400] < 0.05 / n_voxels).mean() > 0.95
    n_positive = int((p[400:] < 0.05).sum())
    assert binomtest(n_positive, n_voxels - 400, 0.05).pvalue > 0.001
