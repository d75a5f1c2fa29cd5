"""Warp of BOLD series from native to standard space with FSL, where it is installed."""

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
    """Warp the runs of a session to standard space for the duration of the context.

    Parameters
    ----------
    session : SessionInputs
        Runs with a warp field are warped to FSL's MNI152 2 mm grid; other runs are unchanged.
    scratch : Path
        Folder for the warped series: about 2 GB for 490 volumes.

    Yields
    ------
    SessionInputs

    Raises
    ------
    InputError
        If FSL is missing, or its tool fails.
    """
    if not any(run.fsl_warp for run in session.runs):
        yield session
        return
    tool = shutil.which(TOOL)
    if tool is None:
        first = next(run for run in session.runs if run.fsl_warp)
        message = (
            f"{first.bold}: is in native space, and FSL's {TOOL}, which would bring it to standard "
            f"space with {first.fsl_warp}, is not on the PATH.\nInstall FSL or load its module, or put the "
            "warped series beside it as filtered_func_data_clean_standard.nii.gz."
        )
        raise InputError(message)
    with TemporaryDirectory(dir=scratch, prefix="fsl-") as name:
        folder = Path(name)
        reference = folder / "reference.nii.gz"
        save_nifti(reference, np.zeros(FULL_MODEL_GRID.shape, np.float32), FULL_MODEL_GRID.matrix)
        runs = tuple(
            _warp_run(tool, run, reference, folder / str(number)) if run.fsl_warp else run
            for number, run in enumerate(session.runs)
        )
        yield SessionInputs(session.subject, session.session, runs, session.entities)


def _warp_run(tool: str, run: RunInputs, reference: Path, folder: Path) -> RunInputs:
    """Warp the BOLD series and the mask of a run."""
    folder.mkdir()
    bold, mask = folder / "bold.nii", folder / "mask.nii"
    _apply(tool, run, reference, ("--in", run.bold), ("--out", bold), ("--interp", "spline"))
    _apply(tool, run, reference, ("--in", run.mask), ("--out", mask), ("--interp", "nn"))
    # applywarp copies the repetition time of the series to the header.
    return run.with_fields(bold=bold, mask=mask, fsl_warp=None)


def _apply(tool: str, run: RunInputs, reference: Path, *options: tuple[str, object]) -> None:
    """Run the tool once; on failure, raise with its output."""
    pairs: Sequence[tuple[str, object]] = (("--ref", reference), ("--warp", run.fsl_warp), *options)
    command = [tool, *(f"{name}={value}" for name, value in pairs), "--rel"]
    # Uncompressed, since the file is read once and deleted.
    process = subprocess.run(
        command, env=os.environ | {"FSLOUTPUTTYPE": "NIFTI"}, capture_output=True, text=True, check=False
    )
    output_path = Path(str(dict(pairs)["--out"]))
    if process.returncode or not output_path.exists():
        output_text = " ".join((process.stderr or process.stdout).split())[-300:] or "nothing"
        message = (
            f"{run.bold}: FSL's {TOOL} failed with exit code {process.returncode}; it said: {output_text}.\n"
            f"Try it by hand: {' '.join(command)}"
        )
        raise InputError(message)
