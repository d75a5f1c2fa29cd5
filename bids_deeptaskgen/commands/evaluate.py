"""``deeptaskgen evaluate``: score predicted maps and baselines against measured maps."""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError, UserError, abbreviate
from bids_deeptaskgen.evaluation.baselines import (
    LINEAR,
    RETEST,
    choose_averages,
    linear_predictions,
    predictors,
)
from bids_deeptaskgen.evaluation.left_out import (
    add_copies,
    add_unusable,
    report_copies,
    report_predictions,
    report_unpaired,
)
from bids_deeptaskgen.evaluation.map_reader import common_mask
from bids_deeptaskgen.evaluation.report import Tables, matrix_path, write_page
from bids_deeptaskgen.evaluation.scoring import COMPARED_SCORES, PredictorScores, compare, score, summarise
from bids_deeptaskgen.evaluation.study import Study, gather
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.io.tsv import join_columns, write_tsv
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.common_voxels import restrict_in_place
from bids_deeptaskgen.stats.map_rows import LeaveOneOut
from bids_deeptaskgen.stats.paired_tests import fdr

logger = logging.getLogger("bids_deeptaskgen")

# With a smaller share of voxels than this, the scores of a contrast describe another part of the brain.
MIN_VOXEL_SHARE = 0.9


@dataclass
class _Results:
    """Results of all contrasts."""

    tables: Tables = field(
        default_factory=lambda: {"scores": [], "comparisons": [], "participant_scores": []}
    )
    averages: dict[str, str] = field(default_factory=dict)
    linear: str = ""
    n_voxels: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, set[str]] = field(default_factory=dict)
    unusable: dict[str, set[str]] = field(default_factory=dict)
    copies: dict[str, set[str]] = field(default_factory=dict)


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
    reserved = next((name for name, _ in settings.predicted if name in (LINEAR, RETEST, "measured")), None)
    if reserved:
        message = f"--predicted: {reserved} is a reserved name; choose another name (NAME=DATASET)."
        raise UserError(message)
    if out.exists() and any(out.iterdir()) and not settings.overwrite:
        message = f"{out}: is not empty.\nChoose another OUT, or replace its content with --overwrite."
        raise UserError(message)
    study = gather(settings)
    unpaired = report_unpaired(study, settings.participant_label)
    for files, source in ((study.measured, settings.measured), (study.retest or {}, settings.retest)):
        report_predictions(files, source or settings.measured)
    out.mkdir(parents=True, exist_ok=True)
    # Matrices of a replaced evaluation may include other participants, in another order.
    for stale in matrix_path(out, "*", "*").parent.glob(matrix_path(out, "*", "*").name):
        stale.unlink()
    with TemporaryDirectory(prefix=".work_", dir=out) as folder:
        results = _score_all(settings, study, Path(folder))
    retest = {RETEST: settings.retest or settings.measured}
    report_copies(results.copies, dict(settings.predicted) | retest, settings.measured)
    facts, tables = _facts(settings, study, results) | unpaired, results.tables
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


def _score_all(settings: EvaluateSettings, study: Study, scratch: Path) -> _Results:
    """Score all contrasts, one at a time."""
    results = _Results()
    linear: NDArray[np.float32] | None = None
    if settings.connectomes:
        rng = np.random.default_rng([settings.seed, 0])
        linear, n_participants = linear_predictions(study, settings.connectomes, rng, scratch)
        results.linear = f"fitted to {n_participants} participants of {settings.baseline_train}"
    means = study.bundle.mean_statmaps() if study.bundle else None
    averages = choose_averages(settings, study, means)
    read_measured = study.reader(study.measured, scratch)
    read = {name: study.reader(files, scratch) for name, files in study.predicted.items()}
    if study.retest:
        read[RETEST] = study.reader(study.retest, scratch)
    sources = study.predicted | ({RETEST: study.retest} if study.retest else {})
    for number, contrast in enumerate(study.contrasts):
        # Each contrast has its own random numbers, so its scores do not depend on the other contrasts.
        rng = np.random.default_rng([settings.seed, *contrast.label.encode()])
        maps = {"measured": read_measured(number)}
        maps |= {name: read[name](number) for name, files in sources.items() if contrast.label in files}
        add_unusable(maps, {"measured": study.measured, **sources}, study, contrast.label, results.unusable)
        if linear is not None:
            maps[LINEAR] = linear[number]
        if not _has_pairs(maps, [*study.predicted], contrast.label):
            continue
        average, average_text = averages[number]
        voxels = common_mask(maps, average, study.participants, contrast.label, results.left_out)
        _check_voxels(contrast.label, voxels)
        maps = {name: restrict_in_place(rows, voxels) for name, rows in maps.items()}
        measured = maps.pop("measured")
        base = LeaveOneOut(measured) if average is None else average[voxels]
        results.averages[contrast.label] = average_text
        results.n_voxels[contrast.label] = int(voxels.sum())
        scores = score(measured, predictors(study, contrast.label, maps, base, means, voxels), base, rng)
        add_copies(scores, [*sources], study.participants, results.copies)
        _add_rows(results, settings, study, contrast, scores, rng)
        _write_matrices(settings.out, contrast.label, scores)
        logger.info("%s scored (%d of %d contrasts)", contrast.label, number + 1, len(study.contrasts))
    if not results.n_voxels:
        message = (
            f"No contrast can be scored, since none of the maps can be used (see the log): measured maps of "
            f"{settings.measured}"
            + "".join(f", predicted maps of {path}" for _, path in settings.predicted)
            + ".\nRepair these files, or choose other datasets."
        )
        raise InputError(message)
    for name in COMPARED_SCORES:
        rows = [row for row in results.tables["comparisons"] if row["score"] == name]
        for row, p_fdr in zip(rows, fdr([row["p"] for row in rows]), strict=True):
            row["p_fdr"] = float(p_fdr)
    return results


