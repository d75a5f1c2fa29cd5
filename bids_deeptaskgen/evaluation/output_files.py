"""Files of an evaluation, and the replacement of those of an earlier one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.data import load_table

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
    pattern: str = load_table("outputs.json")["evaluation"][kind]
    return out / pattern.format(**labels)


def replace_results(source: Path, out: Path) -> None:
    """Remove the files of an earlier evaluation, and move those of a new one to their place.

    Parameters
    ----------
    source : Path
        Folder with the complete results, on the file system of `out`.
    out : Path
        Output folder of the evaluation.
    """
    for pattern in load_table("outputs.json")["evaluation"].values():
        # Replaced results may include other predictors, contrasts and participants.
        for path in out.glob(pattern.format(predictor="*", contrast="*", name="*")):
            path.unlink()
            sidecar_path(path).unlink(missing_ok=True)
    for name in TABLE_NAMES:
        (out / f"{name}.tsv").unlink(missing_ok=True)
    for folder, _, names in os.walk(source):
        target = out / Path(folder).relative_to(source)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            (Path(folder) / name).replace(target / name)
