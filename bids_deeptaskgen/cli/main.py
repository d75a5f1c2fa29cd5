"""Running a command: what a user is told when it ends badly, and the exit code."""

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
from bids_deeptaskgen.errors import UserError, system_refusal
from bids_deeptaskgen.machine import log_duration
from bids_deeptaskgen.settings.base import Settings

FAILED, USAGE, INTERNAL, INTERRUPTED, TERMINATED = 1, 2, 70, 130, 143

_ONCE_MORE_S = 0.01
_N_WAKE_UPS = 50
_NO_SIGNAL = 0

# How long worker processes may take to end after SIGTERM, before they are killed.
_PATIENCE_S = 5.0

# New objects after which Python looks for garbage. Its 700 would have it look hundreds of times while
# libraries are imported, which make half a million objects and no garbage: a sixth of the time that it takes.
_N_OBJECTS = 50_000

log = logging.getLogger("bids_deeptaskgen")


class Command(NamedTuple):
    """A command.

    Attributes
    ----------
    module : str
        Module whose function ``run`` takes the settings and returns the exit code; imported when it runs.
    settings : type
        Its docstring is the help line of the command.
    """

    module: str
    settings: type[Settings]


class _Terminated(BaseException):
    """SIGTERM came. No Exception, so that nothing that copes with a person's fault copes with this."""


def run_command(command: Command, settings: Settings, words: Sequence[str], notes: Sequence[str] = ()) -> int:
    """Set up the messages, import the command and run it.

    Parameters
    ----------
    command : Command
    settings : Settings
    words : sequence of str
        The command line that gives these settings, for the log.
    notes : sequence of str
        What else to say before it starts.

    Returns
    -------
    int
        Exit code.
    """
    gc.set_threshold(_N_OBJECTS)
    # What is left at the end goes with the process, and need not be looked through: half a second.
    atexit.register(gc.freeze)
    logs.set_up(settings.verbose)
    log.info("bids_deeptaskgen %s: %s", version(), shlex.join(words))
    for note in notes:
        log.info(note)
    with log_duration("libraries"):
        run: Callable[[Settings], int] = importlib.import_module(command.module).run
    return run(settings)


def run_with_exit_code(prog: str, work: Callable[[], int]) -> int:
    """Do the work; where it ends badly, say why and give the exit code.

    Parameters
    ----------
    prog : str
        Name of the program, which stands before what is said.
    work : callable
        Gives the exit code of a good end.

    Returns
    -------
    int
        What `work` gives, or 1 (disk or memory full), 2 and 3 (`UserError`), 70 (a fault of this program),
        130 (Ctrl-C), 143 (SIGTERM).
    """
    try:
        with _sigterm_raises():
            return work()
    except SystemExit as end:  # argparse has said what there is to say
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:  # the one place that catches all
        code, sentence = exit_code_and_message(error)
        if code == INTERNAL:
            log.error("Traceback of the internal error:", exc_info=error)
        else:
            log.debug("Traceback:", exc_info=error)
        print(f"{prog}: {sentence}", file=sys.stderr, flush=True)
        return code


def exit_code_and_message(error: BaseException) -> tuple[int, str]:
    """Give the exit code and the sentence for an exception."""
    if isinstance(error, UserError):
        return error.exit_code, str(error)
    if isinstance(error, _Terminated):
        return TERMINATED, "stopped by SIGTERM; what is finished is kept, start again to do the rest."
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted; what is finished is kept, start again to do the rest."
    if isinstance(error, MemoryError):
        return (
            FAILED,
            "the memory is used up. Start again with fewer --nprocs, or on a machine with more memory.",
        )
    if refusal := system_refusal(error):
        return refusal
    return INTERNAL, (
        f"internal error: {type(error).__name__}: {error}. This is a fault of the program, not yours.\n"
        f"Please report it, with the lines above and the version ({version()}), at {_tracker()}."
    )


def _tracker() -> str:
    """Give the address of the issue tracker, as the package's metadata have it."""
    from importlib import metadata  # slow, and seldom needed

    try:
        rows = metadata.metadata("bids-deeptaskgen").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        rows = []
    urls = dict(row.split(", ", 1) for row in rows if ", " in row)
    found = next(
        (url for title, url in urls.items() if "issue" in title.lower() or "bug" in title.lower()), None
    )
    return found or "the project's issue tracker"


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that temporary files are removed on the way out.

    Neither this nor the exception of Ctrl-C may get lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    owner = os.getpid()
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if os.getpid() != owner:  # a forked child, which has nothing to tidy up
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if stopping:  # a second one must not break off the tidying
            return
        stopping = True
        _end_children()
        raise _Terminated

    def swallowed(ignored: "sys.UnraisableHookArgs") -> None:
        nonlocal stopping
        if not isinstance(ignored.exc_value, _Terminated | KeyboardInterrupt):
            hook(ignored)
            return
        # It came while Python let go of an object, where nothing can be raised: it must come once more.
        stopping = False
        number = signal.SIGTERM if isinstance(ignored.exc_value, _Terminated) else signal.SIGINT
        threading.Timer(_ONCE_MORE_S, os.kill, (owner, number)).start()

    before, hook = signal.signal(signal.SIGTERM, stop), sys.unraisablehook
    sys.unraisablehook = swallowed
    try:
        with _main_thread_woken():
            yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextmanager
def _main_thread_woken() -> Iterator[None]:
    """Have every signal interrupt the main thread, also one that arrives just before it begins to wait.

    Python notes the signal, and runs its handler when the main thread next runs Python code. A main thread on
    its way into a lock (waiting for a worker, say) never does. Another thread hears of each signal through
    `signal.set_wakeup_fd` and interrupts the lock with SIGURG, which does nothing else.
    """
    main_thread = threading.get_ident()
    done = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def wake() -> None:
        while (number := os.read(reader, 1)[0]) != _NO_SIGNAL:
            if number != signal.SIGURG:
                for _ in range(_N_WAKE_UPS):
                    if done.wait(_ONCE_MORE_S):
                        return
                    signal.pthread_kill(main_thread, signal.SIGURG)

    before = signal.signal(signal.SIGURG, lambda _signal, _frame: None)
    descriptor = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=wake, daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        done.set()
        os.write(writer, bytes([_NO_SIGNAL]))
        thread.join()
        signal.signal(signal.SIGURG, before)
        os.close(reader)
        os.close(writer)


def _end_children() -> None:
    """End worker processes: whoever waits for them on the way out would wait until they are done.

    A new process loses the signals that come while Python sets it up, so the signal is sent until the process
    has ended.
    """
    multiprocessing = sys.modules.get("multiprocessing")  # never imported, if there are no workers
    if not multiprocessing:
        return
    deadline = time.monotonic() + _PATIENCE_S
    while children := multiprocessing.active_children():
        for child in children:
            if time.monotonic() < deadline:
                child.terminate()
            else:
                child.kill()
        if time.monotonic() > deadline:
            return
        time.sleep(_ONCE_MORE_S)
