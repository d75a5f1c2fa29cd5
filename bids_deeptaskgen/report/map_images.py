"""Images of a map as bytes: slices, projections and values on the cortical surface."""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.axial_slices import slice_indices, take_slices
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.report.participant_content import Bytes, MapImages
from bids_deeptaskgen.report.surface import SurfaceSampler

# Magnitudes above this quantile have the end colours, so that single voxels do not determine the scale.
LIMIT_QUANTILE = 0.995


def map_images(
    volume: NDArray[np.floating], sampler: SurfaceSampler, limit: float | None = None
) -> MapImages:
    """Create the images of a map.

    Parameters
    ----------
    volume : array of shape (91, 109, 91)
        On ``OUTPUT_GRID``. Values outside the sampler's mask are ignored.
    sampler : SurfaceSampler
        See `surface.make_surface_sampler`.
    limit : float, optional
        Magnitude that has the end colour; by default that of `colour_limit`.

    Returns
    -------
    MapImages
        Values that are not finite have byte 0.
    """
    limit = limit or colour_limit(volume[sampler.mask])
    encoded = np.where(sampler.mask, encode_signed(volume, limit), np.uint8(0))
    slices = take_slices(encoded, slice_indices(OUTPUT_GRID)).astype(np.uint8)
    return MapImages(limit, slices, project(encoded), encode_signed(sampler.sample(volume), limit))


def colour_limit(values: NDArray[np.floating]) -> float:
    """Compute the magnitude that has the end colour.

    Parameters
    ----------
    values : array
        Values of a map.

    Returns
    -------
    float
        1 if no value differs from 0.

    Examples
    --------
    >>> colour_limit(np.array([0.0, -2.0]))
    2.0
    """
    magnitudes = np.abs(values[np.isfinite(values)])
    magnitudes = magnitudes[magnitudes > 0]
    # The smallest value that is not below the quantile: no interpolation between values.
    return float(np.quantile(magnitudes, LIMIT_QUANTILE, method="higher")) if magnitudes.size else 1.0


def encode_signed(values: NDArray[np.floating], limit: float) -> Bytes:
    """Convert values to bytes.

    Parameters
    ----------
    values : array
    limit : float
        Value of byte 255.

    Returns
    -------
    uint8 array of the same shape
        128 is zero, 1 is ``-limit``, 0 is no value.

    Examples
    --------
    >>> encode_signed(np.array([-9.0, 0.0, 1.0, 2.0, np.nan]), 2.0).tolist()
    [1, 128, 192, 255, 0]
    """
    scaled = np.rint(np.nan_to_num(np.asarray(values, np.float32)) * np.float32(127 / limit))
    codes = (scaled.clip(-127, 127) + 128).astype(np.uint8)
    return np.where(np.isfinite(values), codes, np.uint8(0))


def project(encoded: Bytes) -> tuple[Bytes, Bytes, Bytes]:
    """Project bytes of a volume: the value of largest magnitude along each axis.

    Parameters
    ----------
    encoded : uint8 array of shape (91, 109, 91)
        From `encode_signed`, in RAS order.

    Returns
    -------
    tuple of three uint8 arrays
        Shapes (91, 109), (91, 91) and (109, 91); see `participant_content.MapImages`.
    """
    # The larger of the two ends of the range: a signed value costs two reductions and no index array.
    maxima = [encoded.max(axis=axis) for axis in range(3)]
    # 0 - 1 = 255, so voxels without a value are never the minimum.
    minima = [(encoded - np.uint8(1)).min(axis=axis) + np.uint8(1) for axis in range(3)]
    signed = [
        np.where(
            (maximum > 0) & (128 - minimum.astype(np.int16) > maximum.astype(np.int16) - 128),
            minimum,
            maximum,
        )
        for maximum, minimum in zip(maxima, minima, strict=True)
    ]
    sagittal, coronal, axial = (image.astype(np.uint8) for image in signed)
    return sagittal.T[::-1].copy(), coronal.T[::-1].copy(), axial.T[::-1].copy()


def sd_slices(volume: NDArray[np.floating], mask: NDArray[np.bool_]) -> tuple[Bytes, float]:
    """Create the slices of a map of standard deviations.

    Parameters
    ----------
    volume : array of shape (91, 109, 91)
        On ``OUTPUT_GRID``.
    mask : boolean array of the same shape
        Voxels with values.

    Returns
    -------
    slices : uint8 array of shape (n_slices, 55, 46)
        At every second voxel; 0 means no value, so values in the mask have at least byte 1.
    limit : float
        Value of byte 255.
    """
    limit = colour_limit(volume[mask])
    is_finite = mask & np.isfinite(volume)
    codes = np.rint(np.nan_to_num(np.asarray(volume, np.float32)) * np.float32(255 / limit)).clip(1, 255)
    encoded = np.where(is_finite, codes, 0).astype(np.uint8)
    return take_slices(encoded, slice_indices(OUTPUT_GRID, 2)).astype(np.uint8), limit
