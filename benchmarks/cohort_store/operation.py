"""Run one operation on a format in a process of its own, and print its seconds as JSON.

python -m benchmarks.cohort_store.operation FORMAT {draw,write,contrast,participant} FOLDER N C
"""

import json
import os
import sys
import time
from pathlib import Path

from benchmarks.cohort_store.cohort import Cohort, files_of, make_cohort
from benchmarks.cohort_store.formats import FORMATS

OPERATIONS = ("draw", "write", "contrast", "participant")


def evict(folder: Path) -> None:
    """Remove the files of a folder from the cache of the operating system.

    Parameters
    ----------
    folder : Path
    """
    for path in files_of(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(format_name: str, operation: str, folder: Path, cohort: Cohort) -> float:
    """Run an operation.

    Parameters
    ----------
    format_name : str
        Key of ``FORMATS``.
    operation : {"draw", "write", "contrast", "participant"}
        ``draw`` draws the maps that ``write`` writes, and does nothing else.
    folder : Path
    cohort : Cohort

    Returns
    -------
    float
        Wall seconds; reading starts with an empty cache of files, writing ends when the files are on disk.
    """
    layout = FORMATS[format_name]
    if operation in ("contrast", "participant"):
        evict(folder)
    start = time.perf_counter()
    if operation == "draw":
        for row in range(cohort.n_participants):
            cohort.maps(row)
    elif operation == "write":
        layout.write(folder, cohort)
        os.sync()
    else:
        read = layout.read_contrast if operation == "contrast" else layout.read_participant
        read(folder, cohort)
    return time.perf_counter() - start


def main() -> None:
    """Run the operation that the arguments name."""
    format_name, operation, folder, n_participants, n_contrasts = sys.argv[1:6]
    cohort = make_cohort(int(n_participants), int(n_contrasts))
    print(json.dumps({"seconds": run(format_name, operation, Path(folder), cohort)}))


if __name__ == "__main__":
    main()
