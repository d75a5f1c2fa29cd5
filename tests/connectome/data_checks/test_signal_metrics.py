"""Metrics of the signal: their values, and voxels without a finite value."""

import numpy as np
import pytest

from bids_deeptaskgen.connectome.data_checks.observer import N_SAMPLED_VOLUMES
from bids_deeptaskgen.connectome.data_checks.signal_metrics import (
    dvars_median_percent,
    global_signal_r,
    global_signal_share,
)
from tests.connectome.data_checks.series import N_VOLUMES, brain_mask, demeaned, make_series, observe

DATA = make_series()
ALL = np.arange(N_VOLUMES)


def metrics_of(data, reference=None):
    observed = observe(data)
    return [
        metric(observed, reference or {}, ALL)
        for metric in (dvars_median_percent, global_signal_r, global_signal_share)
    ]


def test_metrics_are_those_of_the_mean_over_the_mask():
    voxels = DATA[brain_mask()]
    mean = voxels.mean(axis=0)
    dvars, correlation, share = metrics_of(DATA, {"global_signal": 3 * mean + 7})
    change = np.sqrt((np.diff(voxels, axis=1) ** 2).mean(axis=0))
    assert dvars == pytest.approx(100 * np.median(change) / mean.mean(), rel=0.02)
    assert correlation == pytest.approx(1, abs=1e-3)
    sampled = voxels[:, np.linspace(0, N_VOLUMES - 1, N_SAMPLED_VOLUMES).astype(int)]
    assert share == pytest.approx(sampled.mean(axis=0).std() / np.median(sampled.std(axis=1)), rel=0.02)


def test_voxels_that_are_not_finite_do_not_count():
    odd = DATA.copy()
    odd[12, 14, 8:11] = np.nan
    odd[10, 12, 11, 3] = np.inf
    odd[14, 14, 12] = -np.inf
    values, expected = metrics_of(odd), metrics_of(DATA)
    assert np.isfinite([value for value in values if value is not None]).all()
    assert values[2] == pytest.approx(expected[2], rel=0.01)


def test_a_demeaned_series_has_none_of_them():
    assert metrics_of(demeaned(DATA), {"global_signal": np.arange(N_VOLUMES, dtype=float)}) == [None] * 3
