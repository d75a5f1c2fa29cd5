"""All checks of the data of a session. To add one: a function, a line here, an entry in the flags' table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.data_checks.confounds_checks import confounds_agreement
from bids_deeptaskgen.connectome.data_checks.mask_checks import (
    mask_offset,
    mask_without_signal,
    signal_outside_mask,
)
from bids_deeptaskgen.connectome.data_checks.measurement import Measurement, judge, read_flag
from bids_deeptaskgen.connectome.data_checks.observer import ObservedSeries
from bids_deeptaskgen.connectome.data_checks.run_pairs import RunSeries, most_alike_runs
from bids_deeptaskgen.connectome.data_checks.series_checks import (
    copied_voxels,
    distinct_values,
    frozen_slices,
    frozen_volumes,
    repeated_slices,
    rounding_noise,
)
from bids_deeptaskgen.connectome.data_checks.signal_metrics import SIGNAL_METRICS
from bids_deeptaskgen.connectome.findings import Finding

# By the name of the flag.
SERIES_CHECKS: Mapping[str, Callable[[ObservedSeries], Measurement | None]] = {
    "few_distinct_values": distinct_values,
    "coarse_rounding": rounding_noise,
    "copied_voxels": copied_voxels,
    "repeated_slices": repeated_slices,
    "frozen_volumes": frozen_volumes,
    "frozen_slices": frozen_slices,
    "mask_without_signal": mask_without_signal,
    "signal_outside_mask": signal_outside_mask,
    "displaced_mask": mask_offset,
}
FOREIGN_CONFOUNDS = "foreign_confounds"
IDENTICAL_RUNS = "identical_runs"


@dataclass(frozen=True)
class RunEvidence:
    """What the checks of a run use.

    Attributes
    ----------
    place : str
        Path of the series, for messages.
    observed : ObservedSeries
    reference : dict of str to array of shape (n_volumes,)
        Columns of the confounds table that follow from the series; see `reference_signals`.
    kept_volumes : integer array of shape (n_kept,)
    rois : array of shape (n_kept, n_rois)
        Cleaned ROI series.
    """

    place: str
    observed: ObservedSeries
    reference: Mapping[str, NDArray[np.float64]]
    kept_volumes: NDArray[np.intp]
    rois: NDArray[np.float64]


@dataclass(frozen=True)
class DataChecks:
    """Results of all checks of a session.

    Attributes
    ----------
    findings : tuple of Finding
    metrics : dict of str to float or None
        Worst value of each check over the runs, by the metric of its flag; None where it does not apply.
    fingerprints : tuple of str
        Hash of the data of each run.
    """

    findings: tuple[Finding, ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    fingerprints: tuple[str, ...] = ()

    def value(self, flag: str) -> float | None:
        """Return the worst value of a check over the runs.

        Parameters
        ----------
        flag : str
            Name of the flag.

        Returns
        -------
        float or None
        """
        value: float | None = self.metrics[_metric(flag)]
        return value


def check_session(runs: Sequence[RunEvidence], name: str) -> DataChecks:
    """Run all checks of a session.

    Parameters
    ----------
    runs : sequence of RunEvidence
    name : str
        Of the session, for messages.

    Returns
    -------
    DataChecks
    """
    findings: list[Finding | None] = []
    values: dict[str, list[float]] = {
        flag: [] for flag in (*SERIES_CHECKS, FOREIGN_CONFOUNDS, IDENTICAL_RUNS)
    }
    for run in runs:
        measurements = {flag: check(run.observed) for flag, check in SERIES_CHECKS.items()}
        measurements[FOREIGN_CONFOUNDS] = confounds_agreement(run.observed, run.reference, run.kept_volumes)
        for flag, measurement in measurements.items():
            if measurement is not None:
                values[flag].append(measurement.value)
                findings.append(judge(flag, measurement, run.place))
    series = [RunSeries(run.place, run.observed.fingerprint, run.rois, run.kept_volumes) for run in runs]
    if alike := most_alike_runs(series):
        values[IDENTICAL_RUNS].append(alike.value)
        findings.append(judge(IDENTICAL_RUNS, alike, name))
    return DataChecks(
        tuple(finding for finding in findings if finding),
        {_metric(flag): _extreme(flag, measured) for flag, measured in values.items()}
        | _signal_metrics(runs),
        tuple(run.observed.fingerprint for run in runs),
    )


def _signal_metrics(runs: Sequence[RunEvidence]) -> dict[str, float | None]:
    """Compute the metrics without a flag; each is the worst value over the runs."""
    metrics: dict[str, float | None] = {}
    for name, (function, worst_of) in SIGNAL_METRICS.items():
        values = [function(run.observed, run.reference, run.kept_volumes) for run in runs]
        # Of a series without a single finite volume, NaN.
        defined = [value for value in values if value is not None and np.isfinite(value)]
        metrics[name] = float(f"{worst_of(defined):.6g}") if defined else None
    return metrics


def _metric(flag: str) -> str:
    return read_flag(flag).metric or flag


def _extreme(flag: str, values: Sequence[float]) -> float | None:
    return float(f"{read_flag(flag).extreme(*values):.6g}") if values else None
