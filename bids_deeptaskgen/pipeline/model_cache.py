"""The model, opened once a process, whatever the number of people."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.models.bundle import Bundle, load_bundle

if TYPE_CHECKING:
    from bids_deeptaskgen.connectome.session import RoiSpace


@lru_cache(maxsize=1)
def load_model(folder: Path) -> Bundle:
    """Open a bundle, with all its checks."""
    return load_bundle(folder)


def check_model(folder: Path, device: str, precision: str = "fp32") -> None:
    """Find what would fail for everyone, before anything is computed for anyone.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    device : str
        Where it is to be computed.
    precision : {"fp32", "tf32", "bf16"}
        In which arithmetic.

    Raises
    ------
    UserError
        If the weights are not those of the card's network, the ROI maps cannot be told apart, the device is
        not there, or the arithmetic is not good enough on it.
    """
    import bids_deeptaskgen.connectome.session  # noqa: F401 - so that no two threads import the same

    bundle = load_model(folder)
    with ThreadPoolExecutor(1) as thread:
        # Inflating and linear algebra, while torch is loaded.
        rois = thread.submit(roi_space, folder)
        from bids_deeptaskgen.nn.inference import check_weights, load_network, resolve_device

        resolve_device(device)
        check_weights(bundle)
        if precision != "fp32":
            load_network(bundle, device, precision=precision)
        rois.result()


def roi_space(folder: Path) -> "RoiSpace":
    """Compute what the connectomes of a model need."""
    return _rois(folder)[0]


def roi_weights(folder: Path) -> NDArray[np.float32]:
    """Tell how much each voxel counts in each ROI, for the coverage: (n_rois, n_voxels)."""
    return _rois(folder)[1]


@lru_cache(maxsize=1)
def _rois(folder: Path) -> tuple["RoiSpace", NDArray[np.float32]]:
    """Read the ROI maps once, for both."""
    from bids_deeptaskgen.connectome.session import RoiSpace  # half a second, which --dry-run does not need

    bundle = load_model(folder)
    rois = bundle.rois()
    return RoiSpace(bundle.brain_mask, bundle.projection(rois)), np.abs(rois).astype(np.float32)


@lru_cache(maxsize=1)
def mean_statmaps(folder: Path) -> NDArray[np.float32]:
    """Read the mean map of measured people for each contrast, of a calibrated model."""
    maps = load_model(folder).mean_statmaps()
    if maps is None:
        message = f"{folder}: this model holds no mean maps."
        raise ValueError(message)
    return maps
