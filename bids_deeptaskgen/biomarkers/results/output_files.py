"""Files of the results, and the replacement of those of an earlier analysis."""

import re
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.output.result_files import replace_files, result_path

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
