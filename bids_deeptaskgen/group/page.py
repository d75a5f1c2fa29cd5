"""Content of the page of a group, from the results of its sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.connectome.qc_verdicts import FAIL
from bids_deeptaskgen.errors import quantity
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.individuality import (
    MAX_SIMILARITY,
    MIN_ICC,
    CompleteSessions,
    describe_similarity,
    embed_participants,
    mean_title,
)
from bids_deeptaskgen.group.map_rows import with_usable_maps
from bids_deeptaskgen.group.prepared_set import PreparedSet
from bids_deeptaskgen.group.qc_fc import EdgeRelation
from bids_deeptaskgen.group.quality import page_links, row_name, table_columns, table_rows
from bids_deeptaskgen.group.set_analysis import SetResults
from bids_deeptaskgen.report.group_content import (
    DesignContent,
    GroupSetContent,
    IdentificationRow,
    MissingSession,
    Outlier,
    QcFcContent,
    Similarity,
)
from bids_deeptaskgen.report.participant_content import PageWarning
from bids_deeptaskgen.report.reading.participant import describe_cleaning
from bids_deeptaskgen.settings.flags import with_flags


@dataclass(frozen=True)
class SetParts:
    """What the page of a set is made of.

    Attributes
    ----------
    prepared : PreparedSet
    results : SetResults
    edges : EdgeRelation or None
        Relation of the ROI x ROI connectome to mean FD.
    halves : sequence of IdentificationRow
        Identification between halves of the windows.
    design : DesignContent or None
    equal_series : sequence of sequence of str
        Sessions that contain the same data.
    table : dict of str to list
        Columns of the joined table.
    outliers : sequence of Outlier
    """

    prepared: PreparedSet
    results: SetResults
    edges: EdgeRelation | None
    halves: Sequence[IdentificationRow]
    design: DesignContent | None
    equal_series: Sequence[Sequence[str]]
    table: Mapping[str, Sequence[Any]]
    outliers: Sequence[Outlier]


def set_content(output: Path, parts: SetParts, rng: np.random.Generator) -> GroupSetContent:
    """Assemble the content of the page of a set.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    parts : SetParts
    rng : Generator
        Source of samples of many participants.

    Returns
    -------
    GroupSetContent
    """
    prepared, results = parts.prepared, parts.results
    columns = table_columns(parts.table)
    names = [f"sub-{prepared.plan.participants[i]}" for i in prepared.request.sample]
    title = mean_title(results.similarity.n_contrasts)
    return GroupSetContent(
        name=prepared.group_set.name,
        facts=_facts(prepared, results),
        warnings=_warnings(parts),
        columns=columns,
        rows=table_rows(prepared.table, columns, output),
        outliers=parts.outliers,
        map_groups=results.pictures.groups if results.pictures else (),
        design=parts.design,
        qc_fc=QcFcContent(
            rows=[*results.qc_fc, *([parts.edges.row] if parts.edges else [])],
            remark=prepared.fd_remark,
            edges=parts.edges.r if parts.edges else None,
            distances_mm=parts.edges.distances_mm if parts.edges else None,
            distance_r=parts.edges.distance_r if parts.edges else None,
            distance_remark=parts.edges.remark if parts.edges else "",
        ),
        similarity=_similarity(results, names, title, rng),
        identification=[*results.identification.rows, *parts.halves],
        icc=results.icc,
        individuality_remarks=_individuality_remarks(parts),
        embedding=embed_participants(names, results.similarity.mean, title),
        table=prepared.group_set.path(Path(), "group_metrics").as_posix(),
        participants=[
            f"sub-{label}"
            for row, label in enumerate(prepared.plan.participants)
            if row in results.written_rows
        ],
        design_refusal=with_flags(prepared.design_refusal),
    )


def _similarity(
    results: SetResults, names: Sequence[str], title: str, rng: np.random.Generator
) -> list[Similarity]:
    if len(names) < 2:  # noqa: PLR2004
        return []
    matrices = {
        f"Maps, {title}": results.similarity.mean,
        f"Maps minus the group mean, {title}": results.similarity_deviations.mean,
    }
    # The same sample of participants for both.
    seed = int(rng.integers(2**32))
    return [
        describe_similarity(name, names, matrix, np.random.default_rng(seed))
        for name, matrix in matrices.items()
    ]


def _facts(prepared: PreparedSet, results: SetResults) -> dict[str, str]:
    """Describe a set in words."""
    group_set = prepared.group_set
    usable_results = with_usable_maps(group_set.results, prepared.plan, results.written_rows)
    sessions = {(result.subject, result.session) for result in usable_results}
    counts = sorted(set(results.n_participants.values()))
    in_means = (
        f"{counts[0]} to {counts[-1]}, depending on the contrast" if len(counts) > 1 else str(counts[0])
    )
    return {
        "Participants": str(len({result.subject for result in usable_results})),
        "Participants in the means": in_means,
        "Sessions": str(len(sessions)),
        "Contrasts": str(len(results.n_participants)),
        "Model": group_set.model_name or "n/a",
        "Cleaning": describe_cleaning(group_set.provenance.get("Settings", {})),
        "Settings hash": group_set.settings_hash,
        "Files": group_set.folder,
    }


def _warnings(parts: SetParts) -> list[PageWarning]:
    """List what readers must know first, the most severe first."""
    rows = parts.prepared.table
    failures = [row_name(row) for row in rows if row.get("verdict") == FAIL]
    warnings = []
    if failures:
        warnings.append(
            PageWarning(
                FAIL,
                f"{len(failures)} of {quantity(len(rows), 'session')} have a quality metric beyond its limit "
                f"of a failure: {_abbreviate(failures)}.",
                "They are in all averages and tests.",
                "Look at their pages. Exclude them with --exclude-participant-label if their maps cannot be "
                "trusted.",
            )
        )
    if parts.prepared.design_refusal:
        reason = with_flags(parts.prepared.design_refusal)
        warnings.append(PageWarning("warn", "The design is not tested in this set of maps.", reason))
    warnings += [
        PageWarning(
            "warn",
            f"These sessions contain the same data: {', '.join(names)}.",
            "One of them may be a copy under a wrong label.",
            "Compare the input files, and remove the copy.",
        )
        for names in parts.equal_series
    ]
    return warnings


def _abbreviate(names: Sequence[str], n_shown: int = 10) -> str:
    text = ", ".join(names[:n_shown])
    return f"{text}, and {len(names) - n_shown} more" if len(names) > n_shown else text


def _individuality_remarks(parts: SetParts) -> list[str]:
    """Explain which parts of individuality are not available."""
    prepared, results = parts.prepared, parts.results
    remarks = []
    n_participants = len(prepared.plan.participants)
    if n_participants > MAX_SIMILARITY:
        remarks.append(
            f"Similarity is computed for {MAX_SIMILARITY} participants, drawn at random from "
            f"{n_participants}."
        )
    if not prepared.request.pairs and not parts.halves:
        remarks.append(
            "Identification needs three participants with two sessions, with several runs "
            "(--no-combine-runs), or with several windows (--n-windows)."
        )
    if prepared.complete is None:
        remarks.append(f"ICC(3,1) needs at least {MIN_ICC} participants with the same two or more sessions.")
    elif prepared.connectome is None:
        remarks.append(
            "ICC(3,1) needs the ROI x ROI connectomes of the participants, which are missing or cannot be "
            "used."
        )
    elif prepared.parcels is None:
        remarks.append(
            "ICC(3,1) needs the image of the ROIs (*_dseg.nii.gz), which the participant level of this "
            "version writes: run it again; finished participants are not repeated."
        )
    elif not results.icc:
        remarks.append(f"ICC(3,1): no ROI has values of {MIN_ICC} participants in all sessions.")
    else:
        remarks.append(_icc_sessions(prepared.complete))
    return remarks


def _icc_sessions(complete: CompleteSessions) -> str:
    """Describe of whom the reliability is."""
    labels = [f"ses-{label}" if label else "no session" for label in complete.sessions]
    left_out = (
        f" Further participants with several sessions who lack one of these: {complete.n_left_out}."
        if complete.n_left_out
        else ""
    )
    return f"ICC(3,1) is of the {len(complete.rows)} participants with {' and '.join(labels)}.{left_out}"


def missing_sessions(rows: Sequence[Mapping[str, Any]], output: Path) -> list[MissingSession]:
    """List participants and sessions without maps for the page.

    Parameters
    ----------
    rows : sequence of dict
        ``participant_id``, ``session_id`` and ``reason``.
    output : Path
        Root of the dataset, with the pages of the participants.

    Returns
    -------
    list of MissingSession
    """
    pages = page_links(output)
    return [
        MissingSession(
            participant=row["participant_id"],
            session=row["session_id"] or "",
            reason=" ".join((row["reason"] or "").split()),
            page=pages.get(row["participant_id"], ""),
        )
        for row in rows
    ]


def page_facts(sets: Sequence[GroupSet], missing_rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Describe the group in words.

    Parameters
    ----------
    sets : sequence of GroupSet
    missing_rows : sequence of dict

    Returns
    -------
    dict of str to str
    """
    participants = {label for group_set in sets for label in group_set.participants}
    return {
        "Participants with maps": str(len(participants)),
        "Participants or sessions without maps": str(len(missing_rows)),
        "Sets of maps": "\n".join(
            f"{group_set.name}: {quantity(len(group_set.participants), 'participant')}" for group_set in sets
        ),
    }
