"""Size and speed of the cohort store beside plain NIfTI images: ``make benchmark-store``.

    python -m benchmarks.cohort_store WORK [--sizes 200x47 1000x5] [--formats nifti float32 float16]

Only one format is on disk at a time. Each needs up to 1 MB for each map.
"""

import argparse
import json
import shutil
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.cohort_store.cohort import files_of, size_on_disk
from benchmarks.cohort_store.formats import FORMATS
from benchmarks.speed.command_timing import of_command
from benchmarks.speed.results import machine
from bids_deeptaskgen.io.atomic import write_json

_N_REPEATS = 3


@dataclass(frozen=True)
class Measurement:
    """Size and speed of a format.

    Attributes
    ----------
    n_participants, n_contrasts : int
    format : str
        Key of ``FORMATS``.
    n_bytes, n_files : int
    draw_s : float
        Time for drawing the maps, which is part of `write_s`.
    write_s, write_cpu_s : float
    write_gib : float
        Peak resident memory of writing.
    contrast_s : list of float
        Times for reading a contrast of all participants.
    participant_s : list of float
        Times for reading all contrasts of a participant.
    """

    n_participants: int
    n_contrasts: int
    format: str
    n_bytes: int
    n_files: int
    draw_s: float
    write_s: float
    write_cpu_s: float
    write_gib: float
    contrast_s: list[float]
    participant_s: list[float]

    @property
    def medians(self) -> tuple[float, float]:
        """Return the median times for a contrast and for a participant."""
        return statistics.median(self.contrast_s), statistics.median(self.participant_s)


def measure(folder: Path, format_name: str, n_participants: int, n_contrasts: int) -> Measurement:
    """Write maps in a format, read them, and remove them.

    Parameters
    ----------
    folder : Path
    format_name : str
        Key of ``FORMATS``.
    n_participants, n_contrasts : int

    Returns
    -------
    Measurement
    """
    shutil.rmtree(folder, ignore_errors=True)

    def run(operation: str) -> tuple[float, Any]:
        words = [format_name, operation, str(folder), str(n_participants), str(n_contrasts)]
        timing = of_command([sys.executable, "-m", "benchmarks.cohort_store.operation", *words])
        lines = [line for _, line in timing.result.lines]
        if timing.result.code:
            message = f"{' '.join(words)} failed:\n" + "\n".join(lines)
            raise RuntimeError(message)
        return float(json.loads(lines[-1])["seconds"]), timing

    draw_s, _ = run("draw")
    write_s, timing = run("write")
    measurement = Measurement(
        n_participants=n_participants,
        n_contrasts=n_contrasts,
        format=format_name,
        n_bytes=size_on_disk(folder),
        n_files=len(files_of(folder)),
        draw_s=round(draw_s, 2),
        write_s=round(write_s, 2),
        write_cpu_s=round(timing.cpu_s, 2),
        write_gib=round(timing.peak_gib, 3),
        contrast_s=[round(run("contrast")[0], 3) for _ in range(_N_REPEATS)],
        participant_s=[round(run("participant")[0], 3) for _ in range(_N_REPEATS)],
    )
    shutil.rmtree(folder)
    return measurement


def main() -> None:
    """Run the benchmark, and write ``results.json`` after each format."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for maps and results")
    parser.add_argument("--sizes", nargs="+", default=["200x47", "1000x5"], help="participants x contrasts")
    parser.add_argument("--formats", nargs="+", choices=tuple(FORMATS), default=list(FORMATS))
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "measurements": []}
    for size in options.sizes:
        n_participants, n_contrasts = map(int, size.split("x"))
        for format_name in options.formats:
            measurement = measure(options.work / "maps", format_name, n_participants, n_contrasts)
            results["measurements"].append(asdict(measurement))
            write_json(options.work / "results.json", results)
            print(measurement, flush=True)


if __name__ == "__main__":
    main()
