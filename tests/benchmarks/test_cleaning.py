"""Tests of the comparison of cleaning choices."""

import numpy as np
import pytest

from benchmarks import cleaning


def test_equal_maps_correlate_with_one():
    maps = [np.random.default_rng(0).standard_normal((2, 50)).astype(np.float32)]
    assert cleaning.mean_correlation(maps, maps) == pytest.approx((1, 1))


def test_regressors_and_censored_volumes_cost_degrees_of_freedom(simulated):
    table = min(simulated.rglob("*_desc-confounds_timeseries.tsv"))
    rows = {row[0]: row[1:] for row in cleaning.count(table, 2.0)}
    _, n_kept, dof = rows["`none`"]
    assert int(dof) == int(n_kept) - 1
    assert int(rows["`36P`"][2]) < int(rows["`24P`"][2]) < int(dof)
    assert int(rows["`--dummy-scans 0`"][1]) == int(n_kept) + 2


def test_a_choice_is_compared_with_the_first_one(simulated, monkeypatch):
    choices = ("`none`", "`gsr_only`")
    monkeypatch.setattr(cleaning, "CHOICES", {name: cleaning.CHOICES[name] for name in choices})
    first, second = cleaning.compare(simulated, "embedded")
    assert first[-2:] == ("1.000 (1.000)", "1.000 (1.000)")
    assert 0 < float(second[-2].split()[0]) < 1
    assert first[3] == "3"  # shorter than the default of --min-minutes
