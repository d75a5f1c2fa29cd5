"""Write docs/performance.md from the results of ``python -m benchmarks.speed``.

python -m benchmarks.speed.page OUT/benchmark.md docs/performance.md
"""

import sys
from pathlib import Path

HEAD = """# How fast it is

The tables were made by `make benchmark` (`python -m benchmarks.speed OUT` makes them of any machine, and
leaves every single number as JSON). The ways of a table were timed in turn, each repeat in a process of its
own but for the network, so that a noisy machine disturbs all alike: **the ratios say more than the seconds.**
Peak memory is that of the process, libraries included.
"""
WRITTEN = "## What bounds it, and what did not pay\n"


def main() -> None:
    """Write the page, keeping the section that a person wrote."""
    source, target = (Path(word) for word in sys.argv[1:3])
    before = target.read_text("utf-8") if target.exists() else ""
    written = before.partition(WRITTEN)[2].strip() or "Nothing was written yet."
    target.write_text(f"{HEAD}\n{source.read_text('utf-8').strip()}\n\n{WRITTEN}\n{written}\n", "utf-8")


if __name__ == "__main__":
    main()
