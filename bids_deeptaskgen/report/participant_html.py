"""HTML page of a participant, in one self-contained file."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM
from bids_deeptaskgen.report.colours import N_SIDE, sequential_table
from bids_deeptaskgen.report.html import MINUS, SYMBOLS, format_number, render_page
from bids_deeptaskgen.report.page_data import map_step, page_data
from bids_deeptaskgen.report.pages import kind_mark
from bids_deeptaskgen.report.participant_content import (
    PageWarning,
    ParticipantContent,
    QcRow,
    RunContent,
    SessionContent,
)
from bids_deeptaskgen.report.png import outline_mask, outlined_palette, png_uri
from bids_deeptaskgen.report.viewer_data import BYTE_STEP, coarsen_magnitudes, surface_name

if TYPE_CHECKING:
    from markupsafe import Markup

# Measures of agreement that have another scale than correlations, and are in the table only.
NO_CORRELATIONS = {"bootstrap_relative_sd"}


def render_participant(content: ParticipantContent) -> str:
    """Render the page of a participant.

    Parameters
    ----------
    content : ParticipantContent
        Sessions without maps and connectome give a small page.

    Returns
    -------
    str
        HTML with embedded figures and without references to other files; equal content gives equal text.
    """
    from markupsafe import Markup

    sessions = [_session_figures(number, session) for number, session in enumerate(content.sessions)]
    n_drawn = sum(bool(session.maps) for session in content.sessions)
    return render_page(
        "participant.html.j2",
        scripts=["common.js", "viewer.js", "participant.js"],
        styles=["common.css"],
        content=content,
        kind_mark=Markup(kind_mark(content.kind)),
        sessions=sessions,
        sections=_sections(content),
        agreement_pairs=_pairs(content),
        warnings=_warnings(content),
        n_drawn=n_drawn,
        has_connectome=any(session.connectome for session in content.sessions),
        data=page_data(content),
        n_verdicts=count_verdicts,
        slices_mm=[f"{z}".replace("-", MINUS) for z in SLICES_MM],
        surface=surface_name(map_step(n_drawn)),
        n_steps=N_SIDE // BYTE_STEP,
        viewer_remark=_viewer_remark(content, n_drawn),
    )


def _viewer_remark(content: ParticipantContent, n_drawn: int) -> str:
    if map_step(n_drawn) == 1:
        return ""
    return f"Because this page shows several {content.set_kinds}, its images have every second voxel."


def count_verdicts(rows: "list[QcRow] | Any") -> dict[str, int]:
    """Count the verdicts of quality metrics, from the most to the least severe.

    Parameters
    ----------
    rows : sequence of QcRow

    Returns
    -------
    dict of str to int
        Without verdicts that no metric has, and without ``info``.
    """
    counts = {
        verdict: sum(row.verdict == verdict for row in rows) for verdict in SYMBOLS if verdict != "info"
    }
    return {verdict: count for verdict, count in counts.items() if count}


def _sections(content: ParticipantContent) -> list[tuple[str, str]]:
    """List identifiers and titles of the page's sections."""
    sessions = content.sessions
    is_present = {
        ("summary", "Summary"): True,
        ("quality", "Quality"): bool(sessions),
        ("connectome", "Connectome"): any(session.connectome for session in sessions),
        ("maps", "Maps"): any(session.maps for session in sessions),
        ("typicality", "Typicality"): any(session.typicality for session in sessions),
        ("agreement", "Agreement"): bool(content.session_agreement)
        or any(session.agreement_measures for session in sessions),
        ("methods", "Methods"): bool(content.methods),
        ("about", "About"): True,
        ("errors", "Errors"): True,
    }
    return [section for section, is_shown in is_present.items() if is_shown]


def _pairs(content: ParticipantContent) -> list[str]:
    """List the pairs of sets of maps that share any contrast."""
    return list(dict.fromkeys(pair for row in content.session_agreement_by_contrast.values() for pair in row))


