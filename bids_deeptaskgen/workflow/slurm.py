"""nipype's SLURM plugin, extended for jobs that are killed and for a controller that does not answer."""

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

from nipype.pipeline.plugins.slurm import SLURMPlugin

from bids_deeptaskgen.workflow.batch import (
    GRACE_S,
    OUTAGE_S,
    BatchFolders,
    RobustBatch,
    SubmissionError,
    Task,
    TemporaryError,
)
from bids_deeptaskgen.workflow.job_list import JobList
from bids_deeptaskgen.workflow.slurm_options import default_options, is_set, read_options
from bids_deeptaskgen.workflow.slurm_queue import SlurmError, find_jobs, query_end, query_states, submit
from bids_deeptaskgen.workflow.slurm_states import (
    COMPLETED,
    NO_STATE,
    explain_end,
    explain_wait,
    is_final,
    recognise_memory,
)

logger = logging.getLogger("bids_deeptaskgen")

# A job that was killed saves no result later; this is for its log.
KILLED_GRACE_S = 5.0
# End of a log that is searched for the reason, in bytes.
N_LOG_BYTES = 20_000


class RobustSLURM(RobustBatch, SLURMPlugin):
    """SLURM plugin with one call of squeue per poll, which keeps the reason why a job ended.

    Parameters
    ----------
    folders : BatchFolders
    plugin_args : dict
        Uses ``sbatch_args``, ``template``, ``max_jobs`` and ``jobid_re``, as nipype does.
    poll_s : float
        Interval of the calls of squeue, in s.
    """

    def __init__(self, folders: BatchFolders, plugin_args: dict[str, Any], poll_s: float) -> None:
        super().__init__(folders, plugin_args)
        self._poll_s = poll_s
        self._words, self._all_words = read_options(self._sbatch_args, self._template)
        self._jobs = JobList(folders.work)
        self._announced_names: set[str] = set()
        self._finished_ids: set[str] = set()
        # Jobs about which the user was warned.
        self._stuck_ids: set[str] = set()
        self._states: dict[str, str] = {}
        # Ids of the last successful call of squeue.
        self._queried_ids: set[str] = set()
        self._queried_s = -float("inf")
        self._outage_since: float | None = None
        self._outage = ""

    def _launch(self, task: Task, script: Path) -> str:
        node = task.node
        if task.name in self._announced_names and (job_id := self._find(task.name)):
            return job_id
        defaults = default_options(
            self._all_words,
            node.mem_gb,
            node.n_procs,
            use_gpu=getattr(node.inputs, "use_gpu", False) is True,
        )
        if not is_set(self._all_words, ("--output", "-o")):
            self._folders.logs.mkdir(parents=True, exist_ok=True)
            defaults.append(f"--output={self._log_pattern(task)}")
        self._jobs.announce(task.name)
        self._announced_names.add(task.name)
        try:
            words = [*defaults, *self._words, f"--job-name={task.name}", str(script)]
            job_id = submit(words, self.plugin_args.get("jobid_re"))
        except SlurmError as error:
            if error.is_temporary:
                raise TemporaryError(str(error)) from error
            # A job whose id sbatch did not print, as with --quiet, is found by its name.
            if found_id := self._find(task.name):
                return found_id
            message = f"Slurm refused the job: {error}.\nCorrect `sbatch_args` of the file of --use-plugin."
            raise SubmissionError(message) from error
        self._record(job_id, task.name)
        return job_id

    def _record(self, job_id: str, name: str) -> None:
        # On a full disk, the list has the name only, by which the job is found.
        with contextlib.suppress(OSError):
            self._jobs.add(job_id, name)

    def _find(self, name: str) -> str | None:
        """Return the id of a job whose submission had no answer, although it may have succeeded."""
        try:
            job_id = next(iter(find_jobs([name])), None)
        except SlurmError as error:
            raise TemporaryError(str(error)) from error
        if job_id:
            self._record(job_id, name)
        return job_id

    def _log_pattern(self, task: Task) -> Path:
        # Slurm replaces %.
        return Path(f"{str(self._folders.logs).replace('%', '%%')}/slurm-%j_{task.name}.log")

    def _log(self, task: Task) -> Path | None:
        path = self._folders.logs / f"slurm-{task.job_id}_{task.name}.log"
        return path if path.exists() else None

    def _has_ended(self, task: Task) -> bool:
        self._refresh()
        if self._outage:
            return True
        if task.job_id not in self._queried_ids:
            return False
        # Slurm forgets jobs some minutes after their end.
        state = self._states.get(task.job_id, COMPLETED)
        if (reason := explain_wait(state)) and task.job_id not in self._stuck_ids:
            self._stuck_ids.add(task.job_id)
            logger.warning(
                "Slurm job %s (%s) does not start: %s. Change `sbatch_args` of the file of --use-plugin, or "
                "cancel the job.",
                task.job_id, task.name, reason,
            )  # fmt: skip
        return is_final(state)

    def _refresh(self) -> None:
        """Call squeue once per poll, for all jobs."""
        time_s = time.monotonic()
        if time_s - self._queried_s < 0.5 * self._poll_s:
            return
        self._queried_s = time_s
        # nipype takes a task from its list of pending ones before it requests the result.
        job_ids = {task.job_id for task in self._tasks.values() if task.job_id}
        try:
            self._states = query_states(job_ids)
            self._queried_ids, self._outage_since, self._outage = job_ids, None, ""
        except SlurmError as error:
            if self._outage_since is None:
                self._outage_since = time_s
                logger.warning("Slurm does not answer (%s); it is asked again.", error)
            elif time_s - self._outage_since > OUTAGE_S:
                self._outage = str(error)
            # Nothing is known of the jobs now.
            self._queried_ids = set()
        self._queried_s = time.monotonic()

    def _grace_s(self, task: Task) -> float:
        state = self._states.get(task.job_id, NO_STATE).partition(" ")[0]
        return GRACE_S if state in (COMPLETED, NO_STATE) else KILLED_GRACE_S

    def _explain(self, task: Task) -> str:
        if self._outage:
            return (
                f"Slurm has not answered for {OUTAGE_S / 60:.0f} minutes ({self._outage}); job {task.job_id} "
                "may be in its queue.\nStart again when Slurm answers."
            )
        self._finished_ids.add(task.job_id)
        end = query_end(task.job_id)
        path = self._log(task)
        if path is None and end.log and Path(end.log).is_file():
            path = Path(end.log)
        text = _read_end(path) if path else ""
        last_line = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
        return explain_end(task.job_id, recognise_memory(end, text), path, last_line)

    def _forget(self, task: Task) -> None:
        self._finished_ids.add(task.job_id)
        with contextlib.suppress(OSError):
            if path := self._log(task):
                path.unlink()

    def _cancel_all(self) -> None:
        self._deferred.clear()
        if remaining := self._jobs.end(self._finished_ids):
            logger.error(
                "%d Slurm jobs may still be in the queue: %s. The next run cancels them; %s is kept until "
                "then. To cancel them now: scancel %s",
                len(remaining), ", ".join(sorted(remaining)), self._folders.work, " ".join(sorted(remaining)),
            )  # fmt: skip


def _read_end(path: Path) -> str:
    """Return the end of a log; empty if it cannot be read."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(path.stat().st_size - N_LOG_BYTES, 0))
        return file.read().decode("utf-8", "replace")
    return ""
