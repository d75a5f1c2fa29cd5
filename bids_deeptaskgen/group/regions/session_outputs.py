"""Results that need the maps of one session at a time: ROI tables and functional ROIs."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.bids.output.usable_maps import read_session_maps
from bids_deeptaskgen.errors import InputError


class SessionOutput(Protocol):
    """Table or images to which the maps of each session or run are added."""

    def add(self, result: Result, maps: NDArray[np.float32]) -> None:
        """Add the maps of a session or run.

        Parameters
        ----------
        result : Result
        maps : float32 array of shape (n_contrasts, n_voxels)
            Voxels of the mask of the maps in C order; NaN where a map has no value.
        """


def read_known_maps(
    output: Path,
    result: Result,
    contrasts: Sequence[str],
    mask: NDArray[np.bool_],
    known_faults: Collection[ResultFault],
) -> NDArray[np.float32]:
    """Read the maps of a session or run again, after the statistics.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    result : Result
    contrasts : sequence of str
        Labels.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps.
    known_faults : collection of ResultFault
        Maps that could not be used before.

    Returns
    -------
    float32 array of shape (n_contrasts, n_voxels)
        As of `read_session_maps`.

    Raises
    ------
    InputError
        If a map that the statistics used cannot be used.
    """
    faults = list(known_faults)
    maps = read_session_maps(output, result, contrasts, mask, faults)
    new_faults = faults[len(known_faults) :]
    if new_faults:
        message = (
            f"A map changed during the run, and cannot be used since: {new_faults[0].reason}\n"
            "Nothing was written. Repeat the group level when no other program writes these maps."
        )
        raise InputError(message)
    return maps


def write_session_outputs(
    output: Path,
    results: Sequence[Result],
    contrasts: Sequence[str],
    mask: NDArray[np.bool_],
    session_outputs: Sequence[AbstractContextManager[SessionOutput]],
    known_faults: Collection[ResultFault] = (),
) -> None:
    """Read the maps of each session or run once, and add them to several outputs.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
        Sessions and runs of one set.
    contrasts : sequence of str
        Labels.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps.
    session_outputs : sequence of context managers
        Opened here; their end completes the files.
    known_faults : collection of ResultFault
        Maps that the statistics could not use.

    Raises
    ------
    InputError
        If another map cannot be used.
    """
    if not session_outputs:
        return
    with ExitStack() as stack:
        opened = [stack.enter_context(item) for item in session_outputs]
        for result in results:
            maps = read_known_maps(output, result, contrasts, mask, known_faults)
            for item in opened:
                item.add(result, maps)
