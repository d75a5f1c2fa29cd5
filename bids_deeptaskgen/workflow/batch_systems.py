"""nipype's plugins of other batch systems: SGE, PBS, LSF, OAR and HTCondor; not tested on real ones."""

import contextlib
import glob
import logging
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from nipype.pipeline import plugins

from bids_deeptaskgen.workflow.batch import OUTAGE_S, BatchFolders, RobustBatch, SubmissionError, Task

logger = logging.getLogger("bids_deeptaskgen")

# Command that cancels jobs, and the plugin argument with the options of a submission.
_SYSTEMS = {
    "SGE": ("qdel", "qsub_args"),
    "PBS": ("qdel", "qsub_args"),
    "Condor": ("condor_rm", "qsub_args"),
    "LSF": ("bkill", "bsub_args"),
    "OAR": ("oardel", "oarsub_args"),
}
CANCEL_TIMEOUT_S = 60.0
QUERY_TIMEOUT_S = 60.0
LEAVE_TIMEOUT_S = 60.0
# What qstat says about jobs that PBS Pro and Torque no longer know.
_PBS_GONE = ("Job has finished", "Unknown Job Id")
# Files of nipype in the work folder.
_NO_LOGS = (".sh", ".py", ".pklz", ".json")
LEAVE_POLL_S = 2.0


class NipypeBatch(RobustBatch):
    """Base of the plugins that submit jobs and ask for their state as nipype does.

    Attributes
    ----------
    system : str
        Name of nipype's plugin.
    """

    system = ""

    def __init__(self, folders: BatchFolders, plugin_args: dict[str, Any]) -> None:
        super().__init__(folders, plugin_args)
        self._outage_since: float | None = None

    def _launch(self, task: Task, script: Path) -> Any:
        # nipype repeats a refused submission.
        try:
            return self._submit_batchtask(str(script), task.node)
        except Exception as error:
            option = _SYSTEMS[self.system][1]
            text = " ".join(str(error).split())
            message = (
                f"{self.system} refused the job: {text}.\nCorrect `{option}` of the file of --use-plugin."
            )
            raise SubmissionError(message) from error

    def _has_ended(self, task: Task) -> bool:
        try:
            is_pending = self._is_pending(task.job_id)
        except Exception as error:  # noqa: BLE001 - nipype raises many types
            time_s = time.monotonic()
            if self._outage_since is None:
                self._outage_since = time_s
                logger.warning("%s does not answer (%s); it is asked again.", self.system, error)
            return time_s - self._outage_since > OUTAGE_S
        self._outage_since = None
        return not is_pending

    def _explain(self, task: Task) -> str:
        option = _SYSTEMS[self.system][1]
        last_line = self._keep_logs(task)
        return (
            f"{self.system} job {task.job_id} ended without a result{last_line and f': {last_line}'}.\n"
            "If it was not cancelled, it may have exceeded its memory or time: increase them with "
            f"`{option}` of the file of --use-plugin. Logs: {self._folders.logs}"
        )

    def _keep_logs(self, task: Task) -> str:
        """Copy the logs of a job next to those of the run, and return the last line."""
        last_line = ""
        # Not the digits of a longer number, such as that of another job or in a hash.
        pattern = re.compile(rf"(?<!\d){re.escape(str(task.job_id))}(?!\d)")
        for path in self._folders.work.rglob(f"*{glob.escape(str(task.job_id))}*"):
            if path.suffix in _NO_LOGS or not pattern.search(path.name):
                continue
            with contextlib.suppress(OSError):
                text = path.read_text("utf-8", errors="replace").strip()
                if text:
                    last_line = text.splitlines()[-1]
                    self._folders.logs.mkdir(parents=True, exist_ok=True)
                    (self._folders.logs / f"{task.name}_{path.name}").write_text(text, "utf-8")
        return last_line

    def _cancel_all(self) -> None:
        command = _SYSTEMS[self.system][0]
        remaining = {str(task.job_id): task for task in self._tasks.values() if task.job_id}
        if not remaining:
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            words = [command, *remaining]
            subprocess.run(words, capture_output=True, timeout=CANCEL_TIMEOUT_S, check=False)  # noqa: S603
        end_s = time.monotonic() + LEAVE_TIMEOUT_S
        while remaining and time.monotonic() < end_s:
            time.sleep(LEAVE_POLL_S)
            for job_id, task in list(remaining.items()):
                if self._has_ended(task):
                    del remaining[job_id]
        if remaining:
            logger.error("%s jobs may still be in the queue: %s", self.system, ", ".join(remaining))


def is_pbs_job_pending(job_id: str) -> bool:
    """Return whether a job waits or runs; nipype's own method leaves two files in the current folder.

    Parameters
    ----------
    job_id : str

    Returns
    -------
    bool

    Raises
    ------
    OSError
        If there is no ``qstat``.
    subprocess.TimeoutExpired
        If it does not answer.
    """
    words = ["qstat", "-f", job_id]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=False)  # noqa: S603
    if any(phrase in answer.stderr for phrase in _PBS_GONE):
        return False
    return "job_state = C" not in answer.stdout


def make_batch_plugin(system: str, folders: BatchFolders, plugin_args: dict[str, Any]) -> NipypeBatch:
    """Create the plugin of a batch system.

    Parameters
    ----------
    system : str
        Name of nipype's plugin.
    folders : BatchFolders
    plugin_args : dict
        Arguments of nipype's plugin.

    Returns
    -------
    NipypeBatch
    """
    base = getattr(plugins, f"{system}Plugin")
    members: dict[str, Any] = {"system": system}
    if system == "PBS":
        members["_is_pending"] = staticmethod(is_pbs_job_pending)
    robust_class = type(f"Robust{system}", (NipypeBatch, base), members)
    plugin: NipypeBatch = robust_class(folders, plugin_args)
    return plugin
