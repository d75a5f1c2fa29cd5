"""The app called as a function, and people copied from one dataset into another."""

import io
import logging
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.cli.app import main
from bids_deeptaskgen.io.tsv import read_tsv

BOLD = "desc-preproc_bold.nii.gz"
MASK = "desc-brain_mask.nii.gz"
CONFOUNDS = "desc-confounds_timeseries.tsv"


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes
    ----------
    code : int
        Exit code.
    out, err : str
        What it said on either stream.
    """

    code: int
    out: str
    err: str

    @property
    def sentence(self):
        """What a whole run that ended badly said last, after the lines of its log."""
        return self.err.rpartition("bids-deeptaskgen: ")[2]


def call(*words):
    """Run the app in this process; messages are set up as on a command line, and as before afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("bids_deeptaskgen")
    before = list(root.handlers), root.level, ours.level
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(word) for word in words])
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:], level, our_level = before
        root.setLevel(level)
        ours.setLevel(our_level)
    return Ended(code, out.getvalue(), err.getvalue())


def copy_participant(source, subject, target, label):
    """Copy a person's functional files from one dataset to another under another label; give the folder."""
    func = target / f"sub-{label}" / "func"
    func.mkdir(parents=True)
    for path in (source / f"sub-{subject}" / "func").iterdir():
        shutil.copyfile(path, func / path.name.replace(f"sub-{subject}", f"sub-{label}"))
    if not (target / "dataset_description.json").exists():
        shutil.copyfile(source / "dataset_description.json", target / "dataset_description.json")
    return func


def only(func, ending):
    """Give the one file of a folder whose name ends so."""
    (found,) = func.glob(f"*{ending}")
    return found


def outcomes(output):
    """Read the table of participants of a dataset's only run: a row for each label."""
    (table,) = (output / "logs").glob("*_participants.tsv")
    return {row["participant_id"].removeprefix("sub-"): row for row in read_tsv(table)}


def maps_of(output, label):
    """Bytes of a person's predicted maps by contrast and kind of file."""
    folder = Path(output, f"sub-{label}", "func")
    return {
        path.name.partition("_contrast-")[2]: path.read_bytes()
        for path in sorted(folder.glob("*_desc-predicted_statmap.nii.gz"))
    }
