"""Laws of the one-pass connectome, against plain whole-array float64."""

import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bids_deeptaskgen.connectome import accumulator as connectome
from bids_deeptaskgen.connectome.accumulator import (
    Accumulator,
    correlate_windows,
    product_sizes,
    window_bounds,
)
from bids_deeptaskgen.connectome.regressors import make_basis
from bids_deeptaskgen.connectome.roi_projection import roi_projection
from bids_deeptaskgen.connectome.run_pooling import pool_runs

GOLDEN = Path(__file__).parents[1] / "golden"


def signals(n_volumes, n_voxels):
    return arrays(np.float64, (n_volumes, n_voxels), elements=st.floats(-100, 100, width=32))


def correlate_reference(voxels, projection, regressors, n_windows):
    """Clean the whole array, then correlate window by window: the oracle."""
    rois = voxels @ projection.T
    design = np.column_stack([np.ones(len(voxels)), regressors])
    clean = [y - design @ np.linalg.lstsq(design, y, rcond=None)[0] for y in (voxels, rois)]
    bounds = window_bounds(len(voxels), n_windows)
    result = []
    for first, last in zip(bounds[:-1], bounds[1:], strict=True):
        y, t = (part[first:last] - part[first:last].mean(axis=0) for part in clean)
        with np.errstate(all="ignore"):
            result.append((t.T @ y) / np.sqrt(np.outer((t**2).sum(0), (y**2).sum(0))))
    return np.nan_to_num(np.stack(result))


def make(seed, n_volumes=120, n_voxels=300, n_rois=6, n_regressors=10):
    """Simulate a run of realistic proportions: large mean; drifts and motion far above the signal."""
    rng = np.random.default_rng(seed)
    regressors = np.cumsum(rng.standard_normal((n_volumes, n_regressors)), axis=0)
    maps = rng.standard_normal((n_rois, n_voxels))
    sources = rng.standard_normal((n_volumes, n_rois))
    voxels = sources @ maps + rng.standard_normal((n_volumes, n_voxels))
    voxels = 8000 + 10 * voxels + 30 * regressors @ rng.standard_normal((n_regressors, n_voxels))
    return voxels.astype(np.float32), roi_projection(maps), regressors


def design_basis(regressors, kept_volumes):
    return make_basis(regressors, kept_volumes)


@pytest.mark.parametrize("n_windows", [1, 3, 8])
@pytest.mark.parametrize("n_regressors", [0, 10, 30])
def test_one_pass_equals_the_whole_array_with_cleaning_censoring_and_windows(n_windows, n_regressors):
    voxels, projection, regressors = make(0, n_regressors=n_regressors)
    kept_volumes = np.flatnonzero(np.random.default_rng(1).random(len(voxels)) > 0.2)
    result = correlate_windows(
        voxels[kept_volumes], projection, design_basis(regressors, kept_volumes), n_windows
    )
    expected = correlate_reference(
        voxels[kept_volumes].astype(float), projection, regressors[kept_volumes], n_windows
    )
    np.testing.assert_allclose(result.connectome, expected, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 5))
def test_splitting_a_run_into_blocks_does_not_matter(seed, sizes, n_windows):
    voxels, projection, regressors = make(seed, n_voxels=40)
    basis = design_basis(regressors, np.arange(len(voxels)))
    single_block = correlate_windows(voxels, projection, basis, n_windows)
    split = Accumulator(projection, basis, n_windows)
    for block in np.split(voxels, np.cumsum(sizes)):
        if len(block):
            split.add(block.astype(float))
    parts = split.finish()
    np.testing.assert_allclose(parts.connectome, single_block.connectome, atol=1e-7)
    np.testing.assert_allclose(parts.mean, single_block.mean)
    np.testing.assert_allclose(parts.sd, single_block.sd)


