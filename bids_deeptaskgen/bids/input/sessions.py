"""Runs of one participant with all their files, as immutable records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.input.index import make_index
from bids_deeptaskgen.bids.input.layout import File, list_files, list_folders, list_sessions, require_target
from bids_deeptaskgen.bids.input.matching import require_single
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.runs import (
    RunFiles,
    SessionFiles,
    check_places,
    group_runs,
    list_session_files,
    match_run,
)
from bids_deeptaskgen.bids.input.sidecars import read_metadata, repetition_time
from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID, Grid, make_sampler
from bids_deeptaskgen.io.nifti_reader import load_image


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
    uses_pybids: bool = True,
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
    uses_pybids : bool
        Index the participant's files with pybids; else scan their folders, which finds the same files.

    Returns
    -------
    list of SessionInputs or SessionFault
        Sorted by session and entities; empty if nothing matches the query. A session is at fault if a file
        that a run requires is missing, a file is a broken link, two files fit equally well, a sidecar of a
        run cannot be read, or a file names another participant or session than its folder.

    Raises
    ------
    InputError
        If the participant's folder cannot be read.
    """
    root = root.absolute()
    folder = root / f"sub-{subject}"
    if not folder.is_dir():
        return []
    sessions, _ = list_sessions(list_folders(folder))
    list_folder = make_index(subject) if uses_pybids else list_files
    records: list[SessionInputs | SessionFault] = []
    for session in sessions:
        if not query.wants_session(session):
            continue
        try:
            files = list_session_files(root, subject, session, extra_roots or {}, list_folder)
            if files is None:
                continue
            check_places(files, subject, session, query)
        except InputError as error:
            records.append(SessionFault(subject, session, (), error))
            continue
        for task_query in query.by_task():
            session_query = task_query.resolve_space(file.name for file in files.main)
            results = group_runs(files, session_query, combine_runs=combine_runs)
            records += [
                _collect_result(subject, session, entities, runs, files, session_query)
                for entities, runs in results.items()
            ]
    return sorted(records, key=lambda record: (record.session or "", record.entities))


def _collect_result(
    subject: str,
    session: str | None,
    entities: Entities,
    runs: Sequence[Sequence[File]],
    files: SessionFiles,
    query: Query,
) -> SessionInputs | SessionFault:
    try:
        _require_tasks([bolds[0] for bolds in runs], query)
        inputs = tuple(_run_inputs(match_run(bolds, files, query), files.root, query) for bolds in runs)
    except InputError as error:
        return SessionFault(subject, session, entities, error)
    return SessionInputs(subject, session, inputs, entities)


def _require_tasks(runs: Sequence[File], query: Query) -> None:
    """Refuse to pool runs if one of the tasks to combine has none; the maps would have a wrong task label."""
    missing_tasks = sorted(set(query.tasks) - {run.name.get("task") for run in runs})
    if missing_tasks:
        message = (
            f"{runs[0].path.parent}: no run of task-{', task-'.join(missing_tasks)} to combine with "
            f"{runs[0].path.name}.\nUse maps of single tasks for this session (omit `combine_tasks`)."
        )
        raise InputError(message)


def _run_inputs(run: RunFiles, root: Path, query: Query) -> RunInputs:
    """Open the files of one run as far as their choice depends on it."""
    bold, bold_findings = _best_grid(run.bolds)
    t_r = repetition_time(read_metadata(bold.path, root), bold.path)
    mask, mask_findings = _mask_of(bold, run.masks, query)
    # Runs of combined tasks may have equal numbers.
    pooled_keys = (*load_table("queries.json")["pooled"], *(["task"] if len(query.tasks) > 1 else []))
    return RunInputs(
        bold=require_target(bold.path),
        mask=mask,
        confounds=_target(run.confounds),
        t_r=t_r,
        entities=tuple(pair for pair in bold.series() if pair[0] in pooled_keys),
        space=query.space,
        aroma=_target(run.aroma),
        outliers=_target(run.outliers),
        custom=require_target(run.custom) if run.custom else None,
        findings=(*run.findings, *bold_findings, *mask_findings, *_explain_header_t_r(bold, t_r)),
    )


def _target(file: File | None) -> Path | None:
    return require_target(file.path) if file else None


def _explain_header_t_r(bold: File, t_r: float | None) -> tuple[Finding, ...]:
    if t_r is not None:
        return ()
    name = bold.path.name.partition(".nii")[0]
    message = (
        f"{bold.path}: no JSON gives its RepetitionTime (searched for {name}.json and the sidecars that it "
        "inherits): the repetition time of the header is used."
    )
    return (Finding("repetition_time_from_header", message),)


def _grid_of(file: File) -> Grid:
    return load_image(require_target(file.path)).grid


def _best_grid(candidates: Sequence[File]) -> tuple[File, tuple[Finding, ...]]:
    """Select one resolution of a run: on the points of the output grid if possible, else the finest.

    Labels of ``res-`` are ignored, since their meaning is up to the user of fMRIPrep.
    """
    if len(candidates) == 1:
        return candidates[0], ()
    ranked = sorted(((_grid_rank(_grid_of(file)), file) for file in candidates), key=lambda pair: pair[0])
    first_rank = ranked[0][0]
    matches = [file for rank, file in ranked if rank == first_rank]
    bold = require_single(matches, "fit equally well as the BOLD series of one run")
    if not first_rank[0] and max(_grid_of(bold).voxel_sizes_mm) <= max(OUTPUT_GRID.voxel_sizes_mm):
        return bold, ()
    names = ", ".join(file.path.name for file in candidates)
    message = (
        f"{bold.path}: the finest of {len(candidates)} resolutions is resampled, since none is on the output "
        f"grid ({names})."
    )
    return bold, (Finding("no_resolution_on_output_grid", message),)


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


def _mask_of(bold: File, masks: Sequence[File], query: Query) -> tuple[Path | None, tuple[Finding, ...]]:
    """Select the mask on a series' grid: that of the same resolution, else the one with the same affine."""
    if not masks:
        return None, ()
    findings: tuple[Finding, ...] = ()
    matches = [mask for mask in masks if mask.name.get("res") == bold.name.get("res")]
    if not matches:
        grid = _grid_of(bold)
        matches = [mask for mask in masks if _grid_of(mask).fits(grid)]
        if not matches:
            return None, (_explain_other_grids(bold, masks, query),)
        findings = (Finding("mask_of_another_name", _explain_other_name(bold, matches[0])),)
    mask = require_single(matches, f"fit equally well as the brain mask of {bold.path.name}")
    return require_target(mask.path), findings


def _explain_other_name(bold: File, mask: File) -> str:
    return (
        f"{bold.path}: there is no brain mask of its resolution by name; {mask.path.name}, which is on the "
        "same grid, is used."
    )


def _explain_other_grids(bold: File, masks: Sequence[File], query: Query) -> Finding:
    """Describe that no mask is on the grid of a series; raise if the series is not masked already."""
    names = ", ".join(mask.path.name for mask in masks)
    problem = (
        f"{bold.path.parent}: no brain mask for {bold.path.name} is on its grid (masks of that run and "
        f"space: {names})"
    )
    if query.desc in load_table("queries.json")["made_by"]:
        return Finding("mask_not_found", f"{problem}: voxels that are not 0 count as brain instead.")
    message = f"{problem}.\nPut the mask of this resolution there, or re-run fMRIPrep for this participant."
    raise InputError(message)
