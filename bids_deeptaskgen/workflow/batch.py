"""Base of nipype's batch plugins: a job that ends without a result costs its participants only."""

import contextlib
import hashlib
import logging
import os
import re
import shlex
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exception
from typing import Any

import numpy as np
from nipype.pipeline.engine.utils import load_resultfile
from nipype.pipeline.plugins.base import SGELikeBatchManagerBase
from nipype.pipeline.plugins.tools import create_pyscript

logger = logging.getLogger("bids_deeptaskgen")

# A file system may show the result of a job this much later; NFS caches the content of folders for 60 s.
GRACE_S = 90.0
# If the batch system answers nothing for this time, its jobs count as lost.
OUTAGE_S = 3600.0
# Interval at which the time of the private work folder is updated; after a day it counts as left behind.
RENEW_EVERY_S = 600.0


@dataclass(frozen=True)
class BatchFolders:
    """Folders that the plugin uses.

    Attributes
    ----------
    work : Path
        Private work folder of the run.
    logs : Path
        Folder for the logs of jobs that fail.
    output : Path or None
        Output dataset that the run has claimed, see `claim.claim_dataset`; None without a claim.
    settings_hash : str
        Hash of the settings and the model of the run; empty without a claim.
    """

    work: Path
    logs: Path
    output: Path | None = None
    settings_hash: str = ""


@dataclass
class Task:
    """Node that was submitted.

    Attributes
    ----------
    node : nipype.Node
    name : str
        Name of its job.
    job_id : str
        Empty if the job was not submitted.
    failure : str
        Why it was not submitted.
    end_s : float or None
        Time at which the job was first seen to have ended.
    """

    node: Any
    name: str
    job_id: Any = ""
    failure: str = ""
    end_s: float | None = None


class TemporaryError(Exception):
    """Refusal of a job by the batch system that may accept it later."""


class SubmissionError(Exception):
    """Refusal of a job by the batch system."""