def _has_pairs(maps: Mapping[str, NDArray[np.float32]], predicted: Sequence[str], contrast: str) -> bool:
    """Return whether a participant has a usable measured map and, if there are models, a predicted one."""
    is_measured = np.array([np.isfinite(row).any() for row in maps["measured"]])
    is_predicted = [
        np.array([np.isfinite(row).any() for row in maps[name]]) for name in predicted if name in maps
    ]
    is_pair = is_measured & np.any(is_predicted, axis=0) if is_predicted else is_measured
    if not is_pair.any():
        kind = "measured and predicted maps" if is_measured.any() else "measured maps"
        logger.error("%s: is not scored, since no participant has usable %s.", contrast, kind)
    return bool(is_pair.any())


def _check_voxels(contrast: str, voxels: NDArray[np.bool_]) -> None:
    share = float(voxels.mean())
    if not voxels.any():
        message = (
            f"{contrast}: no voxel has a value in all maps.\n"
            "Check that measured and predicted maps cover the whole brain."
        )
        raise InputError(message)
    if share < MIN_VOXEL_SHARE:
        logger.warning(
            "%s: only %d of %d voxels (%.0f%%) have a value in all maps; only these are scored.",
            contrast,
            int(voxels.sum()),
            len(voxels),
            100 * share,
        )


def _add_rows(
    results: _Results,
    settings: EvaluateSettings,
    study: Study,
    contrast: Contrast,
    scores: Sequence[PredictorScores],
    rng: np.random.Generator,
) -> None:
    """Add a contrast to the tables."""
    minimum_r = load_table("outputs.json")["unreliable_below"]
    contrast_columns = {
        "contrast": contrast.label,
        "unreliable": contrast.retest_r is not None and contrast.retest_r < minimum_r,
    }
    for entry in scores:
        predictor_columns = {"predictor": entry.name, "role": "baseline" if entry.is_baseline else "model"}
        columns = predictor_columns | contrast_columns
        voxel_columns = {"n_voxels": results.n_voxels[contrast.label]}
        rows = summarise(entry, study.families, rng)
        results.tables["scores"] += [columns | row | voxel_columns for row in rows]
        for number, participant in enumerate(study.participants):
            values = {name: float(array[number]) for name, array in entry.by_participant.items()}
            if np.isfinite(values["r"]):
                row = {"participant_id": f"sub-{participant}"} | columns | values
                results.tables["participant_scores"].append(row)
    comparisons = compare(scores, study.families, rng, n_permutations=settings.n_permutations)
    results.tables["comparisons"] += [contrast_columns | row for row in comparisons]


def _write_matrices(out: Path, contrast: str, scores: Sequence[PredictorScores]) -> None:
    """Write the correlation matrix of each model: rows are measured maps, columns predicted maps."""
    for entry in scores:
        if not entry.is_baseline and entry.matching.matrix is not None:
            save_array(matrix_path(out, entry.name, contrast), entry.matching.matrix.astype(np.float32))


def _facts(settings: EvaluateSettings, study: Study, results: _Results) -> dict[str, str]:
    """Describe the compared maps, for the report and evaluation.json."""
    n_families = len(np.unique(study.families))
    families = (
        f"{n_families} (column {settings.family_column})"
        if study.has_families
        else "unknown: participants are assumed to be unrelated"
    )
    retest = settings.retest or (settings.measured if settings.retest_session else None)
    mask = f"output mask of {study.bundle.card.name}" if study.bundle else "grey matter"
    n_voxels = int(study.mask.sum())
    voxels = f"{n_voxels:,} ({mask})"
    smallest = min(results.n_voxels, key=lambda label: results.n_voxels[label])
    if results.n_voxels[smallest] < n_voxels:
        n_scored = results.n_voxels[smallest]
        voxels += (
            "; of these, voxels that all maps of a contrast have are scored: at least "
            f"{n_scored:,} ({n_scored / n_voxels:.0%}; {smallest})"
        )
    unusable = [f"{abbreviate(sorted(names))} ({name})" for name, names in results.unusable.items()]
    copies = [f"{abbreviate(sorted(names))} ({name})" for name, names in results.copies.items()]
    left_out = [f"{abbreviate(sorted(names))} ({name})" for name, names in results.left_out.items()]
    facts = {
        "Measured": f"{settings.measured}{_of_session(settings.measured_session)}",
        **{f"Predicted, {name}": str(path) for name, path in settings.predicted},
        "Number of participants": f"{len(study.participants)}",
        "Families": families,
        "Contrasts": f"{len(results.n_voxels)}",
        "Voxels": voxels,
        "Left out of some contrasts, for lack of voxels": "; ".join(left_out),
        "Left out of some contrasts: maps that cannot be used": "; ".join(unusable),
        "Warning: maps that are the measured maps themselves": "; ".join(copies),
        "Group average": "; ".join(dict.fromkeys(results.averages.values())),
        "Linear model": results.linear,
        "Retest": f"{retest}{_of_session(settings.retest_session)}" if retest else "",
        "Sign flips": f"{settings.n_permutations:,}",
    }
    return {name: value for name, value in facts.items() if value}


def _of_session(session: str | None) -> str:
    return f", session {session}" if session else ""


def _version() -> str:
    return version("bids-deeptaskgen")
