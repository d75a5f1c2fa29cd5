"""Voxels in which the participants of a design have values."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Bools = NDArray[np.bool_]


class Coverage:
    """Counts in which voxels participants have values.

    Parameters
    ----------
    participants : tuple of str
        Labels without ``sub-``.

    Attributes
    ----------
    n_any : int
        Voxels in which any participant has a value.
    """

    def __init__(self, participants: tuple[str, ...]) -> None:
        self._participants = participants
        self._alone = np.zeros(len(participants), np.int64)
        self._lacking = np.zeros(len(participants), np.int64)
        self.n_any = 0

    def add(self, values: Values) -> Bools:
        """Count a chunk, and return which of its voxels can be tested: all have values, which vary.

        Parameters
        ----------
        values : array of shape (n_participants, n_chunk)
            0 and NaN are no values.

        Returns
        -------
        boolean array of shape (n_chunk,)
        """
        has_value = np.isfinite(values) & (values != 0)
        self.n_any += int(np.count_nonzero(has_value.any(axis=0)))
        n_lacking = (~has_value).sum(axis=0)
        partly = has_value.any(axis=0)
        self._alone += (~has_value[:, n_lacking == 1]).sum(axis=1)
        self._lacking += (~has_value[:, partly]).sum(axis=1)
        complete = n_lacking == 0
        complete[complete] = np.ptp(values[:, complete], axis=0) > 0
        return np.asarray(complete)

    def lost_voxels(self) -> dict[str, int]:
        """Return the voxels that each participant costs alone, most first."""
        return self._ranked(self._alone)

    def lacking_voxels(self) -> dict[str, int]:
        """Return the voxels in which each participant has no value but another has, most first."""
        return self._ranked(self._lacking)

    def _ranked(self, counts: NDArray[np.int64]) -> dict[str, int]:
        order = np.argsort(-counts, kind="stable")
        return {self._participants[row]: int(counts[row]) for row in order if counts[row]}

    def refusal(self) -> str:
        """Return the message if no voxel can be tested."""
        if not self._lacking.any():
            return (
                f"The maps of all {len(self._participants)} participants are equal in all {self.n_any} "
                "voxels: check that their input differs."
            )
        row = int(np.argmax(self._lacking))
        return (
            f"There is no voxel in which the maps of all {len(self._participants)} participants have "
            f"different values, of {self.n_any} voxels with any value. sub-{self._participants[row]} lacks "
            f"most of them ({self._lacking[row]}): check its maps, or exclude this participant."
        )
