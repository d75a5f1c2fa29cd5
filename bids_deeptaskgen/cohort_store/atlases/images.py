"""Images of atlases: labels (3-D) or probabilities (4-D), sampled at the voxels of the maps."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID, Grid, Sampler, make_sampler
from bids_deeptaskgen.grid_comparison import reorder
from bids_deeptaskgen.io.nifti_header import NiftiHeader
from bids_deeptaskgen.io.nifti_reader import NiftiImage, NiftiSeries

if TYPE_CHECKING:
    from scipy.sparse import csr_array

logger = logging.getLogger("bids_deeptaskgen")

Values = NDArray[np.float64]

# Rounding of labels that are stored as float, or with a slope.
_ROUNDING = 0.01
_MAX_LABEL = 2**31 - 1
# The largest of TemplateFlow (Schaefer's) has 1,000; images of intensities have thousands of values.
_MANY_LABELS = 2_000
# Rounding of resampled probabilities.
_LARGEST_NEGATIVE = -1e-6
_BLOCK_VOLUMES = 4


@dataclass(frozen=True)
class RegionWeights:
    """Weights of the voxels in each region.

    Attributes
    ----------
    numbers : tuple of int
        Labels; numbers of volumes, from 1, for probabilities.
    weights : sparse array of shape (n_regions, n_voxels)
    total_weights : float64 array of shape (n_regions,)
        On the whole grid of the maps.
    is_probabilistic : bool
    """

    numbers: tuple[int, ...]
    weights: "csr_array"
    total_weights: Values
    is_probabilistic: bool


def read_regions(path: Path, header: NiftiHeader, mask: NDArray[np.bool_]) -> RegionWeights:
    """Read the regions of an atlas at the voxels of the maps.

    Labels on another grid are sampled at the nearest voxels, probabilities by trilinear interpolation.

    Parameters
    ----------
    path : Path
        3-D image of labels, or 4-D image of probabilities; also 3-D if its suffix is ``probseg``.
    header : NiftiHeader
        Its header.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps, on ``OUTPUT_GRID``.

    Returns
    -------
    RegionWeights

    Raises
    ------
    InputError
        If the values are neither labels nor probabilities, or the image is damaged.
    """
    read = _read_probabilities if has_probabilities(path, header) else _read_label_regions
    return read(path, header, _make_sampler(header.grid), mask)


def has_probabilities(path: Path, header: NiftiHeader) -> bool:
    """Return whether an atlas has probabilities: several volumes, or the suffix ``probseg``.

    Parameters
    ----------
    path : Path
    header : NiftiHeader

    Returns
    -------
    bool

    Raises
    ------
    InputError
        If it has several volumes of labels (``dseg``).
    """
    suffix = parse_name(path.name).suffix
    if header.n_volumes > 1 and suffix == "dseg":
        message = (
            f"{path}: has {header.n_volumes} volumes, but labels (dseg) are one volume.\n"
            "Choose one of its volumes. If these are probabilities, name the file ..._probseg.nii.gz."
        )
        raise InputError(message)
    return header.n_volumes > 1 or suffix == "probseg"


def read_labels(path: Path, header: NiftiHeader) -> NDArray[np.int64]:
    """Read the labels of an atlas.

    Parameters
    ----------
    path : Path
        Image of one volume.
    header : NiftiHeader
        Its header.

    Returns
    -------
    int64 array of shape (n_voxels,)
        In the order of the file; 0 is background.

    Raises
    ------
    InputError
        If the values are not labels, none is above 0, or the image is damaged.
    """
    labels = _whole_numbers(path, NiftiImage(path, header).values(dtype=np.float64).ravel(order="F"))
    if not labels.any():
        message = f"{path}: has no labels: all values are 0 or NaN.\nReplace it by the image of an atlas."
        raise InputError(message)
    if labels.max() > _MANY_LABELS and (n_labels := len(np.unique(labels[labels > 0]))) > _MANY_LABELS:
        logger.warning(
            "%s: has %d different labels, which is unusual for an atlas. Check that it is none of the "
            "images of whole numbers that are no atlas, such as a T1w image.",
            path, n_labels,
        )  # fmt: skip
    return labels


def _make_sampler(grid: Grid) -> Sampler:
    """Create the sampler for all voxels of the maps; the same points in any order need no positions."""
    n_voxels = math.prod(grid.shape)
    try:
        indices = reorder(np.arange(n_voxels).reshape(grid.shape, order="F"), grid, OUTPUT_GRID)
    except ValueError:
        return make_sampler(grid, OUTPUT_GRID, np.ones(OUTPUT_GRID.shape, bool))
    return Sampler(np.ones(n_voxels, bool), indices.ravel()[None], None)


def _read_label_regions(
    path: Path, header: NiftiHeader, sampler: Sampler, mask: NDArray[np.bool_]
) -> RegionWeights:
    from scipy.sparse import csr_array

    labels = read_labels(path, header)
    numbers = np.unique(labels)
    numbers = numbers[numbers > 0]
    on_grid = np.zeros(mask.size, np.int64)
    on_grid[sampler.is_covered] = labels[sampler.nearest_voxels]
    rows = np.searchsorted(numbers, on_grid[on_grid > 0])
    totals = np.bincount(rows, minlength=len(numbers)).astype(np.float64)
    in_mask = on_grid[mask.ravel()]
    columns = np.flatnonzero(in_mask)
    rows = np.searchsorted(numbers, in_mask[columns])
    weights = csr_array((np.ones(len(columns)), (rows, columns)), shape=(len(numbers), len(in_mask)))
    return RegionWeights(tuple(numbers.tolist()), weights, totals, is_probabilistic=False)


def _whole_numbers(path: Path, values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Convert labels to integers; NaN is background."""
    values = np.where(np.isnan(values), 0, values)
    with np.errstate(invalid="ignore"):
        rounded = np.rint(values)
        is_fraction = ~(np.abs(values - rounded) <= _ROUNDING)
    if is_fraction.any():
        examples = ", ".join(f"{value:.6g}" for value in np.unique(values[is_fraction])[:3])
        message = (
            f"{path}: has values that are not labels, in {int(is_fraction.sum())} voxels (for example "
            f"{examples}): labels are whole numbers.\nIf it was resampled, resample the original image with "
            "nearest neighbours. If it is a map of probabilities, name the file ..._probseg.nii.gz."
        )
        raise InputError(message)
    lowest, highest = rounded.min(), rounded.max()
    if lowest < 0 or highest > _MAX_LABEL:
        value = lowest if lowest < 0 else highest
        message = (
            f"{path}: has the label {value:.0f}; labels are from 1 to {_MAX_LABEL}, and 0 is background.\n"
            "Replace it by the image of an atlas, not by a statistical map."
        )
        raise InputError(message)
    return np.asarray(rounded.astype(np.int64))


