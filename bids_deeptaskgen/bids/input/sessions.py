"""Runs of one participant with all their files, as immutable records."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_deeptaskgen.bids.filenames import BidsName, Entities, join_name
from bids_deeptaskgen.bids.input.custom_confounds import find_custom
from bids_deeptaskgen.bids.input.invalid_sidecars import InvalidSidecar, check_sidecars, find_invalid_sidecars
from bids_deeptaskgen.bids.input.layout import File, list_files, participant_layout, require_target
from bids_deeptaskgen.bids.input.query import Query, describe_misplaced, fits, is_misplaced
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID, Grid, make_sampler
from bids_deeptaskgen.io.nifti_reader import load_image

if TYPE_CHECKING:
    from bids import BIDSLayout


@dataclass(frozen=True)
class SessionFault:
    """Session with unusable files.

    If a run is unusable, its whole session is excluded; otherwise that session's maps would silently be
    based on fewer runs. ``--run-id`` excludes the run alone.

    Attributes
    ----------
    subject : str
    session : str or None
    entities : tuple of (str, str)
        As in `SessionInputs`; empty if the fault concerns the whole session.
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
    extra_roots: Mapping[str, Path] | None = None,
    combine_runs: bool = True,
) -> list[SessionInputs | SessionFault]:
    """Collect a participant's runs, with mask, confounds and repetition time.

    Parameters
    ----------
    root : Path
        Derivatives of fMRIPrep, or of a pipeline that cleans fMRIPrep's output.
    subject : str
        Label without ``sub-``.
    query : Query
        Task, space, desc, sessions and runs to use; its participants are ignored.
    extra_roots : dict of str to Path, optional
        Further derivatives: ``fmriprep`` for masks and confounds that `root` lacks, ``aroma`` for noise
        components.
    combine_runs : bool
        Pool the runs of a session in one record, across ``run-``, ``dir-`` and ``chunk-`` only; else return
        one record for each run.

    Returns
    -------
    list of SessionInputs or SessionFault
        Sorted by session and entities; empty if nothing matches the query. A session is at fault if the
        mask of a run is missing, a file is a broken link, two files fit equally well, a sidecar of a run
        cannot be read, or a file names another participant or session than its folder.

    Raises
    ------
    InputError
        If the participant's files cannot be indexed.
    """
    root = root.absolute()
    pooled_keys = load_table("queries.json")["pooled"] if combine_runs else ()
    series: dict[tuple[str, Entities], list[tuple[list[File], Query]]] = {}
    invalid_sidecars = find_invalid_sidecars(root, subject)
    with participant_layout(root, subject, (sidecar.path for sidecar in invalid_sidecars)) as layout:
        files = {kind: list_files(layout, root, kind) for kind in load_table("queries.json")["files"]}
        files |= _extra_files(files, subject, extra_roots or {})
        sessions: list[SessionInputs | SessionFault] = list(_misplaced_faults(files.values(), subject, query))
        faulty_sessions = {fault.session for fault in sessions}
        for task_query in query.by_task():
            queries = _queries(files["bold"], task_query)
            for candidates in _runs(files["bold"], queries):
                bold = candidates[0]
                if bold.session not in faulty_sessions:
                    key = (bold.session or "", task_query.output_entities(bold.series(*pooled_keys)))
                    series.setdefault(key, []).append((candidates, queries[bold.session]))
        for (label, entities), runs in series.items():
            session = label or None
            try:
                _require_tasks([candidates[0] for candidates, _ in runs], runs[0][1])
                inputs = tuple(
                    _run_inputs(candidates, files, layout, invalid_sidecars, root, run_query)
                    for candidates, run_query in runs
                )
                sessions.append(SessionInputs(subject, session, inputs, entities))
            except InputError as error:
                sessions.append(SessionFault(subject, session, entities, error))
    return sorted(sessions, key=lambda record: (record.session or "", record.entities))


def _require_tasks(runs: Sequence[File], query: Query) -> None:
    """Refuse to pool runs if one of the tasks to combine has none; the maps would have a wrong task label."""
    missing_tasks = sorted(set(query.tasks) - {run.name.get("task") for run in runs})
    if missing_tasks:
        message = (
            f"{runs[0].path.parent}: no run of task-{', task-'.join(missing_tasks)} to combine with "
            f"{runs[0].path.name}.\nUse maps of single tasks for this session (omit `combine_tasks`)."
        )
        raise InputError(message)


