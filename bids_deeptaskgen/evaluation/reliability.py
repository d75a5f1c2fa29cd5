"""Reliability of the measured maps of a contrast, from a retest or from split halves."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.stats.map_rows import LeaveOneOut, Maps, Scores
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval
from bids_deeptaskgen.stats.reliability import ceiling, spearman_brown
from bids_deeptaskgen.stats.scores import correlations, mean, residual_chance, residual_correlations

RETEST, HALVES = "retest", "halves"
# Names of the maps of the two halves of the measured data.
HALF_NAMES = ("half 1", "half 2")
# Two measurements, and a prediction and a measurement, never correlate so highly.
MAX_R = 0.99999


@dataclass(frozen=True)
class Reliability:
    """Reliability of the measured maps of a contrast.

    Attributes
    ----------
    source : str
        ``retest`` or ``halves``.
    by_score : dict of str to array of shape (n_participants,)
        ``r``: reliability of each participant's map, and ``residual_r``: that of its deviation from the group
        average. NaN for participants who are not scored or were not measured twice.
    residual_chance : float
        Mean of the residual reliability of the maps of different participants.
    n_scored : int
        Number of participants who are scored, measured twice or not.
    """

    source: str
    by_score: dict[str, Scores]
    residual_chance: float
    n_scored: int


def retest_reliability(
    r: Scores, residual_r: Scores, chance: float, is_scored: NDArray[np.bool_]
) -> Reliability:
    """Return the reliability of maps that were measured twice.

    Parameters
    ----------
    r : array of shape (n_participants,)
        Correlation of each participant's measured and retest map.
    residual_r : array of shape (n_participants,)
        The same after subtraction of the group average.
    chance : float
        Mean residual r of measured maps with the retest maps of others.
    is_scored : boolean array of shape (n_participants,)
        Participants for whom a map was predicted.

    Returns
    -------
    Reliability
        NaN for retest maps that are copies of the measured maps.
    """
    is_usable = is_scored & ~(r > MAX_R)
    by_score = {"r": np.where(is_usable, r, np.nan), "residual_r": np.where(is_usable, residual_r, np.nan)}
    return Reliability(RETEST, by_score, chance, int(is_scored.sum()))


def halves_reliability(
    halves: tuple[Maps, Maps],
    average: Maps | LeaveOneOut,
    is_scored: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Reliability:
    """Compute the reliability of maps from maps of the two halves of their data.

    Parameters
    ----------
    halves : pair of arrays of shape (n_participants, n_voxels)
        Maps of each half; a row of NaN is a participant without a map.
    average : array of shape (n_voxels,), or LeaveOneOut
        Group average to subtract for the residual reliability.
    is_scored : boolean array of shape (n_participants,)
        Participants for whom a map was predicted.
    rng : Generator
        Source of the pairs of different participants.

    Returns
    -------
    Reliability
        Stepped up to the whole measurement by the Spearman-Brown formula. The chance level is stepped up by
        the same factor as the mean residual r.
    """
    r, residual_r = (
        np.where(is_scored, values, np.nan)
        for values in (correlations(*halves), residual_correlations(*halves, average))
    )
    by_score = {"r": spearman_brown(r), "residual_r": spearman_brown(residual_r)}
    # The covariance of two halves is that of the whole, whose variance is (1 + r) / 2 of that of a half.
    chance = residual_chance(*halves, average, rng, is_scored) * 2 / (1 + abs(mean(residual_r)))
    return Reliability(HALVES, by_score, chance, int(is_scored.sum()))


def refuse_copies(
    measured: Maps,
    halves: tuple[Maps, Maps],
    sources: tuple[Path, Path, Path],
    participants: Sequence[str],
    contrast: str,
) -> None:
    """Refuse halves that contain the same maps, or the measured maps.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps.
    halves : pair of arrays of shape (n_participants, n_voxels)
        Maps of each half.
    sources : (Path, Path, Path)
        Datasets of the measured maps and of the halves.
    participants : sequence of str
        Labels without ``sub-``.
    contrast : str
        Label of the contrast.

    Raises
    ------
    InputError
        If two maps of a participant are the same but for rounding and scale.
    """
    for (first, first_source), (second, second_source) in combinations(
        zip((measured, *halves), sources, strict=True), 2
    ):
        rows = np.flatnonzero(correlations(first, second) > MAX_R)
        if len(rows):
            names = [f"sub-{participants[row]}" for row in rows]
            hint = " The measured maps must be those of all data, not of a half." if first is measured else ""
            message = (
                f"`halves`: the maps of {contrast} of {len(names)} participants are the same in "
                f"{first_source} and {second_source} (r above {MAX_R:g}): {abbreviate(names)}.\n"
                f"Name maps of two separate halves of the data, such as those of each run.{hint}"
            )
            raise InputError(message)


def reliability_row(
    reliability: Reliability, families: NDArray[Any], rng: np.random.Generator
) -> dict[str, Any]:
    """Average the reliability of a contrast over participants.

    Parameters
    ----------
    reliability : Reliability
    families : array of shape (n_participants,)
        Label of each participant's family; families are resampled as a whole.
    rng : Generator
        Source of the resamples.

    Returns
    -------
    dict
        Row of ``reliability.tsv``, without the contrast.
    """
    r, residual_r = reliability.by_score["r"], reliability.by_score["residual_r"]
    ci_low, ci_high = bootstrap_interval(r, families, rng)
    residual_ci_low, residual_ci_high = bootstrap_interval(residual_r, families, rng)
    return {
        "source": reliability.source,
        "n_participants": int(np.isfinite(r).sum()),
        "n_scored": reliability.n_scored,
        "reliability": mean(r),
        "ci_low": ci_low,
        "ci_high": ci_high,
        "ceiling_r": ceiling(mean(r)),
        "residual_reliability": mean(residual_r),
        "residual_ci_low": residual_ci_low,
        "residual_ci_high": residual_ci_high,
        "residual_chance": reliability.residual_chance,
        "ceiling_residual_r": ceiling(mean(residual_r)),
    }
