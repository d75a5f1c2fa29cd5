"""Files of the results, and the replacement of those of an earlier analysis."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bids_deeptaskgen.bids.output.result_files import replace_files, result_path
from bids_deeptaskgen.io.atomic import remove_stale_files, temporary_sibling

ANALYSIS = "biomarkers"


def biomarkers_path(out: Path, kind: str, **labels: str) -> Path:
    """Return the path of a file of the results.

    Parameters
    ----------
    out : Path
        Output folder.
    kind : str
        A key of ``biomarkers`` in ``data/outputs.json``.
    **labels : str
        Labels of the pattern: ``target`` (from `label_targets`) or ``name``.

    Returns
    -------
    Path

    Examples
    --------
    >>> biomarkers_path(Path("out"), "folds", target="age").as_posix()
    'out/target-age_folds.tsv'
    """
    return result_path(out, ANALYSIS, kind, **labels)


def label_targets(names: Sequence[str]) -> dict[str, str]:
    """Choose a label for each target that can be part of the name of a file.

    Parameters
    ----------
    names : sequence of str
        Columns of tables, with any characters.

    Returns
    -------
    dict of str to str
        Distinct labels, also on file systems that ignore case, by name.

    Examples
    --------
    >>> label_targets(["age", "IQ (raw/total)", "iq raw total"])
    {'age': 'age', 'IQ (raw/total)': 'IQ-raw-total', 'iq raw total': 'iq-raw-total-2'}
    """
    labels: dict[str, str] = {}
    for name in names:
        stem = re.sub(r"[^0-9A-Za-z_]+", "-", name).strip("-_") or "target"
        label, number = stem, 1
        while label.lower() in (text.lower() for text in labels.values()):
            number += 1
            label = f"{stem}-{number}"
        labels[name] = label
    return labels


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
def work_folder(out: Path) -> Iterator[Path]:
    """Create a hidden folder for incomplete results, and remove those of killed processes.

    Parameters
    ----------
    out : Path
        Output folder, on whose file system results can be moved.

    Yields
    ------
    Path
        Removed at the end.
    """
    remove_stale_files(out, recursive=False)
    folder = temporary_sibling(out / ANALYSIS, "work")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace_results(source: Path, out: Path) -> None:
    """Remove the files of an earlier analysis, and move those of a new one to their place.

    Parameters
    ----------
    source : Path
        Folder with the complete results, on the file system of `out`.
    out : Path
        Output folder.
    """
    replace_files(source, out, ANALYSIS)
