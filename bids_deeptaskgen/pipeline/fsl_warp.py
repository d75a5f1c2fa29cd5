"""Series in the scanner's space are warped by FSL's own tool, where it is installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import FULL_MODEL_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti

TOOL = "applywarp"


@contextmanager
def in_standard_space(session: SessionInputs, scratch: Path) -> Iterator[SessionInputs]:
    """Give a session all of whose runs are in standard space, for as long as the block lasts.

    Parameters
    ----------
    session : SessionInputs
        Runs that name a warp field are warped to FSL's MNI152 2 mm grid; the others stay as they are.
    scratch : Path
        Where warped series lie meanwhile: some 2 GB for 490 volumes.

    Yields
    ------
    SessionInputs

    Raises
    ------
    InputError
        If FSL is not there, or its tool fails.
    """
    if not any(run.fsl_warp for run in session.runs):
        yield session
        return
    tool = shutil.which(TOOL)
    if tool is None:
        first = next(run for run in session.runs if run.fsl_warp)
        message = (
            f"{first.bold}: is in the scanner's space, and FSL's {TOOL}, which would bring it to standard "
            f"space with {first.fsl_warp}, is not on the PATH.\nInstall FSL or load its module, or put the "
            "warped series beside it as filtered_func_data_clean_standard.nii.gz."
        )
        raise InputError(message)
    with TemporaryDirectory(dir=scratch, prefix="fsl-") as name:
        folder = Path(name)
        reference = folder / "reference.nii.gz"
        save_nifti(reference, np.zeros(FULL_MODEL_GRID.shape, np.float32), FULL_MODEL_GRID.matrix)
        runs = tuple(
            _warped(tool, run, reference, folder / str(number)) if run.fsl_warp else run
            for number, run in enumerate(session.runs)
        )
        yield SessionInputs(session.subject, session.session, runs, session.entities)


def _warped(tool: str, run: RunInputs, reference: Path, folder: Path) -> RunInputs:
    folder.mkdir()
    bold, mask = folder / "bold.nii", folder / "mask.nii"
    _apply(tool, run, reference, ("--in", run.bold), ("--out", bold), ("--interp", "spline"))
    _apply(tool, run, reference, ("--in", run.mask), ("--out", mask), ("--interp", "nn"))
    # The header of what applywarp writes has the time of the series, if it had one.
    return run.now(bold=bold, mask=mask, fsl_warp=None)


def _apply(tool: str, run: RunInputs, reference: Path, *options: tuple[str, object]) -> None:
    """Run the tool once; what it says goes into the message if it fails."""
    pairs: Sequence[tuple[str, object]] = (("--ref", reference), ("--warp", run.fsl_warp), *options)
    command = [tool, *(f"{name}={value}" for name, value in pairs), "--rel"]
    # Uncompressed, since it is read once and thrown away.
    ended = subprocess.run(
        command, env=os.environ | {"FSLOUTPUTTYPE": "NIFTI"}, capture_output=True, text=True, check=False
    )
    written = Path(str(dict(pairs)["--out"]))
    if ended.returncode or not written.exists():
        said = " ".join((ended.stderr or ended.stdout).split())[-300:] or "nothing"
        message = (
            f"{run.bold}: FSL's {TOOL} failed with exit code {ended.returncode}; it said: {said}.\n"
            f"Try it by hand: {' '.join(command)}"
        )
        raise InputError(message)
