"""Progress of a training: log lines, a table of epochs, a progress bar and TensorBoard events."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from bids_deeptaskgen.io.atomic import write_text
from bids_deeptaskgen.training.fit_records import Epoch
from bids_deeptaskgen.training.work_folder import EVENTS, LOG

logger = logging.getLogger("bids_deeptaskgen")

Watch = Callable[[Epoch], None]


def make_watch(folder: Path, n_epochs: int, *, tensorboard: bool) -> Watch:
    """Create the function that logs each epoch; a resumed `fit` repeats the earlier epochs to it.

    Parameters
    ----------
    folder : Path
        Folder of the training.
    n_epochs : int
    tensorboard : bool
        Whether to write TensorBoard events too.

    Returns
    -------
    function of Epoch
    """
    lines: list[Epoch] = []
    write_event: Watch = lambda _: None  # noqa: E731
    if tensorboard:
        from bids_deeptaskgen.training.tensorboard import event_writer

        # A resumed fit repeats all earlier epochs.
        shutil.rmtree(folder / EVENTS, ignore_errors=True)
        write_event = event_writer(folder / EVENTS)

    def watch(line: Epoch) -> None:
        lines.append(line)
        write_text(folder / LOG, csv_of(lines))
        write_event(line)
        logger.info("epoch %d of %d: %s", line.epoch, n_epochs, epoch_words(line))

    return watch


def epoch_words(line: Epoch) -> str:
    """Format the results of an epoch.

    Parameters
    ----------
    line : Epoch

    Returns
    -------
    str
        Without validation scores if the epoch has none.
    """
    scores = ""
    if np.isfinite(line.validation_loss):
        scores = f", validation {line.validation_loss:.4f}, r {line.r:.3f}"
    if np.isfinite(line.difference):
        scores += f" ({line.difference:+.3f} above other participants')"
    return f"loss {line.train_loss:.4f}{scores}; learning rate {line.learning_rate:g}, {line.seconds:.0f} s"


def csv_of(lines: list[Epoch]) -> str:
    """Format epochs as CSV, with all digits.

    Parameters
    ----------
    lines : list of Epoch
        In the order of the rows.

    Returns
    -------
    str
        A header with the names of the fields, and a row per epoch.
    """
    rows = [[field.name for field in fields(Epoch)], *(map(repr, astuple(line)) for line in lines)]
    return "".join(",".join(row) + "\n" for row in rows)


class Bar:
    """A counter of the windows used in training.

    Parameters
    ----------
    show : function of int
        Called with the number of windows so far.
    n_per_epoch : int
    """

    def __init__(self, show: Callable[[int], None], n_per_epoch: int) -> None:
        self._show, self._n_per_epoch, self._n = show, n_per_epoch, 0

    def step(self, n: int = 1) -> None:
        """Count windows of this epoch.

        Parameters
        ----------
        n : int
            Number of windows since the previous call.
        """
        self._n += n
        self._show(self._n)

    def end_epoch(self, line: Epoch) -> None:
        """Count all windows up to the end of an epoch.

        Parameters
        ----------
        line : Epoch
            The epoch that has ended.
        """
        self._n = line.epoch * self._n_per_epoch
        self._show(self._n)


@contextmanager
def progress_bar(n_epochs: int, n_per_epoch: int) -> Iterator[Bar]:
    """Show a progress bar if standard error is a terminal.

    Parameters
    ----------
    n_epochs : int
    n_per_epoch : int
        Number of windows in an epoch.

    Yields
    ------
    Bar
    """
    if not sys.stderr.isatty():
        yield Bar(lambda _: None, n_per_epoch)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("training"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=n_epochs * n_per_epoch)
        yield Bar(lambda n: progress.update(task, completed=n), n_per_epoch)