@settings(max_examples=50, deadline=None)
@given(signals(12, 5), st.floats(0.1, 1000), st.floats(-1e4, 1e4))
def test_gain_and_offset_do_not_matter(voxels, gain, offset):
    # What varies less than the data could hold beside the offset is not a signal.
    voxels = np.round(voxels, 3)
    projection = np.random.default_rng(0).standard_normal((3, 5))
    projection -= projection.mean(axis=1, keepdims=True)
    basis = np.full((12, 1), 1 / np.sqrt(12))
    original = correlate_windows(voxels, projection, basis)
    transformed = correlate_windows(gain * voxels + offset, projection, basis)
    reliable = (original.sd > 1e-3)[None] & (original.rois.std(axis=0) > 1e-3)[:, None]
    np.testing.assert_allclose(
        transformed.connectome[0][reliable], original.connectome[0][reliable], atol=1e-6
    )


def test_a_regressor_added_to_the_data_does_not_matter():
    voxels, projection, regressors = make(3)
    basis = design_basis(regressors, np.arange(len(voxels)))
    drifted = voxels + 500 * regressors @ np.ones((regressors.shape[1], voxels.shape[1]))
    original = correlate_windows(voxels, projection, basis, 2).connectome
    transformed = correlate_windows(drifted, projection, basis, 2).connectome
    np.testing.assert_allclose(transformed, original, atol=1e-6)


def test_constant_unfinished_and_explained_voxels_are_zero_and_named():
    voxels, projection, regressors = make(4)
    voxels[:, 0] = 1234.5678
    voxels[:, 1] = 0
    voxels[7, 2] = np.nan
    voxels = voxels.astype(float)
    voxels[:, 3] = 100 + 5 * regressors[:, 0]
    result = correlate_windows(voxels, projection, design_basis(regressors, np.arange(len(voxels))))
    assert np.flatnonzero(~result.has_signal).tolist() == [0, 1, 2, 3]
    assert not result.connectome[:, :, :4].any()
    assert np.isfinite(result.connectome).all()
    assert result.connectome[:, :, 4:].any(axis=1).all()


def test_voxels_in_many_parts_give_what_one_part_gives(monkeypatch):
    voxels, projection, regressors = make(8)
    voxels[30, 250] = np.inf
    basis = design_basis(regressors, np.arange(len(voxels)))
    single_part = correlate_windows(voxels, projection, basis, 3)
    monkeypatch.setattr(connectome, "N_PER_PART", 64)
    several_parts = correlate_windows(voxels, projection, basis, 3)
    np.testing.assert_allclose(several_parts.connectome, single_part.connectome, atol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(~several_parts.has_signal), [250])
    np.testing.assert_allclose(several_parts.mean, single_part.mean)
    np.testing.assert_allclose(several_parts.sd, single_part.sd)


def test_a_value_that_is_not_finite_adds_nothing_to_the_roi_series():
    voxels, projection, regressors = make(9)
    basis = design_basis(regressors, np.arange(len(voxels)))
    constant, holed = voxels.copy(), voxels.copy()
    constant[:, 5] = 8000
    holed[:, 5] = 8000
    holed[17, 5] = np.nan
    expected, result = (correlate_windows(values, projection, basis) for values in (constant, holed))
    np.testing.assert_allclose(result.connectome, expected.connectome, atol=1e-6)


@pytest.mark.parametrize(
    ("n_kept", "n_windows", "sizes"),
    [
        (2, 1, [2]),
        (64, 1, [64]),
        (65, 1, [32, 33]),
        (490, 8, [61, 61, 61, 62, 61, 61, 61, 62]),
        (300, 2, [50] * 6),
    ],
)
def test_products_are_of_nearly_equal_size_and_of_one_window(n_kept, n_windows, sizes):
    assert product_sizes(n_kept, n_windows) == sizes


