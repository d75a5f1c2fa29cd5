"""Laws of how a command ends, and of what is told on the way."""

import errno
import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest

from bids_deeptaskgen.cli import log_setup as logs
from bids_deeptaskgen.cli.main import run_with_exit_code
from bids_deeptaskgen.errors import InputError, UserError

log = logging.getLogger("bids_deeptaskgen")


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("Choose a model."), 2, "Choose a model."),
        (InputError("No BOLD."), 3, "No BOLD."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory"),
        (ImportError("libx.so: failed to map segment from shared object"), 1, "out of memory"),
        (RuntimeError("can't start new thread"), 1, "no further process can be started. Increase the limit"),
        (OSError(errno.EMFILE, "Too many open files", "/in/x"), 1, "too many files are open (/in/x)"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/out/x.nii.gz"),
            1,
            "the disk is full (/out/x.nii.gz)",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "the disk is full. Free some space"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/out"), 1, "the disk quota is used up (/out)"),
        (PermissionError(errno.EACCES, "Permission denied", "/out"), 2, "access is denied (/out)"),
        (
            OSError(errno.EFBIG, "File too large", "/out"),
            1,
            "the file would exceed the size limit (/out)",
        ),
        (OSError(errno.EROFS, "Read-only file system", "/out"), 2, "the file system is read-only (/out)"),
        (
            NotADirectoryError(errno.ENOTDIR, "x", "/out"),
            2,
            "a file exists instead of a folder (/out). Choose",
        ),
        (FileExistsError(errno.EEXIST, "x", "/out"), 2, "a file or folder of this name exists (/out)"),
        (IsADirectoryError(errno.EISDIR, "x", "/out"), 2, "a folder exists instead of a file (/out)"),
        (OSError(errno.ENAMETOOLONG, "x", "/out"), 2, "the path is too long (/out)"),
        (OSError(errno.EIO, "x", "/out"), 1, "the disk cannot be read or written (/out)"),
        (ValueError("shapes differ"), 70, "internal error: ValueError: shapes differ"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), 70, "internal error: FileNotFoundError"),
        (SystemExit(2), 2, ""),
        (SystemExit(0), 0, ""),
        (SystemExit(None), 0, ""),
        (SystemExit("words"), 1, ""),
    ],
)
def test_each_end_has_its_exit_code_and_its_sentence(capsys, error, code, words):
    assert run_with_exit_code("program", raising(error)) == code
    output_text = capsys.readouterr().err
    assert (f"\nprogram: {words}" if words else "") in "\n" + output_text


def test_a_good_end_says_nothing(capsys):
    assert run_with_exit_code("program", lambda: 0) == 0
    assert run_with_exit_code("program", lambda: 1) == 1
    assert capsys.readouterr() == ("", "")


def test_an_internal_error_leaves_its_traceback_and_says_where_to_report_it(capsys):
    logs.set_up(0)
    assert run_with_exit_code("program", raising(ZeroDivisionError("oh"))) == 70
    output_text = capsys.readouterr().err
    assert "Traceback (most recent call last)" in output_text
    assert output_text.index("Traceback") < output_text.index(
        "program: internal error: ZeroDivisionError: oh."
    )
    assert "Please report it" in output_text.splitlines()[-1]


def test_the_traceback_of_what_a_user_can_mend_is_for_the_verbose_alone(capsys):
    for verbose in (0, 1):
        logs.set_up(verbose)
        assert run_with_exit_code("program", raising(UserError("Correct it."))) == 2
        assert ("Traceback (most" in capsys.readouterr().err) == bool(verbose)


def test_sigterm_is_handled_as_before_when_the_work_is_over():
    initial_state = signal.getsignal(signal.SIGTERM)
    during = []
    run_with_exit_code("program", lambda: during.append(signal.getsignal(signal.SIGTERM)) or 0)
    run_with_exit_code("program", raising(UserError("x")))
    assert during[0] != initial_state
    assert signal.getsignal(signal.SIGTERM) == initial_state


def test_work_may_be_done_in_a_thread_where_no_handler_can_be_set():
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run_with_exit_code("program", lambda: 0)))
    thread.start()
    thread.join()
    assert codes == [0]


def test_a_forked_worker_dies_of_sigterm_without_tidying_what_is_its_parents():
    def work():
        ready, say = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(say, b"x")
                time.sleep(30)
            finally:
                os._exit(7)
        # A signal that comes while Python sets up the child is lost.
        os.read(ready, 1)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        return -os.waitstatus_to_exitcode(status)

    assert run_with_exit_code("program", work) == signal.SIGTERM


COMMAND = """
import os, signal, sys, time, types
from pathlib import Path
from concurrent.futures import ProcessPoolExecutor

def ignore_signals():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

def lose_signals():
    ignore_signals()
    time.sleep(0.5)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

def run(settings):
    partial = Path(settings.output_dir, "partial")
    partial.touch()
    try:
        {work}
    finally:
        partial.unlink()

if __name__ == "__main__":
    from bids_deeptaskgen.cli.app import main
    sys.modules["bids_deeptaskgen.commands.participant"] = types.SimpleNamespace(run=run)
    sys.exit(main(sys.argv[1:]))
"""
ALONE = "print('ready', flush=True); time.sleep(60)"
STUBBORN = """
        try:
            print('ready', flush=True); time.sleep(60)
        finally:
            print('tidying', flush=True); time.sleep(1); print('tidy', flush=True)
"""
WITH_WORKERS = """
        with ProcessPoolExecutor(1) as pool:
            future = pool.submit(time.sleep, 60)
            while not future.running(): time.sleep(0.01)
            print('ready', flush=True)
            future.result()
"""
# A process that loses the signals of its first half second, as one does while Python sets it up.
WITH_A_NEW_WORKER = WITH_WORKERS.replace("(1)", "(1, initializer=lose_signals)")
# Nothing but SIGKILL ends it.
WITH_A_DEAF_WORKER = WITH_WORKERS.replace("(1)", "(1, initializer=ignore_signals)")


