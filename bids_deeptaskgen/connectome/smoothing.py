"""Gaussian smoothing of single volumes, inside the brain only."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import Grid, Sampler
from bids_deeptaskgen.io.nifti_reader import NiftiSeries

# Full width at half maximum of a Gaussian with a standard deviation of 1.
FWHM_PER_SD = float(np.sqrt(8 * np.log(2)))

Volume = NDArray[np.float32]


def smooth(volume: Volume, inside: NDArray[np.bool_], grid: Grid, fwhm_mm: float) -> Volume:
    """Smooth a volume whose outside counts as zero.

    As ``nilearn.image.smooth_img`` of the masked image does. That voxels near the border lose strength is
    no harm to a correlation.

    Parameters
    ----------
    volume : float32 array of grid's shape
    inside : boolean array of grid's shape
        What is outside enters nothing.
    grid : Grid
    fwhm_mm : float
        Full width at half maximum of the kernel.

    Returns
    -------
    float32 array of grid's shape
        NaN where `volume` is not finite inside; those voxels do not spread.
    """
    from scipy.ndimage import gaussian_filter  # a tenth of a second, and most runs do not smooth

    finite = np.isfinite(volume)
    sd_voxels = fwhm_mm / FWHM_PER_SD / np.array(grid.voxel_sizes_mm)
    smoothed = gaussian_filter(np.where(inside & finite, volume, 0), sd_voxels)
    smoothed[inside & ~finite] = np.nan
    return np.asarray(smoothed, dtype=np.float32)


def make_smoother(
    series: NiftiSeries, sampler: Sampler, fwhm_mm: float
) -> Callable[[NDArray[np.generic]], NDArray[np.float32]]:
    """Make a function that turns a stored volume into a scaled and smoothed one.

    Parameters
    ----------
    series : NiftiSeries
    sampler : Sampler
        What it reads counts as the brain.
    fwhm_mm : float

    Returns
    -------
    callable
        From and to a flat volume, i fastest.
    """
    shape = series.grid.shape
    inside = np.zeros(int(np.prod(shape)), dtype=bool)
    inside[sampler.corners.ravel()] = True
    brain = inside.reshape(shape, order="F")

    def smoother(stored: NDArray[np.generic]) -> NDArray[np.float32]:
        volume = stored.astype(np.float32).reshape(shape, order="F")
        volume = volume * np.float32(series.slope) + np.float32(series.inter)
        return smooth(volume, brain, series.grid, fwhm_mm).ravel(order="F")

    return smoother
