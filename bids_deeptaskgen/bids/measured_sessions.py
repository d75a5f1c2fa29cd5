"""Measured maps of the participants of an output dataset, at the voxels of their predicted maps."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import same_label
from bids_deeptaskgen.bids.label_alignment import align_files
from bids_deeptaskgen.bids.measured_map_images import read_statmap, read_usable_statmaps
from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.grid import MODEL_GRID, model_to_output, output_to_model
from bids_deeptaskgen.models.contrasts import Contrast

Floats = NDArray[np.float32]
# Maps of a contrast by session; the session is None for maps over sessions.
Sessions = Mapping[str | None, Floats]


@dataclass(frozen=True)
class MeasuredSessions:
    """Files of measured maps.

    Attributes
    ----------
    files : dict of str to sequence of StatmapFile
        By participant, with the labels of the output dataset without ``sub-``.
    mask : boolean array of shape (91, 109, 91)
        Voxels to read, on ``OUTPUT_GRID``.
    """

    files: Mapping[str, Sequence[StatmapFile]]
    mask: NDArray[np.bool_]

    def read(self, subject: str, contrasts: Sequence[str]) -> dict[str, dict[str | None, Floats]]:
        """Read the maps of a participant.

        Parameters
        ----------
        subject : str
            Label without ``sub-``.
        contrasts : sequence of str
            Labels.

        Returns
        -------
        dict of str to dict of str or None to float32 array of shape (n_voxels,)
            Maps by contrast and session, in C order of the mask; NaN where a map has no value (0 or not
            finite). Maps that cannot be used are reported in the log, and left out.
        """
        model_mask, places = _model_voxels(self.mask)
        files = [file for file in self.files.get(subject, ()) if file.contrast in contrasts]
        maps: dict[str, dict[str | None, Floats]] = {}
        for file, model_values in read_usable_statmaps(files, model_mask).items():
            values = np.append(model_values, np.float32(np.nan))[places]
            values[values == 0] = np.nan
            maps.setdefault(file.contrast, {})[file.session] = values
        return maps


def find_measured_sessions(
    source: Path, contrasts: Sequence[Contrast], participants: Collection[str], mask: NDArray[np.bool_]
) -> MeasuredSessions:
    """Find the measured maps of participants, and check that they can be read.

    Parameters
    ----------
    source : Path
        Dataset or table, see `find_statmaps`.
    contrasts : sequence of Contrast
        Contrasts of the predicted maps.
    participants : collection of str
        Labels without ``sub-``.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the predicted maps, on ``OUTPUT_GRID``.

    Returns
    -------
    MeasuredSessions

    Raises
    ------
    InputError
        If there are no measured maps of these contrasts and participants, or the first map of each
        participant cannot be read or is in another space.
    """
    files: dict[str, list[StatmapFile]] = {}
    for file in align_files(find_statmaps(source, contrasts), participants, source):
        files.setdefault(file.subject, []).append(file)
    common = {label: subject_files for label, subject_files in files.items() if label in participants}
    if not common:
        message = (
            f"{source}: has measured maps of {abbreviate([f'sub-{label}' for label in files])}, but of none "
            f"of the participants with predicted maps "
            f"({abbreviate([f'sub-{label}' for label in sorted(participants)])}).\n"
            "Name the dataset of the same participants, or a table of paths (TSV) with their labels."
        )
        raise InputError(message)
    _check_readable([subject_files[0] for subject_files in common.values()], mask)
    return MeasuredSessions(common, mask)


def match_session(maps: Sessions, session: str | None) -> Floats | None:
    """Return the measured map of a session, or the mean over the measured sessions if none matches.

    Parameters
    ----------
    maps : dict of str or None to array of shape (n_voxels,)
        Measured maps of a contrast by session.
    session : str or None
        Session of the predicted map.

    Returns
    -------
    float32 array of shape (n_voxels,) or None
        NaN in voxels that a session of a mean lacks; None without maps.

    Examples
    --------
    >>> maps = {"1": np.float32([1, 2]), "2": np.float32([3, 4])}
    >>> match_session(maps, "02"), match_session(maps, None)
    (array([3., 4.], dtype=float32), array([2., 3.], dtype=float32))
    """
    for label, values in maps.items():
        if label is not None and session is not None and same_label(label, session):
            return values
    return np.mean(list(maps.values()), axis=0) if maps else None


def _check_readable(files: Sequence[StatmapFile], mask: NDArray[np.bool_]) -> None:
    """Raise the error of the first map if none can be read."""
    model_mask, _ = _model_voxels(mask)
    first_error: InputError | None = None
    for file in files:
        try:
            read_statmap(file, model_mask)
        except InputError as error:
            first_error = first_error or error
        else:
            return
    if first_error is not None:
        raise first_error


def _model_voxels(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return a mask on the model's grid, and the place of each voxel of `mask` among its voxels.

    Voxels outside the model's box have the place behind the last voxel.
    """
    model_mask = output_to_model(mask)
    n_voxels = int(model_mask.sum())
    numbers = np.zeros(MODEL_GRID.shape, np.intp)
    numbers[model_mask] = np.arange(n_voxels) - n_voxels
    places = model_to_output(numbers)[mask] + n_voxels
    return model_mask, places
