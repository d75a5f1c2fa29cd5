"""Scores by task: means over the contrasts of a task, and over all contrasts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.evaluation.scoring import PredictorScores
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.stats.contrast_means import average_over_contrasts, mean_over_contrasts
from bids_deeptaskgen.stats.map_rows import Scores
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval
from bids_deeptaskgen.stats.scores import mean

# Scores that are averaged; the first is the headline.
TASK_SCORES = ("difference", "r", "residual_r", "dice_auc", "slope", "sd_ratio")
ALL_TASKS = "all"

# Values of each score and their contributions to the mean, see `PredictorScores.contributions`.
_Values = dict[str, tuple[Scores, Scores]]


class TaskScores:
    """Collector of the scores of participants in all contrasts."""

    def __init__(self) -> None:
        self._roles: dict[str, str] = {}
        self._contrasts: dict[str, list[tuple[str, _Values]]] = {}

    def add(self, contrast: Contrast, scores: Sequence[PredictorScores]) -> None:
        """Add the scores of a contrast.

        Parameters
        ----------
        contrast : Contrast
        scores : sequence of PredictorScores
            Scores of all predictors of the contrast.
        """
        for entry in scores:
            contributions = entry.contributions
            values = {name: (entry.by_participant[name], contributions[name]) for name in TASK_SCORES}
            self._roles[entry.name] = "baseline" if entry.is_baseline else "model"
            self._contrasts.setdefault(entry.name, []).append((contrast.task, values))

    def rows(self, families: NDArray[Any], seed: int) -> Iterator[dict[str, Any]]:
        """Average the scores over the contrasts of each task and over participants.

        Parameters
        ----------
        families : array of shape (n_participants,)
            Label of each participant's family; families are resampled as a whole.
        seed : int
            Seed of the resamples.

        Yields
        ------
        dict
            One row per predictor, task and score, first those of all contrasts. Contrasts without a task
            belong to these only.
        """
        for predictor, contrasts in self._contrasts.items():
            tasks = dict.fromkeys(task for task, _ in contrasts if task)
            for task in (ALL_TASKS, *tasks):
                rng = np.random.default_rng([seed, 1, *task.encode(), 0, *predictor.encode()])
                selection = [values for name, values in contrasts if task in (ALL_TASKS, name)]
                for score in TASK_SCORES:
                    row = _average([values[score] for values in selection], families, rng)
                    yield {
                        "predictor": predictor,
                        "role": self._roles[predictor],
                        "task": task,
                        "score": score,
                    } | row


def _average(
    values: Sequence[tuple[Scores, Scores]], families: NDArray[Any], rng: np.random.Generator
) -> Mapping[str, float]:
    """Average a score over participants and contrasts, with an interval over participants."""
    scores, contributions = (np.array(arrays) for arrays in zip(*values, strict=True))
    value = mean_over_contrasts(scores)
    by_participant = average_over_contrasts(contributions)
    # With missing maps, means of participants and of contrasts weight the maps differently.
    by_participant += value - mean(by_participant)
    ci_low, ci_high = bootstrap_interval(by_participant, families, rng)
    return {
        "value": value,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "n_contrasts": int(np.isfinite(scores).any(axis=1).sum()),
        "n_participants": int(np.isfinite(scores).any(axis=0).sum()),
    }
