"""Verdicts on quality metrics, and the table of their thresholds."""

import pytest

from bids_deeptaskgen.connectome.data_checks.measurement import flag_names, read_flag
from bids_deeptaskgen.connectome.qc_verdicts import (
    MetricSpec,
    judge_metric,
    judge_metrics,
    metric_specs,
    overall_verdict,
)

TWO_SIDED = MetricSpec(
    "tsnr", "tSNR", "1", "A ratio.", {"below": 40, "above": 400}, {"below": 20, "above": 1000},
    message="{value:.0f} is low.", message_above="{value:.0f} is too good.", action="Look.",
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "verdict", "message"),
    [
        (100, "pass", ""),
        (40, "pass", ""),
        (39, "warn", "39 is low."),
        (19, "fail", "19 is low."),
        (401, "warn", "401 is too good."),
        (1001, "fail", "1001 is too good."),
        (None, "n/a", ""),
    ],
)
def test_a_value_beyond_a_threshold_of_either_side_has_a_verdict_and_a_sentence(value, verdict, message):
    result = judge_metric(TWO_SIDED, value)
    assert (result.verdict, result.message) == (verdict, message)
    assert bool(result.action) == bool(message)
    assert result.limits == "warn below 40, warn above 400, fail below 20, fail above 1000"


def test_metrics_without_thresholds_inform():
    assert judge_metric(MetricSpec("n_runs", "Runs", "runs", "Number."), 2).verdict == "info"


@pytest.mark.parametrize("name", list(metric_specs()))
def test_each_threshold_has_a_source_a_sentence_and_an_action(name):
    spec = metric_specs()[name]
    assert spec.title
    assert spec.description
    if not spec.warn and not spec.fail:
        return
    assert spec.source
    assert spec.action
    for template in filter(None, (spec.message, spec.message_above)):
        sentence = template.format(value=0.123)
        assert "{" not in sentence
        assert sentence.endswith(".")
    assert spec.message
    sides = set(spec.warn) | set(spec.fail)
    assert bool(spec.message_above) == (sides == {"below", "above"})
    for side in set(spec.warn) & set(spec.fail):
        assert (spec.fail[side] < spec.warn[side]) == (side == "below")


@pytest.mark.parametrize(
    ("name", "intact", "short", "noise"),
    [
        ("window_agreement", 0.865, 0.496, 0.427),
        ("run_agreement", 0.865, 0.496, 0.427),
        ("split_half_reliability", 0.928, 0.663, 0.598),
        ("bootstrap_agreement", 0.965, 0.865, 0.834),
        ("bootstrap_relative_sd", 0.214, 0.42, 0.504),
    ],
)
def test_unstable_maps_of_the_experiment_have_a_verdict(name, intact, short, noise):
    """Values of docs/explanation/uncertainty.md: 5 minutes; 1 minute with added noise; noise only."""
    spec = metric_specs()[name]
    verdicts = [judge_metric(spec, value).verdict for value in (intact, short, noise)]
    assert verdicts == ["pass", "warn", "fail"]
    assert "simulated data and the embedded model only" in spec.source


def test_thresholds_without_a_failure_say_why():
    specs = [spec for spec in metric_specs().values() if spec.warn and not spec.fail and not spec.flag]
    assert all("There is no fail limit" in spec.source for spec in specs)


def test_a_metric_with_a_flag_has_the_threshold_of_the_flag():
    specs = [spec for spec in metric_specs().values() if spec.flag]
    assert specs
    for spec in specs:
        flag = read_flag(spec.flag)
        assert flag.metric == spec.name
        assert spec.warn == {flag.flagged: flag.threshold}


def test_each_metric_of_a_flag_has_an_entry():
    metrics = {read_flag(name).metric for name in flag_names()} - {None}
    assert metrics <= set(metric_specs())


def test_lists_count_as_their_sum_and_unknown_keys_are_ignored():
    values = {item.name: item.value for item in judge_metrics({"n_regressors": [3, 4], "Flags": []})}
    assert values["n_regressors"] == 7
    assert "Flags" not in values
    assert values["fd_mean_mm"] is None


def test_the_worst_metric_decides_and_a_flag_warns():
    passed = judge_metrics({"minutes_kept": 10})
    assert overall_verdict(passed) == "pass"
    assert overall_verdict(passed, ["mask_not_found"]) == "warn"
    assert overall_verdict(judge_metrics({"minutes_kept": 4.5})) == "warn"
    assert overall_verdict(judge_metrics({"minutes_kept": 1, "removed_share": 0.6})) == "fail"
