"""Write docs/reference/performance.md from the results of ``python -m benchmarks.speed``.

python -m benchmarks.speed.page OUT/benchmark.md docs/reference/performance.md
"""

import sys
from pathlib import Path

HEAD = """# Speed and memory

`make benchmark` writes this page. To measure your machine, run `python -m benchmarks.speed OUT` in a
checkout; it also saves every single number as JSON. The variants in a table are measured alternately. Each
repeat runs in its own process, except for the network. A noisy machine therefore affects all variants alike:
**the ratios are more reliable than the seconds.** Peak memory is that of the process, including libraries.

"Decompression only" reads the gzip file and does nothing else. "Whole array in memory" loads the series and
correlates all voxels at once. "Unoptimised network" is the network as a plain torch module.
"""
HANDWRITTEN = "## What limits the speed, and which alternatives were rejected\n"


def main() -> None:
    """Write the page, with its handwritten section unchanged."""
    source, target = (Path(word) for word in sys.argv[1:3])
    old_page = target.read_text("utf-8") if target.exists() else ""
    interpretation = old_page.partition(HANDWRITTEN)[2].strip() or "Not written yet."
    tables = source.read_text("utf-8").strip()
    target.write_text(f"{HEAD}\n{tables}\n\n{HANDWRITTEN}\n{interpretation}\n", "utf-8")


if __name__ == "__main__":
    main()
