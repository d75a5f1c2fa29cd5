"""Where messages go: to a terminal in colour, to a log as plain lines."""

import logging
import sys

_NAME = "bids_deeptaskgen.cli"


def set_up(verbose: int) -> None:
    """Send messages to stderr.

    Parameters
    ----------
    verbose : int
        0: our messages and the libraries' warnings; 1: our details too; 2: the libraries' messages too;
        3: all.
    """
    root = logging.getLogger()
    for handler in [old for old in root.handlers if old.get_name() == _NAME]:
        root.removeHandler(handler)
    handler = _for_terminal() if sys.stderr.isatty() else _for_log()
    handler.set_name(_NAME)
    root.addHandler(handler)
    root.setLevel({0: logging.WARNING, 1: logging.WARNING, 2: logging.INFO}.get(verbose, logging.DEBUG))
    logging.getLogger("bids_deeptaskgen").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(capture=True)


def _for_log() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    return handler


def _for_terminal() -> logging.Handler:
    import rich  # slow, and not needed by --help
    from rich.logging import RichHandler

    # Progress bars take rich's own console: messages must go by the same one to stay above them.
    rich.reconfigure(stderr=True)
    return RichHandler(show_path=False, log_time_format="%H:%M:%S", omit_repeated_times=False)
