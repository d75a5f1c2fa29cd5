"""One person's runs, with all the files that belong to each, frozen into records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_deeptaskgen.bids.filenames import BidsName, Entities, join_name
from bids_deeptaskgen.bids.input.custom_confounds import find_custom
from bids_deeptaskgen.bids.input.invalid_sidecars import InvalidSidecar, check_sidecars, find_invalid_sidecars
from bids_deeptaskgen.bids.input.layout import File, list_files, participant_layout, present
from bids_deeptaskgen.bids.input.query import Query, describe_misplaced, fits, misplaced
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID, Grid, make_sampler
from bids_deeptaskgen.io.nifti_reader import load_image

if TYPE_CHECKING:
    from bids import BIDSLayout


@dataclass(frozen=True)
class SessionFault:
    """A session whose files cannot be used, and why.

    A run that is at fault takes its session along: maps of fewer runs than the others' would be made
    unnoticed. Whoever wants them leaves the run out with ``--run-id``.

    Attributes
    ----------
    subject : str
    session : str or None
    entities : tuple of (str, str)
        As in `SessionInputs`; empty where all of the session is concerned.
    error : InputError
    """

    subject: str
    session: str | None
    entities: Entities
    error: InputError


def collect_sessions(
    root: Path,
    subject: str,
    query: Query,
    *,
    others: Mapping[str, Path] | None = None,
    combine_runs: bool = True,
) -> list[SessionInputs | SessionFault]:
    """Find a person's runs, with mask, confounds and repetition time.

    Parameters
    ----------
    root : Path
        Derivatives of fMRIPrep, or of what cleans its output.
    subject : str
        Label without ``sub-``.
    query : Query
        Task, space, desc, sessions and runs that are wanted; its participants are not looked at.
    others : dict of str to Path, optional
        Further derivatives: ``fmriprep`` for masks and confounds that `root` lacks, ``aroma`` for noise
        components.
    combine_runs : bool
        Put the runs of a session into one record, across ``run-`` and ``dir-`` only; else one record a run.

    Returns
    -------
    list of SessionInputs or SessionFault
        Sorted by session and entities; empty where nothing fits the query. A session is at fault if the
        mask of a run is missing, a file is a link to nowhere, two files fit equally well, a sidecar of a run
        cannot be read, or a file is named as another person's or session's than that of its folder.

    Raises
    ------
    InputError
        If the person's files cannot be indexed.
    """
    root = root.absolute()
    pooled = load_table("queries.json")["pooled"] if combine_runs else ()
    series: dict[tuple[str, Entities], list[list[File]]] = {}
    invalid_sidecars = find_invalid_sidecars(root, subject)
    with participant_layout(root, subject, (one.path for one in invalid_sidecars)) as layout:
        files = {kind: list_files(layout, root, kind) for kind in load_table("queries.json")["files"]}
        files |= _files_of_others(files, subject, others or {})
        found: list[SessionInputs | SessionFault] = list(_misplaced(files.values(), subject, query))
        at_fault = {fault.session for fault in found}
        queries = _queries(files["bold"], query)
        for candidates in _runs(files["bold"], queries):
            bold = candidates[0]
            if bold.session not in at_fault:
                series.setdefault((bold.session or "", bold.series(*pooled)), []).append(candidates)
        for (label, entities), runs in series.items():
            session = label or None
            try:
                chosen = queries[session]
                inputs = tuple(
                    _run_inputs(candidates, files, layout, invalid_sidecars, root, chosen)
                    for candidates in runs
                )
                found.append(SessionInputs(subject, session, inputs, entities))
            except InputError as error:
                found.append(SessionFault(subject, session, entities, error))
    return sorted(found, key=lambda one: (one.session or "", one.entities))


def _files_of_others(
    files: Mapping[str, list[File]], subject: str, others: Mapping[str, Path]
) -> dict[str, list[File]]:
    """List what further derivatives hold of a person, where it is not there already."""
    found: dict[str, list[File]] = {}
    for name, kinds in (("fmriprep", ("mask", "confounds")), ("aroma", ("aroma",))):
        if name in others and any(not files[kind] for kind in kinds):
            root = others[name].absolute()
            invalid_sidecars = find_invalid_sidecars(root, subject)
            with participant_layout(root, subject, (one.path for one in invalid_sidecars)) as layout:
                found |= {kind: files[kind] or list_files(layout, root, kind) for kind in kinds}
    return found


def _run_inputs(
    candidates: Sequence[File],
    files: Mapping[str, Sequence[File]],
    layout: "BIDSLayout",
    invalid_sidecars: Sequence[InvalidSidecar],
    root: Path,
    query: Query,
) -> RunInputs:
    """Gather the files of one run; see `collect_sessions` for what can be wrong with them."""
    bold = _best_grid(candidates)
    check_sidecars(invalid_sidecars, bold.path)
    cleaned = query.desc in load_table("queries.json")["made_by"]
    bold_path, mask = present(bold.path), _mask_of(bold, files["mask"], needed=not cleaned)
    # XCP-D takes volumes out: then only its own table of motion has as many rows as are left.
    outliers = _table_of(bold, files["outliers"]) if cleaned else None
    confounds = _table_of(bold, files["motion"] if outliers else files["confounds"])
    names = (confounds.name,) if confounds else ()
    return RunInputs(
        bold=bold_path,
        mask=mask,
        confounds=confounds,
        t_r=repetition_time(layout.get_metadata(str(bold.path)), bold.path),
        entities=tuple(pair for pair in bold.series() if pair[0] in load_table("queries.json")["pooled"]),
        space=query.space,
        aroma=_table_of(bold, files["aroma"]),
        outliers=outliers,
        custom=find_custom(query.custom, bold.path, root, names) if query.custom else None,
    )


def _misplaced(files: Iterable[Sequence[File]], subject: str, query: Query) -> Iterator[SessionFault]:
    """Find sessions with files of somebody else, which would pass as theirs: series leave the person out."""
    strange: dict[str | None, list[Path]] = {}
    for file in chain.from_iterable(files):
        if query.wants_session(file.session) and misplaced(file.name, subject, file.session, query):
            strange.setdefault(file.session, []).append(file.path)
    for session, paths in strange.items():
        words = describe_misplaced([path.name for path in paths], subject, session)
        yield SessionFault(subject, session, (), InputError(f"{paths[0].parent}: {words}."))


def _queries(bolds: Sequence[File], query: Query) -> dict[str | None, Query]:
    """Settle for each session which space its series are taken from."""
    names: dict[str | None, list[BidsName]] = {}
    for file in bolds:
        names.setdefault(file.session, []).append(file.name)
    return {session: query.in_space(of_session) for session, of_session in names.items()}


def _runs(bolds: Sequence[File], queries: Mapping[str | None, Query]) -> list[list[File]]:
    """Group the series that are asked for into runs, whose files differ in resolution only; in order."""
    runs: dict[tuple[str, Entities], list[File]] = {}
    for file in bolds:
        query = queries[file.session]
        if fits(file.name, query) and query.wants_session(file.session):
            # Padded with zeros, run 2 sorts before run 10.
            key = tuple((key, value.zfill(6) if key == "run" else value) for key, value in file.series())
            runs.setdefault((file.session or "", key), []).append(file)
    return [runs[key] for key in sorted(runs)]


def _grid_of(file: File) -> Grid:
    image = load_image(present(file.path))
    return Grid.of(image.shape, image.affine)


def _best_grid(candidates: Sequence[File]) -> File:
    """Choose among resolutions of one run: the output's points of space if one has them, else the finest.

    Labels of ``res-`` are not looked at: what they mean is up to whoever ran fMRIPrep.
    """
    if len(candidates) == 1:
        return candidates[0]
    ranked = sorted(((_rank(_grid_of(file)), file) for file in candidates), key=lambda pair: pair[0])
    best = [file for rank, file in ranked if rank == ranked[0][0]]
    return _only(best, "fit equally well as the BOLD series of one run")


def _rank(grid: Grid) -> tuple[bool, float]:
    """Lower is better: first the output's points of space, nearest to its voxel size; then small voxels."""
    corners = np.zeros(OUTPUT_GRID.shape, np.bool_)
    corners[:: corners.shape[0] - 1, :: corners.shape[1] - 1, :: corners.shape[2] - 1] = True
    sampler = make_sampler(grid, OUTPUT_GRID, corners)
    same_points = not sampler.resamples and bool(sampler.inside.all())
    volume_mm3 = float(np.prod(grid.voxel_sizes_mm))
    wanted_mm3 = float(np.prod(OUTPUT_GRID.voxel_sizes_mm)) if same_points else 0.0
    return not same_points, round(abs(volume_mm3 - wanted_mm3), 2)


