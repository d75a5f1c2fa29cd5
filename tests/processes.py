"""Runs of the app in separate processes: start, observation, end and output."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOOK_EVERY_S = 0.003
# Far above what anything takes on a busy machine: a run that has not ended by then hangs.
PATIENCE_S = 300
# Options with which the small dataset can be used.
SMALL = ("--min-minutes", "0.5", "--min-dof", "5", "--omp-nthreads", "1", "--reports", "none")


class Run:
    """A run of a command and its processes, a separate process group.

    Parameters
    ----------
    words : sequence of str or Path
        Program and arguments.
    log : Path
        File of its output.
    prefix : sequence of str
        Command that starts the program, e.g. without a network.
    environment : dict
        Changes to the environment; None takes a variable away.
    """

    def __init__(self, words, log, *, prefix=(), environment=None):
        self.said = log
        changed = {"PYTHONPATH": str(ROOT)} | (environment or {})
        variables = {key: value for key, value in (os.environ | changed).items() if value is not None}
        with self.said.open("wb") as file:
            self._process = subprocess.Popen(
                [*prefix, *map(str, words)],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,
                # Whatever started these tests may have them ignore Ctrl-C, which is inherited.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self.pid = self._process.pid
        self._is_gone = False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """Stop all processes, however the test ends."""
        if self.running() or self.processes():
            self.signal_all(signal.SIGKILL)
            self._process.wait(PATIENCE_S)

    @property
    def words(self):
        """Return the output so far."""
        return self.said.read_text("utf-8")

    def running(self):
        is_running = self._process.poll() is None
        if not is_running:
            self.processes()
        return is_running

    def wait(self):
        """Wait for the end and return the exit code."""
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It hangs; it has said:\n{self.words}") from None
        self.processes()
        return code

    def wait_for(self, sign):
        """Wait until a sign is seen, and return it; the run must not end before."""
        end = time.monotonic() + PATIENCE_S
        while not (seen := sign(self)):
            assert self.running(), f"It ended with {self._process.returncode}; it has said:\n{self.words}"
            assert time.monotonic() < end, f"The sign was not seen; it has said:\n{self.words}"
            time.sleep(LOOK_EVERY_S)
        return seen

    def runs_for(self, seconds):
        """Return whether the run continues for this time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def signal(self, number):
        self._process.send_signal(number)

    def signal_all(self, number):
        if self._is_gone:
            raise ProcessLookupError(self.pid)
        os.killpg(self.pid, number)

    def kill(self):
        """End all of its processes at once, as a scheduler or the machine's end would."""
        # It may have ended by itself.
        with suppress(ProcessLookupError):
            self.signal_all(signal.SIGKILL)
        self._process.wait(PATIENCE_S)
        self.wait_for_silence()

    def processes(self):
        """List the living processes of its group by number: their commands and parents.

        The kernel gives the number of a group without processes to other processes, which are not ours.
        """
        found = {}
        if self._is_gone:
            return found
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                # The name in brackets may hold anything.
                state, parent, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.pid and state not in "ZX":
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found[int(folder.name)] = (words, int(parent))
            except OSError:
                continue
        self._is_gone = not found and self._process.returncode is not None
        return found

    def wait_for_silence(self, seconds=PATIENCE_S):
        """Wait until none of its processes lives; what is left is returned."""
        end = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(LOOK_EVERY_S)
        return left

    def family(self):
        """List the numbers of its main process and of all descendants."""
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            with suppress(OSError):
                waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def open_files(self):
        """List the files that its processes have open: pairs of a process and a path."""
        for pid in self.family():
            with suppress(OSError):
                for link in Path(f"/proc/{pid}/fd").iterdir():
                    yield pid, os.readlink(link)  # noqa: PTH115


class App(Run):
    """A run of the participant level on the small dataset.

    Parameters
    ----------
    dataset, output, model : Path
    *options : str
        Further words of the command line.
    log : Path
        File of its output; by default next to the output folder.
    **how
        Arguments of `Run`.
    """

    def __init__(self, dataset, output, model, *options, log=None, **how):
        self.output = output
        main = [sys.executable, "-m", "bids_deeptaskgen", dataset, output, "participant"]
        super().__init__(
            [*main, "--model", model, *_with_small(options)],
            log or output.with_name(f"{output.name}-{time.monotonic_ns()}.log"),
            **how,
        )


def _with_small(options):
    """Add `SMALL` to options, without its choice of pages if the options choose them."""
    return (*SMALL[: -2 if "--reports" in options else None], *options)


def reader_of_bold(app):
    """Find the process that computes a connectome."""
    return next((pid for pid, name in app.open_files() if name.endswith("_bold.nii.gz")), None)


def map_in_the_making(app):
    """Find the temporary file of a map, a sign of prediction or writing."""
    return next(app.output.glob("sub-*/func/.*_statmap.nii.gz.*.tmp"), None)


def first_map(app):
    """Find a finished map."""
    return next(app.output.glob("sub-*/func/*_statmap.nii.gz"), None)


def results(output):
    """Read the bytes of every file of the dataset by name; only logs differ between runs."""
    contents = {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and path.relative_to(output).parts[0] != "logs"
    }
    return _with_resolved_links(output, contents)


def _with_resolved_links(output, contents):
    if "dataset_description.json" in contents:
        description = json.loads(contents["dataset_description.json"])
        # Links are relative: the same input has another link from another output folder.
        for name, link in description["DatasetLinks"].items():
            description["DatasetLinks"][name] = str((output / link).resolve())
        contents["dataset_description.json"] = json.dumps(description).encode()
    return contents


def leftovers(output):
    """List the files that only an active run may have: temporary files, locks and the work folder."""
    return [
        *output.rglob("*.tmp"),
        *output.rglob(".*.lock"),
        *output.glob("logs/.running"),
        *output.glob("work"),
    ]


def finished_files(output):
    """Read the files under their final names, which must be complete at any time, also while runs write."""
    # Unlike `rglob`, `walk` ignores folders that are removed meanwhile.
    paths = [Path(folder, name) for folder, _, names in os.walk(output) for name in names]
    contents = {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in paths
        if not _is_temporary(path.relative_to(output))
    }
    return _with_resolved_links(output, contents)


def _is_temporary(name):
    """Return whether a name is that of a log, of the work folder, of a lock or of a temporary file."""
    is_hidden = any(part.startswith(".") and part != ".bidsignore" for part in name.parts)
    return is_hidden or name.parts[0] in ("logs", "work")


def without_root_powers():
    """A command in front of another one that takes from root the power to write where modes forbid it."""
    if os.geteuid() != 0:
        return ()
    powers = "-dac_override,-dac_read_search,-fowner"
    words = ("setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}")
    return words if shutil.which(words[0]) else None