def _extra_files(
    files: Mapping[str, list[File]], subject: str, extra_roots: Mapping[str, Path]
) -> dict[str, list[File]]:
    """List a participant's files of further derivatives, for kinds that the main derivatives lack."""
    extra_files: dict[str, list[File]] = {}
    for name, kinds in (("fmriprep", ("mask", "confounds")), ("aroma", ("aroma",))):
        if name in extra_roots and any(not files[kind] for kind in kinds):
            root = extra_roots[name].absolute()
            invalid_sidecars = find_invalid_sidecars(root, subject)
            with participant_layout(root, subject, (sidecar.path for sidecar in invalid_sidecars)) as layout:
                extra_files |= {kind: files[kind] or list_files(layout, root, kind) for kind in kinds}
    return extra_files


def _run_inputs(
    candidates: Sequence[File],
    files: Mapping[str, Sequence[File]],
    layout: "BIDSLayout",
    invalid_sidecars: Sequence[InvalidSidecar],
    root: Path,
    query: Query,
) -> RunInputs:
    """Collect the files of one run; see `collect_sessions` for the faults that they may have."""
    # Runs of combined tasks may have equal numbers.
    pooled_keys = (*load_table("queries.json")["pooled"], *(["task"] if len(query.tasks) > 1 else []))
    bold = _best_grid(candidates)
    check_sidecars(invalid_sidecars, bold.path)
    is_denoised = query.desc in load_table("queries.json")["made_by"]
    bold_path, mask = require_target(bold.path), _mask_of(bold, files["mask"], is_required=not is_denoised)
    # XCP-D removes volumes: then only its motion table has as many rows as the series has volumes.
    outliers = _table_of(bold, files["outliers"]) if is_denoised else None
    confounds = _table_of(bold, files["motion"] if outliers else files["confounds"])
    names = (confounds.name,) if confounds else ()
    return RunInputs(
        bold=bold_path,
        mask=mask,
        confounds=confounds,
        t_r=repetition_time(layout.get_metadata(str(bold.path)), bold.path),
        entities=tuple(pair for pair in bold.series() if pair[0] in pooled_keys),
        space=query.space,
        aroma=_table_of(bold, files["aroma"]),
        outliers=outliers,
        custom=find_custom(query.custom, bold.path, root, names) if query.custom else None,
    )


def _misplaced_faults(files: Iterable[Sequence[File]], subject: str, query: Query) -> Iterator[SessionFault]:
    """Find sessions with files of other participants.

    `File.series` ignores the participant, so that such files would be taken for the session's own.
    """
    by_session: dict[str | None, list[Path]] = {}
    for file in chain.from_iterable(files):
        if query.wants_session(file.session) and is_misplaced(file.name, subject, file.session, query):
            by_session.setdefault(file.session, []).append(file.path)
    for session, paths in by_session.items():
        reason = describe_misplaced([path.name for path in paths], subject, session)
        yield SessionFault(subject, session, (), InputError(f"{paths[0].parent}: {reason}."))


def _queries(bolds: Sequence[File], query: Query) -> dict[str | None, Query]:
    """Resolve the space of the series for each session."""
    names: dict[str | None, list[BidsName]] = {}
    for file in bolds:
        names.setdefault(file.session, []).append(file.name)
    return {session: query.resolve_space(session_names) for session, session_names in names.items()}


def _runs(bolds: Sequence[File], queries: Mapping[str | None, Query]) -> list[list[File]]:
    """Group the selected series into sorted runs, whose files differ in resolution only."""
    runs: dict[tuple[str, Entities], list[File]] = {}
    for file in bolds:
        query = queries[file.session]
        if fits(file.name, query) and query.wants_session(file.session):
            # Padded with zeros, run 2 sorts before run 10.
            key = tuple((key, value.zfill(6) if key == "run" else value) for key, value in file.series())
            runs.setdefault((file.session or "", key), []).append(file)
    return [runs[key] for key in sorted(runs)]


def _grid_of(file: File) -> Grid:
    return load_image(require_target(file.path)).grid


def _best_grid(candidates: Sequence[File]) -> File:
    """Select one resolution of a run: on the points of the output grid if possible, else the finest.

    Labels of ``res-`` are ignored, since their meaning is up to the user of fMRIPrep.
    """
    if len(candidates) == 1:
        return candidates[0]
    ranked = sorted(((_grid_rank(_grid_of(file)), file) for file in candidates), key=lambda pair: pair[0])
    first_rank = ranked[0][0]
    matches = [file for rank, file in ranked if rank == first_rank]
    return _require_single(matches, "fit equally well as the BOLD series of one run")


