"""Ridge models that are ready to predict, with numpy on the CPU. Does not import torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.models.ridge_arrays import at_output_voxels
from bids_deeptaskgen.nn.ready_model import Floats, Waiting
from bids_deeptaskgen.stats.ridge import RidgeModel


@dataclass(frozen=True)
class ReadyRidge:
    """A ridge model with its masks; see `ReadyModel`.

    Attributes
    ----------
    model : RidgeModel
        Its voxels are those of the output mask.
    brain_mask, output_mask : boolean array of shape (x, y, z)
        Voxels of the connectome; voxels that are predicted.
    """

    model: RidgeModel
    brain_mask: NDArray[np.bool_]
    output_mask: NDArray[np.bool_]
    n_batch: int = 1
    n_ahead: int = 0
    device_name: str = "cpu"

    @property
    def n_rois(self) -> int:
        """Return the number of rows of a connectome."""
        return len(self.model.mean_connectome)

    def start(self, connectomes: Sequence[Floats]) -> Waiting:
        """Predict the maps of a batch; see `ReadyModel`."""
        # With one thread, the maps do not depend on the number of cores.
        with threadpool_limits(limits=1, user_api="blas"):
            maps = [
                self.model.predict(at_output_voxels(connectome, self.brain_mask, self.output_mask))
                for connectome in connectomes
            ]
        return lambda: maps

    def is_out_of_memory(self, error: Exception) -> bool:  # noqa: ARG002 - part of the interface
        """Return False, since a batch is a single connectome."""
        return False


def load_ridge(bundle: Bundle) -> ReadyRidge:
    """Prepare the ridge model of a bundle.

    Parameters
    ----------
    bundle : Bundle

    Returns
    -------
    ReadyRidge

    Raises
    ------
    UserError
        If the mean connectome or the mean maps are not finite.
    """
    model = bundle.ridge_model()
    if not (np.isfinite(model.mean_connectome).all() and np.isfinite(model.mean_maps).all()):
        message = (
            f"{bundle.folder}: the mean connectome or the mean maps of the ridge model contain NaN or "
            "infinite values.\nTrain the model again."
        )
        raise UserError(message)
    return ReadyRidge(model, bundle.brain_mask, bundle.output_mask)
