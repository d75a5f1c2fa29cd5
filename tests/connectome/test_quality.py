"""Quality metrics of data whose values follow by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from bids_deeptaskgen.connectome.quality import quality_metrics
from bids_deeptaskgen.connectome.session import SessionConnectomes
from bids_deeptaskgen.connectome.typicality import ConnectomeDistribution

N_ROIS = 4
GREY = np.array([True, True, True, False, False])


def plan(
    n_volumes, n_kept, *, n_columns=2, minutes=1.0, n_residual_dof=10, fd_mm=None, n_dummies=0, censors=False
):
    """Return the attributes of a run that the metrics read."""
    return SimpleNamespace(
        series=SimpleNamespace(n_volumes=n_volumes),
        kept_volumes=np.arange(n_kept),
        regressors=SimpleNamespace(names=("a",) * n_columns),
        minutes=minutes,
        n_residual_dof=n_residual_dof,
        fd_mm=None if fd_mm is None else np.array(fd_mm),
        is_dummy=np.arange(n_volumes) < n_dummies,
        censors=censors,
    )


def participant(*runs, **changes):
    values = {
        "connectomes": np.zeros((1, N_ROIS, 5), np.float32),
        "runs": runs,
        "n_windows": 1,
        "mean": np.ones(5),
        "tsnr": np.array([10.0, 30.0, 50.0, 70.0, 90.0]),
        "has_signal": np.array([True, True, False, True, False]),
        "n_flat": 2,
        "roi_connectome": np.eye(N_ROIS),
    }
    return SessionConnectomes(**(values | changes))


def test_counts_are_summed_over_runs_and_regressors_are_listed_per_run():
    runs = (
        plan(100, 90, n_columns=8, minutes=2.5, n_residual_dof=80),
        plan(50, 50, minutes=1.25, n_residual_dof=47),
    )
    metrics = quality_metrics(participant(*runs), np.ones(N_ROIS), GREY)
    expected = {
        "n_runs": 2,
        "n_volumes": 150,
        "n_volumes_kept": 140,
        "minutes_kept": 3.75,
        "n_regressors": [8, 2],
        "n_residual_dof": 127,
        "n_voxels_without_variance": 2,
    }
    assert {name: metrics[name] for name in expected} == expected


def test_motion_is_over_all_volumes_of_all_runs_but_the_first_of_each_which_has_none():
    runs = plan(3, 1, fd_mm=[99.0, 0.1, 0.3]), plan(2, 2, fd_mm=[99.0, 0.8]), plan(4, 4)
    metrics = quality_metrics(participant(*runs), np.ones(N_ROIS), GREY)
    assert (metrics["fd_mean_mm"], metrics["fd_max_mm"]) == (0.4, 0.8)


def test_what_cannot_be_had_is_none_and_not_zero():
    metrics = quality_metrics(participant(plan(3, 3), has_signal=np.zeros(5, bool)), np.zeros(N_ROIS), GREY)
    names = ("fd_mean_mm", "fd_max_mm", "tsnr_median", "typicality", "mahalanobis_distance")
    assert [metrics[name] for name in names] == [None] * 5
    assert metrics["coverage_grey_matter"] == 0


def test_tsnr_and_coverage_are_of_grey_matter_with_signal():
    metrics = quality_metrics(participant(plan(3, 3)), np.array([0.9, 0.25, 1, 1]), GREY)
    assert metrics["tsnr_median"] == 20
    assert metrics["coverage_grey_matter"] == pytest.approx(2 / 3, abs=1e-6)
    assert metrics["coverage_rois_min"] == 0.25


def test_typicality_and_distance_are_those_of_the_distribution():
    mean = np.linspace(-0.3, 0.3, 6, dtype=np.float32)
    distribution = ConnectomeDistribution(mean, np.eye(1, 6, dtype=np.float32), np.ones(1), 0.5, 1.0, 20)
    connectome = np.corrcoef(np.random.default_rng(0).standard_normal((N_ROIS, 20)))
    metrics = quality_metrics(
        participant(plan(3, 3), roi_connectome=connectome),
        np.ones(N_ROIS),
        GREY,
        distribution.mean_roi_connectome,
        distribution,
    )
    assert metrics["mahalanobis_distance"] == distribution.mahalanobis_distance(connectome)
    assert metrics["typicality"] == distribution.correlation_with_mean(connectome)
