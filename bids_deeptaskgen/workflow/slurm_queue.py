"""Commands of Slurm: submission, states and cancellation of jobs."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from bids_deeptaskgen.workflow.slurm_states import (
    NO_STATE,
    JobEnd,
    is_final,
    parse_job_id,
    parse_sacct,
    parse_scontrol,
    parse_states,
)

# A controller that restarts or is busy answers after up to a minute.
COMMAND_TIMEOUT_S = 90.0
# Interval of the calls of squeue while cancelled jobs leave the queue.
LEAVE_POLL_S = 1.0
# Ids per command.
N_IDS = 5_000

# These alter the output of commands, or are about the job that submits further jobs.
_FOREIGN_VARIABLE = re.compile(r"^(SLURM|SQUEUE|SACCT|SCANCEL|SCONTROL)_")
_CLIENT_VARIABLES = frozenset(("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_CONF_SERVER"))

_TEMPORARY = re.compile(
    r"(?i)timed out|unable to contact|temporarily|try again|connection (refused|reset)|zero bytes"
    r"|communication connection failure"
    r"|not available at the moment|MaxJobCount|MaxSubmitJob|SubmitJobs?(Limit|Per)"
)


class SlurmError(Exception):
    """Failure of a command of Slurm.

    Attributes
    ----------
    is_temporary : bool
        The same command may succeed later.
    """

    def __init__(self, message: str, *, is_temporary: bool) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary


def client_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of Slurm's commands, and of the jobs that they submit.

    Variables of an enclosing job, such as its memory, would contradict the limits of the new jobs; those of
    squeue and sacct would change their output.

    Parameters
    ----------
    variables : mapping of str to str
        Environment of this process.

    Examples
    --------
    >>> client_environment({"SLURM_CONF": "/etc/slurm.conf", "SLURM_MEM_PER_NODE": "10", "HOME": "/root"})
    {'SLURM_CONF': '/etc/slurm.conf', 'HOME': '/root'}
    """
    return {
        name: value
        for name, value in variables.items()
        if name in _CLIENT_VARIABLES or not _FOREIGN_VARIABLE.match(name)
    }


def call(words: Sequence[str]) -> str:
    """Run a command of Slurm, and return its standard output.

    Parameters
    ----------
    words : sequence of str

    Raises
    ------
    SlurmError
        If the command fails, or does not answer.
    """
    try:
        # In a session of its own, Ctrl-C does not end it between the submission and its answer.
        process = subprocess.run(  # noqa: S603
            words,
            env=client_environment(os.environ),
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_TIMEOUT_S,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{words[0]} did not answer within {COMMAND_TIMEOUT_S:.0f} s"
        raise SlurmError(message, is_temporary=True) from error
    except OSError as error:
        # Such as a file server that is away, or too many processes.
        message = f"{words[0]} cannot be started ({error.strerror})"
        raise SlurmError(message, is_temporary=not isinstance(error, FileNotFoundError)) from error
    if process.returncode:
        message = " ".join(process.stderr.split()) or f"{words[0]} failed with exit code {process.returncode}"
        raise SlurmError(message, is_temporary=_TEMPORARY.search(message) is not None)
    return process.stdout


def submit(words: Sequence[str], pattern: str | None = None) -> str:
    """Submit a job with sbatch, and return its id.

    Parameters
    ----------
    words : sequence of str
        Options and script.
    pattern : str, optional
        See `parse_job_id`.

    Raises
    ------
    SlurmError
    """
    output = call(["sbatch", *words])
    try:
        return parse_job_id(output, pattern)
    except ValueError as error:
        raise SlurmError(str(error), is_temporary=False) from error


def query_states(job_ids: Collection[str]) -> dict[str, str]:
    """Return the state and its reason of jobs, with one call of squeue; forgotten jobs are absent.

    For some minutes after its end (``MinJobAge``), squeue reports a job with its final state, so that this
    works without accounting.

    Parameters
    ----------
    job_ids : collection of str

    Returns
    -------
    dict of str to str
        State and reason by id, such as ``PENDING Priority``.

    Raises
    ------
    SlurmError
        If squeue fails.
    """
    return _query(job_ids, "%T %r", "--states=all")


def _query(job_ids: Collection[str], field: str, *options: str) -> dict[str, str]:
    """Return a field of jobs from squeue."""
    values: dict[str, str] = {}
    for ids in _batches(job_ids):
        words = ["squeue", "--noheader", *options, f"--format=%i|{field}", f"--jobs={','.join(ids)}"]
        try:
            values |= parse_states(call(words))
        except SlurmError as error:
            # The answer about a single job that has ended; for several jobs, those are left out.
            if "Invalid job id" not in str(error):
                raise
    return values


def _batches(job_ids: Collection[str]) -> Iterator[list[str]]:
    """Split ids, because a single argument has at most 128 kB."""
    ordered = list(job_ids)
    for start in range(0, len(ordered), N_IDS):
        yield ordered[start : start + N_IDS]


def find_jobs(names: Collection[str]) -> dict[str, str]:
    """Find the jobs with these names, also if they have ended lately; return their names by id.

    Parameters
    ----------
    names : collection of str

    Raises
    ------
    SlurmError
        If squeue fails.
    """
    jobs: dict[str, str] = {}
    for batch in _batches(names):
        names_option = f"--name={','.join(batch)}"
        jobs |= parse_states(call(["squeue", "--noheader", "--states=all", "--format=%i|%j", names_option]))
    return jobs


def query_end(job_id: str) -> JobEnd:
    """Return how a job ended: from the controller, or from the accounting if the controller has forgotten it.

    Parameters
    ----------
    job_id : str
    """
    with contextlib.suppress(SlurmError):
        end = parse_scontrol(call(["scontrol", "--oneliner", "show", "job", job_id]))
        if is_final(end.state):
            return end
    fields = "--format=State,ExitCode,ReqMem,Timelimit,NodeList"
    with contextlib.suppress(SlurmError):
        return parse_sacct(call(["sacct", "--noheader", "--parsable2", fields, f"--jobs={job_id}"]))
    return JobEnd(NO_STATE)


def end_jobs(names: Mapping[str, str], timeout_s: float) -> set[str]:
    """Cancel jobs, and wait until they have left the queue.

    Parameters
    ----------
    names : mapping of str to str
        Names of the jobs by id. A job with another name belongs to another run or user, and continues.
    timeout_s : float
        Longest time to wait, in s.

    Returns
    -------
    set of str
        Ids that are still in the queue, or about which Slurm gives no answer.
    """
    remaining, end = set(names), time.monotonic() + timeout_s
    is_cancelled = False
    while remaining:
        with contextlib.suppress(SlurmError):
            current = _query(remaining, "%j")
            remaining = {job_id for job_id in remaining if current.get(job_id) == names[job_id]}
            if not is_cancelled:
                for batch in _batches(remaining):
                    call(["scancel", *batch])
                is_cancelled = True
        if not remaining or time.monotonic() > end:
            break
        time.sleep(LEAVE_POLL_S)
    return remaining
