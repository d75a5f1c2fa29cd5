"""States of Slurm's jobs: output of its commands, and the explanation of a job's end. Needs no Slurm."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

COMPLETED, FAILED, CANCELLED, TIMEOUT = "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"
OUT_OF_MEMORY, NO_STATE = "OUT_OF_MEMORY", "UNKNOWN"
# Jobs in any other state, such as PENDING, COMPLETING or REQUEUED, are in the queue.
_FINAL_STATES = frozenset(
    {COMPLETED, FAILED, CANCELLED, TIMEOUT, OUT_OF_MEMORY}
    | {"NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "REVOKED"}
)

_MEMORY = re.compile(r"(?i)exceeded (job |step )?memory limit|oom[-_ ]?kill|out of memory|out-of-memory")
# Reasons of squeue that waiting does not change.
_STUCK = re.compile(
    r"(?i)JobHeld|JobHoldMaxRequeue|requeued[ _](in[ _])?held|launch[ _]failed|DependencyNeverSatisfied"
    r"|BadConstraints|Partition(Time|Node)Limit|Invalid(Account|QOS)|PerJob"
)
# States of squeue of a job that waits; the last two are those of a job that was requeued and is held.
_WAITING_STATES = ("PENDING", "SPECIAL_EXIT", "REQUEUE_HOLD")
_JOB_ID = re.compile(r"(?m)Submitted batch job (\d+)|^(\d+)(?:;\S*)?$")

_OPTIONS = "`sbatch_args` of the file of --use-plugin"
_ADVICE = {
    OUT_OF_MEMORY: f"Increase --mem in {_OPTIONS}{{suggestion}}.",
    TIMEOUT: f"Increase --time in {_OPTIONS}.",
    "DEADLINE": f"Set a later --deadline in {_OPTIONS}.",
    CANCELLED: "If it was not cancelled on purpose, start again.",
    "PREEMPTED": f"Start again; --requeue, or another --partition or --qos, in {_OPTIONS} may avoid this.",
    "NODE_FAIL": f"The node failed. Start again; --exclude in {_OPTIONS} avoids a node.",
    "BOOT_FAIL": f"The node did not start. Start again; --exclude in {_OPTIONS} avoids a node.",
    COMPLETED: "Check that the compute nodes can write to the work folder (--work-dir).",
    NO_STATE: f"If it was killed, increase --mem or --time in {_OPTIONS}.",
}
_KILL_ADVICE = f"It was killed, usually for its memory: increase --mem in {_OPTIONS}{{suggestion}}."
# Limits that explain a state.
_LIMITS = {OUT_OF_MEMORY: ("--mem", "--mem-per-cpu"), TIMEOUT: ("--time",)}
# Exit codes of a job that the kernel killed: signal 9, also as the exit status of a shell.
_KILL_CODES = ("0:9", "137:0")


@dataclass(frozen=True)
class JobEnd:
    """End of a job as Slurm reports it.

    Attributes
    ----------
    state : str
        Such as ``TIMEOUT``; ``NO_STATE`` if Slurm has forgotten the job.
    exit_code : str
        Exit status and signal as ``0:9``; empty if unavailable.
    limits : dict of str to str
        Limits of the job by option of sbatch, such as ``{"--time": "01:00:00"}``.
    node : str
        Node on which the job ran; empty if unavailable.
    log : str
        File of its messages; empty if unavailable.
    """

    state: str
    exit_code: str = ""
    limits: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    log: str = ""


def is_final(state: str) -> bool:
    """Return whether a job of this state has left the queue.

    Parameters
    ----------
    state : str
        State from squeue or sacct.

    Examples
    --------
    >>> is_final("CANCELLED by 1000"), is_final("COMPLETING"), is_final("SPECIAL_EXIT")
    (True, False, False)
    """
    return state.partition(" ")[0].rstrip("+") in _FINAL_STATES


def explain_wait(state: str) -> str:
    """Return the reason for which a waiting job will not start until the user acts; empty for other reasons.

    Parameters
    ----------
    state : str
        State and reason from squeue.

    Examples
    --------
    >>> explain_wait("PENDING PartitionTimeLimit"), explain_wait("PENDING Priority")
    ('PartitionTimeLimit', '')
    >>> explain_wait("SPECIAL_EXIT job requeued in held state")
    'job requeued in held state'
    """
    name, _, reason = state.partition(" ")
    return reason if name in _WAITING_STATES and _STUCK.search(reason) else ""


def parse_job_id(output: str, pattern: str | None = None) -> str:
    r"""Read the job id from the output of sbatch.

    Parameters
    ----------
    output : str
        Standard output; wrappers of a site may add lines.
    pattern : str, optional
        Regular expression whose first group is the id, for other wrappers.

    Raises
    ------
    ValueError
        If there is no id, or `pattern` has no group.

    Examples
    --------
    >>> parse_job_id("Welcome\nSubmitted batch job 17\n"), parse_job_id("17;cluster\n")
    ('17', '17')
    """
    match = re.search(pattern, output) if pattern else _JOB_ID.search(output)
    if match is None:
        message = f"sbatch printed no job id: {output.strip()!r}"
        raise ValueError(message)
    job_id = next((group for group in match.groups() if group), None)
    if job_id is None:
        message = f"the regular expression {pattern!r} has no group that matches the job id"
        raise ValueError(message)
    return job_id


def parse_states(output: str) -> dict[str, str]:
    r"""Read a field of each job, such as its state, from squeue with a format such as ``%i|%T``.

    Parameters
    ----------
    output : str

    Returns
    -------
    dict of str to str
        The field by id.

    Examples
    --------
    >>> parse_states("17|RUNNING\n18|CANCELLED\n")
    {'17': 'RUNNING', '18': 'CANCELLED'}
    """
    rows = (line.strip().split("|") for line in output.splitlines() if "|" in line)
    return {row[0]: row[1] for row in rows}


def parse_scontrol(output: str) -> JobEnd:
    """Read the end of a job from ``scontrol --oneliner show job``.

    Parameters
    ----------
    output : str

    Examples
    --------
    >>> end = parse_scontrol("JobId=1 JobState=TIMEOUT ExitCode=0:15 TimeLimit=00:01:00 MinMemoryNode=1G")
    >>> end.state, end.limits
    ('TIMEOUT', {'--time': '00:01:00', '--mem': '1G'})
    """
    values = dict(re.findall(r"(\S+?)=(\S*)", output))
    options = {"TimeLimit": "--time", "MinMemoryNode": "--mem", "MinMemoryCPU": "--mem-per-cpu"}
    limits = {option: values[key] for key, option in options.items() if values.get(key) not in (None, "0")}
    texts = (values.get(key, "") for key in ("ExitCode", "NodeList", "StdErr"))
    exit_code, node, log = (text if text != "(null)" else "" for text in texts)
    return JobEnd(values.get("JobState", NO_STATE), exit_code, limits, node, log)


def parse_sacct(output: str) -> JobEnd:
    r"""Read the end of a job from sacct with the fields State, ExitCode, ReqMem, Timelimit, NodeList.

    Parameters
    ----------
    output : str
        The job and its steps, one per line.

    Examples
    --------
    >>> parse_sacct("CANCELLED by 0|0:15|100M|00:01:00|vm\nCANCELLED|0:15|||vm\n").state
    'CANCELLED'
    >>> parse_sacct("FAILED|0:9|100M|00:01:00|vm\nOUT_OF_MEMORY|0:125|||vm\n").state
    'OUT_OF_MEMORY'
    """
    rows = [line.split("|") for line in output.splitlines() if line.count("|") >= 4]
    if not rows:
        return JobEnd(NO_STATE)
    state, exit_code, memory, time_limit, node = rows[0][:5]
    # In some versions of Slurm only the step is marked.
    if any(row[0].startswith("OUT_OF_ME") for row in rows):
        state = OUT_OF_MEMORY
    # Versions before 21.08 append n or c: memory per node or per CPU.
    limits = {"--time": time_limit, "--mem": memory.rstrip("nc")}
    job_limits = {option: value for option, value in limits.items() if value not in ("", "0")}
    return JobEnd(state.partition(" ")[0].rstrip("+"), exit_code, job_limits, node)


def recognise_memory(end: JobEnd, log: str) -> JobEnd:
    """Return the end of a job, with the state ``OUT_OF_MEMORY`` if its log states that.

    Without control groups, Slurm reports a job that exceeded its memory as ``FAILED`` or ``CANCELLED``.

    Parameters
    ----------
    end : JobEnd
    log : str
        End of the job's log, to which slurmd writes.

    Examples
    --------
    >>> recognise_memory(JobEnd("FAILED", "0:9"), "slurmstepd: error: Exceeded job memory limit").state
    'OUT_OF_MEMORY'
    """
    is_memory = end.state in (FAILED, CANCELLED, NO_STATE) and (
        _MEMORY.search(log) is not None or end.exit_code.endswith(":125")
    )
    return replace(end, state=OUT_OF_MEMORY) if is_memory else end


def explain_end(job_id: str, end: JobEnd, log: Path | None, last_line: str) -> str:
    """Explain to the user why a job has no result, and what to change.

    Parameters
    ----------
    job_id : str
    end : JobEnd
    log : Path or None
        Log of the job, if it exists.
    last_line : str
        Last line of the log; shown if the state does not explain the end.

    Examples
    --------
    >>> end = JobEnd("TIMEOUT", "0:15", {"--time": "01:00:00", "--mem": "2G"})
    >>> print(explain_end("17", end, Path("/out/logs/17.log"), ""))
    Slurm job 17 ended with state TIMEOUT (limit --time=01:00:00).
    Increase --time in `sbatch_args` of the file of --use-plugin. Log: /out/logs/17.log
    >>> print(explain_end("17", JobEnd("OUT_OF_MEMORY", limits={"--mem": "2G"}), None, ""))
    Slurm job 17 ended with state OUT_OF_MEMORY (limit --mem=2G).
    Increase --mem in `sbatch_args` of the file of --use-plugin (for example --mem=4G).
    """
    details = [f"limit {key}={end.limits[key]}" for key in _LIMITS.get(end.state, ()) if key in end.limits]
    if end.state in (FAILED, NO_STATE) and end.exit_code:
        details.append(f"exit code {end.exit_code}")
    if end.node and end.state in ("NODE_FAIL", "BOOT_FAIL", FAILED):
        details.append(f"node {end.node}")
    text = f"Slurm job {job_id} ended with state {end.state}"
    text += f" ({', '.join(details)})" if details else ""
    if end.state == COMPLETED:
        text += " without a result"
    if last_line and end.state in (FAILED, NO_STATE, COMPLETED):
        text += f": {last_line}"
    is_killed = end.state == FAILED and end.exit_code in _KILL_CODES
    advice = _KILL_ADVICE if is_killed else _ADVICE.get(end.state, _ADVICE[NO_STATE])
    advice = advice.format(suggestion=_suggest_memory(end.limits))
    return f"{text.rstrip('.')}.\n{advice}" + (f" Log: {log}" if log else "")


def _suggest_memory(limits: Mapping[str, str]) -> str:
    """Suggest twice the memory of a job, such as `` (for example --mem=4G)``."""
    for option in _LIMITS[OUT_OF_MEMORY]:
        if match := re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", limits.get(option, "")):
            return f" (for example {option}={2 * float(match[1]):.0f}{match[2]})"
    return ""
