"""Run ``python -m benchmarks.schedulers WORK [N] [PER_TASK]``: compare schedulers on N tiny participants.

Needs Slurm. WORK keeps the dataset; an existing output folder is removed first.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.speed.datasets import few_voxels
from benchmarks.speed.participant_run import ANY_LENGTH
from bids_deeptaskgen.simulation.random_model import random_bundle

N_PARTICIPANTS, PER_TASK, FDIM = 200, 20, 4
OPTIONS = (*ANY_LENGTH, "--reports", "none", "--omp-nthreads", "1")


def main(work: Path, n_participants: int = N_PARTICIPANTS, per_task: int = PER_TASK) -> None:
    """Measure each scheduler once and print a table.

    Parameters
    ----------
    work : Path
        Folder for the dataset, the model and the outputs.
    n_participants : int
    per_task : int
        Participants of a task of the array.
    """
    dataset = few_voxels(work / f"participants-{n_participants}", n_participants)
    bundle = random_bundle(work / f"fdim-{FDIM}", FDIM)
    command = [sys.executable, "-m", "bids_deeptaskgen", str(dataset), "{out}", "participant"]
    command += ["--model", str(bundle), *OPTIONS]
    sys.stdout.write("| scheduler | wall | files | sha256 of all files |\n|---|---|---|---|\n")
    for name in ("Linear", "MultiProc 2", "Slurm array"):
        out = work / name.replace(" ", "-")
        shutil.rmtree(out, ignore_errors=True)
        words = [word.format(out=out) for word in command]
        start = time.perf_counter()
        if name == "Slurm array":
            run_array(words, work, sorted(path.name for path in dataset.glob("sub-*")), per_task)
        else:
            run_local([*words, "--nprocs", "1" if name == "Linear" else "2"])
        wall_s = time.perf_counter() - start
        n_files, checksum = checksum_of(out)
        sys.stdout.write(f"| {name} | {wall_s:.0f} s | {n_files} | {checksum[:12]} |\n")
        sys.stdout.flush()


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


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
