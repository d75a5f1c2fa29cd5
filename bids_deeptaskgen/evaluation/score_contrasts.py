"""Scores of all contrasts of an evaluation, one contrast in memory at a time."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.evaluation.baselines import (
    LINEAR,
    RIDGE,
    choose_averages,
    linear_predictions,
    predictors,
)
from bids_deeptaskgen.evaluation.data_quality import quality_tables
from bids_deeptaskgen.evaluation.left_out import add_copies, add_unusable
from bids_deeptaskgen.evaluation.local_scores import LocalScores
from bids_deeptaskgen.evaluation.map_reader import common_mask
from bids_deeptaskgen.evaluation.output_files import Tables, evaluation_path
from bids_deeptaskgen.evaluation.reliability import (
    HALF_NAMES,
    RETEST,
    Reliability,
    halves_reliability,
    refuse_copies,
    reliability_row,
    retest_reliability,
)
from bids_deeptaskgen.evaluation.ridge_baseline import ridge_predictions
from bids_deeptaskgen.evaluation.scoring import COMPARED_SCORES, PredictorScores, compare, score, summarise
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.evaluation.task_scores import TaskScores
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.common_voxels import restrict_in_place
from bids_deeptaskgen.stats.map_rows import LeaveOneOut, Maps, has_variance
from bids_deeptaskgen.stats.paired_tests import fdr

logger = logging.getLogger("bids_deeptaskgen")

# With a smaller share of voxels than this, the scores of a contrast describe another part of the brain.
MIN_VOXEL_SHARE = 0.9


@dataclass
class Results:
    """Results of all contrasts.

    Attributes
    ----------
    tables : Tables
        Rows of the tables, by name.
    averages : dict of str to str
        Source of the group average, by contrast.
    linear : str
        Description of the linear model; empty without one.
    ridge : str
        Description of the ridge model; empty without one.
    n_voxels : dict of str to int
        Number of scored voxels, by contrast; contrasts that cannot be scored are not listed.
    left_out : dict of str to set of str
        Participants who lack voxels, by the name of the dataset.
    unusable : dict of str to set of str
        Participants with a map without values, by the name of the dataset.
    copies : dict of str to set of str
        Participants whose map is the measured map itself, by the name of the dataset.
    atlases : dict of str to str
        Source of the ROIs, by the label of the atlas.
    roi_means : list of dict
        Means of the scores of ROIs over contrasts, see `LocalScores.finish`.
    """

    tables: Tables = field(
        default_factory=lambda: {"scores": [], "comparisons": [], "participant_scores": []}
    )
    averages: dict[str, str] = field(default_factory=dict)
    linear: str = ""
    ridge: str = ""
    n_voxels: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, set[str]] = field(default_factory=dict)
    unusable: dict[str, set[str]] = field(default_factory=dict)
    copies: dict[str, set[str]] = field(default_factory=dict)
    atlases: dict[str, str] = field(default_factory=dict)
    roi_means: list[dict[str, Any]] = field(default_factory=list)


def score_contrasts(out: Path, settings: EvaluateSettings, study: Study, scratch: Path) -> Results:
    """Score every predictor of every contrast; write matrices, maps and the table of ROIs.

    Parameters
    ----------
    out : Path
        Folder of the results.
    settings : EvaluateSettings
    study : Study
    scratch : Path
        Folder for large arrays.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        If no contrast can be scored.
    """
    results, local = Results(), LocalScores(out, settings, study)
    results.atlases = {roi_set.label: roi_set.source for roi_set in local.roi_sets}
    linear: NDArray[np.float32] | None = None
    ridge: NDArray[np.float32] | None = None
    if settings.connectomes:
        rng = np.random.default_rng([settings.seed, 0])
        linear, n_participants = linear_predictions(study, settings.connectomes, rng, scratch)
        results.linear = f"fitted to {n_participants} participants of {settings.baseline_train}"
        ridge, results.ridge = ridge_predictions(settings, study, scratch)
    means = study.bundle.mean_statmaps() if study.bundle else None
    averages = choose_averages(settings, study, means)
    read_measured = study.reader(study.measured, scratch)
    sources = study.predicted | ({RETEST: study.retest} if study.retest else {})
    sources |= dict(zip(HALF_NAMES, study.halves, strict=False))
    read = {name: study.reader(files, scratch) for name, files in sources.items()}
    task_scores = TaskScores()
    for number, contrast in enumerate(study.contrasts):
        # Each contrast has its own random numbers, so its scores do not depend on the other contrasts.
        rng = np.random.default_rng([settings.seed, *contrast.label.encode()])
        maps = {"measured": read_measured(number)}
        maps |= {name: read[name](number) for name, files in sources.items() if contrast.label in files}
        add_unusable(maps, {"measured": study.measured, **sources}, study, contrast.label, results.unusable)
        if linear is not None:
            maps[LINEAR] = linear[number]
        if ridge is not None:
            maps[RIDGE] = ridge[number]
        if not _has_pairs(maps, [*study.predicted], contrast.label):
            continue
        average, average_text = averages[number]
        voxels = common_mask(maps, average, study.participants, contrast.label, results.left_out)
        _check_voxels(contrast.label, voxels)
        maps = {name: restrict_in_place(rows, voxels) for name, rows in maps.items()}
        measured, halves = maps.pop("measured"), [maps.pop(name) for name in HALF_NAMES if name in maps]
        base = LeaveOneOut(measured) if average is None else average[voxels]
        results.averages[contrast.label] = average_text
        results.n_voxels[contrast.label] = int(voxels.sum())
        candidates = predictors(study, contrast.label, maps, base, means, voxels)
        candidates = local.score(contrast.label, measured, candidates, base, voxels)
        scores = score(measured, candidates, base, rng)
        add_copies(scores, [*sources], study.participants, results.copies)
        reliabilities = _measure_reliability(settings, study, contrast.label, scores, measured, halves, base)
        _add_rows(results, settings, study, contrast, scores, reliabilities, rng)
        task_scores.add(contrast, scores)
        _write_matrices(out, contrast.label, scores)
        logger.info("%s scored (%d of %d contrasts)", contrast.label, number + 1, len(study.contrasts))
    if not results.n_voxels:
        raise InputError(_explain_no_contrast(settings))
    results.tables["task_scores"] = list(task_scores.rows(study.families, settings.seed))
    across_rows, results.roi_means = local.finish()
    results.tables |= {"across_participants": across_rows} if across_rows else {}
    results.tables |= quality_tables(settings, study, results.tables["participant_scores"])
    for name in COMPARED_SCORES:
        rows = [row for row in results.tables["comparisons"] if row["score"] == name]
        for row, p_fdr in zip(rows, fdr([row["p"] for row in rows]), strict=True):
            row["p_fdr"] = float(p_fdr)
    return results


def _explain_no_contrast(settings: EvaluateSettings) -> str:
    """Explain that none of the contrasts can be scored."""
    return (
        "No contrast can be scored, since none of the maps can be used (see the log): measured maps of "
        f"{settings.measured}"
        + "".join(f", predicted maps of {path}" for _, path in settings.predicted)
        + ".\nRepair these files, or choose other datasets."
    )


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
    results: Results,
    settings: EvaluateSettings,
    study: Study,
    contrast: Contrast,
    scores: Sequence[PredictorScores],
    reliabilities: Sequence[Reliability],
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
        rows = summarise(entry, study.families, rng, next(iter(reliabilities), None))
        results.tables["scores"] += [columns | row | voxel_columns for row in rows]
        for number, participant in enumerate(study.participants):
            values = {name: float(array[number]) for name, array in entry.by_participant.items()}
            if np.isfinite(values["r"]):
                row = {"participant_id": f"sub-{participant}"} | columns | values
                results.tables["participant_scores"].append(row)
    comparisons = compare(scores, study.families, rng, n_permutations=settings.n_permutations)
    results.tables["comparisons"] += [contrast_columns | row for row in comparisons]
    for entry in reliabilities:
        row = reliability_row(entry, study.families, _reliability_rng(settings, contrast.label))
        results.tables.setdefault("reliability", []).append(contrast_columns | row)


def _measure_reliability(
    settings: EvaluateSettings,
    study: Study,
    contrast: str,
    scores: Sequence[PredictorScores],
    measured: Maps,
    halves: Sequence[Maps],
    average: Maps | LeaveOneOut,
) -> list[Reliability]:
    """Measure the reliability of the maps of participants who are scored; that for the ceilings is first.

    A retest includes the changes between sessions, and halves share the effects of theirs. Therefore a retest
    comes first.
    """
    by_model = [np.isfinite(entry.by_participant["r"]) for entry in scores if not entry.is_baseline]
    is_scored = np.any(by_model, axis=0) if by_model else has_variance(measured)
    reliabilities = []
    for entry in scores:
        if entry.name == RETEST:
            r, residual_r = (entry.by_participant[name] for name in ("r", "residual_r"))
            reliabilities.append(retest_reliability(r, residual_r, entry.residual_chance, is_scored))
    if len(halves) == len(HALF_NAMES):
        pair = (halves[0], halves[1])
        sources = (settings.measured, settings.halves[0], settings.halves[1])
        refuse_copies(measured, pair, sources, study.participants, contrast)
        rng = _reliability_rng(settings, contrast)
        reliabilities.append(halves_reliability(pair, average, is_scored, rng))
    return [entry for entry in reliabilities if np.isfinite(entry.by_score["r"]).any()]


def _reliability_rng(settings: EvaluateSettings, contrast: str) -> np.random.Generator:
    """Create a generator apart from that of the scores, whose numbers do not depend on it."""
    return np.random.default_rng([settings.seed, 2, *contrast.encode()])


def _write_matrices(out: Path, contrast: str, scores: Sequence[PredictorScores]) -> None:
    """Write the correlation matrix of each model: rows are measured maps, columns predicted maps."""
    for entry in scores:
        if not entry.is_baseline and entry.matching.matrix is not None:
            label = entry.name.replace(", ", "_")
            path = evaluation_path(out, "matrix", predictor=label, contrast=contrast)
            save_array(path, entry.matching.matrix.astype(np.float32))