def _grid_rank(grid: Grid) -> tuple[bool, float]:
    """Return the sort key of a grid.

    Grids on the points of the output grid come first, nearest to its voxel size; then grids with small
    voxels.
    """
    corners = np.zeros(OUTPUT_GRID.shape, np.bool_)
    corners[:: corners.shape[0] - 1, :: corners.shape[1] - 1, :: corners.shape[2] - 1] = True
    sampler = make_sampler(grid, OUTPUT_GRID, corners)
    same_points = not sampler.resamples and bool(sampler.is_covered.all())
    volume_mm3 = float(np.prod(grid.voxel_sizes_mm))
    target_mm3 = float(np.prod(OUTPUT_GRID.voxel_sizes_mm)) if same_points else 0.0
    return not same_points, round(abs(volume_mm3 - target_mm3), 2)


def _require_single(files: Sequence[File], problem: str) -> File:
    if len(files) == 1:
        return files[0]
    paths = "\n".join(f"  {file.path}" for file in files)
    message = f"These files {problem}:\n{paths}\nKeep one of them in fMRIPrep's derivatives."
    raise InputError(message)


def _mask_of(bold: File, masks: Sequence[File], *, is_required: bool) -> Path | None:
    """Find the brain mask on a series' grid: the mask of the same name, else of the same space and affine.

    Pipelines that clean a series write no mask, but set voxels outside the brain to 0: then no mask is
    required.
    """
    of_run = [
        mask
        for mask in masks
        if (mask.session, mask.series()) == (bold.session, bold.series())
        and mask.name.get("space") == bold.name.get("space")
    ]
    matches = [mask for mask in of_run if mask.name.get("res") == bold.name.get("res")]
    if not matches and of_run:
        grid = _grid_of(bold)
        matches = [mask for mask in of_run if _grid_of(mask).fits(grid)]
    if matches:
        return require_target(
            _require_single(matches, f"fit equally well as the brain mask of {bold.path.name}").path
        )
    if not is_required:
        return None
    name = join_name((*bold.name.entities_without(("desc",)), ("desc", "brain")))
    mask_names = ", ".join(mask.path.name for mask in of_run) or "none"
    message = (
        f"{bold.path.parent}: no brain mask for {bold.path.name} (masks of that run and space: "
        f"{mask_names}).\nPut {name}_mask.nii.gz there, or re-run fMRIPrep for this participant."
    )
    raise InputError(message)


def _table_of(bold: File, tables: Sequence[File]) -> Path | None:
    """Find the table of a series: it shares the most entities with the series and contradicts none."""
    of_series = bold.series()
    candidates = [
        table
        for table in tables
        if table.session == bold.session
        and table.name.get("task") == bold.name.get("task")
        and set(table.series()) <= set(of_series)
    ]
    if not candidates:
        return None
    n_shared = max(len(table.series()) for table in candidates)
    matches = [table for table in candidates if len(table.series()) == n_shared]
    return require_target(
        _require_single(matches, f"fit equally well as the confounds of {bold.path.name}").path
    )


def repetition_time(metadata: Mapping[str, Any], bold: Path) -> float | None:
    """Return the repetition time from the JSON metadata of a series.

    Parameters
    ----------
    metadata : dict
        JSON metadata, in which ``RepetitionTime`` is in s.
    bold : Path
        The series, for messages.

    Returns
    -------
    float or None
        In s; None if the metadata have no ``RepetitionTime``.

    Raises
    ------
    InputError
        If ``RepetitionTime`` is not a positive finite number.
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
            f"{bold}: its JSON says RepetitionTime {value!r}; it must be a positive number of seconds.\n"
            "Correct the JSON."
        )
        raise InputError(message)
    return t_r


def read_repetition_time(bold: Path) -> float | None:
    """Read the repetition time from the JSON sidecar in the folder of an image.

    Parameters
    ----------
    bold : Path

    Returns
    -------
    float or None
        In s; None if there is no sidecar, or no ``RepetitionTime`` in it.

    Raises
    ------
    InputError
        If the sidecar is not JSON, or ``RepetitionTime`` is not a positive finite number.
    """
    path = bold.with_name(bold.name.partition(".nii")[0] + ".json")
    try:
        return repetition_time(dict(json.loads(path.read_text("utf-8"))), bold)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as reason:
        message = f"{path}: cannot be read as JSON ({reason}).\nCorrect the file, or use `t_r`."
        raise InputError(message) from reason
