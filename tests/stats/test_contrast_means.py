"""Means of scores over contrasts."""

import numpy as np
import pytest

from bids_deeptaskgen.stats.contrast_means import average_over_contrasts, mean_over_contrasts

# Contrasts differ in difficulty, participants in quality.
SCORES = np.array([[0.1], [0.5], [0.9]]) + np.array([-0.1, 0.0, 0.1, 0.2])


def test_without_missing_maps_both_are_plain_means():
    np.testing.assert_allclose(average_over_contrasts(SCORES), SCORES.mean(axis=0))
    assert mean_over_contrasts(SCORES) == pytest.approx(SCORES.mean())


def test_a_missing_contrast_does_not_change_the_average_of_a_typical_participant():
    scores = SCORES.copy()
    scores[0, 1] = np.nan
    complete, incomplete = (average_over_contrasts(values) for values in (SCORES, scores))
    assert abs(incomplete[1] - complete[1]) < 0.05 < 0.1 < abs(np.nanmean(scores[:, 1]) - complete[1])


def test_each_contrast_counts_once_however_many_participants_have_it():
    scores = SCORES.copy()
    scores[0, 1:] = np.nan
    assert mean_over_contrasts(scores) == pytest.approx((0.0 + 0.55 + 0.95) / 3)


def test_without_values_there_is_no_mean():
    assert np.isnan(mean_over_contrasts(np.full((2, 3), np.nan)))
    assert np.isnan(mean_over_contrasts(np.empty((0, 3))))
    assert np.isnan(average_over_contrasts(np.empty((0, 3)))).all()
