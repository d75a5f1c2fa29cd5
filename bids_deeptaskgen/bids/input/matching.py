"""The one place that decides which files belong to a run, by names alone.

A file belongs to a run if its entities contradict none of the run's; indices compare as numbers, labels as
text. A file that leaves an entity open, such as a table without ``run-``, belongs to a run only if no other
file of its kind names that entity, and, for tables with a row for each volume, if it fits no other run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bids_deeptaskgen.bids.filenames import BidsName, Entities, generator_of, join_name, plain_value
from bids_deeptaskgen.bids.input.layout import File, of_kind, series_entities
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError

# Pipelines by kind of file; series have that of their desc.
_MAKERS = {"outliers": "xcp_d", "motion": "xcp_d", "aroma": "aroma"}


@dataclass(frozen=True)
class TableMatch:
    """Table of a run, and the tables that were not used.

    Attributes
    ----------
    file : File or None
        None if no table belongs to the run.
    reason : str
        Why no table belongs to the run: which ones exist, and why they do not fit. Empty if there is one.
    """

    file: File | None
    reason: str = ""


@lru_cache(maxsize=8192)
def measurement(name: BidsName) -> Entities:
    """Return the entities that identify a measurement, in a form that is equal for equivalent names.

    Parameters
    ----------
    name : BidsName

    Returns
    -------
    tuple of (str, str)
        Sorted as in BIDS. ``part-mag`` is left out, since it is what a name without ``part`` means.
    """
    return tuple(
        (key, plain_value(key, value))
        for key, value in series_entities(name)
        if (key, value) != ("part", "mag")
    )


def fits_run(name: BidsName, bold: BidsName) -> bool:
    """Return whether all entities of a file name that identify a measurement are those of a BOLD series.

    Parameters
    ----------
    name : BidsName
        Name of a mask, a table or a sidecar.
    bold : BidsName
        Name of the BOLD series.

    Returns
    -------
    bool

    Examples
    --------
    >>> from bids_deeptaskgen.bids.filenames import parse_name
    >>> bold = parse_name("sub-01_task-rest_run-1_hash-b2_desc-denoised_bold.nii.gz")
    >>> fits_run(parse_name("sub-01_task-rest_run-01_desc-confounds_timeseries.tsv"), bold)
    True
    >>> fits_run(parse_name("sub-01_task-rest_run-2_desc-confounds_timeseries.tsv"), bold)
    False
    """
    return set(measurement(name)) <= set(measurement(bold))


def match_table(
    bold: File, tables: Iterable[File], series: Iterable[File], title: str, place: str = ""
) -> TableMatch:
    """Find the table of a run, with one row for each volume.

    Parameters
    ----------
    bold : File
        BOLD series of the run.
    tables : iterable of File
        Tables of one kind, of any session and task.
    series : iterable of File
        All BOLD series of the dataset's participant, of any task, space and desc.
    title : str
        What the table is, for messages, e.g. ``confounds``.
    place : str
        As in `require_single`.

    Returns
    -------
    TableMatch

    Raises
    ------
    InputError
        If two tables fit equally well.
    """
    of_task = [table for table in tables if _same_task(table, bold)]
    candidates = _most_specific([table for table in of_task if fits_run(table.name, bold.name)])
    if not candidates:
        return TableMatch(None, _list_tables(of_task, "of that task"))
    candidates = _same_processing(candidates, bold)
    table = require_single(candidates, f"fit equally well as the {title} of {bold.path.name}", place)
    siblings = _siblings(table, bold, of_task)
    if siblings:
        return TableMatch(None, _explain_open(table, bold, siblings))
    is_open = measurement(table.name) != measurement(bold.name)
    other_runs = _other_runs(table, bold, series) if is_open else []
    if other_runs:
        names = join_name(other_runs[0].series())
        return TableMatch(None, f"{table.path.name} fits {names} as well")
    return TableMatch(table)


def match_masks(bold: File, masks: Iterable[File]) -> list[File]:
    """Find the brain masks of a run in the space of its BOLD series, of any resolution.

    Parameters
    ----------
    bold : File
        BOLD series of the run.
    masks : iterable of File
        Masks of any session, task and space.

    Returns
    -------
    list of File
        Those that share the most entities with the series; several if there are several resolutions.
    """
    in_space = [
        mask for mask in masks if _same_task(mask, bold) and mask.name.get("space") == bold.name.get("space")
    ]
    candidates = _most_specific([mask for mask in in_space if fits_run(mask.name, bold.name)])
    matches = [mask for mask in candidates if not _siblings(mask, bold, in_space)]
    return _same_processing(matches, bold)


def require_single(files: Sequence[File], problem: str, place: str = "") -> File:
    """Return the only file; refuse several.

    Parameters
    ----------
    files : sequence of File
        At least one.
    problem : str
        Predicate of the message, e.g. ``fit equally well as ...``.
    place : str
        Where to keep one of them, for the advice; by default, in the derivatives that the names tell.

    Returns
    -------
    File

    Raises
    ------
    InputError
        If there are several files.
    """
    if len(files) == 1:
        return files[0]
    paths = "\n".join(f"  {file.path}" for file in files)
    message = f"These files {problem}:\n{paths}\n{_advise_choice(files, place)}"
    raise InputError(message)


def _advise_choice(files: Sequence[File], place: str) -> str:
    place = place or _place_of(files[0])
    hashes = sorted({file.name.get("hash") or "" for file in files} - {""})
    if len(hashes) > 1:
        return (
            "Their hash- stands for settings of the pipeline, which no option selects. "
            f"Keep one of them {place}, or write each setting to a folder of its own."
        )
    return f"Keep one of them {place}."


def _place_of(file: File) -> str:
    """Name the derivatives that have a file, if its name tells."""
    if not file.name.get("sub") or of_kind([file], "mask"):
        return "there"
    pipelines = load_table("queries.json")["pipelines"]
    makers = [maker for kind, maker in _MAKERS.items() if of_kind([file], kind)]
    maker = makers[0] if makers else generator_of(file.name.get("desc") or "")
    return f"in {pipelines[maker]['name']}'s derivatives"


def _same_task(file: File, bold: File) -> bool:
    return (file.session, file.name.get("task")) == (bold.session, bold.name.get("task"))


def _most_specific(files: Sequence[File]) -> list[File]:
    n_shared = max((len(measurement(file.name)) for file in files), default=0)
    return [file for file in files if len(measurement(file.name)) == n_shared]


def _same_processing(files: Sequence[File], bold: File) -> list[File]:
    """Select files with the ``part`` and ``hash`` of the series, else those without ``desc``, if any.

    Several settings of one pipeline share a folder by ``hash``, and XCP-D wrote ``desc-filtered_motion``
    beside the complete table.
    """
    for key, value in (("part", bold.name.get("part")), ("hash", bold.name.get("hash")), ("desc", None)):
        if len(files) > 1:
            files = [file for file in files if file.name.get(key) == value] or files
    return list(files)


def _siblings(file: File, bold: File, files: Iterable[File]) -> list[File]:
    """Find files of the same kind that name an entity which a file leaves open."""
    values = dict(measurement(bold.name))
    open_keys = set(values) - {key for key, _ in measurement(file.name)}
    return [
        sibling
        for sibling in files
        if open_keys & {key for key, _ in measurement(sibling.name)}
        and all(key in open_keys or values.get(key) == value for key, value in measurement(sibling.name))
    ]


def _other_runs(table: File, bold: File, series: Iterable[File]) -> list[File]:
    """Find other runs of the session that a table fits."""
    return [
        file
        for file in series
        if _same_task(file, bold)
        and measurement(file.name) != measurement(bold.name)
        and fits_run(table.name, file.name)
    ]


def _explain_open(table: File, bold: File, siblings: Sequence[File]) -> str:
    keys = dict(measurement(bold.name)).keys() - dict(measurement(table.name)).keys()
    labels = " and ".join(f"{key}-" for key, _ in bold.series() if key in keys)
    return f"{table.path.name} has no {labels}, which {siblings[0].path.name} has"


def _list_tables(tables: Sequence[File], scope: str) -> str:
    names = ", ".join(table.path.name for table in tables)
    return f"tables {scope}: {names}" if names else ""
