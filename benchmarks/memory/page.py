"""Measurements as the table of a page: ``python -m benchmarks.memory.page WORK docs/reference/memory.md``."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.memory.comparison import Comparison, compare, find_absent
from benchmarks.memory.shapes import SHAPES

_TABLE = re.compile(r"(<!-- table -->\n).*?(\n<!-- end of table -->)", re.DOTALL)


def format_table(rows: Sequence[Comparison], absent: Mapping[str, str], n_all_shapes: int) -> str:
    """Format the comparisons as a table, the largest deviations as a sentence, and list absent shapes."""
    lines = ["| shape | node | declared GB | measured GB | declared / measured |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.shape} | {row.step} | {row.declared_gb:.2f} | {row.measured_gb:.2f} | {row.ratio:.2f} |"
        for row in rows
    ]
    ratios = [row.ratio for row in rows]
    n_shapes = len({row.shape for row in rows})
    lines += [
        "",
        f"{len(rows)} nodes of {n_shapes} of {n_all_shapes} shapes; declared / measured from "
        f"{min(ratios):.2f} to {max(ratios):.2f}.",
    ]
    if absent:
        lines += ["", f"Not complete, {len(absent)} of {n_all_shapes} shapes:", ""]
        lines += [f"- {name}: {reason}" for name, reason in absent.items()]
    return "\n".join(lines)


def main(work: Path, page: Path) -> None:
    """Replace the table of a page by that of the measurements in a folder."""
    table = format_table(list(compare(work)), find_absent(work), len(SHAPES))
    text, n_tables = _TABLE.subn(lambda match: match[1] + table + match[2], page.read_text("utf-8"))
    if n_tables != 1:
        message = f"{page}: has no line <!-- table --> before <!-- end of table -->."
        raise SystemExit(message)
    page.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
