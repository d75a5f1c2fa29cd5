"""Log output: in colour on a terminal, as plain lines in a file."""

import logging
import sys
import warnings

from bids_deeptaskgen.settings.flags import with_flags

_NAME = "bids_deeptaskgen.cli"


def set_up(verbose: int) -> None:
    """Send messages to stderr.

    Parameters
    ----------
    verbose : int
        0: messages of this package and warnings of libraries; 1: also details of this package; 2: also
        messages of libraries; 3: all.
    """
    root = logging.getLogger()
    for handler in [item for item in root.handlers if item.get_name() == _NAME]:
        root.removeHandler(handler)
    handler = _for_terminal() if sys.stderr.isatty() else _for_log()
    handler.set_name(_NAME)
    root.addHandler(handler)
    root.setLevel({0: logging.WARNING, 1: logging.WARNING, 2: logging.INFO}.get(verbose, logging.DEBUG))
    logging.getLogger("bids_deeptaskgen").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(capture=True)
    if verbose < 2:
        _drop_warnings()


def _drop_warnings() -> None:
    """Drop warnings of libraries about folders that this software does not need.

    A home that cannot be written and a lack of semaphores are usual in containers. matplotlib then uses a
    temporary folder for its cache, and joblib runs no parallel processes, which are not used here.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*joblib will operate in serial mode")


class _FlagFormatter(logging.Formatter):
    """Formatter that writes the parameter names in a message as flags.

    The record itself stays as it is: handlers of other programs show it, too.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        return with_flags(super().format(record))


def _for_log() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_FlagFormatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    return handler


def _for_terminal() -> logging.Handler:
    import rich  # slow, and --help does not use it
    from rich.logging import RichHandler

    # Progress bars use rich's global console; messages stay above them only on the same console.
    rich.reconfigure(stderr=True)
    handler = RichHandler(show_path=False, log_time_format="%H:%M:%S", omit_repeated_times=False)
    handler.setFormatter(_FlagFormatter())
    return handler
