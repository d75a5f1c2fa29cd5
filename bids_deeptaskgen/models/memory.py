"""Memory of the prediction of maps by a model, from its architecture and masks. Does not import torch.

As in `connectome.memory`, arrays that are in memory at the same time are added up, without interpreter and
libraries.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.models.architecture import Architecture, count_parameters
from bids_deeptaskgen.models.bundle import Bundle

_FLOAT32 = 4
# Copies of the weights: as read, in the module, with folded batch normalisation, as kernels of rows.
_N_WEIGHT_COPIES = 4
# Feature maps of the size of the first block that the dense network holds at a time.
N_WIDEST = 6
# Bytes per computed voxel of the row numbers and the weights of interpolation of `nn.cpu.sparse_unet`.
_INDEX_BYTES = 280
# Sets of maps while one set is added to others: the set itself, the next one as rows of voxels and as maps,
# and the differences from the mean; measured.
_N_PASSING = 5
# Feature maps, relative to their own bytes, with what the allocator of the C library holds beside them.
_ALLOCATOR_SHARE = 1.3


@dataclass(frozen=True)
class PredictionShape:
    """Properties of the sessions of a chunk that determine memory.

    Attributes
    ----------
    n_windows : int
        Connectomes from which the maps of a session are predicted.
    n_runs : int
    n_extra : int
        Connectomes of single runs, which are compared.
    n_bootstrap : int
        Number of resamples.
    n_sessions : int
        Sessions of the chunk.
    is_4d : bool
        The maps are written as one image.
    precision : str
    is_on_gpu : bool
    """

    n_windows: int = 1
    n_runs: int = 1
    n_extra: int = 0
    n_bootstrap: int = 0
    n_sessions: int = 1
    is_4d: bool = False
    precision: str = "fp32"
    is_on_gpu: bool = False

    @property
    def n_sets(self) -> int:
        """Return the number of sets of maps of a session: means and standard deviations."""
        return 1 + (self.n_windows > 1) + (self.n_bootstrap > 0)


def prediction_bytes(bundle: Bundle, shape: PredictionShape) -> int:
    """Compute the peak memory of the prediction of a chunk of sessions.

    Parameters
    ----------
    bundle : Bundle
    shape : PredictionShape

    Returns
    -------
    int
        Bytes of the process's memory, not of the GPU's.
    """
    architecture = bundle.card.architecture
    n_brain, n_output = int(bundle.brain_mask.sum()), int(bundle.output_mask.sum())
    connectome = architecture.in_channels * n_brain * _FLOAT32
    maps = architecture.out_channels * n_output * _FLOAT32
    weights = _N_WEIGHT_COPIES * _FLOAT32 * count_parameters(bundle.shapes())
    if architecture.is_network:
        activations = _network_bytes(architecture, bundle.output_mask, shape) + connectome
    else:
        # The mean connectome, the connectome and its deviation, at the voxels of the maps.
        activations = 3 * architecture.in_channels * n_output * _FLOAT32
    # A connectome is in use, and the next one is read.
    connectomes = 2 * connectome
    n_sets = 1 + _n_collected(shape)
    if shape.n_sessions > 1:
        # The maps of the session before are written.
        n_sets += shape.n_sets
    volumes = 3 * int(np.prod(OUTPUT_GRID.shape)) * _FLOAT32
    copies = shape.n_sets * maps if shape.is_4d else 0
    return weights + connectomes + activations + n_sets * maps + volumes + copies


def _n_collected(shape: PredictionShape) -> int:
    """Count the sets of maps that are held while the windows and resamples of a session are predicted."""
    n_sets = 1
    if shape.n_windows > 1:
        # Mean and squares; halves of the windows; the sum of their normalised maps.
        n_sets = 2 + 2 + 1 + (2 if shape.n_runs > 1 else 0)
    if shape.n_extra:
        n_sets += 1
    if shape.n_bootstrap:
        n_sets += 2
    return n_sets + (_N_PASSING if n_sets > 1 else 0)


def _network_bytes(architecture: Architecture, output_mask: NDArray[np.bool_], shape: PredictionShape) -> int:
    """Return the bytes of feature maps, and of the row numbers of the voxelwise network."""
    n_box = output_mask.size
    channels = architecture.fdim * _FLOAT32
    if shape.is_on_gpu:
        return 0
    is_voxelwise = (
        architecture.name == "attentionunet" and architecture.n_conv == 1 and shape.precision == "fp32"
    )
    if not is_voxelwise:
        return N_WIDEST * channels * n_box + architecture.in_channels * n_box * _FLOAT32
    n_near, n_output = int(_dilate(output_mask).sum()), int(output_mask.sum())
    # The first feature map of the box; for the last stage upsampled, joined with the first, and convolved.
    features = channels * (n_box + 3 * n_near + n_output)
    return int(_ALLOCATOR_SHARE * features) + _INDEX_BYTES * n_near


def _dilate(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the 26 neighbours of each voxel of a mask, also outside of its box."""
    result = np.pad(mask, 1)
    for axis in range(mask.ndim):
        result = result | np.roll(result, 1, axis) | np.roll(result, -1, axis)
    return result