def _warnings(content: ParticipantContent) -> list[tuple[str, PageWarning]]:
    """List the name of the session and the warning, the most severe first."""
    warnings = [(session.name, warning) for session in content.sessions for warning in session.warnings]
    return sorted(warnings, key=lambda item: list(SYMBOLS).index(item[1].level))


def _session_figures(number: int, session: SessionContent) -> dict[str, Any]:
    """Draw the figures of a session: dict of the template's variables."""
    prefix = f"session-{number + 1}"
    figures: dict[str, Any] = {"content": session, "tsnr": None, "coverage": None}
    figures["agreement"] = _agreement_figure(session, f"{prefix}-agreement")
    figures["runs"] = [
        (run, _quality_figure(run, f"{prefix}-run-{index + 1}"), _mask_images(run))
        for index, run in enumerate(session.runs)
    ]
    if session.tsnr is not None:
        figures["tsnr"] = [png_uri(image, sequential_table()) for image in coarsen_magnitudes(session.tsnr)]
        figures["tsnr_bar"] = png_uri(np.arange(256, dtype=np.uint8)[None], sequential_table())
    if session.roi_coverage is not None:
        figures["coverage"] = _coverage_figure(session, f"{prefix}-coverage")
    return figures


def _mask_images(run: RunContent) -> list[str] | None:
    if run.mean is None or run.mask is None:
        return None
    palette = outlined_palette()
    return [
        png_uri(outline_mask(image, mask), palette) for image, mask in zip(run.mean, run.mask, strict=True)
    ]


def _quality_figure(run: RunContent, prefix: str) -> "Markup | None":
    from markupsafe import Markup

    from bids_deeptaskgen.report.figures import plot_run_quality
    from bids_deeptaskgen.report.inline_svg import inline_svg

    if run.fd_mm is None and run.dvars is None and run.carpet is None:
        return None
    figure = plot_run_quality(
        run.fd_mm,
        run.dvars,
        run.is_kept,
        run.t_r,
        run.fd_threshold_mm,
        run.carpet,
        run.carpet_groups,
        n_dummies=run.n_dummies,
    )
    title = f"Quality of the series over time: {run.name}"
    description = (
        "Framewise displacement with its threshold, DVARS, and carpet plot of the signal by tissue, on one "
        "axis of time. Volumes that were not used are shaded."
    )
    return Markup(inline_svg(figure, title, description, prefix=prefix))


def _agreement_figure(session: SessionContent, prefix: str) -> "Markup | None":
    """Draw the agreement of each contrast; None without values."""
    from markupsafe import Markup

    from bids_deeptaskgen.report.figures import plot_agreement
    from bids_deeptaskgen.report.inline_svg import inline_svg

    measures = {
        measure.name: measure.title
        for measure in session.agreement_measures
        if measure.name not in NO_CORRELATIONS
    }
    values = {
        image.label: {name: image.agreement[name] for name in measures if name in image.agreement}
        for image in session.maps
    }
    if not any(values.values()):
        return None
    figure = plot_agreement(values, measures=measures, label="spatial correlation, or reliability")
    title = f"Agreement of the maps of each contrast: {session.name}"
    description = f"A dot for each measure and each of {len(values)} contrasts. The table has the values."
    return Markup(inline_svg(figure, title, description, prefix=prefix))


def _coverage_figure(session: SessionContent, prefix: str) -> "Markup":
    from markupsafe import Markup

    from bids_deeptaskgen.report.figures import plot_coverage
    from bids_deeptaskgen.report.inline_svg import inline_svg

    coverage = np.asarray(session.roi_coverage, np.float64)
    names = list(session.connectome.roi_names) if session.connectome else []
    if len(names) != len(coverage):
        names = [f"ROI {number + 1}" for number in range(len(coverage))]
    description = f"Share of the weight of each of {len(coverage)} ROI maps on voxels with signal."
    if np.isfinite(coverage).any():
        lowest = int(np.nanargmin(coverage))
        description += f" Lowest: {names[lowest]}, {format_number(coverage[lowest], 2)}."
    title = f"Coverage of ROI maps: {session.name}"
    return Markup(inline_svg(plot_coverage(coverage, names), title, description, prefix=prefix))
