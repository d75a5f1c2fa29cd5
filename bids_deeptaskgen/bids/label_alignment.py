"""Labels of participants in several datasets: files of one participant get one label."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.bids.participant_ids import align_labels


def align_files(files: Sequence[StatmapFile], reference: Collection[str], source: Path) -> list[StatmapFile]:
    """Write the labels of participants as the reference does, e.g. ``1`` as ``001``.

    Parameters
    ----------
    files : sequence of StatmapFile
    reference : collection of str
        Labels without ``sub-``.
    source : Path
        Dataset or table of the files, for messages.

    Returns
    -------
    list of StatmapFile
        See `align_labels`.
    """
    labels = align_labels((file.subject for file in files), reference, source)
    return [replace(file, subject=labels[file.subject]) for file in files]
