"""The place where a command of the table runs: its inputs, its outputs, and those of an undisturbed run."""

import shutil
import time
from dataclasses import dataclass, field

from tests.processes import Run


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
    seconds : float
        Duration of the undisturbed run.
    """

    case: object
    inputs: object
    place: object
    logs: object
    environment: dict
    expected: dict = field(default_factory=dict)
    seconds: float = 0.0
    started: list = field(default_factory=list)

    def reset(self):
        """Remove everything from the place, and copy the inputs that the command changes."""
        self.place.mkdir(exist_ok=True)
        for path in self.place.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.case.stage(self.inputs, self.place)

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
        begun = time.monotonic()
        run = self.start()
        assert run.wait() == 0, run.words
        self.seconds = time.monotonic() - begun
        self.expected = self.results()

    def end(self):
        """Kill all runs."""
        for run in self.started:
            run.__exit__()
