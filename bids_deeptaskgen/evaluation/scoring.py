"""Scores of all predictors of a contrast on the same participants, and comparisons between predictors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.evaluation.reliability import Reliability
from bids_deeptaskgen.stats.amplitude import amplitudes
from bids_deeptaskgen.stats.dice import DICE_CEILING, DICE_CHANCE, dice_auc
from bids_deeptaskgen.stats.identification import (
    IdentificationScores,
    cross_match,
    diagonality,
    match_constant,
)
from bids_deeptaskgen.stats.map_rows import LeaveOneOut, Maps, Scores
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval, cliffs_delta, sign_flip_p
from bids_deeptaskgen.stats.reliability import ceiling, share_interval
from bids_deeptaskgen.stats.scores import mean, residual_chance, residual_correlations
from bids_deeptaskgen.stats.separation import separate

# Scores of each participant by which predictors are compared.
COMPARED_SCORES = ("r", "difference", "dice_auc", "residual_r")
# Amplitude of the predicted maps, and of their deviations from the group average.
AMPLITUDES = ("slope", "sd_ratio", "residual_slope", "residual_sd_ratio")
# Columns of scores whose ceiling follows from the reliability of the measured maps.
SHARES = ("share_of_ceiling", "share_ci_low", "share_ci_high", "chance_share")


@dataclass(frozen=True)
class Predictor:
    """Maps of a contrast predicted by a model or a baseline.

    Attributes
    ----------
    name : str
        Name in the tables.
    is_baseline : bool
        Models are compared with every baseline and with each other.
    maps : array of shape (n_participants, n_voxels) or (n_voxels,), or LeaveOneOut
        One map per participant, or one map for all.
    """

    name: str
    is_baseline: bool
    maps: Maps | LeaveOneOut


@dataclass(frozen=True)
class PredictorScores:
    """Scores of a predictor of one contrast.

    Attributes
    ----------
    name : str
        Name of the predictor.
    is_baseline : bool
        Whether the predictor is a baseline.
    matching : IdentificationScores
        Correlations with the maps of all participants.
    by_participant : dict of str to array of shape (n_participants,)
        ``r``, ``others_r``, ``difference``, ``rank``, ``dice_auc``, ``residual_r`` and ``AMPLITUDES``; NaN
        for excluded participants, or if the score is undefined for this predictor.
    residual_chance : float
        Mean residual r of participants with the predictions of others; NaN for one map for all.
    """

    name: str
    is_baseline: bool
    matching: IdentificationScores
    by_participant: dict[str, Scores]
    residual_chance: float

    @property
    def contributions(self) -> dict[str, Scores]:
        """Return the independent contributions of participants to the mean of each score."""
        return self.by_participant | {"difference": self.matching.part_in_difference}


def score(
    measured: Maps,
    predictors: Iterable[Predictor],
    average: Maps | LeaveOneOut,
    rng: np.random.Generator,
) -> list[PredictorScores]:
    """Score the predictors of one contrast.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps; a row of NaN is a participant without a map.
    predictors : iterable of Predictor
        Iterated once, so that a generator needs to keep the maps of only one predictor in memory.
    average : array of shape (n_voxels,), or LeaveOneOut
        Group average to subtract for the residual r.
    rng : Generator
        Source of the sample of other participants, see `match`.

    Returns
    -------
    list of PredictorScores
        One per predictor, in order.
    """
    return [_score(measured, predictor, average, rng) for predictor in predictors]


def _score(
    measured: Maps, predictor: Predictor, average: Maps | LeaveOneOut, rng: np.random.Generator
) -> PredictorScores:
    maps = predictor.maps
    if isinstance(maps, LeaveOneOut) or maps.ndim == 1:
        scores, chance = match_constant(measured, maps), float("nan")
    else:
        scores, chance = cross_match(measured, maps, rng), residual_chance(measured, maps, average, rng)
    by_participant = {
        "r": scores.self_r,
        "others_r": scores.others_r,
        "difference": scores.difference,
        "rank": scores.rank,
        "dice_auc": dice_auc(measured, maps),
        "residual_r": residual_correlations(measured, maps, average),
    }
    sizes = (*amplitudes(measured, maps), *amplitudes(measured, maps, average))
    by_participant |= dict(zip(AMPLITUDES, sizes, strict=True))
    return PredictorScores(predictor.name, predictor.is_baseline, scores, by_participant, chance)


def summarise(
    scores: PredictorScores,
    families: NDArray[Any],
    rng: np.random.Generator,
    reliability: Reliability | None = None,
    *,
    n_resamples: int = 2000,
) -> Iterator[dict[str, Any]]:
    """Average the scores of a predictor over participants.

    Parameters
    ----------
    scores : PredictorScores
        Scores of one predictor.
    families : array of shape (n_participants,)
        Label of each participant's family; families are resampled as a whole.
    rng : Generator
        Source of the resamples.
    reliability : Reliability, optional
        Reliability of the measured maps, which gives the ceilings of r and residual r.
    n_resamples : int
        Number of resamples.

    Yields
    ------
    dict
        One row per score: ``score``, ``value``, ``ci_low`` and ``ci_high`` (95%; NaN if the score is no mean
        over participants), ``n_participants``, ``chance`` and ``ceiling``, and ``share_of_ceiling`` with
        ``share_ci_low``, ``share_ci_high`` and ``chance_share``, the share that chance reaches (NaN if
        undefined).
    """
    matching = scores.matching
    by_participant = scores.by_participant
    rank = by_participant["rank"]
    as_means = {
        "r": by_participant["r"],
        "difference": by_participant["difference"],
        "difference_times_own_diagonal": by_participant["difference"] * by_participant["r"],
        "identification_rate": np.where(np.isfinite(rank), rank == 1, np.nan),
        "mean_rank": rank,
        "dice_auc": by_participant["dice_auc"],
        "residual_r": by_participant["residual_r"],
    }
    n_candidates = matching.n_candidates or float("nan")
    chance = {"identification_rate": 1 / n_candidates, "mean_rank": (n_candidates + 1) / 2}
    chance |= {"difference": 0.0, "dice_auc": DICE_CHANCE, "residual_r": scores.residual_chance}
    chance["own_vs_others_auc"] = 0.5
    values = {name: mean(by_row) for name, by_row in as_means.items()}
    values |= diagonality(matching.self_r, matching.others_r)
    names = list(dict.fromkeys(["r", *diagonality([], []), *as_means]))
    # A second generator leaves the intervals of these scores independent of the further ones.
    (later_rng,) = rng.spawn(1)
    as_means |= {name: by_participant[name] for name in AMPLITUDES}
    values |= {name: mean(by_participant[name]) for name in AMPLITUDES}
    values["own_vs_others_ks"], values["own_vs_others_auc"] = separate(matching)
    for name in (*names, *AMPLITUDES, "own_vs_others_ks", "own_vs_others_auc"):
        ci_low, ci_high = float("nan"), float("nan")
        if name in as_means:
            contributions = scores.contributions.get(name, as_means[name])
            source = later_rng if name in AMPLITUDES else rng
            ci_low, ci_high = bootstrap_interval(contributions, families, source, n_resamples=n_resamples)
        row = {
            "score": name,
            "value": values[name],
            "ci_low": ci_low,
            "ci_high": ci_high,
            "n_participants": matching.n_participants,
            "chance": chance.get(name, float("nan")),
            "ceiling": DICE_CEILING if name == "dice_auc" else float("nan"),
            **dict.fromkeys(SHARES, float("nan")),
        }
        if reliability and name in reliability.by_score:
            by_row = reliability.by_score[name]
            row["ceiling"] = ceiling(mean(by_row))
            row["share_of_ceiling"] = values[name] / row["ceiling"]
            ends = share_interval(by_participant[name], by_row, families, later_rng, n_resamples=n_resamples)
            row["share_ci_low"], row["share_ci_high"] = ends
            row["chance_share"] = row["chance"] / row["ceiling"]
        yield row


def compare(
    predictors: Sequence[PredictorScores],
    families: NDArray[Any],
    rng: np.random.Generator,
    *,
    n_permutations: int,
) -> Iterator[dict[str, Any]]:
    """Compare each model with each baseline and with each other model, on the participants with both.

    Without a model, baselines are compared with each other.

    Parameters
    ----------
    predictors : sequence of PredictorScores
        Scores of all predictors of one contrast.
    families : array of shape (n_participants,)
        Label of each participant's family; signs are flipped for whole families.
    rng : Generator
        Source of the flips and resamples.
    n_permutations : int
        Number of sign flips, see `sign_flip_p`.

    Yields
    ------
    dict
        One row per pair and score: ``predictor``, ``compared_with``, ``score``, ``mean_difference`` with
        ``ci_low`` and ``ci_high``, ``p``, ``cliffs_delta``, ``n_participants``, ``n_families``. Pairs without
        common participants are omitted.
    """
    for first, second in _pairs(predictors):
        for name in COMPARED_SCORES:
            differences = first.by_participant[name] - second.by_participant[name]
            has_both = np.isfinite(differences)
            if not has_both.any():
                continue
            contributions = first.contributions[name] - second.contributions[name]
            # Contributions are centred on all participants of a predictor, differences on the common ones.
            contributions += mean(differences) - mean(contributions[has_both])
            ci_low, ci_high = bootstrap_interval(contributions, families, rng)
            yield {
                "predictor": first.name,
                "compared_with": second.name,
                "score": name,
                "mean_difference": mean(differences),
                "ci_low": ci_low,
                "ci_high": ci_high,
                "p": sign_flip_p(contributions, families, rng, n_permutations=n_permutations),
                "cliffs_delta": cliffs_delta(
                    first.by_participant[name][has_both], second.by_participant[name][has_both]
                ),
                "n_participants": int(has_both.sum()),
                "n_families": len(np.unique(families[has_both])),
            }


def _pairs(predictors: Sequence[PredictorScores]) -> list[tuple[PredictorScores, PredictorScores]]:
    """List the pairs of predictors to compare."""
    models = [predictor for predictor in predictors if not predictor.is_baseline]
    baselines = [predictor for predictor in predictors if predictor.is_baseline]
    if not models:
        # A later baseline uses more information than an earlier one: the group average comes first.
        return [(second, first) for first, second in combinations(baselines, 2)]
    return [(model, baseline) for model in models for baseline in baselines] + list(combinations(models, 2))
