"""HTML page of a group, in one self-contained file."""

from collections.abc import Sequence

from bids_deeptaskgen.report.colours import N_SIDE
from bids_deeptaskgen.report.group_content import GroupContent, GroupSetContent, MissingSession
from bids_deeptaskgen.report.group_page_data import count_participants, group_page_data
from bids_deeptaskgen.report.group_page_images import GroupImages
from bids_deeptaskgen.report.group_page_rows import fit_rows
from bids_deeptaskgen.report.html import SYMBOLS, render_page
from bids_deeptaskgen.report.participant_content import PageWarning
from bids_deeptaskgen.report.viewer_data import BYTE_STEP, surface_name

SCRIPTS = (
    "common.js",
    "viewer.js",
    "plots.js",
    "tables.js",
    "selection.js",
    "group_participants.js",
    "group_plots.js",
    "group.js",
)
# Participants without maps that are listed one by one; the search field finds all.
MAX_LISTED = 500
N_FIRST = 8


def render_group(content: GroupContent) -> str:
    """Render the page of a group.

    Parameters
    ----------
    content : GroupContent

    Returns
    -------
    str
        HTML without references to other files, except links to the participants' pages; equal content gives
        equal text.
    """
    content = fit_rows(content)
    data, images = group_page_data(content)
    return render_page(
        "group.html.j2",
        scripts=SCRIPTS,
        styles=["common.css", "group.css"],
        content=content,
        sections=_sections(content),
        warnings=_warnings(content),
        n_participants=count_participants(content),
        n_missing=len(content.missing_sessions),
        n_without=len({session.participant for session in content.missing_sessions}),
        listed=content.missing_sessions[:MAX_LISTED],
        n_first=N_FIRST,
        sentence=missing_sentence(content.missing_sessions),
        is_predicted=any(group.is_predicted for part in content.sets for group in part.map_groups),
        data=data,
        surface=surface_name(images.detail.step),
        n_steps=N_SIDE // images.detail.byte_step,
        images_remark=images_remark(images),
    )


def _sections(content: GroupContent) -> list[tuple[str, str]]:
    """List identifiers and titles of the page's sections: those that any set needs."""
    sets = content.sets
    is_present = {
        ("summary", "Summary"): True,
        ("participants", "Participants"): any(part.rows for part in sets),
        ("quality", "Quality"): any(column.is_metric for part in sets for column in part.columns),
        ("maps", "Maps"): any(part.map_groups for part in sets),
        ("differences", "Differences"): bool(sets),
        ("qc-fc", "QC-FC"): any(part.qc_fc for part in sets),
        ("individuality", "Individuality"): any(_has_individuality(part) for part in sets),
        ("embedding", "Embedding"): any(part.embedding for part in sets),
        ("methods", "Methods"): bool(content.methods),
        ("about", "About"): True,
    }
    return [section for section, is_shown in is_present.items() if is_shown]


def _has_individuality(part: GroupSetContent) -> bool:
    return bool(part.similarity or part.identification or part.icc or part.individuality_remarks)


def _warnings(content: GroupContent) -> list[tuple[str, PageWarning]]:
    """List the name of the set and the warning, the most severe first."""
    warnings = [(part.name, warning) for part in content.sets for warning in part.warnings]
    return sorted(warnings, key=lambda item: list(SYMBOLS).index(item[1].level))


def missing_sentence(sessions: Sequence[MissingSession]) -> str:
    """Describe how many sessions have no maps.

    Parameters
    ----------
    sessions : sequence of MissingSession

    Returns
    -------
    str

    Examples
    --------
    >>> missing_sentence([MissingSession("sub-01", "", "failed")])
    '1 participant has sessions without maps, or with maps that are not used.'
    """
    n = len({session.participant for session in sessions})
    subject = "1 participant has" if n == 1 else f"{n:,} participants have"
    return f"{subject} sessions without maps, or with maps that are not used."


def images_remark(images: GroupImages) -> str:
    """Describe which details of the images are left out so that the page stays small.

    Parameters
    ----------
    images : GroupImages

    Returns
    -------
    str
        Empty for the finest images.
    """
    parts = []
    if images.detail.step > 1:
        ordinal = {2: "second", 3: "third", 4: "fourth"}[images.detail.step]
        parts.append(f"Because this page shows many maps, its images are coarser: every {ordinal} voxel.")
    elif images.detail.byte_step > BYTE_STEP:
        parts.append("Because this page shows many maps, its images have fewer colours.")
    if images.titles_left_out:
        parts.append(f"There is no space for the maps of: {', '.join(images.titles_left_out)}.")
    return " ".join(parts)