def start(tmp_path, work):
    """Run the app with a command of its own, up to the point where it says that it is ready."""
    script = tmp_path / "script.py"
    script.write_text(COMMAND.format(work=textwrap.dedent(work).strip().replace("\n", "\n        ")))
    words = [sys.executable, str(script), "/data", str(tmp_path), "participant"]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whatever started these tests may have them ignore Ctrl-C, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    assert (tmp_path / "partial").exists()
    return process


@pytest.mark.parametrize("work", [ALONE, WITH_WORKERS, WITH_A_NEW_WORKER, WITH_A_DEAF_WORKER])
def test_sigterm_ends_it_at_once_with_143_and_nothing_half_written(tmp_path, work):
    process = start(tmp_path, work)
    process.terminate()
    _, output_text = process.communicate(timeout=30)
    assert process.returncode == 143
    assert not (tmp_path / "partial").exists()
    assert "bids-deeptaskgen: stopped by SIGTERM" in output_text


def test_a_second_sigterm_does_not_break_off_the_tidying(tmp_path):
    process = start(tmp_path, STUBBORN)
    process.terminate()
    assert process.stdout.readline() == "tidying\n"
    process.terminate()
    out, _ = process.communicate(timeout=30)
    assert out == "tidy\n"
    assert process.returncode == 143
    assert not (tmp_path / "partial").exists()


def test_an_interrupt_ends_it_with_130(tmp_path):
    process = start(tmp_path, ALONE)
    process.send_signal(signal.SIGINT)
    _, output_text = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in output_text
    assert "Traceback" not in output_text


DELETING = """
        class Late:
            def __del__(self):
                print('ready', flush=True); time.sleep(60)
        Late()
        time.sleep(60)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_is_not_lost_where_python_ignores_exceptions(tmp_path, number, code):
    process = start(tmp_path, DELETING)
    process.send_signal(number)
    _, output_text = process.communicate(timeout=30)
    assert process.returncode == code
    assert not (tmp_path / "partial").exists()
    assert "ignored" not in output_text


def test_a_log_gets_plain_lines_with_the_time_and_the_level(capsys):
    logs.set_up(0)
    log.info("sub-%s is done", "01")
    log.warning("[bold] is not markup")
    first, second = capsys.readouterr().err.splitlines()
    assert first[2] == first[5] == ":"
    assert first[8:] == " INFO sub-01 is done"
    assert second[8:] == " WARNING [bold] is not markup"


@pytest.mark.parametrize(
    ("verbose", "heard"),
    [
        (0, {"ours info", "theirs warning"}),
        (1, {"ours debug", "ours info", "theirs warning"}),
        (2, {"ours debug", "ours info", "theirs info", "theirs warning"}),
        (3, {"ours debug", "ours info", "theirs debug", "theirs info", "theirs warning"}),
    ],
)
def test_verbosity_opens_our_details_first_and_then_the_libraries(capsys, verbose, heard):
    logs.set_up(verbose)
    for logger, who in (
        (logging.getLogger("bids_deeptaskgen.x"), "ours"),
        (logging.getLogger("library"), "theirs"),
    ):
        logger.debug("%s debug", who)
        logger.info("%s info", who)
    logging.getLogger("library").warning("theirs warning")
    output_text = {line.split(" ", 2)[2] for line in capsys.readouterr().err.splitlines()}
    assert output_text == heard


def test_setting_up_twice_says_things_once(capsys):
    logs.set_up(0)
    logs.set_up(0)
    log.info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_flags_are_shown_and_other_handlers_get_the_message_as_it_is(capsys, caplog):
    logs.set_up(0)
    log.info("lower `min_minutes`")
    assert capsys.readouterr().err.endswith("INFO lower --min-minutes\n")
    assert caplog.messages == ["lower `min_minutes`"]


def test_warnings_of_libraries_become_messages(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.set_up(0)
        warnings.warn("this is old", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert " WARNING " in capsys.readouterr().err


def test_a_terminal_gets_the_same_messages_by_rich_above_its_progress_bars():
    own_value, reference_value = os.openpty()
    code = (
        "import logging, rich; from bids_deeptaskgen.cli import log_setup; log_setup.set_up(0);"
        "logging.getLogger('bids_deeptaskgen').info('[bold] sub-01 is done');"
        "handler = logging.getLogger().handlers[0];"
        "print(type(handler).__name__, handler.console is rich.get_console())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=reference_value, text=True, check=True
    )
    os.close(reference_value)
    output_text = os.read(own_value, 10_000).decode()
    os.close(own_value)
    assert done.stdout == "RichHandler True\n"
    plain = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", output_text).split())
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO \[bold\] sub-01 is done", plain)


def test_what_a_command_leaves_in_memory_is_not_looked_through_when_its_process_ends(tmp_path):
    code = textwrap.dedent("""
        import atexit, gc, sys
        # Called last, since it was the first.
        atexit.register(lambda: print(gc.get_freeze_count() > 10_000, gc.get_threshold()[0] > 10_000))
        from bids_deeptaskgen.cli.app import main
        print(main(sys.argv[1:]), gc.get_freeze_count(), gc.isenabled())
    """)
    words = [tmp_path, tmp_path / "out", "participant", "--model", "embedded"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["3 0 True", "True True"]
