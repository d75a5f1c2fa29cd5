import pytest

from bids_deeptaskgen.biomarkers.results.scores import NESTED, PUBLISHED
from bids_deeptaskgen.biomarkers.results.verdicts import describe_verdicts, estimate_of, format_estimate
from tests.biomarkers.made_results import SIGNALS, make_result

NAMES = list(SIGNALS)
NAN = float("nan")


def rows_of(result, gain, p, setup=NESTED, value=0.4, mean=0.0, confounds=0.28):
    """Create the rows of the first feature set and the baselines."""
    target, kind = result.problem.target.name, result.problem.target.kind
    scores = []
    for score in ("partial_r", "r", "R2") if kind == "continuous" else ("AUC", "balanced_accuracy"):
        row = {"target": target, "setup": setup, "features": NAMES[0], "score": score}
        row |= {"value": value, "ci_low": value - 0.1, "ci_high": value + 0.1}
        scores.append(row | dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True)))
        scores += [
            row | {"features": "mean", "value": mean},
            row | {"features": "confounds", "value": confounds},
        ]
    return scores, [{"target": target, "setup": setup, "features": NAMES[0], "p_fdr": p}]


@pytest.mark.parametrize(
    ("gain", "p", "kind", "words"),
    [
        ((0.12, 0.05, 0.19), 0.004, "better", "predicts beyond the confounds"),
        ((0.02, -0.01, 0.05), 0.004, "unclear", "a gain in accuracy over the confounds is not certain"),
        ((-0.05, -0.09, -0.01), 0.004, "unclear", "less accurate than those of the confounds"),
        ((0.02, -0.01, 0.05), 0.3, "none", "not better than the confounds"),
        ((0.12, 0.05, 0.19), 0.3, "none", "permutation test is not significant"),
        ((-0.05, -0.09, -0.01), 0.3, "worse", "predicts worse than the confounds alone"),
        ((0.12, 0.05, 0.19), NAN, "better", "(no permutation test)"),
        ((0.02, -0.01, 0.05), NAN, "none", "not better than the confounds"),
        ((-0.05, -0.09, -0.01), NAN, "worse", "predicts worse than the confounds alone"),
        ((0.12, NAN, NAN), 0.004, "unclear", "not certain"),
    ],
)
def test_a_verdict_needs_a_significant_test_and_a_gain(gain, p, kind, words):
    result = make_result(published=False)
    (verdict,) = describe_verdicts(result, *rows_of(result, gain, p))
    assert (verdict.features, verdict.kind) == (NAMES[0], kind)
    assert words in verdict.text


@pytest.mark.parametrize(
    ("confounds", "is_worse"), [(0.479, True), (0.52, False)], ids=["worse than the mean", "better"]
)
@pytest.mark.parametrize("p", [0.004, NAN])
def test_a_gain_over_confounds_is_no_evidence_if_the_mean_may_be_as_good(confounds, is_worse, p):
    result = make_result("categorical", 2, published=False)
    rows = rows_of(result, (0.1, 0.02, 0.2), p, value=0.59, mean=0.5, confounds=confounds)
    (verdict,) = describe_verdicts(result, *rows)
    assert verdict.kind == "unclear"
    assert "not with certainty better than the mean" in verdict.text
    assert ("the confounds alone are worse than the mean" in verdict.text) == is_worse
    rows = rows_of(result, (0.2, 0.02, 0.3), p, value=0.61, mean=0.5, confounds=confounds)
    (verdict,) = describe_verdicts(result, *rows)
    assert verdict.kind == "better"


def test_a_verdict_has_the_gain_with_its_interval_and_p():
    result = make_result(published=False)
    (verdict,) = describe_verdicts(result, *rows_of(result, (0.12, 0.05, 0.19), 0.004))
    details = "gain in R² 0.12 [0.05, 0.19]; partial r 0.40 [0.30, 0.50]; p (FDR) 0.004"
    assert (verdict.details, verdict.published) == (details, "")


def test_without_confounds_a_verdict_is_on_the_mean_and_says_so():
    result = make_result(published=False, confounds=())
    for p, word in ((0.004, "predicts better than the mean"), (0.3, "not better than the mean")):
        gain = (0.12, 0.05, 0.19) if p < 0.05 else (0.02, -0.01, 0.05)
        (verdict,) = describe_verdicts(result, *rows_of(result, gain, p))
        assert word in verdict.text
        assert ("no confounds removed" in verdict.text) == (p < 0.05)
        assert "partial" not in verdict.details


def test_the_published_setup_is_part_of_a_verdict():
    result = make_result("categorical", 2)
    scores, tests = rows_of(result, (0.12, 0.05, 0.19), 0.3)
    published_scores, published_tests = rows_of(result, (0.12, 0.05, 0.19), 0.01, PUBLISHED)
    (verdict,) = describe_verdicts(result, scores + published_scores, tests + published_tests)
    assert verdict.details.startswith("gain in AUC 0.12")
    assert verdict.published == ("Published set-up: balanced accuracy 0.40 [0.30, 0.50]; p (FDR) 0.010")


@pytest.mark.parametrize(("value", "text"), [(0.0123, "0.012 [0.010, 0.020]"), (123.4, "123 [0, 0]")])
def test_mae_has_as_many_digits_as_its_size_asks_for(value, text):
    row = {"score": "MAE", "value": value, "ci_low": 0.01, "ci_high": 0.02}
    assert format_estimate(row) == text
    assert estimate_of(None).value != estimate_of(None).value
