"""Means of scores over the contrasts of a task."""

import numpy as np
import pytest

from bids_deeptaskgen.evaluation.scoring import Predictor, score
from bids_deeptaskgen.evaluation.task_scores import TASK_SCORES, TaskScores
from bids_deeptaskgen.models.contrasts import Contrast

CONTRASTS = [
    Contrast("a1", "a1", "A"),
    Contrast("a2", "a2", "A"),
    Contrast("b", "b", "B"),
    Contrast("c", "c", ""),
]


def scored_contrasts(n_participants=8):
    """Score a model in four contrasts; one participant lacks the second one."""
    rng = np.random.default_rng(0)
    scores = []
    for number in range(len(CONTRASTS)):
        truth = rng.standard_normal((n_participants, 300))
        measured, predicted = (truth + rng.standard_normal(truth.shape) for _ in range(2))
        if number == 1:
            measured[3] = np.nan
        average = rng.standard_normal(300)
        scores.append(score(measured, [Predictor("net", False, predicted)], average, rng))
    return scores


def rows_of(scores, seed=0):
    """Average the scores of all contrasts; return the rows by task and score."""
    collector = TaskScores()
    for contrast, entries in zip(CONTRASTS, scores, strict=True):
        collector.add(contrast, entries)
    return {(row["task"], row["score"]): row for row in collector.rows(np.arange(8), seed)}


def test_each_task_is_the_mean_over_its_contrasts():
    scores = scored_contrasts()
    rows = rows_of(scores)
    assert {task for task, _ in rows} == {"all", "A", "B"}
    for name in TASK_SCORES:
        values = np.array([entries[0].by_participant[name] for entries in scores])
        expected = {"all": values, "A": values[:2], "B": values[2:3]}
        for task, selection in expected.items():
            row = rows[task, name]
            assert row["value"] == pytest.approx(np.nanmean(np.nanmean(selection, axis=1)))
            assert row["ci_low"] < row["value"] < row["ci_high"]
            assert (row["n_contrasts"], row["n_participants"]) == (len(selection), 8)


def test_intervals_follow_from_the_seed():
    scores = scored_contrasts()
    assert rows_of(scores) == rows_of(scores)
    assert rows_of(scores)["A", "r"]["ci_low"] != rows_of(scores, seed=1)["A", "r"]["ci_low"]