def test_mean_and_sd_come_from_the_same_pass():
    voxels, projection, regressors = make(5)
    result = correlate_windows(voxels, projection, design_basis(regressors, np.arange(len(voxels))), 3)
    np.testing.assert_allclose(result.mean, voxels.mean(axis=0, dtype=float))
    np.testing.assert_allclose(result.sd, voxels.std(axis=0, ddof=1, dtype=float))


def test_runs_are_pooled_by_their_volumes_over_the_runs_that_see_a_voxel():
    voxels, projection, _ = make(6)
    voxels[80:, 0] = 5.0
    runs = []
    for rows in (slice(0, 80), slice(80, 120)):
        n = rows.stop - rows.start
        runs.append(correlate_windows(voxels[rows], projection, np.full((n, 1), 1 / np.sqrt(n))))
    connectomes, statistics = pool_runs(iter(runs), 2)
    assert [len(run.rois) for run in statistics] == [80, 40]
    expected = (80 * runs[0].connectome + 40 * runs[1].connectome) / 120
    np.testing.assert_allclose(connectomes[..., 1:], expected[..., 1:], atol=1e-7)
    np.testing.assert_allclose(connectomes[..., 0], runs[0].connectome[..., 0], atol=1e-7)


def test_runs_with_windows_give_a_connectome_for_each_window_of_each_run():
    voxels, projection, regressors = make(7)
    basis = design_basis(regressors, np.arange(len(voxels)))
    run = correlate_windows(voxels, projection, basis, 4)
    assert pool_runs([run, run], 2)[0].shape == (8, *run.connectome.shape[1:])


def test_a_window_needs_two_volumes():
    with pytest.raises(ValueError, match="5 volumes cannot be split into 3"):
        window_bounds(5, 3)


def test_a_run_that_ends_early_is_not_finished():
    accumulator = Accumulator(np.eye(3), np.full((4, 1), 0.5))
    accumulator.add(np.ones((3, 3)))
    with pytest.raises(ValueError, match="3 volumes were added; the design has 4 rows"):
        accumulator.finish()


def golden_run():
    """Load the published preprocessing of a small image: masked voxels, maps, series, connectomes."""
    golden = np.load(GOLDEN / "preprocessing.npz")
    mask = golden["mask_crop"] > 0
    return golden, mask, roi_projection(golden["ica2d"].astype(float))


def test_roi_series_are_the_published_ones():
    golden, _, projection = golden_run()
    data = golden["data2d"].astype(float)
    result = correlate_windows(data, projection, np.full((len(data), 1), 1 / np.sqrt(len(data)))).rois
    scale = np.abs(golden["ts"]).max()
    np.testing.assert_allclose(result, golden["ts"], atol=1e-5 * scale)


def test_a_connectome_of_one_run_is_the_published_one():
    golden, mask, projection = golden_run()
    data = golden["data2d"].astype(float)
    result = correlate_windows(data, projection, np.full((len(data), 1), 1 / np.sqrt(len(data))))
    np.testing.assert_allclose(result.connectome[0], golden["rsfc_single"][:, mask], atol=1e-6)


def test_eight_windows_of_four_runs_are_the_published_ones():
    golden, mask, projection = golden_run()
    data = golden["data2d"].astype(float)
    basis = np.full((20, 1), 1 / np.sqrt(20))
    runs = [correlate_windows(data[20 * i : 20 * (i + 1)], projection, basis, 2) for i in range(4)]
    np.testing.assert_allclose(pool_runs(runs, 4)[0], golden["rsfc_hcpya_8samples"][:, :, mask], atol=1e-6)


def test_the_windows_of_a_run_are_let_go_before_the_next_run_is_made():
    voxels, projection, regressors = make(10)
    basis = design_basis(regressors, np.arange(len(voxels)))
    alive = []

    def runs():
        for _ in range(3):
            assert [reference() for reference in alive] == [None] * len(alive)
            run = correlate_windows(voxels, projection, basis, 2)
            alive.append(weakref.ref(run.connectome))
            yield run
            del run

    assert len(pool_runs(runs(), 3)[0]) == 6
