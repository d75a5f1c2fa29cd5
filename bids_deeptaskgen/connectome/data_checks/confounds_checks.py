"""Checks of whether a confounds table belongs to its series."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.data_checks.measurement import Measurement
from bids_deeptaskgen.connectome.data_checks.observer import ObservedSeries

# Columns of fMRIPrep that follow from the series itself; the first of the pair of DVARS that exists is used.
GLOBAL_SIGNAL = "global_signal"
DVARS = ("std_dvars", "dvars")
# Fewer pairs of volumes are no evidence.
MIN_PAIRS = 30
# DVARS of another run correlate by chance, and those of cleaned series by about as much.
MAX_FOREIGN_DVARS_R = 0.5

Series = NDArray[np.float64]


def reference_signals(table: pd.DataFrame | None) -> dict[str, Series]:
    """Select the columns of a confounds table that follow from the series.

    Parameters
    ----------
    table : DataFrame of shape (n_volumes, n_columns) or None
        With the column names of fMRIPrep 21.

    Returns
    -------
    dict of str to array of shape (n_volumes,)
        NaN where the table has no number.
    """
    if table is None:
        return {}
    return {
        name: pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
        for name in (GLOBAL_SIGNAL, *DVARS)
        if name in table
    }


def confounds_agreement(
    observed: ObservedSeries, reference: Mapping[str, Series], kept_volumes: Sequence[int] | NDArray[np.intp]
) -> Measurement | None:
    """Correlate the global signal and DVARS of a series with those of its confounds table.

    Changes from volume to volume are correlated, since slow drifts are alike in all runs.

    Parameters
    ----------
    observed : ObservedSeries
    reference : dict of str to array of shape (n_volumes,)
        From `reference_signals`.
    kept_volumes : integer array of shape (n_kept,)

    Returns
    -------
    Measurement or None
        Correlation of the global signals, or, if it is larger and clearly positive, of DVARS. None if the
        table has neither, or the mean of the series was removed, as by cleaning.
    """
    if is_demeaned(observed) or not reference:
        return None
    volumes = np.asarray(kept_volumes)
    is_pair = np.diff(volumes) == 1
    correlations: dict[str, float] = {}
    if GLOBAL_SIGNAL in reference:
        signal = reference[GLOBAL_SIGNAL][volumes]
        correlation = correlate_series(np.diff(observed.global_signal)[is_pair], np.diff(signal)[is_pair])
        if correlation is not None:
            correlations[GLOBAL_SIGNAL] = correlation
    for name in DVARS:
        if name in reference:
            correlation = correlate_series(
                observed.change[1:][is_pair], reference[name][volumes][1:][is_pair]
            )
            if correlation is not None:
                correlations["DVARS"] = correlation
            break
    if not correlations:
        return None
    detail = " and ".join(f"r = {value:.2f} of {name}" for name, value in correlations.items())
    value = correlations.get(GLOBAL_SIGNAL, correlations.get("DVARS", 0.0))
    if correlations.get("DVARS", 0.0) >= MAX_FOREIGN_DVARS_R:
        value = max(value, correlations["DVARS"])
    return Measurement(value, detail)


def is_demeaned(observed: ObservedSeries) -> bool:
    """Return whether the mean of a series was removed, as by cleaning.

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    bool
    """
    # The median of the probes' mean over time, against their variation.
    with np.errstate(invalid="ignore"):
        mean, deviation = observed.samples.mean(axis=0), observed.samples.std(axis=0)
    return bool(np.nanmedian(np.abs(mean)) <= 2 * np.nanmedian(deviation))


def correlate_series(a: Series, b: Series) -> float | None:
    """Correlate two series in the volumes in which both are finite.

    Parameters
    ----------
    a, b : array of shape (n_volumes,)

    Returns
    -------
    float or None
        Pearson r; None with fewer than `MIN_PAIRS` volumes, or for a constant series.
    """
    is_finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[is_finite], b[is_finite]
    if len(a) < MIN_PAIRS or a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
