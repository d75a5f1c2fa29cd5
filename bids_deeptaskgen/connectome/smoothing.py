"""Gaussian smoothing of single volumes, inside the brain only."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import Grid, Sampler
from bids_deeptaskgen.io.nifti_reader import NiftiSeries

# Full width at half maximum of a Gaussian with a standard deviation of 1.
FWHM_PER_SD = float(np.sqrt(8 * np.log(2)))

Volume = NDArray[np.float32]


def smooth(volume: Volume, mask: NDArray[np.bool_], grid: Grid, fwhm_mm: float) -> Volume:
    """Smooth a volume; voxels outside the mask count as zero.

    Equals ``nilearn.image.smooth_img`` of the masked image. Voxels near the border lose amplitude, which
    does not affect correlations.

    Parameters
    ----------
    volume : float32 array of grid's shape
    mask : boolean array of grid's shape
        Brain mask; values outside it are ignored.
    grid : Grid
    fwhm_mm : float
        Full width at half maximum of the kernel.

    Returns
    -------
    float32 array of grid's shape
        NaN where `volume` is not finite in the mask; NaN does not spread to neighbours.
    """
    from scipy.ndimage import gaussian_filter  # takes 0.1 s, and most runs do not smooth

    finite = np.isfinite(volume)
    sd_voxels = fwhm_mm / FWHM_PER_SD / np.array(grid.voxel_sizes_mm)
    smoothed = gaussian_filter(np.where(mask & finite, volume, 0), sd_voxels)
    smoothed[mask & ~finite] = np.nan
    return np.asarray(smoothed, dtype=np.float32)


def make_smoother(
    series: NiftiSeries, sampler: Sampler, fwhm_mm: float
) -> Callable[[NDArray[np.generic]], NDArray[np.float32]]:
    """Return a function that scales and smooths a stored volume.

    Parameters
    ----------
    series : NiftiSeries
    sampler : Sampler
        The voxels that it reads form the brain mask.
    fwhm_mm : float

    Returns
    -------
    callable
        Takes and returns a flat volume, in Fortran order.
    """
    shape = series.grid.shape
    mask = np.zeros(int(np.prod(shape)), dtype=bool)
    mask[sampler.corners.ravel()] = True
    brain = mask.reshape(shape, order="F")

    def smoother(stored_volume: NDArray[np.generic]) -> NDArray[np.float32]:
        volume = stored_volume.astype(np.float32).reshape(shape, order="F")
        volume = volume * np.float32(series.slope) + np.float32(series.inter)
        return smooth(volume, brain, series.grid, fwhm_mm).ravel(order="F")

    return smoother
