"""``deeptaskgen evaluate``: score predicted maps and baselines against measured maps."""

import logging
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.evaluation.baselines import LINEAR, RIDGE
from bids_deeptaskgen.evaluation.facts import describe_evaluation
from bids_deeptaskgen.evaluation.left_out import report_copies, report_predictions, report_unpaired
from bids_deeptaskgen.evaluation.reliability import RETEST
from bids_deeptaskgen.evaluation.report import matrix_path, write_page
from bids_deeptaskgen.evaluation.score_contrasts import HALF_NAMES, score_contrasts
from bids_deeptaskgen.evaluation.sections import OPTIONAL_TABLES
from bids_deeptaskgen.evaluation.study import gather
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.tsv import join_columns, write_tsv
from bids_deeptaskgen.settings.evaluation import EvaluateSettings

logger = logging.getLogger("bids_deeptaskgen")


def run(settings: EvaluateSettings) -> int:
    """Score every predictor of every contrast, and write tables, matrices, figures and the page.

    Parameters
    ----------
    settings : EvaluateSettings

    Returns
    -------
    int
        0; unusable maps are logged and excluded.

    Raises
    ------
    InputError
        If no participant or contrast has all maps, or none of the maps can be used.
    UserError
        If OUT is not empty or cannot be written, or a predicted dataset has the name of a baseline.
    """
    out = settings.out
    names = (LINEAR, RIDGE, RETEST, "measured", *HALF_NAMES)
    reserved = next((name for name, _ in settings.predicted if name in names), None)
    if reserved:
        message = f"--predicted: {reserved} is a reserved name; choose another name (NAME=DATASET)."
        raise UserError(message)
    if out.exists() and any(out.iterdir()) and not settings.overwrite:
        message = f"{out}: is not empty.\nChoose another OUT, or replace its content with --overwrite."
        raise UserError(message)
    study = gather(settings)
    unpaired = report_unpaired(study, settings.participant_label)
    report_predictions(study.measured, settings.measured)
    report_predictions(study.retest or {}, settings.retest or settings.measured)
    for files, source in zip(study.halves, settings.halves, strict=True):
        report_predictions(files, source)
    out.mkdir(parents=True, exist_ok=True)
    # Matrices of a replaced evaluation may include other participants, in another order.
    for stale in matrix_path(out, "*", "*").parent.glob(matrix_path(out, "*", "*").name):
        stale.unlink()
    for name in OPTIONAL_TABLES:
        (out / f"{name}.tsv").unlink(missing_ok=True)
    with TemporaryDirectory(prefix=".work_", dir=out) as folder:
        results = score_contrasts(settings, study, Path(folder))
    retest = {RETEST: settings.retest or settings.measured}
    report_copies(results.copies, dict(settings.predicted) | retest, settings.measured)
    facts, tables = describe_evaluation(settings, study, results) | unpaired, results.tables
    for name, rows in tables.items():
        write_tsv(out / f"{name}.tsv", join_columns(rows))
    context = {"Participants": study.participants, "Seed": settings.seed, "Version": _version()}
    write_json(out / "evaluation.json", {**facts, **context})
    page = write_page(out, facts, study, tables)
    predictors_text = f"{len(settings.predicted)} models" if settings.predicted else "baselines alone"
    sys.stdout.write(
        f"{len(study.participants)} participants, {len(results.n_voxels)} contrasts, {predictors_text}.\n"
        f"Tables: {out}\nReport: {page}\n"
    )
    return 0


def _version() -> str:
    return version("bids-deeptaskgen")
