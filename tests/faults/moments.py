"""Random moments of a run at which it is disturbed."""

import random
import time
from dataclasses import dataclass, replace

from tests.faults.command_stage import LOOK_EVERY_S, Watch


@dataclass(frozen=True)
class Moment:
    """A moment of a run: a share of its duration, or of the changes of its files.

    A share of changes does not depend on how busy the machine is. Half of a short run is the start of Python,
    during which no file changes.
    """

    share: float
    is_change: bool

    def __str__(self):
        return f"{100 * self.share:.0f}% of its {'changes of files' if self.is_change else 'duration'}"

    def earlier(self):
        """Return an earlier moment, for a run that has less to do."""
        return replace(self, share=0.8 * self.share)

    def comes(self, stage, run):
        """Wait for the moment; return False if the run ended earlier."""
        if not self.is_change:
            return run.runs_for(self.share * stage.seconds)
        watch = Watch(stage.place)
        wanted = max(1, round(self.share * stage.n_changes))
        while run.running():
            if watch.look() >= wanted:
                return True
            time.sleep(LOOK_EVERY_S)
        return False


def moments(name, n, stage):
    """Draw moments in all parts of a run: a third by time, the others by changes of files, if it has any."""
    chance = random.Random(name)
    n_times = n // 3 if stage.n_changes else n
    drawn = [Moment((part + chance.random()) / n_times, is_change=False) for part in range(n_times)]
    n_changes = n - n_times
    drawn += [Moment((part + chance.random()) / n_changes, is_change=True) for part in range(n_changes)]
    chance.shuffle(drawn)
    return drawn
