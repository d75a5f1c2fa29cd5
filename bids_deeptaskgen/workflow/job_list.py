"""List of the Slurm jobs of a run, in its private work folder, so that a later run can end them."""

import shutil
from collections.abc import Collection
from pathlib import Path

from bids_deeptaskgen.workflow.slurm_queue import SlurmError, end_jobs, find_jobs

JOBS = "slurm_jobs.tsv"
# Slurm kills a cancelled job that has not ended after 30 s (KillWait); then slurmd reports its end.
LEAVE_TIMEOUT_S = 90.0


class JobList:
    """Names and ids of submitted jobs; the file exists while jobs may be in the queue.

    Parameters
    ----------
    folder : Path
        Private work folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOBS

    def announce(self, name: str) -> None:
        """Add the name of a job that is about to be submitted.

        Parameters
        ----------
        name : str
            Unique to the job. If sbatch is interrupted before it prints the id, the job is found by its name.
        """
        self._append("", name)

    def add(self, job_id: str, name: str) -> None:
        """Add a submitted job.

        Parameters
        ----------
        job_id : str
        name : str
        """
        self._append(job_id, name)

    def _append(self, job_id: str, name: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{job_id}\t{name}\n")

    def read(self) -> tuple[dict[str, str], set[str]]:
        """Read the names of the jobs by id, and the names of those without an id.

        Returns
        -------
        names : dict of str to str
        pending : set of str
        """
        try:
            lines = self.path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return {}, set()
        rows = [line.split("\t") for line in lines if line.count("\t") == 1]
        names = {job_id: name for job_id, name in rows if job_id}
        return names, {name for _, name in rows} - set(names.values())

    def end(self, finished_ids: Collection[str] = ()) -> set[str]:
        """Cancel all jobs of the list, wait until they have left the queue, and remove the list.

        It waits for `LEAVE_TIMEOUT_S` at most.

        Parameters
        ----------
        finished_ids : collection of str
            Ids of jobs that have ended, about which Slurm is not asked.

        Returns
        -------
        set of str
            Ids or names of jobs that may still be in the queue; the list is then kept.
        """
        names, pending_names = self.read()
        names = {job_id: name for job_id, name in names.items() if job_id not in finished_ids}
        if (names or pending_names) and shutil.which("squeue"):
            try:
                names |= find_jobs(pending_names)
            except SlurmError:
                return set(names) | pending_names
            if remaining := end_jobs(names, LEAVE_TIMEOUT_S):
                return remaining
        # Without Slurm's commands, jobs end when their work folder has been removed (`batch_job`).
        self.path.unlink(missing_ok=True)
        return set()
