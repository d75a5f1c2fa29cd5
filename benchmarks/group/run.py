"""Measurements of ``group`` on output datasets of several sizes."""

import os
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.group.dataset import write_dataset
from benchmarks.speed.command_timing import of_command
from benchmarks.speed.results import machine
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.models.contrasts import load_contrasts

# Options of `group`, by row of the tables; None: its input is read, and nothing else is done.
WAYS: dict[str, tuple[str, ...] | None] = {
    "reading the same maps alone": None,
    "maps and tables": ("--reports", "none"),
    "maps, tables and page": (),
    "maps, tables and tests of a design": ("--reports", "none", "--design", "age + sex"),
}
_INTERVAL_S = 0.1
_BYTES_PER_BLOCK, _GIB = 512, 2**30


@dataclass(frozen=True)
class Measurement:
    """Time and memory of a command.

    Attributes
    ----------
    n_participants, n_contrasts : int
    layout : str
        3d or 4d.
    way : str
        Key of ``WAYS``.
    command : str
    wall_s, cpu_s : float
    peak_gib : float
        Peak resident memory of the process.
    scratch_gib : float
        Largest size of temporary files.
    """

    n_participants: int
    n_contrasts: int
    layout: str
    way: str
    command: str
    wall_s: float
    cpu_s: float
    peak_gib: float
    scratch_gib: float


def measure(
    work: Path,
    sizes: Sequence[int],
    n_contrasts: int,
    layout: str,
    ways: Sequence[str],
    *,
    keep: bool = False,
) -> dict[str, Any]:
    """Write datasets, measure the commands, and write ``results.json`` after each.

    Parameters
    ----------
    work : Path
        Folder for datasets and results.
    sizes : sequence of int
        Numbers of participants.
    n_contrasts : int
    layout : {"3d", "4d"}
    ways : sequence of str
        Keys of ``WAYS``.
    keep : bool
        Whether to keep the datasets, which take 1 MB for each map.

    Returns
    -------
    dict
        ``machine`` and ``measurements``.
    """
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "default")
    results: dict[str, Any] = {"machine": {**machine(), "OPENBLAS_NUM_THREADS": threads}, "measurements": []}
    labels = [contrast.label for contrast in load_contrasts()[:n_contrasts]]
    for n_participants in sizes:
        dataset = write_dataset(
            work / f"{n_participants}-participants-{n_contrasts}-{layout}", n_participants, labels, layout
        )
        for way in ways:
            row = measure_way(dataset, way, n_participants, n_contrasts, layout)
            results["measurements"].append(asdict(row))
            write_json(work / "results.json", results)
        if not keep:
            shutil.rmtree(dataset)
    return results


def measure_way(dataset: Path, way: str, n_participants: int, n_contrasts: int, layout: str) -> Measurement:
    """Measure a command on a dataset.

    Parameters
    ----------
    dataset : Path
    way : str
        Key of ``WAYS``.
    n_participants, n_contrasts, layout
        Facts on the dataset.

    Returns
    -------
    Measurement

    Raises
    ------
    RuntimeError
        If the command fails.
    """
    words = command_of(way, str(dataset))
    with _largest_size(dataset / "work") as sizes:
        timing = of_command([sys.executable, *words])
    if timing.result.code:
        message = f"{' '.join(words)} failed:\n" + "\n".join(line for _, line in timing.result.lines)
        raise RuntimeError(message)
    return Measurement(
        n_participants=n_participants,
        n_contrasts=n_contrasts,
        layout=layout,
        way=way,
        command=_as_text(command_of(way, "OUTPUT_DIR")),
        wall_s=round(timing.wall_s, 2),
        cpu_s=round(timing.cpu_s, 2),
        peak_gib=round(timing.peak_gib, 3),
        scratch_gib=round(max(sizes) / _GIB, 3),
    )


def command_of(way: str, output: str) -> list[str]:
    """Return the arguments of Python for a way.

    Parameters
    ----------
    way : str
        Key of ``WAYS``.
    output : str
        Root of the dataset.

    Returns
    -------
    list of str
    """
    options = WAYS[way]
    if options is None:
        return ["-m", "benchmarks.group.reading", output]
    return ["-m", "bids_deeptaskgen", "BIDS_DIR", output, "group", *options]


def _as_text(words: Sequence[str]) -> str:
    return " ".join(["python", *(f'"{word}"' if " " in word else word for word in words)])


@contextmanager
def _largest_size(folder: Path) -> Iterator[list[int]]:
    """Record the sizes on disk of the temporary files of a command."""
    sizes, is_over = [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(_INTERVAL_S):
            sizes.append(_size_on_disk(folder))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        is_over.set()
        thread.join()


def _size_on_disk(folder: Path) -> int:
    n_bytes = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                n_bytes += Path(parent, name).stat().st_blocks * _BYTES_PER_BLOCK
    return n_bytes