def _only(files: Sequence[File], why: str) -> File:
    if len(files) == 1:
        return files[0]
    listed = "\n".join(f"  {file.path}" for file in files)
    message = f"These files {why}:\n{listed}\nKeep one of them where fMRIPrep's derivatives are."
    raise InputError(message)


def _mask_of(bold: File, masks: Sequence[File], *, needed: bool) -> Path | None:
    """Find the brain mask on a series' grid: the one of its name, else one of its space with its affine.

    What cleans a series does not write a mask, but sets to 0 what is outside: there it is not needed.
    """
    of_run = [
        mask
        for mask in masks
        if (mask.session, mask.series()) == (bold.session, bold.series())
        and mask.name.get("space") == bold.name.get("space")
    ]
    same_name = [mask for mask in of_run if mask.name.get("res") == bold.name.get("res")]
    if not same_name and of_run:
        wanted = _grid_of(bold)
        same_name = [mask for mask in of_run if _grid_of(mask).fits(wanted)]
    if same_name:
        return present(_only(same_name, f"fit equally well as the brain mask of {bold.path.name}").path)
    if not needed:
        return None
    name = join_name((*bold.name.without(("desc",)), ("desc", "brain")))
    others = ", ".join(mask.path.name for mask in of_run) or "none"
    message = (
        f"{bold.path.parent}: no brain mask for {bold.path.name} (masks of that run and space: {others}).\n"
        f"Put {name}_mask.nii.gz there, or re-run fMRIPrep for this person."
    )
    raise InputError(message)


def _table_of(bold: File, tables: Sequence[File]) -> Path | None:
    """Find the table nearest to a series: the one that shares the most entities and contradicts none."""
    of_series = bold.series()
    nearest = [
        table
        for table in tables
        if table.session == bold.session
        and table.name.get("task") == bold.name.get("task")
        and set(table.series()) <= set(of_series)
    ]
    if not nearest:
        return None
    most = max(len(table.series()) for table in nearest)
    best = [table for table in nearest if len(table.series()) == most]
    return present(_only(best, f"fit equally well as the confounds of {bold.path.name}").path)


def repetition_time(metadata: Mapping[str, Any], bold: Path) -> float | None:
    """Read the repetition time in s from the JSON metadata of a series; None where they do not say it.

    Raises
    ------
    InputError
        If it is no number of seconds.
    """
    value = metadata.get("RepetitionTime")
    if value is None:
        return None
    try:
        t_r = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        t_r = 0.0
    if not 0 < t_r < float("inf"):
        message = (
            f"{bold}: its JSON says RepetitionTime {value!r}; it must be a number of seconds.\nMend the JSON."
        )
        raise InputError(message)
    return t_r
