"""Files of the results of an analysis over participants, and the replacement of those of an earlier one."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.io.atomic import finish, name_errors, remove_stale_files, temporary_sibling
from bids_deeptaskgen.io.marked_folder import mark_folder, refuse_deleted


def result_path(out: Path, analysis: str, kind: str, **labels: str) -> Path:
    """Return the path of a file of an analysis.

    Parameters
    ----------
    out : Path
        Output folder of the analysis.
    analysis : str
        A key of ``data/outputs.json``: ``evaluation`` or ``biomarkers``.
    kind : str
        A key of its patterns.
    **labels : str
        Labels of the pattern.

    Returns
    -------
    Path

    Examples
    --------
    >>> result_path(Path(), "biomarkers", "predictions", target="age").name
    'target-age_predictions.tsv'
    """
    pattern: str = load_table("outputs.json")[analysis][kind]
    return out / pattern.format(**labels)


def has_files(out: Path) -> bool:
    """Return whether a folder has files that users see, apart from those of their computer and killed runs.

    Parameters
    ----------
    out : Path
        May not exist.

    Returns
    -------
    bool
        False for hidden files only.
    """
    return out.exists() and any(not path.name.startswith(".") for path in out.iterdir())


@contextmanager
def work_folder(out: Path, analysis: str) -> Iterator[Path]:
    """Create a hidden folder for incomplete results, and remove those of killed processes.

    Parameters
    ----------
    out : Path
        Output folder, on whose file system results can be moved.
    analysis : str
        A key of ``data/outputs.json``: ``evaluation`` or ``biomarkers``.

    Yields
    ------
    Path
        Removed at the end.
    """
    remove_stale_files(out, recursive=False)
    folder = temporary_sibling(out / analysis, "work")
    try:
        # A signal may come as soon as there is a folder.
        folder.mkdir()
        with name_errors(out), mark_folder(folder):
            yield folder
    finally:
        finish(lambda: shutil.rmtree(folder, ignore_errors=True))


def replace_files(source: Path, out: Path, analysis: str, names: Iterable[str] = ()) -> None:
    """Remove the files of an earlier analysis, and move those of a new one to their place.

    Parameters
    ----------
    source : Path
        Folder with the complete results, in that of `work_folder`.
    out : Path
        Output folder of the analysis.
    analysis : str
        A key of ``data/outputs.json``; files that match its patterns, with any labels, are removed, and the
        sidecars of images.
    names : iterable of str
        Names of further files of the analysis.

    Raises
    ------
    UserError
        If another program has deleted the folder of `work_folder`. No file is removed then.
    """
    refuse_deleted(source.parent)
    # Replaced results may include other targets, predictors, contrasts and participants.
    patterns = [re.sub(r"\{\w+\}", "*", text) for text in load_table("outputs.json")[analysis].values()]
    for pattern in patterns:
        for path in out.glob(pattern):
            path.unlink()
            # Only images have sidecars: scores.json beside scores.tsv is a file of the user.
            if path.name.endswith(".nii.gz"):
                sidecar_path(path).unlink(missing_ok=True)
    for name in names:
        (out / name).unlink(missing_ok=True)
    for folder, _, files in os.walk(source):
        target = out / Path(folder).relative_to(source)
        target.mkdir(parents=True, exist_ok=True)
        for name in files:
            (Path(folder) / name).replace(target / name)
