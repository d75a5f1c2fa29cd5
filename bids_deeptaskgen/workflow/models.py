"""The model, opened once a process, whatever the number of people."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.core.person import RoiSpace
from bids_deeptaskgen.nn.bundle import Bundle, load_bundle


@lru_cache(maxsize=1)
def load_model(folder: Path) -> Bundle:
    """Open a bundle, with all its checks."""
    return load_bundle(folder)


@lru_cache(maxsize=1)
def roi_space(folder: Path) -> RoiSpace:
    """Compute what the connectomes of a model need."""
    bundle = load_model(folder)
    return RoiSpace(bundle.brain_mask, bundle.projection())


@lru_cache(maxsize=1)
def roi_weights(folder: Path) -> NDArray[np.float32]:
    """Read how much each voxel counts in each ROI, for the coverage: (n_rois, n_voxels)."""
    return np.abs(load_model(folder).rois()).astype(np.float32)
