"""Scores of all predictors on tested participants, and tests over participants."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cohort import Floats
from benchmarks.accuracy.models import Maps
from benchmarks.real.participants import RealParticipant
from benchmarks.real.predictors import Fold, Predictions
from bids_deeptaskgen.stats.calibration import Calibration, apply_calibration
from bids_deeptaskgen.stats.identification import IdentificationScores, cross_match, match_constant
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval, fdr, sign_flip_p

# By score, (n_participants, n_contrasts) in a fold; (n_repeats, n_participants, n_contrasts) of all folds.
Scores = dict[str, NDArray[np.float64]]
AVERAGE = "group average"
CALIBRATED = ", calibrated"
RESIDUAL_DIFFERENCE = "residual difference"
RESIDUAL = ("residual r", "residual r of others", RESIDUAL_DIFFERENCE)
GAIN = "r minus group average"
SCORES = ("r", "difference", *RESIDUAL, "identified", "slope")


class Comparison(TypedDict):
    """Mean of a paired difference over participants, its interval, p, and p adjusted over all tests."""

    first: str
    second: str
    score: str
    n_repeats: int
    mean: float
    lower: float
    upper: float
    p: float
    adjusted_p: float


def average_map(participants: Sequence[RealParticipant], fold: Fold) -> Floats:
    """Average the measured maps of all who are not tested, (n_contrasts, n_voxels)."""
    maps = [participants[row].task for row in fold.not_tested]
    average: Floats = np.mean(maps, axis=0, dtype=np.float64).astype(np.float32)
    return average


def calibration_of(participants: Sequence[RealParticipant], predictions: Predictions) -> Calibration:
    """Compare the predictions of held-out participants with mean maps of other participants.

    Parameters
    ----------
    participants : sequence of RealParticipant
    predictions : Predictions

    Returns
    -------
    Calibration
    """
    calibration = Calibration(predictions.test.shape[1])
    for row, predicted, is_in_mean in zip(
        predictions.held_out_rows, predictions.held_out, predictions.is_in_mean, strict=True
    ):
        maps = [participants[number].task for number in np.flatnonzero(is_in_mean)]
        calibration.add(predicted, participants[row].task, np.mean(maps, axis=0, dtype=np.float64))
    return calibration


def score_fold(measured: Maps, predicted: Maps, average: Floats) -> Scores:
    """Score a predictor on the tested participants of a fold; the others are those of the same fold.

    Parameters
    ----------
    measured, predicted : array of shape (n_test, n_contrasts, n_voxels)
    average : array of shape (n_contrasts, n_voxels)
        Mean measured maps of all who are not tested.

    Returns
    -------
    dict of str to array of shape (n_test, n_contrasts)
        An array for each of `SCORES`. Differences are the `contributions` to their mean.
    """
    rows: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SCORES}
    for contrast in range(measured.shape[1]):
        x, y, base = measured[:, contrast], predicted[:, contrast], average[contrast]
        rng = np.random.default_rng(0)
        plain, residual = cross_match(x, y, rng), cross_match(x - base, y - base, rng)
        values = (
            plain.self_r,
            contributions(plain),
            residual.self_r,
            residual.others_r,
            contributions(residual),
            (plain.rank == 1).astype(float),
            plain.self_r * x.std(axis=1, dtype=np.float64) / y.std(axis=1, dtype=np.float64),
        )
        for name, value in zip(SCORES, values, strict=True):
            rows[name].append(value)
    return {name: np.stack(columns, axis=1) for name, columns in rows.items()}


def contributions(matches: IdentificationScores) -> NDArray[np.float64]:
    """Compute each participant's contribution to the mean difference of r with own and others' predictions.

    If r of participant i's map with j's prediction is ``a_i + b_j``, plus ``d_i`` for the own one, the
    contribution is ``d_i`` but for a constant: neither noisy measured maps nor good predictions matter.
    `IdentificationScores.part_in_difference` neglects terms of 1 / n, which are large in a fold.

    Parameters
    ----------
    matches : IdentificationScores
        Of at least three participants.

    Returns
    -------
    array of shape (n_participants,)
        Its mean is that of `matches.difference`.
    """
    n, mean = len(matches.self_r), matches.others_r.mean()
    deviation = matches.others_r + matches.incoming_r - 2 * mean
    values: NDArray[np.float64] = matches.self_r - mean - deviation * (n - 1) / (n - 2)
    return values


def score_average(measured: Maps, average: Floats) -> Scores:
    """Score the group average, whose residual is 0, so that it has no residual scores.

    Parameters
    ----------
    measured : array of shape (n_test, n_contrasts, n_voxels)
    average : array of shape (n_contrasts, n_voxels)

    Returns
    -------
    dict of str to array of shape (n_test, n_contrasts)
    """
    r = np.stack([match_constant(measured[:, row], base).self_r for row, base in enumerate(average)], axis=1)
    ratio = measured.std(axis=2, dtype=np.float64) / average.std(axis=1, dtype=np.float64)
    scores = dict.fromkeys(SCORES, np.full(r.shape, np.nan))
    return scores | {"r": r, "slope": r * ratio}


def score_all(
    participants: Sequence[RealParticipant], fold: Fold, predictions: Mapping[str, Predictions]
) -> tuple[dict[str, Scores], dict[str, NDArray[np.float64]]]:
    """Score the group average and all predictors, uncalibrated and calibrated.

    Parameters
    ----------
    participants : sequence of RealParticipant
    fold : Fold
    predictions : mapping of str to Predictions
        By name of the predictor.

    Returns
    -------
    scores : dict of str to Scores
        By name of the predictor. Calibration multiplies the residual of a prediction by a weight, which
        changes no residual r: calibrated predictions have the residual scores of the uncalibrated ones.
    weights : dict of str to array of shape (1 + n_contrasts,)
        Pooled weight, and weight of each contrast.
    """
    measured = np.stack([participants[row].task for row in fold.test])
    average = average_map(participants, fold)
    scores, weights = {AVERAGE: score_average(measured, average)}, {}
    for name, maps in predictions.items():
        calibration = calibration_of(participants, maps)
        calibrated = np.stack([apply_calibration(row, average, calibration.weights) for row in maps.test])
        scores[name] = score_fold(measured, maps.test, average)
        residual_scores = {key: scores[name][key] for key in RESIDUAL}
        scores[name + CALIBRATED] = score_fold(measured, calibrated, average) | residual_scores
        weights[name] = np.array([calibration.pooled_weight, *calibration.weights])
    return scores, weights


def join(folds: Sequence[Fold], scores: Sequence[Mapping[str, Scores]]) -> dict[str, Scores]:
    """Join the tested participants of all folds.

    Parameters
    ----------
    folds : sequence of Fold
    scores : sequence of mapping of str to Scores
        Of each fold, by predictor.

    Returns
    -------
    dict of str to dict of str to array of shape (n_repeats, n_participants, n_contrasts)
        By predictor and score. A predictor has the first repeats, not always all of them.
    """
    n_participants = 1 + max(int(fold.test.max()) for fold in folds)
    joined: dict[str, Scores] = {}
    for name, by_score in scores[0].items():
        n_repeats = 1 + max(fold.repeat for fold, row in zip(folds, scores, strict=True) if name in row)
        shape = (n_repeats, n_participants, by_score["r"].shape[1])
        joined[name] = {key: np.full(shape, np.nan) for key in SCORES}
    for fold, by_predictor in zip(folds, scores, strict=True):
        for name, by_score in by_predictor.items():
            for key, values in by_score.items():
                joined[name][key][fold.repeat, fold.test] = values
    return joined


def summarise(scores: Mapping[str, Scores]) -> dict[str, dict[str, list[float]]]:
    """Average each score over repeats, contrasts and participants.

    Parameters
    ----------
    scores : mapping of str to Scores
        By predictor, of all repeats.

    Returns
    -------
    dict of str to dict of str to list of float
        Mean, lower and upper bound of the 95% interval over participants.
    """
    return {
        name: {key: _interval(values.mean(axis=(0, 2))) for key, values in by_score.items()}
        for name, by_score in scores.items()
    }


def compare(scores: Mapping[str, Scores], pairs: Sequence[tuple[str, str, str]]) -> list[Comparison]:
    """Test paired differences over participants, whose scores are averaged over repeats and contrasts.

    Predictors are compared in the repeats that both have, where they share folds and group averages.

    Parameters
    ----------
    scores : mapping of str to Scores
        By predictor, of all repeats.
    pairs : sequence of (str, str, str)
        First predictor, second predictor (empty to compare with 0) and score.

    Returns
    -------
    list of Comparison
        p is that of sign flips, two-sided, adjusted over all pairs for the false discovery rate.
    """
    results: list[Comparison] = []
    for first, second, name in pairs:
        differences = scores[first][name]
        if second:
            n_repeats = min(len(differences), len(scores[second][name]))
            differences = differences[:n_repeats] - scores[second][name][:n_repeats]
        values = differences.mean(axis=(0, 2))
        mean, lower, upper = _interval(values)
        p = sign_flip_p(values, np.arange(len(values)), np.random.default_rng(0))
        results.append(
            Comparison(
                first=first,
                second=second,
                score=name,
                n_repeats=len(differences),
                mean=mean,
                lower=lower,
                upper=upper,
                p=p,
                adjusted_p=p,
            )
        )
    for result, adjusted_p in zip(results, fdr([result["p"] for result in results]), strict=True):
        result["adjusted_p"] = float(adjusted_p)
    return results


def average_by_contrast(
    scores: Mapping[str, Scores], labels: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Average each score over repeats and participants.

    Parameters
    ----------
    scores : mapping of str to Scores
        By predictor, of all repeats.
    labels : sequence of str
        Of the contrasts.

    Returns
    -------
    dict of str to dict of str to dict of str to float
        By label, predictor and score. `GAIN` is r minus that of the group average in the same repeats.
    """
    means = {
        name: {key: values.mean(axis=(0, 1)) for key, values in by_score.items()}
        | {GAIN: (by_score["r"] - scores[AVERAGE]["r"][: len(by_score["r"])]).mean(axis=(0, 1))}
        for name, by_score in scores.items()
    }
    return {
        label: {
            name: {key: float(values[column]) for key, values in by_score.items()}
            for name, by_score in means.items()
        }
        for column, label in enumerate(labels)
    }


def _interval(values: NDArray[np.float64]) -> list[float]:
    """Return the mean over participants and its 95% interval."""
    bounds = bootstrap_interval(values, np.arange(len(values)), np.random.default_rng(0))
    return [float(values.mean()), *map(float, bounds)]
