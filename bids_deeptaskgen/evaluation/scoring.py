"""Every predictor of a contrast, models and baselines alike, scored on the same people and compared."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.stats.dice import DICE_CEILING, DICE_CHANCE, dice_auc
from bids_deeptaskgen.stats.identification import IdentificationScores, diagonality, match, match_constant
from bids_deeptaskgen.stats.map_rows import LeaveOneOut, Maps, Scores
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval, cliffs_delta, sign_flip_p
from bids_deeptaskgen.stats.scores import mean, residual_chance, residual_correlations

# Scores that each person has, and that predictors are compared by.
COMPARED = ("r", "difference", "dice_auc", "residual_r")


@dataclass(frozen=True)
class Predictor:
    """Whatever says what people's maps of a contrast look like.

    Attributes
    ----------
    name : str
    is_baseline : bool
        Models are compared with every baseline and with each other.
    maps : array of shape (n_people, n_voxels) or (n_voxels,), or LeaveOneOut
        One map a person, or one for all.
    """

    name: str
    is_baseline: bool
    maps: Maps | LeaveOneOut


@dataclass(frozen=True)
class Scored:
    """A predictor's scores of one contrast.

    Attributes
    ----------
    name : str
    is_baseline : bool
    matching : Matching
    by_participant : dict of str to array of shape (n_people,)
        ``r``, ``others_r``, ``difference``, ``rank``, ``dice_auc`` and ``residual_r``; NaN for who is left
        out, or where the score says nothing of this predictor.
    residual_chance : float
        Mean residual r of people with the predictions of others; NaN of one map for everybody.
    """

    name: str
    is_baseline: bool
    matching: IdentificationScores
    by_participant: dict[str, Scores]
    residual_chance: float

    @property
    def parts(self) -> dict[str, Scores]:
        """What people add to the mean of a score, independently of each other."""
        return self.by_participant | {"difference": self.matching.part_in_difference}


def score(
    measured: Maps,
    predictors: Iterable[Predictor],
    average: Maps | LeaveOneOut,
    rng: np.random.Generator,
) -> list[Scored]:
    """Score predictors of one contrast.

    Parameters
    ----------
    measured : array of shape (n_people, n_voxels)
        A person without a map is a row of NaN.
    predictors : iterable of Predictor
        Gone through once, so that a generator need hold the maps of one of them only.
    average : array of shape (n_voxels,), or LeaveOneOut
        Taken off for the residual r.
    rng : Generator
        For whom others are sampled, see `match`.

    Returns
    -------
    list of Scored
    """
    return [_score(measured, predictor, average, rng) for predictor in predictors]


def _score(
    measured: Maps, predictor: Predictor, average: Maps | LeaveOneOut, rng: np.random.Generator
) -> Scored:
    maps = predictor.maps
    if isinstance(maps, LeaveOneOut) or maps.ndim == 1:
        found, chance = match_constant(measured, maps), float("nan")
    else:
        found, chance = match(measured, maps, rng), residual_chance(measured, maps, average, rng)
    by_participant = {
        "r": found.own,
        "others_r": found.others,
        "difference": found.difference,
        "rank": found.rank,
        "dice_auc": dice_auc(measured, maps),
        "residual_r": residual_correlations(measured, maps, average),
    }
    return Scored(predictor.name, predictor.is_baseline, found, by_participant, chance)


def summarise(
    scored: Scored, families: NDArray[Any], rng: np.random.Generator, *, n_resamples: int = 2000
) -> Iterator[dict[str, Any]]:
    """Summarise a predictor over people, a row for each score.

    Parameters
    ----------
    scored : Scored
    families : array of shape (n_people,)
        Whose relatives are resampled together.
    rng : Generator
    n_resamples : int

    Yields
    ------
    dict
        ``score``, ``value``, ``ci_low`` and ``ci_high`` (95%, families resampled; NaN where it is no mean
        over people), ``n_participants``, ``chance`` and ``ceiling`` where there are such.
    """
    found = scored.matching
    participants = scored.by_participant
    as_means = {
        "r": participants["r"],
        "difference": participants["difference"],
        "difference_times_own_diagonal": participants["difference"] * participants["r"],
        "identification_rate": np.where(np.isfinite(participants["rank"]), participants["rank"] == 1, np.nan),
        "mean_rank": participants["rank"],
        "dice_auc": participants["dice_auc"],
        "residual_r": participants["residual_r"],
    }
    n_candidates = found.n_candidates or float("nan")
    chance = {"identification_rate": 1 / n_candidates, "mean_rank": (n_candidates + 1) / 2}
    chance |= {"difference": 0.0, "dice_auc": DICE_CHANCE, "residual_r": scored.residual_chance}
    values = {name: mean(one) for name, one in as_means.items()} | diagonality(found.own, found.others)
    for name in dict.fromkeys(["r", *diagonality([], []), *as_means]):
        low, high = float("nan"), float("nan")
        if name in as_means:
            parts = scored.parts.get(name, as_means[name])
            low, high = bootstrap_interval(parts, families, rng, n_resamples=n_resamples)
        yield {
            "score": name,
            "value": values[name],
            "ci_low": low,
            "ci_high": high,
            "n_people": found.n_participants,
            "chance": chance.get(name, float("nan")),
            "ceiling": DICE_CEILING if name == "dice_auc" else float("nan"),
        }


def compare(
    scored: Sequence[Scored],
    families: NDArray[Any],
    rng: np.random.Generator,
    *,
    n_permutations: int,
) -> Iterator[dict[str, Any]]:
    """Compare each model with each baseline, and models with each other, on the people that both have.

    Without a model, baselines are compared with each other.

    Parameters
    ----------
    scored : sequence of Scored
    families : array of shape (n_people,)
        Signs are flipped for a family as a whole.
    rng : Generator
    n_permutations : int

    Yields
    ------
    dict
        ``predictor``, ``compared_with``, ``score``, ``mean_difference`` with its interval, ``p``,
        ``cliffs_delta``, ``n_participants``, ``n_families``. Pairs that have nobody in common are left out.
    """
    models = [one for one in scored if not one.is_baseline]
    baselines = [one for one in scored if one.is_baseline]
    pairs = [(model, other) for model in models for other in baselines] + list(combinations(models, 2))
    if not models:
        # A later baseline knows more than an earlier one: the group average comes first.
        pairs = [(other, one) for one, other in combinations(baselines, 2)]
    for one, other in pairs:
        for name in COMPARED:
            differences = one.by_participant[name] - other.by_participant[name]
            both = np.isfinite(differences)
            if not both.any():
                continue
            parts = one.parts[name] - other.parts[name]
            # Of people whom one of both lacks, the parts' mean is not quite that of the differences.
            parts += mean(differences) - mean(parts[both])
            low, high = bootstrap_interval(parts, families, rng)
            yield {
                "predictor": one.name,
                "compared_with": other.name,
                "score": name,
                "mean_difference": mean(differences),
                "ci_low": low,
                "ci_high": high,
                "p": sign_flip_p(parts, families, rng, n_permutations=n_permutations),
                "cliffs_delta": cliffs_delta(
                    one.by_participant[name][both], other.by_participant[name][both]
                ),
                "n_people": int(both.sum()),
                "n_families": len(np.unique(families[both])),
            }
