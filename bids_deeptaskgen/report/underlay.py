"""Anatomy behind the maps: MNI152 template on the slices, and its projections for the glass brain."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.report.participant_content import Bytes

# Finer than the maps.
SPACING_MM = 1


@lru_cache(maxsize=1)
def underlay_slices() -> Bytes:
    """Return the template on the slices, at 1 mm.

    Returns
    -------
    uint8 array of shape (n_slices, 217, 181)
        Pixel (2 i, 2 j) is at the position of pixel (i, j) of `connectome.axial_slices`; 0 outside the brain.
    """
    volume = _template()
    slices = [round((z - OUTPUT_GRID.matrix[2, 3]) / SPACING_MM) for z in SLICES_MM]
    return np.ascontiguousarray(volume[:, :, slices].transpose(2, 1, 0)[:, ::-1])


@lru_cache(maxsize=1)
def glass_underlay() -> tuple[Bytes, Bytes, Bytes]:
    """Return projections of the template.

    Returns
    -------
    tuple of three uint8 arrays
        Mean over the voxels of the brain along each axis, at 2 mm, in the order of `MapImages.glass`; 0
        outside the brain's outline.
    """
    volume = _template()[::2, ::2, ::2].astype(np.float64)
    images = []
    for axis in range(3):
        total, count = volume.sum(axis=axis), (volume > 0).sum(axis=axis)
        mean = np.where(count > 0, (total / np.maximum(count, 1)).clip(1, 255), 0)
        images.append(np.ascontiguousarray(mean.astype(np.uint8).T[::-1]))
    return images[0], images[1], images[2]


def _template() -> NDArray[np.uint8]:
    """Load the skull-stripped template on the box of ``OUTPUT_GRID``, at 1 mm, shape (181, 217, 181)."""
    from nilearn.datasets import load_mni152_template
    from scipy.ndimage import affine_transform

    image = load_mni152_template(resolution=SPACING_MM)
    target = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    target[:3, 3] = OUTPUT_GRID.matrix[:3, 3]
    to_source = np.linalg.inv(image.affine) @ target
    shape = tuple(round((n - 1) * 2 / SPACING_MM) + 1 for n in OUTPUT_GRID.shape)
    values = np.asarray(image.dataobj, np.float32)
    volume = affine_transform(values, to_source[:3, :3], to_source[:3, 3], shape, order=0)
    # The template's brightest voxels, vessels, are brighter than white matter.
    limit = np.quantile(volume[volume > 0], 0.995)
    return np.asarray(np.rint(volume * (255 / limit)).clip(0, 255), np.uint8)
