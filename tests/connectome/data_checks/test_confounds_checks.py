"""A confounds table agrees with its own series, and with no other."""

import numpy as np
import pandas as pd
import pytest

from bids_deeptaskgen.connectome.data_checks.confounds_checks import confounds_agreement, reference_signals
from bids_deeptaskgen.connectome.data_checks.measurement import read_flag
from tests.connectome.data_checks.series import N_VOLUMES, brain_mask, demeaned, make_series, observe

LIMIT = read_flag("foreign_confounds").threshold
KEPT = np.arange(N_VOLUMES)
DATA = make_series()


def table_of(data):
    """Return the table that fMRIPrep would write for a series, with a slightly different mask."""
    series = data[brain_mask((0, 0, 1))]
    dvars = np.sqrt((np.diff(series, axis=1) ** 2).mean(axis=0))
    columns = {"global_signal": series.mean(axis=0), "std_dvars": np.r_[np.nan, dvars / dvars.mean()]}
    return reference_signals(pd.DataFrame(columns | {"trans_x": 0.0}))


def agreement(data, reference, kept=KEPT):
    return confounds_agreement(observe(data[..., kept]), reference, kept)


def test_the_table_of_the_series_agrees():
    assert agreement(DATA, table_of(DATA)).value > 0.9


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_table_of_another_run_does_not_agree_even_if_both_drift(seed):
    drift = np.linspace(0, 50, N_VOLUMES)
    found = agreement(DATA + drift, table_of(make_series(seed) + drift))
    assert found.value < LIMIT
    assert "of global_signal" in found.detail
    assert "of DVARS" in found.detail


def test_volumes_that_are_not_kept_do_not_matter():
    reference = table_of(DATA)
    kept = np.delete(KEPT, [0, 1, 30])
    reference["global_signal"] = np.where(np.isin(KEPT, kept), reference["global_signal"], 1e6)
    assert agreement(DATA, reference, kept).value > 0.9


def test_either_column_is_evidence_for_the_series():
    reference, foreign = table_of(DATA), table_of(make_series(1))
    # A series that was cleaned of its global signal keeps its own DVARS.
    values = reference["std_dvars"].copy()
    observed = observe(DATA)
    values[1:] = observed.change[1:]
    mixed = {"global_signal": foreign["global_signal"], "std_dvars": values}
    assert confounds_agreement(observed, mixed, KEPT).value > LIMIT
    assert agreement(DATA, {"global_signal": reference["global_signal"]}).value > 0.9
    assert confounds_agreement(observed, {"std_dvars": values}, KEPT).value > 0.9


def test_without_evidence_there_is_no_measurement():
    reference = table_of(DATA)
    assert agreement(DATA, {}) is None
    assert agreement(demeaned(DATA), reference) is None
    assert agreement(DATA, {"global_signal": np.full(N_VOLUMES, np.nan)}) is None
    assert agreement(DATA, reference, KEPT[:20]) is None
    assert reference_signals(None) == {}
    assert reference_signals(pd.DataFrame({"csf": [1.0]})) == {}
