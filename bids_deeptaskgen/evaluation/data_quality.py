"""Relation of scores to the quality of the resting-state data over participants."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.column_names import METRICS_BY_COVARIATE
from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.bids.participant_ids import align_labels
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.group.participant_table import combine_metric
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.contrast_means import average_over_contrasts
from bids_deeptaskgen.stats.paired_tests import fdr
from bids_deeptaskgen.stats.rank_correlation import correlate_ranks

logger = logging.getLogger("bids_deeptaskgen")

Row = Mapping[str, Any]
# Value of each participant by the name of the measure; NaN where unknown.
Measures = Mapping[str, NDArray[np.float64]]

SCORES = ("r", "difference", "residual_r")
# Measures of quality in the tables, in this order.
MEASURES = ("minutes", "mean_fd", "tsnr")


def quality_tables(
    settings: EvaluateSettings, study: Study, participant_scores: Sequence[Row]
) -> dict[str, list[dict[str, Any]]]:
    """Correlate the scores of each predictor with the quality of the resting-state data.

    The data of a model are those behind its maps. The data of a baseline are those of the first dataset with
    a value: the predicted ones in order, then those with connectomes.

    Parameters
    ----------
    settings : EvaluateSettings
    study : Study
    participant_scores : sequence of dict
        Rows of the table ``participant_scores``.

    Returns
    -------
    dict of str to list of dict
        Rows of the tables ``participant_quality`` and ``quality``; empty if no participant has a measure.
    """
    by_source = {name: read_measures(path, study) for name, path in settings.predicted}
    connectomes = [read_measures(path, study) for path in settings.connectomes]
    any_source = _first_known([*by_source.values(), *connectomes])
    if not any(np.isfinite(values).any() for values in any_source.values()):
        logger.info("Scores are not related to data quality, since no dataset has quality metrics.")
        return {}
    participant_rows, rows = [], []
    for name, role in dict.fromkeys((row["predictor"], row["role"]) for row in participant_scores):
        measures = by_source.get(name.removesuffix(", calibrated"), any_source)
        scores = {
            score: average_over_contrasts(
                _scores_by_contrast(participant_scores, study.participants, name, score)
            )
            for score in SCORES
        }
        labels = {"predictor": name, "role": role}
        for number, participant in enumerate(study.participants):
            cells = {key: float(values[number]) for key, values in {**measures, **scores}.items()}
            if any(np.isfinite(cells[score]) for score in SCORES):
                participant_rows.append({"participant_id": f"sub-{participant}"} | labels | cells)
        rows += [labels | row for row in _relate(settings, study, name, scores, measures)]
    for row, p_fdr in zip(rows, fdr([row["p"] for row in rows]), strict=True):
        row["p_fdr"] = float(p_fdr)
    return {"participant_quality": participant_rows, "quality": rows}


def read_measures(dataset: Path, study: Study) -> Measures:
    """Read the quality of the resting-state data of an output dataset of the participant level.

    Parameters
    ----------
    dataset : Path
        Root of the dataset; another dataset has no measures.
    study : Study
        Its participants and task.

    Returns
    -------
    dict of str to array of shape (n_participants,)
        By ``MEASURES``: minutes that were not censored, over all runs and sessions; mean framewise
        displacement in mm and median temporal SNR, means over sessions. NaN where unknown.
    """
    results = [
        result
        for result in read_results(dataset)
        if study.task is None or dict(result.entities).get("task") == study.task
    ]
    labels = align_labels((result.subject for result in results), study.participants, dataset)
    measures = {}
    for measure in MEASURES:
        values = combine_metric(results, METRICS_BY_COVARIATE[measure])
        by_label = {labels[subject]: value for subject, value in values.items()}
        measures[measure] = np.array([by_label.get(label, np.nan) for label in study.participants])
    return measures


def _first_known(sources: Sequence[Measures]) -> Measures:
    """Read each value from the first dataset that has it."""
    measures = {}
    for measure in MEASURES:
        values = [source[measure] for source in sources]
        combined = values[0] if values else np.array([])
        for fallback in values[1:]:
            combined = np.where(np.isfinite(combined), combined, fallback)
        measures[measure] = combined
    return measures


def _scores_by_contrast(
    participant_scores: Sequence[Row], participants: Sequence[str], predictor: str, score: str
) -> NDArray[np.float64]:
    """Collect a score of a predictor as an array of shape (n_contrasts, n_participants)."""
    places = {f"sub-{label}": number for number, label in enumerate(participants)}
    by_contrast: dict[str, NDArray[np.float64]] = {}
    for row in participant_scores:
        if row["predictor"] == predictor and np.isfinite(row[score]):
            values = by_contrast.setdefault(row["contrast"], np.full(len(participants), np.nan))
            values[places[row["participant_id"]]] = row[score]
    return np.array([*by_contrast.values()]).reshape(len(by_contrast), len(participants))


def _relate(
    settings: EvaluateSettings,
    study: Study,
    predictor: str,
    scores: Mapping[str, NDArray[np.float64]],
    measures: Measures,
) -> list[dict[str, Any]]:
    """Correlate each score of a predictor with each measure; scores without values are left out."""
    rows = []
    for score, values in scores.items():
        # The difference of a baseline that is one map for all is 0 by definition.
        if np.nanmax(values, initial=0) == np.nanmin(values, initial=0):
            continue
        for measure, quality in measures.items():
            # Each test has its own random numbers, so it does not depend on the other predictors.
            rng = np.random.default_rng([settings.seed, *f"{predictor} {score} {measure}".encode()])
            relation = correlate_ranks(
                values, quality, study.families, rng, n_permutations=settings.n_permutations
            )
            rows.append(
                {
                    "score": score,
                    "measure": measure,
                    "spearman": relation.rho,
                    "ci_low": relation.ci_low,
                    "ci_high": relation.ci_high,
                    "p": relation.p,
                    "n_participants": relation.n_participants,
                    "n_missing": int((np.isfinite(values) & ~np.isfinite(quality)).sum()),
                }
            )
    return rows
