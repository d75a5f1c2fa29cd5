"""Progress of the participants: a bar on a terminal, lines in a log."""

import logging
import sys
import threading
from pathlib import Path

from bids_deeptaskgen.pipeline.records import CONNECTED, Record, read_record

logger = logging.getLogger("bids_deeptaskgen")

LOOK_EVERY_S = 0.5
_WORDS = {
    CONNECTED: "connectome made of {n_volumes_kept} of {n_volumes} volumes ({minutes_kept:.1f} minutes); the "
    "cleaning leaves {n_residual_dof} degrees of freedom",
    "done": "{n} maps written",
    "present": "{n} maps exist already",
    "failed": "failed: {reason}",
    "crashed": "failed: {reason}",
}


class ProgressReporter:
    """Reporter of the records of a run as they change.

    It reads files only, so it works with every plugin of nipype, on one machine or several.

    Parameters
    ----------
    folder : Path
        Folder in which `records.save_record` writes.
    n_participants : int
        Number of participants of the run.
    """

    def __init__(self, folder: Path, n_participants: int) -> None:
        self._folder = folder
        self._n_participants = n_participants
        self._seen: dict[Path, str] = {}
        self._stamps: dict[Path, int] = {}
        # Number of sessions that wait for prediction, by participant. Kept up to date rather than
        # recounted, since a run may have many participants.
        self._waiting: dict[str, int] = {}
        self._n_over = 0

    def run(self, stop: threading.Event) -> None:
        """Report until `stop` is set, and once more afterwards.

        Parameters
        ----------
        stop : threading.Event
            Is set by another thread when the run has ended.
        """
        if not sys.stderr.isatty():
            while not stop.wait(LOOK_EVERY_S):
                self._log()
            self._log()
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # rich's console also prints the log, so that lines and bar do not overlap.
        with Progress(*columns) as progress:
            connected = progress.add_task("connectomes", total=self._n_participants)
            finished = progress.add_task("maps", total=self._n_participants)
            while True:
                last = stop.wait(LOOK_EVERY_S)
                self._log()
                progress.update(connected, completed=len(self._waiting))
                progress.update(finished, completed=self._n_over)
                if last:
                    return

    def _count(self, path: Path, status: str) -> None:
        """Update the counts; a participant is finished when all started sessions are."""
        subject = path.stem.partition("_")[0]
        previous_count = self._waiting.get(subject)
        count = (previous_count or 0) + (status == CONNECTED) - (self._seen.get(path) == CONNECTED)
        self._n_over += (count == 0) - (previous_count == 0)
        self._waiting[subject], self._seen[path] = count, status

    def _log(self) -> None:
        for path in sorted(self._folder.glob("*.json")):
            if self._seen.get(path, CONNECTED) != CONNECTED:
                # A finished session does not change again in this run.
                continue
            stamp = path.stat().st_mtime_ns
            if self._stamps.get(path) == stamp:
                continue
            self._stamps[path] = stamp
            record = read_record(path)
            if self._seen.get(path) != record.status:
                self._count(path, record.status)
                self._say(record)

    def _say(self, record: Record) -> None:
        reason = record.reason.splitlines()[0] if record.reason else ""
        facts = record.facts.get("metrics", {})
        words = _WORDS[record.status].format(n=record.n_maps, reason=reason, **facts)
        n_counted = len(self._waiting) if record.status == CONNECTED else self._n_over
        level = logging.ERROR if record.failed else logging.INFO
        logger.log(
            level, "%s: %s (%d of %d participants)", record.name, words, n_counted, self._n_participants
        )
