"""Smoothing inside the brain is nilearn's smoothing of the masked image."""

import nibabel as nib
import numpy as np
import pytest
from nilearn.image import smooth_img

from bids_deeptaskgen.connectome.smoothing import make_smoother, smooth
from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.io.nifti_reader import open_series

AFFINE = np.array([[-2, 0, 0, 20.0], [0, 3, 0, -30], [0, 0, 2.5, -10], [0, 0, 0, 1]])
SHAPE = (14, 12, 10)


@pytest.fixture
def volume():
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32) + 100


@pytest.fixture
def brain():
    mask = np.zeros(SHAPE, bool)
    mask[3:12, 2:10, 1:8] = True
    return mask


@pytest.mark.parametrize("fwhm_mm", [2, 5, 8.5])
def test_it_is_nilearns_smoothing_of_the_masked_image(volume, brain, fwhm_mm):
    smoothed = smooth(volume, brain, Grid.from_image(SHAPE, AFFINE), fwhm_mm)
    nilearn_smoothed = smooth_img(nib.Nifti1Image(np.where(brain, volume, 0), AFFINE), fwhm_mm).get_fdata()
    np.testing.assert_allclose(smoothed, nilearn_smoothed, rtol=2e-6, atol=2e-5)


def test_what_is_outside_the_brain_enters_nothing(volume, brain):
    grid = Grid.from_image(SHAPE, AFFINE)
    changed = np.where(brain, volume, np.nan)
    np.testing.assert_array_equal(smooth(volume, brain, grid, 6), smooth(changed, brain, grid, 6))


def test_a_voxel_that_is_no_number_does_not_spread(volume, brain):
    volume[5, 5, 5] = np.nan
    smoothed = smooth(volume, brain, Grid.from_image(SHAPE, AFFINE), 6)
    assert np.argwhere(~np.isfinite(smoothed)).tolist() == [[5, 5, 5]]


def test_stored_volumes_are_scaled_before_they_are_smoothed(tmp_path, volume, brain):
    stored_volume = np.round(volume * 10).astype(np.int16)
    image = nib.Nifti1Image(stored_volume[..., None].repeat(3, axis=3), AFFINE)
    image.header.set_slope_inter(0.1, -7)
    nib.save(image, tmp_path / "bold.nii")
    series = open_series(tmp_path / "bold.nii")

    class Sampler:
        corners = np.flatnonzero(brain.ravel(order="F"))[None]

    _, block = next(series.blocks(1))
    smoothed = make_smoother(series, Sampler(), 5)(block[0]).reshape(SHAPE, order="F")
    scaled = nib.load(tmp_path / "bold.nii").get_fdata()[..., 0]
    expected = smooth(scaled.astype(np.float32), brain, Grid.from_image(SHAPE, AFFINE), 5)
    np.testing.assert_allclose(smoothed, expected, rtol=1e-5, atol=1e-4)