def _read_probabilities(
    path: Path, header: NiftiHeader, sampler: Sampler, mask: NDArray[np.bool_]
) -> RegionWeights:
    from scipy.sparse import csr_array, vstack

    series = NiftiSeries(
        path, header.grid, header.n_volumes, None, header.dtype, header.slope, header.inter, header
    )
    positions = np.flatnonzero(mask.ravel()[sampler.is_covered])
    columns = (np.cumsum(mask.ravel()) - 1)[np.flatnonzero(sampler.is_covered)[positions]]
    rows, totals, highest = [], [], 0.0
    for start, block in series.blocks(_BLOCK_VOLUMES):
        for number, raw in enumerate(block, start + 1):
            volume = _check_probabilities(path, number, raw.astype(np.float64) * header.slope + header.inter)
            highest = max(highest, float(volume.max()))
            on_grid = _sample(sampler, volume)
            totals.append(float(on_grid.sum()))
            values = on_grid[positions]
            in_region = values > 0
            data = (values[in_region], (np.zeros(in_region.sum(), np.intp), columns[in_region]))
            rows.append(csr_array(data, shape=(1, int(mask.sum()))))
    scale = _probability_unit(path, highest)
    weights, total_weights = csr_array(vstack(rows, format="csr")), np.array(totals)
    numbers = tuple(range(1, header.n_volumes + 1))
    return RegionWeights(numbers, weights * scale, total_weights * scale, is_probabilistic=True)


def _sample(sampler: Sampler, volume: Values) -> Values:
    """Sample a volume on the grid of the maps."""
    if sampler.weights is None:
        return np.asarray(volume[sampler.corners[0]])
    on_grid: Values = np.zeros((1, sampler.corners.shape[1]))
    sampler.take([volume], on_grid)
    return np.asarray(on_grid[0])


def _check_probabilities(path: Path, number: int, volume: Values) -> Values:
    """Refuse negative and infinite values; NaN is 0."""
    volume[np.isnan(volume)] = 0
    lowest, highest = float(volume.min()), float(volume.max())
    if lowest < _LARGEST_NEGATIVE or not np.isfinite(highest):
        value = lowest if lowest < _LARGEST_NEGATIVE else highest
        message = (
            f"{path}: volume {number} has the value {value:.6g}, which is no probability.\n"
            "Atlases of several volumes hold probabilities, from 0 to 1 or in percent. Threshold maps of "
            "components or statistics first, or convert them to labels."
        )
        raise InputError(message)
    return np.asarray(volume.clip(min=0))


def _probability_unit(path: Path, highest: float) -> float:
    """Return the factor that converts values to probabilities: percent have values above 1."""
    if highest <= 0:
        message = f"{path}: has no regions: all values are 0 or NaN.\nReplace it by the image of an atlas."
        raise InputError(message)
    if highest <= 1 + _ROUNDING:
        return 1.0
    # Several volumes of labels have such values, too.
    if highest > 100 + _ROUNDING or "prob" not in path.name.lower():
        message = (
            f"{path}: has several volumes with values up to {highest:.6g}, which are not probabilities from "
            "0 to 1.\nIf they are labels, choose one volume. If they are percent (0 to 100), name the file "
            "..._probseg.nii.gz."
        )
        raise InputError(message)
    logger.info("%s: its values are up to %g, and are read as percent.", path, highest)
    return 0.01
