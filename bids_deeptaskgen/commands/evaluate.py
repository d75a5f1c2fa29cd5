"""``deeptaskgen evaluate``: score predicted maps and baselines against measured maps."""

import logging
import sys
from importlib.metadata import version
from pathlib import Path

from bids_deeptaskgen.bids.output.result_files import has_files, work_folder
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.evaluation.baselines import LINEAR, RIDGE
from bids_deeptaskgen.evaluation.facts import describe_evaluation
from bids_deeptaskgen.evaluation.left_out import (
    refuse_predictions,
    report_copies,
    report_few_repeats,
    report_predictions,
    report_unpaired,
)
from bids_deeptaskgen.evaluation.output_files import ANALYSIS, replace_results
from bids_deeptaskgen.evaluation.reliability import HALF_NAMES, RETEST
from bids_deeptaskgen.evaluation.report import PAGE, write_page
from bids_deeptaskgen.evaluation.score_contrasts import score_contrasts
from bids_deeptaskgen.evaluation.study import Study, gather
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
    if has_files(out) and not settings.overwrite:
        message = f"{out}: is not empty.\nChoose another OUT, or replace its content with --overwrite."
        raise UserError(message)
    study = gather(settings)
    unpaired = report_unpaired(study, settings.participant_label)
    report_predictions(study.measured, settings.measured)
    report_predictions(study.retest or {}, settings.retest or settings.measured)
    for files, source in zip(study.halves, settings.halves, strict=True):
        refuse_predictions(files, source)
    out.mkdir(parents=True, exist_ok=True)
    # A failed evaluation leaves OUT as it was: complete results replace those of an earlier evaluation.
    with work_folder(out, ANALYSIS) as work:
        n_contrasts = _write_results(work / "results", settings, study, unpaired, work)
        replace_results(work / "results", out)
    predictors_text = f"{len(settings.predicted)} models" if settings.predicted else "baselines alone"
    sys.stdout.write(
        f"{len(study.participants)} participants, {n_contrasts} contrasts, {predictors_text}.\n"
        f"Tables: {out}\nReport: {out / PAGE}\n"
    )
    return 0


def _write_results(
    out: Path, settings: EvaluateSettings, study: Study, unpaired: dict[str, str], scratch: Path
) -> int:
    """Score all contrasts and write all results to a folder; return the number of scored contrasts."""
    results = score_contrasts(out, settings, study, scratch)
    retest = {RETEST: settings.retest or settings.measured}
    report_copies(results.copies, dict(settings.predicted) | retest, settings.measured)
    tables = results.tables
    facts = describe_evaluation(settings, study, results) | unpaired
    facts |= report_few_repeats(tables.get("reliability", ()))
    for name, rows in tables.items():
        write_tsv(out / f"{name}.tsv", join_columns(rows))
    context = {"Participants": study.participants, "Seed": settings.seed, "Version": _version()}
    write_json(out / "evaluation.json", {**facts, **context})
    write_page(out, facts, study, tables | {"roi_means": results.roi_means})
    return len(results.n_voxels)


def _version() -> str:
    return version("bids-deeptaskgen")
