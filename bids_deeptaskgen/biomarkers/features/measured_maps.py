"""Maps of a dataset or a table of paths: measured ones, or predicted ones that are not packed."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_map_images import read_usable_statmaps
from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.biomarkers.features.map_kernels import MapReader
from bids_deeptaskgen.biomarkers.features.reader import Selection, require_participants
from bids_deeptaskgen.biomarkers.features.row_groups import RowGroups, average_sessions
from bids_deeptaskgen.connectome.template_masks import grey_matter_mask
from bids_deeptaskgen.io.work_array import allocate
from bids_deeptaskgen.models.contrasts import Contrast, contrast_spellings, find_contrast, load_contrasts
from bids_deeptaskgen.settings.biomarkers import FeatureSource
from bids_deeptaskgen.stats.linear_kernel import MAX_BYTES, Floats, ReadRows

logger = logging.getLogger("bids_deeptaskgen")

# Part of the names of predicted maps.
PREDICTED = "_desc-predicted_"
# Maps of a participant by contrast.
_Files = Mapping[str, Mapping[str, Sequence[StatmapFile]]]


@dataclass(frozen=True, kw_only=True)
class MeasuredMaps(MapReader):
    """Maps that were read from images.

    Attributes
    ----------
    contrasts : tuple of str
    maps : float32 array of shape (n_contrasts, n_rows, n_voxels)
        NaN where a map has no value; possibly in a file.
    rows : dict of str to int
        Row of each participant.
    """

    contrasts: tuple[str, ...]
    maps: Floats
    rows: Mapping[str, int]

    def _row_readers(self, labels: Sequence[str]) -> dict[str, ReadRows]:
        numbers = np.array([self.rows[label] for label in labels], np.intp)
        return {
            contrast: partial(self._read_rows, number, numbers)
            for number, contrast in enumerate(self.contrasts)
        }

    def _read_rows(self, contrast: int, numbers: NDArray[np.intp], start: int, stop: int) -> Floats:
        # A copy, since the kernel changes it.
        return np.asarray(self.maps[contrast, numbers[start:stop]], np.float32)


def open_measured_maps(
    source: FeatureSource,
    selection: Selection,
    scratch: Path,
    *,
    mask: NDArray[np.bool_] | None = None,
    max_bytes: int = MAX_BYTES,
) -> MeasuredMaps:
    """Read the maps of all contrasts of the selected participants.

    The maps are read at once, since only that shows which of them can be used.

    Parameters
    ----------
    source : FeatureSource
        Dataset or table of paths; see `find_statmaps`. Its parts are contrasts; empty for all.
    selection : Selection
    scratch : Path
        Folder for an unnamed file, if the maps have more than 1 GB.
    mask : boolean array of shape (76, 93, 78), optional
        Voxels to read; grey matter by default, as in an evaluation.
    max_bytes : int
        Memory for maps during the computation of the kernel.

    Returns
    -------
    MeasuredMaps
        Means over sessions.

    Raises
    ------
    UserError
        If the selection leaves no participant, or the disk has no space for the file.
    InputError
        If there are no maps of a contrast, or no participant has usable maps of all contrasts.
    """
    mask = grey_matter_mask() if mask is None else mask
    files, has_sessions = _find_files(source, selection.session)
    contrasts = tuple(files)
    subjects = {subject for by_subject in files.values() for subject in by_subject}
    labels = selection.select(subjects, source)
    reasons: dict[str, str] = {}
    complete = []
    for label in labels:
        without_map = [contrast for contrast in contrasts if label not in files[contrast]]
        if without_map:
            reasons[label] = f"no map of {', '.join(without_map)}"
        else:
            complete.append(label)
    require_participants(source, complete, reasons)
    maps = allocate((len(contrasts), len(complete), int(mask.sum())), scratch)
    for number, label in enumerate(complete):
        unusable = _read_participant(
            [files[contrast][label] for contrast in contrasts], mask, maps[:, number]
        )
        if unusable:
            names = ", ".join(contrasts[contrast] for contrast in unusable)
            reasons[label] = f"the map of {names} cannot be used (see the log)"
    participants = tuple(label for label in complete if label not in reasons)
    require_participants(source, participants, reasons)
    sessions = {
        label: tuple((number,) for number in range(len(files[contrasts[0]][label]))) for label in participants
    }
    return MeasuredMaps(
        name=source.name,
        participants=participants,
        reasons=reasons,
        notes=RowGroups(sessions, {}, has_sessions).notes(selection.session),
        is_predicted=_has_predicted(files),
        source=source,
        contrasts=contrasts,
        maps=maps,
        rows={label: number for number, label in enumerate(complete)},
        max_bytes=max_bytes,
    )


def _find_files(source: FeatureSource, session: str | None) -> tuple[_Files, bool]:
    """Find the maps of each contrast and participant; return whether they have sessions."""
    contrasts = _requested_contrasts(source) if source.parts else None
    files = find_statmaps(source.path, contrasts)
    has_sessions = any(file.session is not None for file in files)
    if session is not None and has_sessions:
        files = find_statmaps(source.path, contrasts, session=session)
    groups: dict[str, dict[str, list[StatmapFile]]] = {}
    for contrast in contrasts or ():
        groups[contrast.label] = {}
    for file in files:
        groups.setdefault(file.contrast, {}).setdefault(file.subject, []).append(file)
    return groups, has_sessions


def _has_predicted(files: _Files) -> bool:
    """Return whether a file has the name of a predicted map."""
    paths = (file.path for by_subject in files.values() for group in by_subject.values() for file in group)
    return any(PREDICTED in path.name for path in paths)


def _requested_contrasts(source: FeatureSource) -> list[Contrast]:
    """Return the contrasts of the parts: those of the published models in any spelling, or others."""
    catalogue = {contrast.label: contrast for contrast in load_contrasts()}
    spellings = contrast_spellings(list(catalogue.values()))
    labels = dict.fromkeys(find_contrast(spellings, part) or part for part in source.parts)
    return [catalogue.get(label) or Contrast(label, label, "") for label in labels]


def _read_participant(
    contrasts: Sequence[Sequence[StatmapFile]], mask: NDArray[np.bool_], target: Floats
) -> list[int]:
    """Read the maps of a participant, averaged over sessions; return the contrasts without a usable map."""
    values = read_usable_statmaps([file for files in contrasts for file in files], mask)
    unusable = []
    for number, files in enumerate(contrasts):
        maps = [values[file] for file in files if file in values]
        if not maps:
            unusable.append(number)
            continue
        stack = np.stack(maps)
        # Task models write 0 where they have no data.
        stack[stack == 0] = np.nan
        target[number] = average_sessions(stack, tuple((row,) for row in range(len(maps))))
    return unusable
