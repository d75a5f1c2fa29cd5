"""One set of maps from its rows to its files and the content of its page."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.bids.output.roi_connectome import roi_names, write_roi_connectome
from bids_deeptaskgen.group.differences import design_content
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.map_rows import with_usable_maps
from bids_deeptaskgen.group.page import SetParts, set_content
from bids_deeptaskgen.group.participant_table import warn_of_equal_series
from bids_deeptaskgen.group.prepared_set import PreparedSet
from bids_deeptaskgen.group.qc_fc import EdgeRelation, relate_connectome
from bids_deeptaskgen.group.quality import find_outliers
from bids_deeptaskgen.group.regions.froi_plan import SetMaps
from bids_deeptaskgen.group.regions.functional_rois import FunctionalRois
from bids_deeptaskgen.group.regions.roi_tables import roi_table
from bids_deeptaskgen.group.regions.session_outputs import SessionOutput, write_session_outputs
from bids_deeptaskgen.group.roi_connectomes import group_connectome_sidecar
from bids_deeptaskgen.group.selection import Selection
from bids_deeptaskgen.group.set_analysis import SetResults, analyse_set
from bids_deeptaskgen.group.tables import write_group_table, write_matrix, write_quality_tables, write_rows
from bids_deeptaskgen.group.window_halves import identify_by_halves
from bids_deeptaskgen.io.tsv import join_columns
from bids_deeptaskgen.report.group_content import GroupSetContent, Outlier
from bids_deeptaskgen.settings.group import GroupSettings


@dataclass(frozen=True)
class SetOutput:
    """A set after its files were written.

    Attributes
    ----------
    group_set : GroupSet
        With the sessions whose maps are in an average.
    content : GroupSetContent
    """

    group_set: GroupSet
    content: GroupSetContent


def run_set(
    settings: GroupSettings,
    staging: Path,
    prepared: PreparedSet,
    selection: Selection,
    rng: np.random.Generator,
) -> SetOutput | None:
    """Compute and write everything of a set.

    Parameters
    ----------
    settings : GroupSettings
    staging : Path
        Folder for the files, with the layout of the dataset.
    prepared : PreparedSet
    selection : Selection
        Maps that cannot be used are added to its faults.
    rng : Generator

    Returns
    -------
    SetOutput or None
        None if none of its maps can be used; then nothing is written.
    """
    output, group_set = settings.output_dir, prepared.group_set
    has_page = settings.reports == "full"
    results = analyse_set(output, staging, prepared, selection, has_page=has_page)
    if not results.n_participants:
        return None
    equal_series = warn_of_equal_series(group_set.results)
    edges = relate_connectome(prepared.connectome, prepared.fd_mm) if prepared.connectome else None
    _write_connectome(staging, prepared)
    table, outliers = join_columns([dict(row) for row in prepared.table]), find_outliers(prepared.table)
    write_quality_tables(staging, group_set, group_set.results, table)
    _write_outliers(staging, group_set, outliers)
    _write_motion(staging, prepared, results, edges)
    halves = identify_by_halves(output, group_set.results, list(results.n_participants), rng)
    design = None
    if prepared.design:
        design = design_content(prepared.design, results.effects, results.notes, results.untested)
    _write_design(staging, prepared, results)
    parts = SetParts(prepared, results, edges, halves, design, equal_series, table, outliers)
    content = set_content(output, parts, rng)
    _write_individuality(staging, prepared, results, content)
    usable_results = with_usable_maps(group_set.results, prepared.plan, results.written_rows)
    _write_session_outputs(output, staging, prepared, results, usable_results, selection.faults)
    return SetOutput(replace(group_set, results=tuple(usable_results)), content)


def _write_session_outputs(
    output: Path,
    staging: Path,
    prepared: PreparedSet,
    results: SetResults,
    usable_results: Sequence[Result],
    faults: Sequence[ResultFault],
) -> None:
    """Write what needs the maps of one session at a time, in one pass over all sessions."""
    if prepared.regions is None:
        return
    group_set, contrasts, known_faults = prepared.group_set, list(results.n_participants), frozenset(faults)
    session_outputs: list[AbstractContextManager[SessionOutput]] = [
        roi_table(output, staging, group_set, atlas, contrasts) for atlas in prepared.regions.atlases
    ]
    if prepared.regions.frois:
        usable_set = replace(group_set, results=tuple(usable_results))
        maps = SetMaps(output, usable_set, contrasts, prepared.regions.mask, known_faults)
        session_outputs.append(FunctionalRois(prepared.regions.frois, maps, staging))
    write_session_outputs(
        output, usable_results, contrasts, prepared.regions.mask, session_outputs, known_faults
    )


def _write_connectome(staging: Path, prepared: PreparedSet) -> None:
    """Write the mean ROI x ROI connectome."""
    if prepared.connectome:
        sidecar = group_connectome_sidecar(prepared.connectome, prepared.group_set.task)
        path = prepared.group_set.path(staging, "group_connectome")
        write_roi_connectome(path, prepared.connectome.matrix, sidecar)


def _write_outliers(staging: Path, group_set: GroupSet, outliers: Sequence[Outlier]) -> None:
    """Write the table of unusual values."""
    table: dict[str, Sequence[Any]] = {
        "participant_id": [outlier.participant for outlier in outliers],
        "session": [outlier.name for outlier in outliers],
        "measure": [outlier.measure for outlier in outliers],
        "value": [outlier.value for outlier in outliers],
        "robust_z": [outlier.robust_z for outlier in outliers],
    }
    write_group_table(group_set.path(staging, "group_outliers"), "group_outliers", table)


def _write_motion(
    staging: Path, prepared: PreparedSet, results: SetResults, edges: EdgeRelation | None
) -> None:
    """Write the tables of the relation to motion."""
    group_set = prepared.group_set
    rows = [*results.qc_fc, *([edges.row] if edges else [])]
    write_rows(staging, group_set, "group_qcfc_contrasts", rows)
    if edges and prepared.connectome:
        rois = roi_names(len(prepared.connectome.peaks_mm))
        first, second = np.triu_indices(len(rois), 1)
        distances = edges.distances_mm
        table = {
            "roi_a": [rois[i] for i in first],
            "roi_b": [rois[i] for i in second],
            "r": edges.r.tolist(),
            "distance_mm": [None] * len(first) if distances is None else distances.tolist(),
        }
        write_group_table(group_set.path(staging, "group_qcfc_edges"), "group_qcfc_edges", table)


def _write_design(staging: Path, prepared: PreparedSet, results: SetResults) -> None:
    """Write the design matrix and the table of effects."""
    plan, group_set = prepared.design, prepared.group_set
    if plan is None:
        return
    table: dict[str, Sequence[Any]] = {"participant_id": [f"sub-{label}" for label in plan.participants]}
    table |= dict(zip(plan.columns, plan.matrix.T.tolist(), strict=True))
    write_group_table(group_set.path(staging, "group_design"), "group_design", table)
    rows = []
    for effect in results.effects:
        cells = asdict(effect)
        x, y, z = cells.pop("peak_mm")
        rows.append(cells | {"peak_x_mm": x, "peak_y_mm": y, "peak_z_mm": z})
    if not rows:
        return
    path = group_set.path(staging, "group_effects")
    write_group_table(path, "group_effects", join_columns(rows))


def _write_individuality(
    staging: Path, prepared: PreparedSet, results: SetResults, content: GroupSetContent
) -> None:
    """Write similarity, identification, reliability and principal components."""
    group_set = prepared.group_set
    names = [f"sub-{prepared.plan.participants[i]}" for i in prepared.request.sample]
    for kind, matrix in (
        ("group_similarity", results.similarity.mean),
        ("group_similarity_deviations", results.similarity_deviations.mean),
    ):
        write_matrix(staging, group_set, kind, names, matrix)
    write_rows(staging, group_set, "group_similarity_contrasts", results.similarity_rows)
    write_rows(staging, group_set, "group_identification", content.identification)
    write_rows(staging, group_set, "group_icc", results.icc)
    if content.embedding:
        axes: Sequence[Sequence[float]] = content.embedding.axes.T.tolist()
        table: dict[str, Sequence[Any]] = {"participant_id": content.embedding.participants}
        table |= {f"component_{number}": values for number, values in enumerate(axes, 1)}
        write_group_table(group_set.path(staging, "group_embedding"), "group_embedding", table)
