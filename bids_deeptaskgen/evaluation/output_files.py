"""Files of an evaluation, and the replacement of those of an earlier one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.output.result_files import replace_files, result_path

ANALYSIS = "evaluation"
Row = Mapping[str, Any]
# Rows of each table, by the name of its file without `.tsv`.
Tables = dict[str, list[dict[str, Any]]]

# All tables; not every evaluation has each of them.
TABLE_NAMES = (
    "scores",
    "task_scores",
    "reliability",
    "comparisons",
    "participant_scores",
    "across_participants",
    "roi_scores",
    "quality",
    "participant_quality",
)


def evaluation_path(out: Path, kind: str, **labels: str) -> Path:
    """Return the path of a file of an evaluation.

    Parameters
    ----------
    out : Path
        Output folder of the evaluation.
    kind : str
        A key of ``evaluation`` in ``data/outputs.json``.
    **labels : str
        Labels of the pattern: ``predictor``, ``contrast``, ``name``.

    Returns
    -------
    Path

    Examples
    --------
    >>> evaluation_path(Path(), "r_map", predictor="linearModel", contrast="wm2bk").name
    'predictor-linearModel_space-MNI152NLin6Asym_res-2_contrast-wm2bk_stat-r_statmap.nii.gz'
    """
    return result_path(out, ANALYSIS, kind, **labels)


def replace_results(source: Path, out: Path) -> None:
    """Remove the files of an earlier evaluation, and move those of a new one to their place.

    Parameters
    ----------
    source : Path
        Folder with the complete results, on the file system of `out`.
    out : Path
        Output folder of the evaluation.
    """
    replace_files(source, out, ANALYSIS, [f"{name}.tsv" for name in TABLE_NAMES])
