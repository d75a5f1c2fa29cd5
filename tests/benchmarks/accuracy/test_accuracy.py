"""Tests of the accuracy benchmark: scores distinguish good from bad predictions, and the page shows all."""

import numpy as np
import pytest

from benchmarks.accuracy.page import page
from benchmarks.accuracy.scoring import SCORES, table

N_PARTICIPANTS, N_CONTRASTS, N_VOXELS = 6, 2, 400


@pytest.fixture(scope="module")
def results():
    rng = np.random.default_rng(0)
    average = rng.standard_normal((N_CONTRASTS, N_VOXELS))
    measured = average + rng.standard_normal((N_PARTICIPANTS, N_CONTRASTS, N_VOXELS))
    predicted = {
        "perfect": measured,
        "group average": average,
        "others": np.roll(measured, 1, axis=0),
    }
    return table(measured, predicted, average)


def test_a_perfect_prediction_has_the_highest_scores(results):
    means = {name: {key: row[key][0] for key in SCORES} for name, row in results.items()}
    assert means["perfect"]["r"] == pytest.approx(1)
    assert means["perfect"]["residual r"] == pytest.approx(1)
    assert means["perfect"]["identified"] == 1
    assert means["perfect"]["difference"] > 0.3
    assert means["others"]["identified"] == 0
    assert abs(means["others"]["residual r"]) < 0.2
    assert means["group average"]["residual r"] == means["group average"]["difference"] == 0


def test_every_mean_lies_in_its_interval(results):
    for row in results.values():
        for mean, lower, upper in row.values():
            assert lower - 1e-12 <= mean <= upper + 1e-12


def test_the_page_has_every_score_and_keeps_the_handwritten_section(results):
    log = [{"epoch": 1, "r": 0.1, "difference": 0.0, "seconds": 2.0}]
    content = {
        "options": {"work": "/somewhere", "n_train": "4", "fdim": "2"},
        "results": {"first": results, "second": results},
        "n_participants": {"first": (4, 2, 3), "second": (3, 2, 3)},
        "logs": {"crr": log},
        "seconds": {"simulation": 60.0},
    }
    text = page(content, "Networks do well.")
    assert "| | r | difference | residual r | identified |" in text
    assert text.count("| perfect | 1.000 [1.000, 1.000]") == 2
    assert "--n-train 4 --fdim 2" in text
    assert "## What it says\n\nNetworks do well.\n" in text
    assert "/somewhere" not in text
