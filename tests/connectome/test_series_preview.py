"""Preview of a run whose values follow by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from bids_deeptaskgen.connectome.axial_slices import slice_indices, take_slices
from bids_deeptaskgen.connectome.data_checks.observer import Places
from bids_deeptaskgen.connectome.series_preview import SeriesPreviewer, draw_carpet
from bids_deeptaskgen.grid import OUTPUT_GRID, Grid, make_sampler

GRID = Grid.from_image((23, 28, 23), np.diag([8.0, 8, 8, 1]) + np.outer([1, 1, 1, 0], [0, 0, 0, 1]) * -90)
N_VOLUMES = 40


def plan_of(mask, grey, *, slope=1.0, inter=0.0, n_dummies=0, fd_mm=None, kept_volumes=None):
    """Return the attributes of a prepared run that a preview reads."""
    flat = np.flatnonzero(grey.ravel(order="F"))
    is_dummy = np.arange(N_VOLUMES) < n_dummies
    return SimpleNamespace(
        inputs=SimpleNamespace(name="run-2", entities=(("run", "2"),)),
        series=SimpleNamespace(grid=GRID, n_volumes=N_VOLUMES),
        places=Places(GRID.shape, (8.0, 8.0, 8.0), mask, flat, slope, inter),
        sampler=SimpleNamespace(is_covered=np.ones(len(flat), bool), nearest_voxels=flat),
        is_dummy=is_dummy,
        kept_volumes=np.flatnonzero(~is_dummy) if kept_volumes is None else kept_volumes,
        fd_mm=fd_mm,
    )


def preview(data, plan):
    previewer = SeriesPreviewer(plan, np.ones(len(plan.places.model_voxels), bool))
    volumes = [volume.ravel(order="F") for volume in data]
    assert all(a is b for a, b in zip(volumes, previewer.watch(volumes), strict=True))
    return previewer.finish()


@pytest.fixture
def masks():
    mask = np.zeros(GRID.shape, bool)
    mask[4:20, 4:24, 2:20] = True
    grey = np.zeros(GRID.shape, bool)
    grey[4:12, 4:24, 2:20] = True
    return mask, grey


def series(level=1000.0, sd=10.0, seed=0):
    rng = np.random.default_rng(seed)
    return level + sd * rng.standard_normal((N_VOLUMES, *GRID.shape))


def test_the_mean_shows_what_lies_outside_the_mask_on_the_slices_of_the_page(masks):
    data = series(sd=0.0)
    data[:, 21, 10, 10] = 500.0
    result = preview(data, plan_of(*masks))
    indices = slice_indices(GRID)
    assert result.mean.shape == result.mask.shape == (12, *OUTPUT_GRID.shape[1::-1])
    volume = np.rint(data[0] * 255 / 1000)
    np.testing.assert_array_equal(result.mean, take_slices(volume, indices))
    np.testing.assert_array_equal(result.mask, take_slices(masks[0], indices))
    assert (result.mean == 128).any()


def test_the_traces_are_of_all_volumes_in_units_of_the_data(masks):
    is_high = np.arange(N_VOLUMES) % 2
    stored = np.broadcast_to((10 + is_high)[:, None, None, None], (N_VOLUMES, *GRID.shape)).astype(np.int16)
    fd_mm = np.full(N_VOLUMES, 0.2)
    plan = plan_of(*masks, slope=2.0, inter=80.0, n_dummies=2, fd_mm=fd_mm, kept_volumes=np.arange(4, 30))
    result = preview(stored, plan)
    np.testing.assert_allclose(result.global_signal, 100 + 2 * is_high)
    assert np.isnan(result.dvars[0])
    np.testing.assert_allclose(result.dvars[1:], 200 / 101)
    assert np.isnan(result.fd_mm[0])
    assert fd_mm[0] == 0.2
    assert result.is_kept.sum() == 26
    assert result.is_dummy.sum() == 2
    assert result.name == "run-2"


def test_a_demeaned_series_shows_its_change_and_has_no_dvars_in_percent(masks):
    data = series(level=0.0)
    data[:, ~masks[0]] = 0
    result = preview(data, plan_of(*masks))
    assert result.dvars is None
    assert result.fd_mm is None
    assert (result.mean[result.mask] > 40).mean() > 0.95
    assert not result.mean[~result.mask].any()
    assert result.is_demeaned
    assert not preview(series(), plan_of(*masks)).is_demeaned


def test_values_that_are_not_finite_do_not_spread(masks):
    data = series()
    data[3, 8, 8, 8] = np.nan
    data[:, 9, 9, 9] = np.inf
    result = preview(data, plan_of(*masks))
    assert np.isfinite(result.global_signal).all()
    assert np.isfinite(result.dvars[1:]).all()


def test_the_carpet_has_grey_matter_above_the_rest(masks):
    data = series()
    wave = np.sin(np.arange(N_VOLUMES))
    data[:, masks[1]] += 100 * wave[:, None]
    result = preview(data, plan_of(*masks))
    (grey, n_grey), (rest, n_rest) = result.carpet_groups
    assert (grey, rest) == ("grey matter", "rest of the brain")
    assert result.carpet.shape == (n_grey + n_rest, N_VOLUMES)
    assert n_grey + n_rest <= 220
    correlations = np.array([np.corrcoef(row, wave)[0, 1] for row in result.carpet])
    assert correlations[:n_grey].min() > 0.9
    assert np.abs(correlations[n_grey:]).max() < 0.7


@pytest.mark.parametrize("size_mm", [1.0, 3.0])
def test_the_tissues_of_the_carpet_do_not_depend_on_the_grid(size_mm):
    def rows_of(size_mm):
        n_voxels = round(48 / size_mm)
        offset = np.outer([1, 1, 1, 0], [0, 0, 0, 1]) * (size_mm - 1) / 2
        grid = Grid.from_image((n_voxels,) * 3, np.diag([size_mm] * 3 + [1]) + offset)
        points = np.stack(np.indices(grid.shape), axis=-1) * size_mm + (size_mm - 1) / 2
        is_brain = np.linalg.norm(points - 23.5, axis=-1) < 20
        return grid, is_brain, np.linalg.norm(points - 23.5, axis=-1) > 14

    model_grid, brain, outer = rows_of(2.0)
    grid, mask, _ = rows_of(size_mm)
    shares = []
    for source, source_mask in ((model_grid, brain), (grid, mask)):
        sampler = make_sampler(source, model_grid, brain).restrict_to(source_mask)
        plan = plan_of(source_mask, source_mask)
        plan.series.grid = source
        plan.places = Places(source.shape, source.voxel_sizes_mm, source_mask, np.arange(0))
        plan.sampler = sampler
        previewer = SeriesPreviewer(plan, outer[brain])
        groups = dict(previewer._groups)
        shares.append(groups["grey matter"] / sum(groups.values()))
    assert shares[1] == pytest.approx(shares[0], abs=0.05)


def test_a_trend_and_a_constant_are_flat_in_the_carpet_and_dummies_are_ignored():
    times = np.arange(50.0)
    rows = np.stack([3 * times, np.full(50, 7.0), np.sin(times) + times], axis=1)
    is_dummy = times < 3
    rows[:3] += 1000
    carpet = draw_carpet(rows, is_dummy)
    assert carpet[2, :3].min() == 255
    assert (np.abs(carpet[:2].astype(int) - 128) <= 1).all()
    residuals = carpet[2, 3:].astype(float) - 127.5
    assert np.corrcoef(residuals, np.sin(times[3:]))[0, 1] > 0.98


@pytest.mark.parametrize("n_volumes", [999, 1000, 1001, 2400])
def test_a_carpet_has_at_most_1000_columns(n_volumes):
    rows = np.random.default_rng(0).standard_normal((n_volumes, 3))
    assert draw_carpet(rows, np.zeros(n_volumes, bool)).shape == (3, min(n_volumes, 1000))
