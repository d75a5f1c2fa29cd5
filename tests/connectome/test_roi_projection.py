"""From ROI maps to the matrix that makes ROI series."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.connectome.roi_projection import read_roi_maps, roi_projection
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import CROP, FULL_MODEL_GRID, MODEL_GRID, OUTPUT_GRID, model_to_output
from tests.golden_files import golden_arrays

SEEDS = st.integers(0, 2**32 - 1)


def maps_of(seed, n_rois=4, n_voxels=60):
    return np.random.default_rng(seed).standard_normal((n_rois, n_voxels))


def test_roi_series_are_the_published_ones():
    golden = golden_arrays("preprocessing")
    voxels = golden["data2d"].astype(np.float64)
    series = (voxels - voxels.mean(axis=0)) @ roi_projection(golden["ica2d"]).T
    np.testing.assert_allclose(series, golden["ts"], rtol=1e-5, atol=1e-5 * golden["ts"].std())


@given(seed=SEEDS)
def test_it_is_the_pseudo_inverse_of_the_demeaned_maps(seed):
    maps = maps_of(seed)
    expected = np.linalg.pinv(maps - maps.mean(axis=1, keepdims=True)).T
    np.testing.assert_allclose(roi_projection(maps), expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@given(seed=SEEDS, offset=st.floats(-1e3, 1e3))
def test_a_volume_made_of_the_maps_gives_back_its_amounts_whatever_its_mean(seed, offset):
    maps, amounts = maps_of(seed), np.random.default_rng(seed + 1).standard_normal(4)
    volume = amounts @ (maps - maps.mean(axis=1, keepdims=True)) + offset
    np.testing.assert_allclose(roi_projection(maps) @ volume, amounts, atol=1e-8)


@given(seed=SEEDS, scale=st.floats(1e-6, 1e6), offset=st.floats(-1e3, 1e3))
def test_the_unit_of_a_map_scales_its_series_and_no_other(seed, scale, offset):
    maps = maps_of(seed)
    changed = maps.copy()
    changed[1] = changed[1] * scale + offset * scale
    expected = roi_projection(maps)
    expected[1] /= scale
    np.testing.assert_allclose(
        roi_projection(changed), expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max()
    )


@given(seed=SEEDS)
def test_the_maps_are_left_as_they_were(seed):
    maps = maps_of(seed)
    roi_projection(maps)
    np.testing.assert_array_equal(maps, maps_of(seed))


@given(seed=SEEDS, weight=st.floats(0.1, 10))
def test_maps_that_repeat_others_are_refused(seed, weight):
    maps = maps_of(seed)
    maps[3] = maps[0] - weight * maps[1] + 7
    with pytest.raises(UserError, match="condition number"):
        roi_projection(maps)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, np.nan, np.inf])
def test_maps_without_contrast_are_refused_by_number(value):
    maps = maps_of(0)
    maps[2] = value
    with pytest.raises(UserError, match="ROI maps 3 of 4 are constant or not finite"):
        roi_projection(maps)


@pytest.fixture(scope="module")
def volumes():
    return np.random.default_rng(5).integers(-100, 100, (2, *MODEL_GRID.shape)).astype(np.int16)


def write(path, maps, affine, slope=1.0):
    image = nib.Nifti1Image(np.moveaxis(maps, 0, 3), np.array(affine))
    image.header.set_slope_inter(slope, 0)
    nib.save(image, path)
    return path


def on_larger_grid(volumes, grid):
    if grid == OUTPUT_GRID:
        return model_to_output(volumes)
    full = np.zeros((len(volumes), *grid.shape), volumes.dtype)
    full[(..., *CROP) if grid == FULL_MODEL_GRID else ...] = volumes
    return full


@pytest.mark.parametrize("grid", [MODEL_GRID, FULL_MODEL_GRID, OUTPUT_GRID], ids=["crop", "las", "ras"])
def test_maps_are_read_to_the_same_voxels_from_every_grid_of_the_same_points(tmp_path, volumes, grid):
    mask = np.zeros(MODEL_GRID.shape, bool)
    mask[3:70, 5:80, 2:60] = True
    path = write(tmp_path / "maps.nii", on_larger_grid(volumes, grid), grid.affine)
    np.testing.assert_array_equal(read_roi_maps(path, mask), volumes[:, mask])


def test_stored_integers_are_scaled(tmp_path, volumes):
    mask = volumes[0] > 50
    path = tmp_path / "maps.nii.gz"
    image = nib.Nifti1Image(np.moveaxis(volumes * 0.25, 0, 3), np.array(MODEL_GRID.affine))
    image.set_data_dtype(np.int16)
    nib.save(image, path)
    assert nib.load(path).dataobj.slope != 1
    np.testing.assert_allclose(read_roi_maps(path, mask), volumes[:, mask] * 0.25, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((26, 31, 26), np.diag([-6.0, 6, 6, 1])),
        (MODEL_GRID.shape, np.array(MODEL_GRID.affine) + np.outer([1, 1, 1, 0], [0, 0, 0, 1])),
        ((40, 93, 78), np.array(MODEL_GRID.affine)),
    ],
    ids=["coarse", "shifted by half a voxel", "not the whole brain"],
)
def test_maps_on_another_grid_are_refused(tmp_path, shape, affine):
    path = write(tmp_path / "maps.nii", np.ones((2, *shape), np.int16), affine)
    mask = np.zeros(MODEL_GRID.shape, bool)
    mask[5:70] = True
    with pytest.raises(UserError, match="which is not the model's grid"):
        read_roi_maps(path, mask)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_order_of_voxels_does_not_matter(seed):
    maps, order = maps_of(seed), np.random.default_rng(seed).permutation(60)
    np.testing.assert_allclose(roi_projection(maps[:, order]), roi_projection(maps)[:, order], atol=1e-12)
