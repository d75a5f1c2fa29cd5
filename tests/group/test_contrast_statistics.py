"""Statistics of a contrast from chunks of voxels equal those of whole maps."""

from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.contrast_statistics import Request, compute_statistics, correlate_blocks
from bids_deeptaskgen.group.pairs import MapPair
from bids_deeptaskgen.io.voxel_rows import VoxelRows
from bids_deeptaskgen.stats.map_similarity import SimilarityAccumulator
from tests.group.dataset import BLOCK, SHAPE

N = 7


@pytest.fixture
def maps():
    """Return seven participants, and two sessions of each; some voxels lack values."""
    rng = np.random.default_rng(0)
    sessions = 2 + rng.standard_normal((N, 1, *SHAPE)) + 0.3 * rng.standard_normal((N, 2, *SHAPE))
    sessions[2, :, :2] = 0
    return np.concatenate([sessions.mean(axis=1), sessions[:, 0], sessions[:, 1]]).astype(np.float32)


@pytest.fixture(params=[100, 10_000])
def rows(request, maps, tmp_path):
    with VoxelRows(tmp_path / "rows", len(maps), OUTPUT_GRID.shape, request.param) as rows:
        for number, values in enumerate(maps):
            volume = np.zeros(OUTPUT_GRID.shape, np.float32)
            volume[BLOCK] = values
            rows.write(number, volume)
        yield rows


def test_statistics_do_not_depend_on_chunks(maps, rows):
    fd = np.arange(N) ** 1.5
    fd[4] = np.nan
    parcels = np.zeros(OUTPUT_GRID.shape, int)
    parcels[BLOCK][:4], parcels[BLOCK][4:] = 1, 3
    pair = MapPair("a and b", tuple("abcdefg"), np.arange(N, 2 * N), np.arange(2 * N, 3 * N))
    result = compute_statistics(rows, Request(N, fd, np.array([0, 1, 3]), [pair], parcels))
    participants = np.where(maps[:N] == 0, np.nan, maps[:N]).reshape(N, -1)
    np.testing.assert_allclose(result.mean[BLOCK].ravel(), np.nanmean(participants, axis=0), rtol=1e-5)
    np.testing.assert_allclose(result.sd[BLOCK].ravel(), np.nanstd(participants, axis=0, ddof=1), rtol=1e-4)
    assert set(np.unique(result.count)) == {0, 6, 7}
    has_fd = [number for number in range(N) if number not in (2, 4)]
    expected = np.corrcoef(fd[has_fd], participants[has_fd, 0])[0, 1]
    assert result.fd_r[BLOCK].ravel()[0] == pytest.approx(expected, abs=1e-5)
    assert (result.fd_n[BLOCK].ravel()[0], result.fd_n[BLOCK].ravel()[-1]) == (5, 6)
    np.testing.assert_allclose(result.similarity, np.corrcoef(participants[[0, 1, 3]]), atol=1e-5)
    assert result.roi_means.shape == (3 * N, 3)
    assert np.isnan(result.roi_means[:, 1]).all()
    np.testing.assert_allclose(result.roi_means[0, 0], maps[0, :4].mean(), rtol=1e-5)
    # Voxels without values do not count.
    np.testing.assert_allclose(result.roi_means[2, 0], maps[2, 2:4].mean(), rtol=1e-5)
    expected, deviations = correlate_blocks(maps[N : 2 * N].reshape(N, -1), maps[2 * N :].reshape(N, -1))
    np.testing.assert_allclose(result.pair_r[0], expected, atol=1e-5)
    np.testing.assert_allclose(result.pair_r_deviations[0], deviations, atol=1e-5)


def test_rows_without_map_change_nothing_for_the_others(maps, tmp_path, monkeypatch):
    maps[5] = maps[N + 5] = maps[2 * N + 3] = 0
    written_rows = {*range(3 * N)} - {5, N + 5, 2 * N + 3}
    pair = MapPair("a and b", tuple("abcdefg"), np.arange(N, 2 * N), np.arange(2 * N, 3 * N))
    request = Request(N, np.arange(N) ** 1.5, np.arange(N), [pair])
    n_partial = []
    add_partial = SimilarityAccumulator._add_partial
    monkeypatch.setattr(
        SimilarityAccumulator,
        "_add_partial",
        lambda self, x, y: n_partial.append(x.values.shape[1]) or add_partial(self, x, y),
    )
    with VoxelRows(tmp_path / "rows", len(maps), OUTPUT_GRID.shape) as rows:
        for number in written_rows:
            volume = np.zeros(OUTPUT_GRID.shape, np.float32)
            volume[BLOCK] = maps[number]
            rows.write(number, volume)
        everything = compute_statistics(rows, request)
        n_partial.clear()
        result = compute_statistics(rows, request, written_rows)
        sample = compute_statistics(rows, replace(request, sample=np.array([1, 5, 6])), written_rows)
    # Participant 2 lacks the first two planes of both sessions, others lack no voxel.
    assert set(n_partial) == {2 * SHAPE[1] * SHAPE[2]}
    for name in ("mean", "sd", "count", "fd_r", "fd_n", "similarity", "similarity_deviations"):
        np.testing.assert_allclose(getattr(result, name), getattr(everything, name), rtol=1e-5, atol=1e-6)
    for name in ("pair_r", "pair_r_deviations"):
        np.testing.assert_allclose(getattr(result, name)[0], getattr(everything, name)[0], atol=1e-5)
    assert np.isnan(result.similarity[5]).all()
    assert np.isnan(result.pair_r[0][5]).all()
    assert np.isnan(result.pair_r[0][:, 3]).all()
    np.testing.assert_allclose(sample.similarity, result.similarity[np.ix_([1, 5, 6], [1, 5, 6])], atol=1e-6)


def test_no_motion_gives_no_correlation(rows):
    result = compute_statistics(rows, Request(N, None, np.arange(N)))
    assert np.isnan(result.fd_r).all()
    assert not result.fd_n.any()
    assert result.roi_means is None
    assert result.pair_r == []


def test_halves_are_correlated_in_blocks_with_values_of_both():
    rng = np.random.default_rng(0)
    first = rng.standard_normal((3, 50)).astype(np.float32)
    second = first + 0.1 * rng.standard_normal((3, 50)).astype(np.float32)
    first[1, :10] = np.nan
    r, deviations = correlate_blocks(first, second)
    assert r[1, 2] == pytest.approx(np.corrcoef(first[1, 10:], second[2, 10:])[0, 1], abs=1e-5)
    assert r[0, 0] == pytest.approx(np.corrcoef(first[0], second[0])[0, 1], abs=1e-5)
    assert (np.diagonal(deviations) > 0.9).all()
    assert deviations[0, 1] < 0
