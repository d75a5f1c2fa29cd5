"""Run ``python -m benchmarks.schedulers WORK PAGE``: compare schedulers on participants of few voxels.

Needs Slurm. WORK keeps the dataset; an existing output folder is removed first.
"""

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.speed.datasets import few_voxels
from benchmarks.speed.participant_run import ANY_LENGTH
from benchmarks.speed.results import machine
from bids_deeptaskgen.simulation.random_model import random_bundle

FDIM = 4
OPTIONS = (*ANY_LENGTH, "--reports", "none", "--omp-nthreads", "1")


@dataclass(frozen=True)
class Measurement:
    """A run by a scheduler.

    Attributes
    ----------
    scheduler : str
    wall_s : float
        Duration of the whole command, in s.
    n_files : int
        Files of the participants.
    sha256 : str
        Of the names and contents of these files.
    """

    scheduler: str
    wall_s: float
    n_files: int
    sha256: str


def measure(work: Path, n_participants: int, per_task: int) -> list[Measurement]:
    """Run each scheduler once.

    Parameters
    ----------
    work : Path
        Folder for the dataset, the model and the outputs.
    n_participants : int
    per_task : int
        Participants of a task of the array.

    Returns
    -------
    list of Measurement
    """
    dataset = few_voxels(work / f"participants-{n_participants}", n_participants)
    bundle = random_bundle(work / f"fdim-{FDIM}", FDIM)
    command = [sys.executable, "-m", "bids_deeptaskgen", str(dataset), "{out}", "participant"]
    command += ["--model", str(bundle), *OPTIONS]
    measurements = []
    for name in ("Linear", "MultiProc 2", "Slurm array"):
        out = work / name.replace(" ", "-")
        shutil.rmtree(out, ignore_errors=True)
        words = [word.format(out=out) for word in command]
        start_s = time.perf_counter()
        if name == "Slurm array":
            run_array(words, work, sorted(path.name for path in dataset.glob("sub-*")), per_task)
        else:
            run_local([*words, "--nprocs", "1" if name == "Linear" else "2"])
        measurements.append(Measurement(name, time.perf_counter() - start_s, *checksum_of(out)))
    return measurements


def page(
    measurements: Sequence[Measurement], facts: Mapping[str, Any], n_participants: int, per_task: int
) -> str:
    """Format the page.

    Parameters
    ----------
    measurements : sequence of Measurement
    facts : mapping
        Of the machine.
    n_participants, per_task : int

    Returns
    -------
    str
        Markdown.
    """
    machine_text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    lines = [
        "# Schedulers",
        "",
        f"`make benchmark-schedulers` wrote this page. {n_participants} participants of few voxels, for whom "
        "scheduling, reading and writing take longer than computing, are run by one process (Linear), by two "
        f"(MultiProc 2), and by a Slurm array of {-(-n_participants // per_task)} tasks with one CPU each, "
        f"{per_task} participants in a task. Times are those of the whole command.",
        "",
        f"Measured with {machine_text}.",
        "",
        "| scheduler | wall | per participant | files | sha256 of all files |",
        "|---|---|---|---|---|",
    ]
    for item in measurements:
        each_s = item.wall_s / n_participants
        cells = (
            item.scheduler,
            f"{item.wall_s:.0f} s",
            f"{each_s:.2f} s",
            f"{item.n_files:,}",
            item.sha256[:12],
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def run_local(words: list[str]) -> None:
    """Run a command."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_array(words: list[str], work: Path, labels: list[str], per_task: int) -> None:
    """Run a command as a Slurm array, and wait for its end."""
    listing = work / "labels.txt"
    listing.write_text("".join(f"{label}\n" for label in labels), "utf-8")
    script = (
        "#!/bin/bash\n"
        f"first=$(((SLURM_ARRAY_TASK_ID - 1) * {per_task} + 1))\n"
        f'labels=$(sed -n "$first,$((first + {per_task - 1}))p" {shlex.quote(str(listing))})\n'
        f"{shlex.join(words)} --participant-label $labels\n"
    )
    n_tasks = -(-len(labels) // per_task)
    options = ["--cpus-per-task=1", "--mem=2000M", f"--output={work / 'slurm-%a.txt'}"]
    submit = ["sbatch", "--wait", f"--array=1-{n_tasks}", *options]
    subprocess.run(submit, input=script, text=True, check=True, capture_output=True)


def checksum_of(out: Path) -> tuple[int, str]:
    """Count the files of the participants, and hash their names and contents."""
    digest, n_files = hashlib.sha256(), 0
    for path in sorted(out.glob("sub-*/**/*")):
        if path.is_file():
            digest.update(os.fsencode(path.relative_to(out)) + path.read_bytes())
            n_files += 1
    return n_files, digest.hexdigest()


def main() -> None:
    """Run the benchmark and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for the data")
    parser.add_argument("page", type=Path, help="Markdown file to write")
    parser.add_argument("--n-participants", type=int, default=200)
    parser.add_argument("--per-task", type=int, default=50, help="participants of a task of the array")
    options = parser.parse_args()
    measurements = measure(options.work, options.n_participants, options.per_task)
    text = page(measurements, machine(), options.n_participants, options.per_task)
    options.page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
