"""Program of a batch job: run a node of the graph while the run that has submitted it exists.

It is run as ``python -m bids_deeptaskgen.workflow.batch_job FOLDER SCRIPT [OUTPUT SETTINGS_HASH]``.
"""

import logging
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from bids_deeptaskgen.errors import UserError

CHECK_S = 5.0
# Time for the removal of temporary files.
END_S = 20.0
TERMINATED = 143


def main(folder: Path, script: Path, output: Path | None = None, settings_hash: str = "") -> None:
    """Run nipype's script of a node, unless the private work folder of its run has been removed.

    The job registers in the output dataset, since the registration of its run ends if that is killed.

    At SIGTERM, by which Slurm cancels a job and ends it at its time limit, an exception is raised, so that
    temporary files are removed. The same happens when the folder is removed: the run has ended, and nothing
    may create its folder again.

    Parameters
    ----------
    folder : Path
        Private work folder of the run.
    script : Path
        Script that nipype created.
    output : Path, optional
        Output dataset that the run has claimed.
    settings_hash : str
        Hash of the settings and the model of the run.

    Raises
    ------
    SystemExit
        At SIGTERM, and if a run with other settings has the output dataset now.
    """
    if not script.exists():
        sys.stderr.write(f"{folder}: the run of this job has ended; nothing is done.\n")
        return
    # Not in the home folder, also if the environment is not exported to jobs.
    os.environ["NIPYPE_CONFIG_DIR"] = str(folder / "nipype")
    os.environ["NIPYPE_NO_ET"] = "1"
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("bids_deeptaskgen").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, _raise_exit)
    threading.Thread(target=_watch, args=(folder,), daemon=True).start()
    with _claim(folder, output, settings_hash):
        runpy.run_path(str(script), run_name="__main__")


@contextmanager
def _claim(folder: Path, output: Path | None, settings_hash: str) -> Iterator[None]:
    """Register this job in the output dataset while the block runs."""
    if output is None:
        yield
        return
    from bids_deeptaskgen.pipeline.claim import join_claim
    from bids_deeptaskgen.workflow.registrations import save_registration

    with ExitStack() as stack:
        try:
            path = stack.enter_context(join_claim(output, settings_hash))
        except UserError as error:
            sys.exit(str(error))
        save_registration(folder, path)
        yield


def _raise_exit(_signal: int, _frame: FrameType | None) -> None:
    # A second signal must not interrupt the removal of files.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(TERMINATED)


def _watch(folder: Path) -> None:
    """End this process when the folder has been removed."""
    n_misses = 0
    while n_misses < 2:
        time.sleep(CHECK_S)
        try:
            folder.stat()
            n_misses = 0
        except FileNotFoundError:
            n_misses += 1
        except OSError:
            # The file server does not answer.
            n_misses = 0
    sys.stderr.write(f"{folder} was removed: the run of this job has ended.\n")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_S)
    os._exit(TERMINATED)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), *sys.argv[4:])
