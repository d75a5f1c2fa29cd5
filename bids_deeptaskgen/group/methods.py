"""Text on the group level for a methods section."""

from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.report.group_content import DesignContent, GroupSetContent


def methods_text(
    sets: Sequence[GroupSetContent],
    *,
    has_permutations: bool,
    has_tfce: bool,
    froi: str | None = None,
    froi_percent: float = 0.0,
    atlases: Sequence[str] = (),
    has_measured: bool = False,
) -> str:
    """Write the methods text of a group, with references.

    Parameters
    ----------
    sets : sequence of GroupSetContent
    has_permutations, has_tfce : bool
        Whether the tests have permutations, and threshold-free cluster enhancement.
    froi : str or None
        Search space of functional ROIs: a file or a name in TemplateFlow; None without functional ROIs.
    froi_percent : float
        Share of the voxels of a region in a functional ROI.
    atlases : sequence of str
        Atlases of the ROI tables: files or names in TemplateFlow.
    has_measured : bool
        Whether functional ROIs are compared with those of measured maps.

    Returns
    -------
    str
        Markdown. Only what was computed for any set is in it.
    """
    pairs = dict.fromkeys(row.pair for item in sets for row in item.identification)
    designs = {item.name: item.design for item in sets if item.design}
    is_used = {
        "maps": True,
        "qc_fc": any(item.qc_fc and item.qc_fc.rows for item in sets),
        "similarity": any(item.similarity for item in sets),
        "identification": bool(pairs),
        "icc": any(item.icc for item in sets),
        "design": bool(designs),
        "permutations": bool(designs) and has_permutations,
        "tfce": bool(designs) and has_tfce,
        "rois": bool(atlases),
        "frois": froi is not None,
        "measured": froi is not None and has_measured,
    }
    words = {
        "atlases": " and of ".join(Path(source).name for source in dict.fromkeys(atlases)),
        "froi": Path(froi or "").name,
        "froi_percent": f"{froi_percent:g}",
        "pairs": "; ".join(pairs),
        "designs": " ".join(
            _describe_design(design, name if len(sets) > 1 else "") for name, design in designs.items()
        ),
    }
    parts = load_table("group_methods.json")["parts"]
    used_parts = [parts[name] for name, is_part in is_used.items() if is_part]
    references = [f"- {reference}" for part in used_parts for reference in part["references"]]
    paragraphs = [part["text"].format(**words) for part in used_parts]
    return "\n\n".join([*paragraphs, "### References", "\n".join(references)]) + "\n"


def _describe_design(design: DesignContent, set_name: str) -> str:
    """Write a sentence on the design of a set."""
    start = f"Maps of {set_name}: {design.formula}" if set_name else f"Design: {design.formula}"
    facts = "; ".join(f"{name}: {value}" for name, value in design.facts.items())
    return f"{start} ({facts})." if facts else f"{start}."
