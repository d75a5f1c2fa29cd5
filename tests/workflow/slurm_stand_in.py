"""Stand-in for the commands of Slurm and PBS: jobs are processes of this machine, without a queue.

`install` writes the commands to a folder. In this folder, tests write files that make commands or jobs fail:
``NAME.failures`` has one message per line, for as many calls of a command; ``deaths`` has rows with a part of
a job's name and the state in which such a job ends at once (RUNNING: it does not end).
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sacct", "qsub", "qstat", "qdel")
FINAL_STATES = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY")
# With this message, sbatch fails although the job has been submitted.
LOST_ANSWER = "Socket timed out after the submission"


def install(folder):
    """Write the commands to a new folder, and return it."""
    folder.mkdir()
    for name in COMMANDS:
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" "{folder}" {name} "$@"\n')
        command.chmod(0o755)
    return folder


def calls(folder, name):
    """List the calls of a command."""
    path = folder / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.split()[0] == name]


def fail_as_asked(folder, name):
    path = folder / f"{name}.failures"
    lines = path.read_text().splitlines() if path.exists() else []
    if lines:
        path.write_text("".join(f"{line}\n" for line in lines[1:]))
        return lines[0]
    return None


def option(words, name):
    return next((word.partition("=")[2] for word in words if word.startswith(f"{name}=")), None)


def state_of(folder, job_id):
    path = folder / f"{job_id}.state"
    return path.read_text() if path.exists() else None


def set_state(folder, job_id, state):
    temporary = folder / f"{job_id}.new"
    temporary.write_text(state)
    temporary.replace(folder / f"{job_id}.state")


def submit(folder, name, log, script):
    job_id = str(100 + len(list(folder.glob("*.name"))))
    (folder / f"{job_id}.name").write_text(name)
    set_state(folder, job_id, "RUNNING")
    words = [sys.executable, "-S", __file__, str(folder), "run", job_id, name, log, script]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words[-2] = log.replace("%j", job_id)
    job = subprocess.Popen(words, start_new_session=True, **quiet)
    (folder / f"{job_id}.pid").write_text(str(job.pid))
    return job_id


def run(folder, job_id, name, log, script):
    deaths = folder / "deaths"
    for line in deaths.read_text().splitlines() if deaths.exists() else []:
        part, state = line.split()
        if part in name:
            Path(log).write_text("slurmstepd: error: Exceeded job memory limit\n" * (state == "FAILED"))
            if state != "RUNNING":
                set_state(folder, job_id, state)
            else:
                time.sleep(600)
            return
    variables = {"SLURM_JOB_ID": job_id, "SLURM_JOB_NAME": name}
    with Path(log).open("w") as file:
        job = subprocess.run(
            ["bash", script], stdout=file, stderr=file, env=os.environ | variables, check=False
        )
    set_state(folder, job_id, "FAILED" if job.returncode else "COMPLETED")


def cancel(folder, job_id):
    with suppress(OSError):
        if state_of(folder, job_id) not in FINAL_STATES:
            os.killpg(int((folder / f"{job_id}.pid").read_text()), signal.SIGKILL)
            set_state(folder, job_id, "CANCELLED")


def sbatch(folder, words):
    message = fail_as_asked(folder, "sbatch")
    if message and message != LOST_ANSWER:
        sys.exit(f"sbatch: error: {message}")
    job_id = submit(folder, option(words, "--job-name"), option(words, "--output"), words[-1])
    if message:
        sys.exit(f"sbatch: error: {message}")
    if "--quiet" not in words:
        print(f"Submitted batch job {job_id}")  # noqa: T201


def squeue(folder, words):
    if message := fail_as_asked(folder, "squeue"):
        sys.exit(f"squeue: error: {message}")
    names = {path.stem: path.read_text() for path in folder.glob("*.name")}
    ids, by_name = option(words, "--jobs"), option(words, "--name")
    for job_id, name in names.items():
        is_listed = job_id in ids.split(",") if ids else name in by_name.split(",")
        state = state_of(folder, job_id)
        if is_listed and ("--states=all" in words or state not in FINAL_STATES):
            shown = state if " " in state else f"{state} None"
            print(f"{job_id}|{name if '%j' in option(words, '--format') else shown}")  # noqa: T201


def main(folder, name, *words):
    if name != "run":
        with (folder / "calls").open("a") as file:
            file.write(f"{name} {' '.join(words)}\n")
    if name == "run":
        run(folder, *words)
    elif name == "sbatch":
        sbatch(folder, words)
    elif name == "squeue":
        squeue(folder, words)
    elif name in ("scancel", "qdel"):
        for job_id in words:
            cancel(folder, job_id)
    elif name == "scontrol":
        print(f"JobId={words[-1]} JobState={state_of(folder, words[-1])} ExitCode=0:9 MinMemoryNode=900M")  # noqa: T201
    elif name == "qsub":
        print(f"{submit(folder, words[-1], f'{words[-1]}.log', words[-1])}.server")  # noqa: T201
    elif name == "qstat":
        is_running = state_of(folder, words[-1]) == "RUNNING"
        print(f"job_state = {'R' if is_running else 'C'}")  # noqa: T201
    else:
        sys.exit("Slurm accounting storage is disabled")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
