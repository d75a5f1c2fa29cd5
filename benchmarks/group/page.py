"""Write docs/reference/group_performance.md from the results of ``python -m benchmarks.group``.

python -m benchmarks.group.page WORK/results.json docs/reference/group_performance.md
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HEAD = """# Time and memory of the group level

`make benchmark-group` writes this page; only its last section is written by hand. The maps are smooth random
patterns in the brain mask (235,375 voxels). The masks of participants differ at the edge of the brain: of all
voxels with a value, some 9 in 10 have a value of all participants of a small group. Each participant has one
session, an ROI x ROI connectome, quality metrics, age, sex and site.

Wall time is that of the whole command, from its start to its exit code. Peak memory is the resident memory
of its largest process, including libraries. Temporary files are those in `OUTPUT_DIR/work` (`--work-dir`),
which are removed at the end. "Reading the same maps alone" reads each map with the reader of the group level,
and does nothing else. On a machine with other work, CPU times are more reliable than wall times.
"""
HANDWRITTEN = "## What bounds time and memory\n"
_COLUMNS = "| participants | contrasts | | wall | CPU | peak memory | temporary files | command |"


def page(results: Mapping[str, Any], interpretation: str) -> str:
    """Format the page as Markdown.

    Parameters
    ----------
    results : mapping
        Content of results.json.
    interpretation : str
        Text of the section that is written by hand.

    Returns
    -------
    str
    """
    facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in results["machine"].items())
    rows = results["measurements"]
    parts = [HEAD, f"Measured with {facts}.\n", table(rows), growth_table(rows), HANDWRITTEN, interpretation]
    return "\n".join(parts).rstrip("\n") + "\n"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format the measurements as a Markdown table.

    Parameters
    ----------
    rows : sequence of mapping
        Fields of `run.Measurement`.

    Returns
    -------
    str
    """
    lines = [_COLUMNS, "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        cells = (
            f"{row['n_participants']:,}",
            f"{row['n_contrasts']} ({row['layout']})",
            row["way"],
            f"{row['wall_s']:.1f} s",
            f"{row['cpu_s']:.1f} s",
            f"{row['peak_gib']:.2f} GiB",
            f"{row['scratch_gib']:.2f} GiB",
            f"`{row['command']}`",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def growth_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format how time and memory grow from the smallest to the largest dataset.

    Parameters
    ----------
    rows : sequence of mapping
        Fields of `run.Measurement`.

    Returns
    -------
    str
        Time per participant of the largest divided by that of the smallest dataset, and difference of their
        peak memory; empty for a single size.
    """
    # Rows of another kind of dataset cannot be compared.
    kinds = [(row["n_contrasts"], row["layout"]) for row in rows]
    rows = [row for row, kind in zip(rows, kinds, strict=True) if kind == kinds[0]]
    sizes = sorted({row["n_participants"] for row in rows})
    if len(sizes) < 2:
        return ""
    small, large = sizes[0], sizes[-1]
    by_key = {(row["way"], row["n_participants"]): row for row in rows}
    lines = [
        f"From {small:,} to {large:,} participants (1 in the first two columns: linear):\n",
        "| | wall time per participant | CPU time per participant | peak memory |",
        "|---|---|---|---|",
    ]
    for way in dict.fromkeys(row["way"] for row in rows):
        if (way, small) in by_key and (way, large) in by_key:
            first, last = by_key[way, small], by_key[way, large]
            wall, cpu = (last[key] / large / (first[key] / small) for key in ("wall_s", "cpu_s"))
            lines.append(
                f"| {way} | {wall:.2f} | {cpu:.2f} | {last['peak_gib'] - first['peak_gib']:+.2f} GiB |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, with its handwritten section unchanged."""
    source, target = (Path(word) for word in sys.argv[1:3])
    old_page = target.read_text("utf-8") if target.exists() else ""
    interpretation = old_page.partition(HANDWRITTEN)[2].strip() or "Not written yet."
    target.write_text(page(json.loads(source.read_text("utf-8")), interpretation), "utf-8")


if __name__ == "__main__":
    main()
