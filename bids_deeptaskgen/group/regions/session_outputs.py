"""Results that need the maps of one session at a time: ROI tables and functional ROIs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.bids.output.usable_maps import read_session_maps


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


def write_session_outputs(
    output: Path,
    results: Sequence[Result],
    contrasts: Sequence[str],
    mask: NDArray[np.bool_],
    session_outputs: Sequence[AbstractContextManager[SessionOutput]],
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
    """
    if not session_outputs:
        return
    # The statistics have read the same maps, and listed those that cannot be used.
    known_faults: list[ResultFault] = []
    with ExitStack() as stack:
        opened = [stack.enter_context(item) for item in session_outputs]
        for result in results:
            maps = read_session_maps(output, result, contrasts, mask, known_faults)
            for item in opened:
                item.add(result, maps)
