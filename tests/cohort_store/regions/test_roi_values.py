"""Values of maps in regions are those of loops over voxels, and of nilearn."""

import warnings

import nibabel as nib
import numpy as np
import pytest
from scipy.sparse import csr_array

from bids_deeptaskgen.cohort_store.atlases.atlas import Atlas
from bids_deeptaskgen.cohort_store.atlases.sources import load_atlas
from bids_deeptaskgen.cohort_store.regions.roi_values import region_values
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.nifti_reader import load_image
from tests.conftest import SHARED_DATA

ROIS = SHARED_DATA / "rois"
HARVARD_OXFORD = ROIS / "tpl-MNI152NLin6Asym_atlas-HarvardOxford_seg-threshold25_res-2_dseg.nii.gz"
MAPS = [
    SHARED_DATA / "statmaps" / f"{name}.nii.gz" for name in ("motor_lips", "narps-4965_9U7M-hypo1_unthresh")
]
SHAPE = (9, 10, 8)


def atlas_of(weights, total_weights=None, *, is_probabilistic=False):
    weights = np.asarray(weights, float)
    numbers = tuple(range(1, len(weights) + 1))
    names = tuple(f"label {number}" for number in numbers)
    totals = weights.sum(axis=1) if total_weights is None else np.asarray(total_weights, float)
    return Atlas("A", "a.nii", "", numbers, names, csr_array(weights), totals, is_probabilistic)


def make_labels(rng, n_regions=6):
    labels = rng.integers(0, n_regions + 1, SHAPE).astype(np.int16)
    mask = rng.random(SHAPE) < 0.7
    # The last region is outside the mask.
    mask[labels == n_regions] = False
    weights = np.array([(labels == number)[mask] for number in range(1, n_regions + 1)])
    totals = [(labels == number).sum() for number in range(1, n_regions + 1)]
    return labels, mask, atlas_of(weights, totals)


def loop_values(maps, atlas):
    """Compute the values region by region: mean, sd, n_voxels, coverage."""
    results = np.full((4, len(maps), len(atlas.numbers)), np.nan)
    for i, values in enumerate(maps.astype(np.float64)):
        for j, weights in enumerate(atlas.weights.toarray()):
            used = (weights > 0) & np.isfinite(values)
            share = weights[used].sum() / (atlas.total_weights[j] or 1)
            results[2:, i, j] = used.sum(), share
            if used.any():
                mean = np.average(values[used], weights=weights[used])
                results[0, i, j] = mean
                results[1, i, j] = np.sqrt(np.average((values[used] - mean) ** 2, weights=weights[used]))
    return results


@pytest.mark.parametrize("is_probabilistic", [False, True])
def test_all_contrasts_at_once_equal_a_loop_over_regions(is_probabilistic):
    rng = np.random.default_rng(0)
    _, mask, atlas = make_labels(rng)
    if is_probabilistic:
        # Regions that overlap, one of them without any weight.
        weights = np.where(rng.random((6, mask.sum())) < 0.4, rng.random((6, mask.sum())), 0)
        weights[3] = 0
        atlas = atlas_of(
            weights, [*weights.sum(axis=1)[:3] * 2, 0, *weights.sum(axis=1)[4:]], is_probabilistic=True
        )
    maps = (rng.normal(size=(5, mask.sum())) * 10.0 ** np.arange(-2, 3)[:, None] + 3).astype(np.float32)
    maps[rng.random(maps.shape) < 0.2] = np.nan
    maps[2] = np.nan
    expected = loop_values(maps, atlas)
    for values, loop in zip(region_values(maps, atlas), expected, strict=True):
        assert np.allclose(values, loop, rtol=1e-9, atol=1e-12, equal_nan=True)


def test_nothing_is_lost_to_the_mean_of_a_map():
    # In float32, or without subtraction of the mean, the squares of 1e6 hide deviations of 0.1.
    maps = (1e6 + np.arange(12).reshape(1, 12) % 4 * 0.125).astype(np.float32)
    for is_probabilistic in (False, True):
        values = region_values(maps, atlas_of(np.ones((1, 12)), is_probabilistic=is_probabilistic))
        assert values.sd[0, 0] == pytest.approx(np.std(maps.astype(np.float64)), rel=1e-9)


@pytest.mark.parametrize("is_probabilistic", [False, True])
def test_equal_values_have_no_deviation(is_probabilistic):
    atlas = atlas_of([[1, 1, 1, 0, 0], [0, 0, 0, 1, 0]], is_probabilistic=is_probabilistic)
    values = region_values(np.array([[5.1, 5.1, 5.1, 0.3, -9.7]], np.float32), atlas)
    assert values.sd.tolist() == [[0, 0]]


def test_regions_without_a_voxel_have_no_mean_and_coverage_0():
    atlas = atlas_of([[1, 1, 0], [0, 0, 1], [0, 0, 0]], [4, 1, 0])
    values = region_values(np.array([[1, 2, np.nan]]), atlas)
    assert np.isnan(values.mean[0]).tolist() == np.isnan(values.sd[0]).tolist() == [False, True, True]
    assert values.n_voxels.tolist() == [[2, 0, 0]]
    assert values.coverage.tolist() == [[0.5, 0, 0]]


def nilearn_values(labels_image, mask, maps, strategy):
    """Return nilearn's values of the regions with voxels in the mask."""
    from nilearn.maskers import NiftiLabelsMasker

    images = np.zeros((*mask.shape, len(maps)), maps.dtype)
    images[mask] = maps.T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masker = NiftiLabelsMasker(
            labels_image,
            mask_img=nib.Nifti1Image(mask.astype(np.uint8), labels_image.affine),
            strategy=strategy,
            keep_masked_labels=False,
            resampling_target=None,
        )
        return masker.fit_transform(nib.Nifti1Image(images, labels_image.affine))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("strategy", ["mean", "standard_deviation"])
def test_values_are_those_of_nilearn(strategy, dtype):
    # nilearn 0.14.1 rounds the values of float32 images to float32, and takes NaN for 0. nilearn 0.14.0
    # converts the values of integer images to integers (#6525), so the images here have floats.
    rng = np.random.default_rng(1)
    labels, mask, atlas = make_labels(rng)
    maps = rng.normal(size=(4, mask.sum())).astype(dtype) * 3 - 1
    values = region_values(maps, atlas)
    result = values.mean if strategy == "mean" else values.sd
    image = nib.Nifti1Image(labels, np.diag([2.0, 2, 2, 1]))
    nilearn = nilearn_values(image, mask, maps, strategy)
    tolerance = np.finfo(dtype).eps * np.abs(maps).max()
    # The last region is outside the mask: nilearn leaves it out.
    assert np.isnan(result[:, 5]).all()
    assert nilearn.shape == (4, 5)
    assert np.abs(nilearn - result[:, :5]).max() <= tolerance


@pytest.mark.skipif(not HARVARD_OXFORD.exists(), reason="real atlases and maps are not here")
def test_values_of_real_maps_are_those_of_nilearn():
    volumes = np.stack([load_image(path).values_on(OUTPUT_GRID) for path in MAPS])
    mask = (volumes != 0).all(axis=0) & np.isfinite(volumes).all(axis=0)
    maps = volumes[:, mask]
    values = region_values(maps, load_atlas(str(HARVARD_OXFORD), mask))
    for strategy, result in (("mean", values.mean), ("standard_deviation", values.sd)):
        nilearn = nilearn_values(nib.load(HARVARD_OXFORD), mask, maps, strategy)
        has_voxels = values.n_voxels[0] > 0
        assert np.abs(nilearn - result[:, has_voxels]).max() < 1e-6
