"""Write docs/reference/store_performance.md from the results of ``python -m benchmarks.cohort_store``.

python -m benchmarks.cohort_store.page WORK/results.json docs/reference/store_performance.md
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cohort_store.__main__ import Measurement
from benchmarks.cohort_store.formats import FORMATS

N_LARGE = 20_000
HANDWRITTEN = "## What the numbers mean\n"
HEAD = """# Size and speed of the cohort store

`make benchmark-store` writes this page; only its last section is written by hand. The maps are smooth random
patterns in the brain mask (235,375 voxels), drawn while they are written; "draw" is the time of the drawing
alone, which is part of the time of writing. Only one format is on disk at a time. NIfTI images are written as
the participant level writes them (compressed by isal) and read with nibabel.

Each operation is a process of its own, and its import of libraries is not counted. Reading starts after the
files were removed from the cache of the operating system; times of reading are medians of three processes.
Writing ends when the files are on disk. "A contrast" is one contrast of all participants, "a participant" is
all contrasts of one participant, both as an array in memory.
"""
_EXTRAPOLATION = """## Extrapolation to 20,000 participants

**Not measured.** Size and time of writing and of reading a contrast are those of the largest cohort with the
same number of contrasts, multiplied by the ratio of the numbers of participants; reading a participant does
not depend on the number.
"""


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
    rows = [Measurement(**row) for row in results["measurements"]]
    parts = [HEAD, f"Measured with {facts}.\n", table(rows), _EXTRAPOLATION, extrapolation_table(rows)]
    return "\n".join([*parts, HANDWRITTEN, interpretation]).rstrip("\n") + "\n"


def table(rows: Sequence[Measurement]) -> str:
    """Format the measurements as a Markdown table.

    Parameters
    ----------
    rows : sequence of Measurement

    Returns
    -------
    str
    """
    lines = [
        "| participants x contrasts | format | size | files | draw | write | CPU of writing | peak memory of "
        "writing | read a contrast | read a participant |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        contrast_s, participant_s = row.medians
        cells = (
            f"{row.n_participants:,} x {row.n_contrasts}",
            FORMATS[row.format].name,
            f"{row.n_bytes / 1e9:.2f} GB",
            f"{row.n_files:,}",
            f"{row.draw_s:.0f} s",
            f"{row.write_s:.0f} s",
            f"{row.write_cpu_s:.0f} s",
            f"{row.write_gib:.2f} GiB",
            f"{contrast_s:.2f} s",
            f"{participant_s:.2f} s",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def extrapolation_table(rows: Sequence[Measurement]) -> str:
    """Format the extrapolation to ``N_LARGE`` participants as a Markdown table.

    Parameters
    ----------
    rows : sequence of Measurement

    Returns
    -------
    str
    """
    lines = [
        "| participants x contrasts | format | size | write | read a contrast | read a participant |",
        "|---|---|---|---|---|---|",
    ]
    largest = {(row.n_contrasts, row.format): row for row in sorted(rows, key=lambda row: row.n_participants)}
    for (n_contrasts, format_name), row in largest.items():
        ratio = N_LARGE / row.n_participants
        contrast_s, participant_s = row.medians
        cells = (
            f"{N_LARGE:,} x {n_contrasts}",
            FORMATS[format_name].name,
            f"{row.n_bytes * ratio / 1e9:,.0f} GB",
            f"{(row.write_s - row.draw_s) * ratio / 3600:.1f} h without drawing",
            f"{contrast_s * ratio / 60:.1f} min",
            f"{participant_s:.2f} s",
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
