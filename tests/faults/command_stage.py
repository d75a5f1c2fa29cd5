"""The place where a command of the table runs: its inputs, its outputs, and those of an undisturbed run."""

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.command_cases import is_kept, is_temporary
from tests.faults.comparable_files import TORN
from tests.processes import Run

LOOK_EVERY_S = 0.004


class Watch:
    """Changes of a folder that were seen: names and sizes of files.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder):
        self._folder = folder
        self._seen = set()
        self._n_first = 0
        self.look()
        self._n_first = len(self._seen)

    @property
    def n_changes(self):
        """Return the number of changes since the beginning."""
        return len(self._seen) - self._n_first

    def look(self):
        """Look at the folder, and return the number of changes."""
        waiting = [self._folder]
        while waiting:
            with suppress(OSError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                        self._seen.add(entry.path)
                    else:
                        # The number of the process in a temporary name differs between runs, their order not.
                        self._seen.add((entry.path, entry.stat(follow_symlinks=False).st_size))
        return self.n_changes


def is_torn(name, content):
    """Return whether a file under its final name cannot be read; files that change during a run too."""
    if is_temporary(name):
        return False
    if name.endswith(".json"):
        with suppress(ValueError):
            json.loads(content)
            return False
        return True
    return content.startswith(TORN)


@dataclass
class Stage:
    """Inputs of a command and the place of its outputs.

    Each run of a session uses the same place, so that paths in files do not differ.

    Attributes
    ----------
    case : CommandCase
    inputs, place, logs : Path
    environment : dict
        Changes to the environment of each run.
    expected : dict
        Bytes of the files of an undisturbed run by name, see `CommandCase.results`.
    folders : set of str
        Folders that it leaves.
    seconds : float
        Duration of the undisturbed run.
    n_changes : int
        Number of names and sizes of files that were seen during it, see `Watch`.
    """

    case: object
    inputs: object
    place: object
    logs: object
    environment: dict
    expected: dict = field(default_factory=dict)
    folders: set = field(default_factory=set)
    seconds: float = 0.0
    n_changes: int = 0
    started: list = field(default_factory=list)
    _kept: set = field(default_factory=set)

    def reset(self):
        """Remove everything from the place, and copy the inputs that the command changes."""
        self.place.mkdir(exist_ok=True)
        for path in self.place.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.case.stage(self.inputs, self.place)
        self._kept = set()

    def start(self, *, words=(), prefix=(), environment=None):
        """Start the command, with further words at its end."""
        fixed = {"OMP_NUM_THREADS": "1"} | self.environment
        fixed |= self.case.environment(self.inputs, self.place)
        run = Run(
            [*self.case.words(self.inputs, self.place), *words],
            self.logs / f"{len(self.started)}.log",
            prefix=prefix,
            environment=fixed | (environment or {}),
        )
        self.started.append(run)
        return run

    def results(self):
        """Read the bytes of the present files of the place by name."""
        return self.case.results(self.place)

    def run_undisturbed(self):
        """Run the command alone, and keep its duration and the bytes of its files."""
        self.reset()
        watch, begun = Watch(self.place), time.monotonic()
        run = self.start()
        while run.running():
            watch.look()
            time.sleep(LOOK_EVERY_S)
        assert run.wait() == 0, run.words
        self.seconds, self.n_changes = time.monotonic() - begun, watch.n_changes
        self.expected, self.folders = self.results(), self.present_folders()

    def present_folders(self):
        """List the folders of the place, without those of logs."""
        return {
            path.relative_to(self.place).as_posix() for path in self.place.rglob("*") if path.is_dir()
        } - {"out/logs"}

    def leftovers(self):
        """List files and folders that only an active run may have, and no run that was told to stop."""
        names = (path.relative_to(self.place).as_posix() for path in self.place.rglob("*"))
        return sorted(name for name in names if is_temporary(name) and not is_kept(name))

    def assert_nothing_torn(self):
        """Assert that each file under a final name is complete.

        Returns
        -------
        n_kept, n_lost : int
            Files that are complete now, and that were when this was last called but are not now.
        """
        finished = self.case.finished_results(self.place)
        wrong = {name for name, content in finished.items() if self.expected.get(name) != content}
        torn = {name for name, content in self.results().items() if is_torn(name, content)}
        assert not wrong | torn, f"not complete: {wrong | torn}"
        n_lost = len(self._kept - finished.keys())
        self._kept = set(finished)
        return len(finished), n_lost

    def assert_complete(self):
        """Assert that all files and folders are those of the undisturbed run, without any other."""
        results = self.results()
        names = results | self.expected
        wrong = {name for name in names if results.get(name) != self.expected.get(name)}
        assert not wrong, f"other bytes than those of an undisturbed run: {wrong}"
        assert not self.present_folders() ^ self.folders, self.present_folders() ^ self.folders
        assert not self.leftovers(), self.leftovers()

    def assert_restart_completes(self):
        """Assert that the next run gives the files of the undisturbed run."""
        run = self.start()
        assert run.wait() == 0, run.words
        self.assert_complete()

    def end(self):
        """Kill all runs."""
        for run in self.started:
            run.__exit__()
