"""Write docs/reference/finished_performance.md from the results of ``python -m benchmarks.finished``.

python -m benchmarks.finished.page WORK/results.json docs/reference/finished_performance.md
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HEAD = """# Runs over finished participants

`make benchmark-finished` writes this page; only its last section is written by hand. One participant is
simulated, processed and given a page. The files of all others are hard links to its files, with their own
completion records. Each has 35 files in the `func` folder of the input, as fMRIPrep writes them, and 104 in
that of the output with one image for each contrast (47 maps with sidecars, tables, images of the page).

Times are those of the whole command, from its start to its exit code. CPU time is user and system time of all
its processes. On a machine with other work, CPU times are more reliable than wall times. The options are the
defaults except for the model, the layout of maps and the minimum of data.
"""
HANDWRITTEN = "## What is decided, and how\n"


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
    parts = [HEAD, f"Measured with {facts}.\n", table(results["measurements"]), HANDWRITTEN, interpretation]
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
    lines = [
        "| finished participants | maps | | wall | CPU | CPU per participant | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            f"{row['n_participants']:,}",
            row["layout"],
            row["way"],
            f"{row['wall_s']:.1f} s",
            f"{row['cpu_s']:.1f} s",
            f"{1000 * row['cpu_s'] / row['n_participants']:.1f} ms",
            f"{row['peak_mib']:.0f} MiB",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, with its handwritten section unchanged."""
    source, target = (Path(word) for word in sys.argv[1:3])
    old_page = target.read_text("utf-8") if target.exists() else ""
    interpretation = old_page.partition(HANDWRITTEN)[2].strip() or "Not written yet."
    target.write_text(page(json.loads(source.read_text("utf-8")), interpretation), "utf-8")


if __name__ == "__main__":
    main()
