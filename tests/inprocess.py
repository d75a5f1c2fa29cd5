"""The app called as a function, and participants copied between datasets."""

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
    """The result of a run.

    Attributes
    ----------
    code : int
        Exit code.
    out, err : str
        Text on standard output and standard error.
    """

    code: int
    out: str
    err: str

    @property
    def sentence(self):
        """Return the final message of a failed run, after the lines of its log."""
        return self.err.rpartition("bids-deeptaskgen: ")[2]


def call(*words):
    """Run the app in this process with the log of a command line, and restore the log afterwards.

    A run makes no pages unless the words ask for them: a page takes longer than the maps of a test.
    """
    has_pages = any(str(word).startswith("--reports") for word in words)
    words = words if has_pages or "participant" not in words else (*words, "--reports=none")
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
    """Copy a participant's functional files to another dataset and label; return the folder."""
    func = target / f"sub-{label}" / "func"
    func.mkdir(parents=True)
    for path in (source / f"sub-{subject}" / "func").iterdir():
        shutil.copyfile(path, func / path.name.replace(f"sub-{subject}", f"sub-{label}"))
    if not (target / "dataset_description.json").exists():
        shutil.copyfile(source / "dataset_description.json", target / "dataset_description.json")
    return func


def only(func, ending):
    """Find the single file of a folder with this ending."""
    (path,) = func.glob(f"*{ending}")
    return path


def outcomes(output):
    """Read the table of participants of a dataset's only run: a row for each label."""
    (table,) = (output / "logs").glob("*_participants.tsv")
    return {row["participant_id"].removeprefix("sub-"): row for row in read_tsv(table)}


def maps_of(output, label):
    """Read the bytes of a participant's predicted maps by contrast and kind of file."""
    folder = Path(output, f"sub-{label}", "func")
    return {
        path.name.partition("_contrast-")[2]: path.read_bytes()
        for path in sorted(folder.glob("*_desc-predicted_statmap.nii.gz"))
    }