class RobustBatch(SGELikeBatchManagerBase, ABC):
    """Batch plugin in which a lost job is a failure of its participants, and which leaves no job behind.

    In the original, a job that ends without a result ends the workflow, or removes all nodes that depend on
    it, including those of later participants. Its jobs continue after the end of the run.

    A subclass implements `_launch`, `_has_ended`, `_explain` and `_cancel_all`.

    Parameters
    ----------
    folders : BatchFolders
    plugin_args : dict
        Arguments of nipype's plugin.
    """

    def __init__(self, folders: BatchFolders, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args=plugin_args)
        self._folders = folders
        self._tasks: dict[int, Task] = {}
        self._n_tasks = 0
        # Submissions that were refused for now, by folder of the node.
        self._deferred: dict[str, Task] = {}
        self._refused_since: float | None = None
        # Reasons of refusals of which the user was warned.
        self._warnings: set[str] = set()
        self._renewed_s = -float("inf")

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Run a graph; cancel all jobs at the end, also after an exception or a signal.

        Parameters
        ----------
        args, kwargs : object
            Arguments of nipype's method.
        """
        try:
            super().run(*args, **kwargs)
        finally:
            self._cancel_all()

    # Methods of a batch system.

    @abstractmethod
    def _launch(self, task: Task, script: Path) -> Any:
        """Submit a job and return its id."""

    @abstractmethod
    def _has_ended(self, task: Task) -> bool:
        """Return whether a job has left the queue."""

    @abstractmethod
    def _explain(self, task: Task) -> str:
        """Return why a job has ended without a result, and what to change."""

    @abstractmethod
    def _cancel_all(self) -> None:
        """Cancel the jobs of `self._tasks` and wait until they have left the queue."""

    def _grace_s(self, _task: Task) -> float:
        """Return how long to wait for the result of a job that has ended, in s."""
        return GRACE_S

    # Methods of nipype's plugins.

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:  # noqa: FBT001, FBT002
        """Submit a node; return the number of its task."""
        folder = str(node.output_dir())
        task = self._deferred.pop(folder, None)
        try:
            if task is None:
                task = Task(node, job_name(node))
            script = self._write_script(task, create_pyscript(node, updatehash=updatehash))
            task.job_id = self._launch(task, script)
            self._refused_since = None
        except TemporaryError as error:
            self._refused_since = self._refused_since or time.monotonic()
            if self.pending_tasks or time.monotonic() - self._refused_since < OUTAGE_S:
                self._deferred[folder] = task
                raise
            task.failure = str(error)
        except SubmissionError as error:
            task.failure = str(error)
        except OSError as error:
            task = task or Task(node, job_name(node))
            task.failure = f"the script of its job cannot be written ({error})."
        self._n_tasks += 1
        self._tasks[self._n_tasks] = task
        return self._n_tasks

    def _send_procs_to_workers(self, *args: Any, **kwargs: Any) -> None:
        """Submit the nodes that are ready; those that are refused for now are submitted at the next poll."""
        try:
            super()._send_procs_to_workers(*args, **kwargs)
        except TemporaryError as error:
            if str(error) not in self._warnings:
                self._warnings.add(str(error))
                logger.warning("A job is refused for now, and is submitted again later: %s", error)
            submitted = {number for _, number in self.pending_tasks}
            for number in np.nonzero(self.proc_pending)[0]:
                if number not in submitted:
                    self.proc_done[number] = self.proc_pending[number] = False

    def _submit_mapnode(self, jobid: int) -> bool:
        """Create the nodes of a MapNode. It collects their results itself, for which a job is too slow."""
        is_created: bool = super()._submit_mapnode(jobid)
        self.procs[jobid].run_without_submitting = True
        return is_created

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        """Return the result of a task; None while it runs."""
        self._renew_folder()
        task = self._tasks[taskid]
        if task.failure:
            return self._fail(task, task.failure)
        if not self._has_ended(task):
            task.end_s = None
            return None
        result = _load_result(task.node)
        if result is None:
            time_s = time.monotonic()
            task.end_s = task.end_s or time_s
            if time_s - task.end_s < self._grace_s(task):
                return None
            return self._fail(task, self._explain(task))
        if isinstance(result, dict):
            # The node raised an exception, which its job saved.
            self._report_crash(task.node, {"result": None, "traceback": list(result["traceback"])})
            error = (result["traceback"][-1:] or [""])[0].strip()
            return self._fail(task, f"internal error ({error}).\nSee {self._folders.logs} and report it.")
        self._forget(task)
        return {"result": result, "traceback": None}

    def _renew_folder(self) -> None:
        """Update the time of the private work folder, to which nothing is written while all jobs wait."""
        time_s = time.monotonic()
        if time_s - self._renewed_s >= RENEW_EVERY_S:
            self._renewed_s = time_s
            with contextlib.suppress(OSError):
                os.utime(self._folders.work)

    def _forget(self, task: Task) -> None:
        """Remove what is kept of a job that has saved its result."""

    def _clear_task(self, taskid: int) -> None:
        del self._tasks[taskid]

    def _fail(self, task: Task, reason: str) -> dict[str, Any]:
        """Save the failure as the node's result, so that the nodes of other participants continue."""
        logger.debug("%s: %s", task.name, reason)
        task.node.interface.loss_reason = reason
        try:
            return {"result": task.node.run(), "traceback": None}
        except Exception as error:  # noqa: BLE001 - such as a full disk
            return {"result": None, "traceback": format_exception(error)}

    def _clean_queue(self, jobid: int, graph: Any, result: dict[str, Any] | None = None) -> Any:
        """Remove a failed node and those that depend on it."""
        if result is None:
            result = {"result": None, "traceback": format_exception(*sys.exc_info())}
        # The original appends a list to it.
        result["traceback"] = list(result["traceback"] or ["unknown error"])
        return super()._clean_queue(jobid, graph, result=result)

    def _write_script(self, task: Task, pyscript: str) -> Path:
        """Write the script of a job, which does nothing after the work folder has been removed."""
        folders = self._folders
        work = shlex.quote(str(folders.work))
        claim = [str(folders.output), folders.settings_hash] if folders.output else []
        # Without -P, modules of the user's folder would be imported.
        words = [sys.executable, "-P", "-m", "bids_deeptaskgen.workflow.batch_job"]
        script = Path(pyscript).with_name(f"{task.name}.sh")
        script.write_text(
            f"{str(self._template).strip() or '#!/bin/bash'}\n"
            f"[ -d {work} ] || {{ echo {work} was removed >&2; exit 0; }}\n"
            f"exec {shlex.join([*words, str(folders.work), pyscript, *claim])}\n",
            encoding="utf-8",
        )
        return script


def _load_result(node: Any) -> Any:
    """Load the result that a job saved: an object, a dict with a traceback, or None."""
    for path in sorted(Path(node.output_dir()).glob("result_*.pklz")):
        # Another file server's view may lack the end of the file.
        with contextlib.suppress(Exception):
            return load_resultfile(path)
    return None


def job_name(node: Any) -> str:
    """Return the name of a job, with participant or chunk, step and a token that makes it unique.

    Parameters
    ----------
    node : nipype.Node
        Node of `graph.make_graph`.

    Returns
    -------
    str
        Such as ``deeptaskgen-sub-01-connectomes-1f3a9c``.
    """
    step = re.sub(r"[^A-Za-z0-9]", "", node.name)
    job = node.inputs.get().get("job")
    jobs = job if isinstance(job, list) else [job]
    if len(jobs) == 1 and hasattr(jobs[0], "subject"):
        step = f"sub-{jobs[0].subject}-{step.rstrip('0123456789')}"
    token = hashlib.sha256(f"{node.output_dir()} {time.time_ns()}".encode()).hexdigest()[:6]
    return f"deeptaskgen-{step}-{token}"
