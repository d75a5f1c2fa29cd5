"""The table of flags, and the checks of a session."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_deeptaskgen.connectome.data_checks.checks import (
    FOREIGN_CONFOUNDS,
    IDENTICAL_RUNS,
    SERIES_CHECKS,
    RunEvidence,
    check_session,
)
from bids_deeptaskgen.connectome.data_checks.measurement import Measurement, flag_names, judge, read_flag
from bids_deeptaskgen.connectome.data_checks.run_pairs import RunSeries, most_alike_runs
from tests.connectome.data_checks.series import N_VOLUMES, make_series, observe

PACKAGE = Path(__file__).parents[3] / "bids_deeptaskgen"
KEPT = np.arange(N_VOLUMES)


def evidence(seed=0, name="run-1"):
    rois = np.random.default_rng(seed).standard_normal((N_VOLUMES, 5))
    return RunEvidence(name, observe(make_series(seed)), {}, KEPT, rois)


def test_each_check_has_a_flag_with_a_threshold_and_a_metric():
    for name in (*SERIES_CHECKS, FOREIGN_CONFOUNDS, IDENTICAL_RUNS, "partial_coverage", "low_roi_coverage"):
        flag = read_flag(name)
        assert flag.metric
        assert flag.threshold is not None
        assert flag.flagged in ("above", "below")
        assert "{value" in flag.message or "{detail" in flag.message


@pytest.mark.parametrize("name", flag_names())
def test_each_flag_says_what_it_means_what_to_do_and_where_its_limit_comes_from(name):
    flag = read_flag(name)
    assert all(text.endswith(".") for text in (flag.meaning, flag.action, flag.source))


def test_each_finding_of_the_package_has_a_flag():
    names = {
        name
        for path in PACKAGE.rglob("*.py")
        for name in re.findall(r'Finding\(\s*"(\w+)"', path.read_text("utf-8"))
    }
    assert names
    assert names <= set(flag_names())


def test_a_value_on_the_threshold_is_normal():
    flag = read_flag("copied_voxels")
    assert judge("copied_voxels", Measurement(flag.threshold), "a") is None
    finding = judge("copied_voxels", Measurement(0.5), "a.nii")
    assert (finding.name, finding.value, finding.threshold) == ("copied_voxels", 0.5, flag.threshold)
    assert finding.message.startswith("a.nii: 50% of the voxels")
    assert judge("few_distinct_values", Measurement(256), "a") is None
    assert judge("few_distinct_values", Measurement(255), "a") is not None


def test_intact_runs_have_metrics_and_no_findings():
    checks = check_session([evidence(0, "run-1"), evidence(1, "run-2")], "sub-01")
    assert checks.findings == ()
    assert checks.metrics["n_frozen_volumes"] == 0
    assert checks.metrics["confounds_agreement"] is None
    assert abs(checks.metrics["runs_similarity"]) < 0.3
    assert len(set(checks.fingerprints)) == 2


def test_the_metric_of_a_session_is_that_of_its_worst_run():
    data = make_series(1)
    data[..., 5] = data[..., 4]
    damaged = replace(evidence(1, "run-2"), observed=observe(data))
    checks = check_session([evidence(0, "run-1"), damaged], "sub-01")
    assert [finding.name for finding in checks.findings] == ["frozen_volumes"]
    assert checks.findings[0].message.startswith("run-2: ")
    assert checks.metrics["n_frozen_volumes"] == checks.value("frozen_volumes") == 1


def test_a_run_and_its_copy_are_found():
    checks = check_session([evidence(0, "run-1"), replace(evidence(0), place="run-2")], "sub-01")
    assert [finding.name for finding in checks.findings] == ["identical_runs"]
    assert "run-1 and run-2" in checks.findings[0].message


def test_nearly_equal_runs_are_found_with_other_censoring_and_gain():
    rng = np.random.default_rng(0)
    rois = rng.standard_normal((N_VOLUMES, 5))
    changed = 3 * rois[4:] + 0.1 * rng.standard_normal((N_VOLUMES - 4, 5))
    a, b = RunSeries("a", "1", rois, KEPT), RunSeries("b", "2", changed, KEPT[4:])
    assert most_alike_runs([a, b]).value > 0.95
    assert most_alike_runs([a]) is None
    assert most_alike_runs([a, b._replace(rois=b.rois[:20], kept_volumes=KEPT[4:24])]) is None
