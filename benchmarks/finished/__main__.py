"""Time and memory of runs over participants whose maps exist: ``make benchmark-finished``.

    python -m benchmarks.finished WORK [--n-participants 10 100 1000 20000] [--layout 3d]

Datasets are hard links to the files of one participant: 150 names and 30 kB for each participant.
"""

import argparse
from pathlib import Path

from benchmarks.finished.page import table
from benchmarks.finished.run import WAYS, measure


def main() -> None:
    """Run the benchmark, write ``results.json``, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for datasets and results")
    sizes = [10, 100, 1000, 20000]
    parser.add_argument("--n-participants", type=int, nargs="+", default=sizes, help="sizes to measure")
    parser.add_argument("--layout", choices=("3d", "4d"), default="3d", help="an image per contrast, or one")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS), help="what to measure")
    options = parser.parse_args()
    results = measure(options.work, options.n_participants, options.layout, options.ways)
    print(table(results["measurements"]))


if __name__ == "__main__":
    main()
