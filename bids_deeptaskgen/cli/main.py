"""Execution of a command: logging, messages of errors, exit codes and signals."""

import atexit
import gc
import importlib
import logging
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from bids_deeptaskgen.cli import log_setup as logs
from bids_deeptaskgen.cli.parser import version
from bids_deeptaskgen.cli.streams import safe_streams
from bids_deeptaskgen.errors import UserError, system_refusal
from bids_deeptaskgen.machine import log_duration
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.flags import with_flags

FAILED, USAGE, INTERNAL, INTERRUPTED, TERMINATED = 1, 2, 70, 130, 143

_RETRY_S = 0.01
_N_WAKE_UPS = 50
_NO_SIGNAL = 0

# Seconds that worker processes may take to end after SIGTERM, before they are killed.
_TIMEOUT_S = 5.0

# New objects between garbage collections. Python's default of 700 means hundreds of collections during the
# import of libraries, which creates half a million objects and no garbage: a sixth of the import time.
_N_OBJECTS = 50_000

log = logging.getLogger("bids_deeptaskgen")


class Command(NamedTuple):
    """Command of a program.

    Attributes
    ----------
    module : str
        Module whose function ``run`` takes the settings and returns the exit code; imported when it runs.
    settings : type
        Subclass of `Settings`; its docstring is the help text of the command.
    """

    module: str
    settings: type[Settings]


class _Terminated(BaseException):
    """SIGTERM. Not an Exception, so that handlers of a participant's failure do not catch it."""


def run_command(command: Command, settings: Settings, words: Sequence[str], notes: Sequence[str] = ()) -> int:
    """Configure logging, import the command and run it.

    Parameters
    ----------
    command : Command
    settings : Settings
    words : sequence of str
        Command line that is equivalent to the settings, for the log.
    notes : sequence of str
        Further messages to log before the start.

    Returns
    -------
    int
        Exit code.
    """
    gc.set_threshold(_N_OBJECTS)
    # The end of the process frees all memory; a last collection would take half a second.
    atexit.register(gc.freeze)
    logs.set_up(settings.verbose)
    log.info("bids_deeptaskgen %s: %s", version(), shlex.join(words))
    for note in notes:
        log.info(note)
    with log_duration("libraries"):
        run: Callable[[Settings], int] = importlib.import_module(command.module).run
    return run(settings)


def run_with_exit_code(prog: str, work: Callable[[], int]) -> int:
    """Run a function; print an error message and return the exit code if it fails.

    Parameters
    ----------
    prog : str
        Name of the program, which precedes the error message.
    work : callable
        Function that returns the exit code.

    Returns
    -------
    int
        Value of `work`, or 1 (disk or memory full), 2 and 3 (`UserError`), 70 (internal error), 130 (Ctrl-C),
        143 (SIGTERM).
    """
    with safe_streams():
        try:
            with _sigterm_raises():
                code = work()
        except BaseException as error:  # the only place that catches all exceptions
            code = _report(prog, error)
        try:
            if not code:
                sys.stdout.flush()
        except OSError as error:
            code = _report(prog, error)
        return code


def _report(prog: str, error: BaseException) -> int:
    """Print the message of an exception that ended the command, and return the exit code."""
    if isinstance(error, SystemExit):  # argparse has printed the message
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    code, message = exit_code_and_message(error)
    if code == INTERNAL:
        log.error("Traceback of the internal error:", exc_info=error)
    else:
        log.debug("Traceback:", exc_info=error)
    print(f"{prog}: {with_flags(message)}", file=sys.stderr, flush=True)
    return code


def exit_code_and_message(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the message for an exception.

    Parameters
    ----------
    error : BaseException
        Exception that ended the command, of any type.

    Returns
    -------
    code : int
        Exit code of the process.
    message : str
        Text for the user; may have several lines.
    """
    if isinstance(error, UserError):
        return error.exit_code, str(error)
    if isinstance(error, _Terminated):
        return TERMINATED, "stopped by SIGTERM; results that are finished are kept, start again for the rest."
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted; results that are finished are kept, start again for the rest."
    if refusal := system_refusal(error):
        return refusal
    return INTERNAL, (
        f"internal error: {type(error).__name__}: {error}. This is a bug of the program, not of the user.\n"
        f"Please report it, with the lines above and the version ({version()}), at {_tracker()}."
    )


def _tracker() -> str:
    """Return the address of the issue tracker in the package's metadata."""
    from importlib import metadata  # slow, and rarely used

    try:
        rows = metadata.metadata("bids-deeptaskgen").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        rows = []
    urls = dict(row.split(", ", 1) for row in rows if ", " in row)
    trackers = [url for title, url in urls.items() if "issue" in title.lower() or "bug" in title.lower()]
    return trackers[0] if trackers else "the project's issue tracker"


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise an exception at SIGTERM, so that temporary files are removed before the process ends.

    Neither this exception nor that of Ctrl-C may be swallowed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    owner = os.getpid()
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if os.getpid() != owner:  # a forked child, which has nothing to clean up
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if stopping:  # a second signal must not interrupt the clean-up
            return
        stopping = True
        _end_children()
        raise _Terminated

    def raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
        nonlocal stopping
        if not isinstance(unraisable.exc_value, _Terminated | KeyboardInterrupt):
            hook(unraisable)
            return
        # The signal came in a finaliser, where Python ignores exceptions: send it again.
        stopping = False
        number = signal.SIGTERM if isinstance(unraisable.exc_value, _Terminated) else signal.SIGINT
        threading.Timer(_RETRY_S, os.kill, (owner, number)).start()

    handler, hook = signal.signal(signal.SIGTERM, stop), sys.unraisablehook
    sys.unraisablehook = raise_again
    try:
        with _wake_main_thread():
            yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, handler or signal.SIG_DFL)


@contextmanager
def _wake_main_thread() -> Iterator[None]:
    """Send SIGURG to the main thread after each signal, in case the signal came just before it began to wait.

    Python records the signal, and runs its handler when the main thread next runs Python code. A main thread
    that is about to wait for a lock (for a worker, say) never does. A second thread receives each signal
    through `signal.set_wakeup_fd` and interrupts the lock with SIGURG, which has no other effect.
    """
    main_thread = threading.get_ident()
    is_over = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def wake() -> None:
        while (number := os.read(reader, 1)[0]) != _NO_SIGNAL:
            if number != signal.SIGURG:
                for _ in range(_N_WAKE_UPS):
                    if is_over.wait(_RETRY_S):
                        return
                    signal.pthread_kill(main_thread, signal.SIGURG)

    handler = signal.signal(signal.SIGURG, lambda _signal, _frame: None)
    descriptor = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=wake, daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        is_over.set()
        os.write(writer, bytes([_NO_SIGNAL]))
        thread.join()
        signal.signal(signal.SIGURG, handler)
        os.close(reader)
        os.close(writer)


def _end_children() -> None:
    """End worker processes; otherwise, code that waits for them would wait until their work is finished.

    A new process loses signals that come while Python starts it, so the signal is sent until it has ended.
    """
    multiprocessing = sys.modules.get("multiprocessing")  # not imported if there are no workers
    if not multiprocessing:
        return
    deadline = time.monotonic() + _TIMEOUT_S
    while children := multiprocessing.active_children():
        for child in children:
            if time.monotonic() < deadline:
                child.terminate()
            else:
                child.kill()
        if time.monotonic() > deadline:
            return
        time.sleep(_RETRY_S)
