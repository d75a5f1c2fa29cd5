"""Interface of models that are ready to predict, whatever their architecture. Does not import torch."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# Waits for the maps of a batch.
Waiting = Callable[[], Sequence[Floats | Exception]]


class ReadyModel(Protocol):
    """A model that is ready to predict maps from connectomes: a network, or a ridge model."""

    @property
    def brain_mask(self) -> NDArray[np.bool_]:
        """Return the voxels of the connectomes, shape (x, y, z)."""

    @property
    def output_mask(self) -> NDArray[np.bool_]:
        """Return the voxels that are predicted, shape (x, y, z)."""

    @property
    def n_rois(self) -> int:
        """Return the number of rows of a connectome."""

    @property
    def n_batch(self) -> int:
        """Return the number of connectomes in a batch."""

    @property
    def n_ahead(self) -> int:
        """Return the number of batches that are started before the maps of the first are collected."""

    @property
    def device_name(self) -> str:
        """Return the device of the computation, e.g. ``cpu`` or ``cuda:0``."""

    def start(self, connectomes: Sequence[Floats]) -> Waiting:
        """Start the prediction of a batch.

        Parameters
        ----------
        connectomes : sequence of array of shape (n_rois, n_brain_voxels)
            At most `n_batch`.

        Returns
        -------
        function
            Waits, and returns the maps of each connectome, shape (n_contrasts, n_output_voxels).
        """

    def is_out_of_memory(self, error: Exception) -> bool:
        """Return whether fewer connectomes at a time may succeed after this error.

        Parameters
        ----------
        error : Exception
            Raised by `start`.
        """
