"""Time and memory of ``group`` by number of participants: ``make benchmark-group``.

    python -m benchmarks.group WORK [--n-participants 100 1000] [--n-contrasts 2] [--layout 3d] ...

Output datasets of smooth random maps are written to WORK (1 MB for each map), measured, and removed.
"""

import argparse
from pathlib import Path

from benchmarks.group.page import table
from benchmarks.group.run import WAYS, measure


def main() -> None:
    """Run the benchmark, write ``results.json``, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for datasets and results")
    parser.add_argument("--n-participants", type=int, nargs="+", default=[100, 1000], help="sizes to measure")
    parser.add_argument("--n-contrasts", type=int, default=2, help="contrasts of each participant")
    parser.add_argument("--layout", choices=("3d", "4d"), default="3d", help="an image per contrast, or one")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS), help="what to measure")
    parser.add_argument("--keep", action="store_true", help="keep the datasets for the next call")
    options = parser.parse_args()
    results = measure(
        options.work,
        options.n_participants,
        options.n_contrasts,
        options.layout,
        options.ways,
        keep=options.keep,
    )
    print(table(results["measurements"]))


if __name__ == "__main__":
    main()
