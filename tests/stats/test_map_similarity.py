"""Properties of correlations between maps that are read in chunks of voxels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from bids_deeptaskgen.stats.deviations import deviations_from_mean
from bids_deeptaskgen.stats.map_similarity import SimilarityAccumulator


def similarity_of(maps, n_chunks=3, columns=None):
    """Collect the similarity of maps from chunks."""
    similarity = SimilarityAccumulator(len(maps), None if columns is None else len(columns))
    for voxels in np.array_split(np.arange(maps.shape[1]), n_chunks):
        others = None if columns is None else deviations_from_mean(columns[:, voxels])
        similarity.add(deviations_from_mean(maps[:, voxels]), others)
    return similarity


def correlations_of(maps, n_chunks=3):
    return similarity_of(maps, n_chunks).correlations()


def deviation_correlations_of(maps, n_chunks=3):
    return similarity_of(maps, n_chunks).deviation_correlations()


def pairwise(maps):
    """Correlate each pair over common voxels, in a loop."""
    r = np.full((len(maps), len(maps)), np.nan)
    for i, x in enumerate(maps):
        for j, y in enumerate(maps):
            has_both = np.isfinite(x) & np.isfinite(y)
            x_both, y_both = x[has_both], y[has_both]
            if len(x_both) > 1 and np.ptp(x_both) > 0 and np.ptp(y_both) > 0:
                r[i, j] = pearsonr(x_both, y_both).statistic
    return r


def random_maps(rng, n_rows=6, n_voxels=200, offset=0.0):
    common = rng.normal(size=n_voxels)
    return (common + rng.normal(size=(n_rows, n_voxels)) + offset).astype(np.float32)


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("n_chunks", [1, 7])
def test_complete_maps_have_the_correlations_of_numpy(offset, n_chunks):
    maps = random_maps(np.random.default_rng(0), offset=offset)
    expected = np.corrcoef(maps.astype(np.float64))
    np.testing.assert_allclose(correlations_of(maps, n_chunks), expected, atol=1e-6)


@given(
    share=st.floats(0, 0.9),
    n_voxels=st.integers(30, 60),
    offset=st.sampled_from([0, 50]),
    seed=st.integers(0),
)
def test_each_pair_is_correlated_over_its_common_voxels(share, n_voxels, offset, seed):
    rng = np.random.default_rng(seed)
    maps = random_maps(rng, 5, n_voxels, offset)
    maps[rng.random(maps.shape) < share] = np.nan
    # Some voxels are complete, which takes another path.
    maps[:, : n_voxels // 3] = random_maps(rng, 5, n_voxels // 3, offset)
    zeros = np.where(np.isnan(maps), rng.choice([0, np.nan, np.inf], size=maps.shape), maps)
    np.testing.assert_allclose(correlations_of(zeros), pairwise(maps.astype(np.float64)), atol=1e-5)


@given(share=st.floats(0, 0.6), seed=st.integers(0))
def test_deviations_are_those_from_the_mean_over_rows_with_a_value(share, seed):
    rng = np.random.default_rng(seed)
    maps = random_maps(rng, 5, 60).astype(np.float64)
    maps[:-1][rng.random((4, 60)) < share] = np.nan
    expected = pairwise(maps - np.nanmean(maps, axis=0))
    np.testing.assert_allclose(deviation_correlations_of(maps), expected, atol=1e-6)


def test_deviations_of_unrelated_maps_correlate_by_minus_1_over_n_minus_1():
    maps = random_maps(np.random.default_rng(1), 8, 20_000)
    r = deviation_correlations_of(maps)
    np.testing.assert_allclose(r[~np.eye(8, dtype=bool)], -1 / 7, atol=0.03)


def test_equal_maps_have_no_deviations_to_correlate():
    maps = np.repeat(np.random.default_rng(2).normal(size=(1, 200)), 7, axis=0)
    np.testing.assert_allclose(correlations_of(maps), 1)
    assert np.isnan(deviation_correlations_of(maps)).all()


def test_rows_without_values_or_constant_have_no_correlation():
    maps = random_maps(np.random.default_rng(3), 5)
    maps[1], maps[3] = 0, 0.1
    r = correlations_of(maps)
    is_valid = np.array([True, False, True, False, True])
    np.testing.assert_array_equal(np.isfinite(r), np.outer(is_valid, is_valid))
    np.testing.assert_allclose(r[np.ix_(is_valid, is_valid)], np.corrcoef(maps[is_valid]), atol=1e-6)


def test_a_row_that_is_constant_over_the_common_voxels_has_no_correlation():
    maps = np.random.default_rng(5).normal(size=(2, 50))
    maps[0, :30], maps[1, 30:] = 0.3, np.nan
    r = correlations_of(maps)
    assert np.isnan([r[0, 1], r[1, 0]]).all()
    assert r[0, 0] == r[1, 1] == 1


def test_rows_that_start_to_have_values_in_a_later_chunk_are_correlated():
    maps = random_maps(np.random.default_rng(4), 3, offset=0).astype(np.float64) + 1e5
    maps[1, :150] = np.nan
    np.testing.assert_allclose(correlations_of(maps, 4), pairwise(maps), atol=1e-6)


def test_common_voxels_are_counted():
    similarity = SimilarityAccumulator(2)
    similarity.add(deviations_from_mean(np.array([[1.0, 2, 0, 4], [1, np.nan, 3, 4]])))
    np.testing.assert_array_equal(similarity.n_common, [[3, 2], [2, 3]])


def test_no_voxels_give_no_correlations():
    assert np.isnan(SimilarityAccumulator(3).correlations()).all()


def test_another_number_of_maps_is_refused():
    maps = deviations_from_mean(np.ones((2, 5)))
    with pytest.raises(ValueError, match=r"\(2, 2\) maps instead of \(3, 3\)"):
        SimilarityAccumulator(3).add(maps)
    with pytest.raises(ValueError, match="maps instead of"):
        SimilarityAccumulator(2).add(maps, maps)


@pytest.mark.parametrize("offset", [0, 1000])
def test_maps_of_two_sessions_are_correlated_and_each_mean_is_subtracted(offset):
    rng = np.random.default_rng(6)
    first = random_maps(rng, 4, offset=offset)
    second = first[:3] + random_maps(rng, 3)
    first[0, :20], second[1, 10:40] = 0, np.nan
    similarity = similarity_of(first, 4, second)
    x, y = np.where(first == 0, np.nan, first).astype(np.float64), second.astype(np.float64)
    np.testing.assert_allclose(similarity.correlations(), pairwise(np.vstack([x, y]))[:4, 4:], atol=1e-5)
    rest = np.vstack([x - np.nanmean(x, axis=0), y - np.nanmean(y, axis=0)])
    np.testing.assert_allclose(similarity.deviation_correlations(), pairwise(rest)[:4, 4:], atol=1e-5)
