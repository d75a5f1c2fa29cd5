"""Warnings and notes on the interpretation of the results."""

from collections.abc import Sequence

import numpy as np

from bids_deeptaskgen.biomarkers.results.scores import PUBLISHED
from bids_deeptaskgen.biomarkers.results.target_result import TargetResult
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings

# Smaller test folds have scores with much noise.
SMALL_FOLD = 20

NO_CONFOUNDS = (
    "No confounds were removed.",
    "A prediction of this page may come from head motion, age, sex, site or anything else that is related "
    "to both the features and the target. None of it is evidence that a trait can be read from the brain. "
    "Repeat the analysis with --confounds, and compare: what is found without and lost with confounds may be "
    "explained by them.",
)


def list_warnings(results: Sequence[TargetResult]) -> list[tuple[str, str]]:
    """List the messages at the top of the page.

    Parameters
    ----------
    results : sequence of TargetResult

    Returns
    -------
    list of (str, str)
        Heading and text.
    """
    return [] if results[0].problem.confounds else [NO_CONFOUNDS]


def list_notes(results: Sequence[TargetResult], settings: BiomarkersSettings) -> list[str]:
    """List the notes that apply.

    Parameters
    ----------
    results : sequence of TargetResult
    settings : BiomarkersSettings

    Returns
    -------
    list of str
    """
    problem = results[0].problem
    features = [item for result in results for item in result.features]
    has_tests = any(len(test.permuted) for result in results for test in result.tests.values())
    kinds = {result.problem.target.kind for result in results}
    notes = [
        "Every prediction is for a participant that the model was not trained on. The scores hold for "
        "further participants of the same population, scanners and processing, not for others."
    ]
    if has_tests:
        notes.append(
            "p is the probability of a statistic as large as the observed one if the features had no "
            f"relation to the target{' beyond the confounds' if problem.confounds else ''}. A small p does "
            "not mean that the prediction is accurate: judge accuracy by the scores, their gains and "
            f"intervals. With {settings.n_permutations:,} permutations, p cannot be below "
            f"{1 / (settings.n_permutations + 1):.2g}."
        )
    if has_tests and any(result.classifier == "logistic" for result in results):
        notes.append(
            "Scores of categories are those of logistic regression. Their tests are those of a linear "
            "model of the same features, so the two may disagree if the evidence is weak."
        )
    notes.append(
        "Intervals and comparisons are approximate. Folds share training participants, so their scores are "
        "not independent; the correction for this (Nadeau and Bengio) is a heuristic, and no unbiased "
        "estimate exists. The degrees of freedom are the number of folds of a division minus 1, "
        "so few folds have wide intervals. An interval may exceed the possible range of a score."
    )
    if problem.confounds:
        notes.append(
            f"Linear effects of the confounds ({', '.join(problem.confounds)}) were removed. Confounds that "
            "were not measured, and effects that are not linear, remain. Removing a confound also removes "
            "what the trait and the confound share: without --confounds, the same analysis shows how much "
            "that is. A trait that is found without and lost with confounds may be explained by them, but "
            "variance that both share, and a loss of power, have the same result."
        )
    if "continuous" in kinds:
        notes.append(
            "r is a correlation over participants, in the test folds. It is not the accuracy of the "
            "prediction for a single participant: predictions with a high r may still be far from the "
            "measured values. See R² and MAE, which has the unit of the target. R² is below 0 if the mean "
            "of the training participants predicts better."
        )
    if "categorical" in kinds:
        notes.append(
            "By chance, AUC is 0.5 and balanced accuracy is 1 / (number of categories), whatever the sizes "
            "of the categories."
        )
    if any(item.is_predicted for item in features):
        notes.append(
            "Predicted maps are computed from the resting-state data. They hold no information about a "
            "participant beyond these data, although a simple model may find it more easily in the maps: "
            "compare them with the connectome."
        )
    if any(item.is_kernel for item in features) and settings.combat:
        notes.append("Maps were not harmonised by ComBat. Differences between sites remain in them.")
    n_test = min(int(np.bincount(row).min()) for result in results for row in result.problem.folds.numbers)
    if n_test < SMALL_FOLD:
        notes.append(
            f"The smallest test fold has {n_test} participants. Scores of such folds vary much: prefer the "
            "mean over repeats, and read the intervals."
        )
    if any(PUBLISHED in result.setups for result in results):
        notes.append(
            "The published set-up is shown for comparison. Conclusions should rest on the nested "
            "cross-validation."
        )
    return notes
