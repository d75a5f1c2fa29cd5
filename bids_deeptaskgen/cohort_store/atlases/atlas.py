"""Atlases: the voxels of the maps that belong to each region, as one sparse matrix."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class Atlas:
    """Regions of an atlas at the voxels of the maps.

    Attributes
    ----------
    label : str
        Label of the atlas in file names (``seg-``): letters and digits.
    source : str
        File, or name in TemplateFlow.
    sha256 : str
        Hash of the file.
    numbers : tuple of int
        Value of each region in an image of labels; number of the volume, from 1, in one of probabilities.
    names : tuple of str
        Name of each region.
    weights : sparse array of shape (n_regions, n_voxels)
        Weight of each voxel of the mask of the maps, in C order: 1 for labels, the probability otherwise.
    total_weights : float64 array of shape (n_regions,)
        Sum of the weights of all voxels of the region on the grid of the maps, also outside the mask.
    is_probabilistic : bool
    """

    label: str
    source: str
    sha256: str
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    weights: "csr_array"
    total_weights: NDArray[np.float64]
    is_probabilistic: bool = False
