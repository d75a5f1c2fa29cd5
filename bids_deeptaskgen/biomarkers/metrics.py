"""Metrics of the predictions of a test fold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bids_deeptaskgen.biomarkers.problem import Floats, Integers

_TOLERANCE = 1e-12


class FoldValues(NamedTuple):
    """Measured and predicted target of the test participants of a fold.

    Attributes
    ----------
    measured : float64 array of shape (n_test,)
        Numbers, or the numbers of categories.
    predicted : float64 array of shape (n_test, n_columns)
        Predicted numbers, or a score of each category.
    training_mean : float
        Mean of the measured target over the training participants.
    residual_target, residual_prediction : float64 array of shape (n_test,), or None
        Target without the part that the confounds predict, and the prediction of it.
    """

    measured: Floats
    predicted: Floats
    training_mean: float
    residual_target: Floats | None = None
    residual_prediction: Floats | None = None


def correlate(fold: FoldValues) -> float:
    """Correlate measured and predicted values (Pearson).

    Parameters
    ----------
    fold : FoldValues

    Returns
    -------
    float
        NaN if the measured or the predicted values are constant.
    """
    return _pearson(fold.measured, fold.predicted[:, 0])


def correlate_residuals(fold: FoldValues) -> float:
    """Correlate the residual target with its prediction (Pearson).

    Parameters
    ----------
    fold : FoldValues

    Returns
    -------
    float
        NaN if one of them is constant, or the model has no residual prediction.
    """
    if fold.residual_target is None or fold.residual_prediction is None:
        return float("nan")
    return _pearson(fold.residual_target, fold.residual_prediction)


def explain_variance(fold: FoldValues) -> float:
    """Compute R2: 1 - sum of squared errors / sum of squares around the mean of the training participants.

    The reference is what was known before the test, so the prediction of the training mean has R2 = 0.

    Parameters
    ----------
    fold : FoldValues

    Returns
    -------
    float
        NaN if all measured values equal the training mean.
    """
    total = float(np.square(fold.measured - fold.training_mean).sum())
    errors = float(np.square(fold.measured - fold.predicted[:, 0]).sum())
    return 1 - errors / total if total > 0 else float("nan")


def average_error(fold: FoldValues) -> float:
    """Average the absolute errors (MAE), in units of the target.

    Parameters
    ----------
    fold : FoldValues

    Returns
    -------
    float
    """
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(fold.measured, fold.predicted[:, 0]))


def average_recall(fold: FoldValues) -> float:
    """Average the recall over the categories of the test participants (balanced accuracy).

    Parameters
    ----------
    fold : FoldValues

    Returns
    -------
    float
        NaN if all test participants have the same category.
    """
    from sklearn.metrics import recall_score

    levels = np.unique(fold.measured)
    if len(levels) < 2:
        return float("nan")
    predicted_levels = fold.predicted.argmax(axis=1)
    return float(
        recall_score(fold.measured, predicted_levels, labels=levels, average="macro", zero_division=0)
    )


def area_under_curve(fold: FoldValues) -> float:
    """Compute the area under the ROC curve (AUC); for more than two categories, the mean of one-vs-rest.

    Parameters
    ----------
    fold : FoldValues

    Returns
    -------
    float
        Over the categories that some test participants have; NaN if all have the same one.
    """
    from sklearn.metrics import roc_auc_score

    areas = [
        roc_auc_score(is_level, values)
        for is_level, values in level_scores(fold).values()
        if is_level.any() and not is_level.all()
    ]
    return float(np.mean(areas)) if areas else float("nan")


def level_scores(fold: FoldValues) -> dict[int, tuple[Integers, Floats]]:
    """Return who has a category, and the scores that rank participants, of each ROC curve.

    Parameters
    ----------
    fold : FoldValues

    Returns
    -------
    dict of int to (array of shape (n_test,), array of shape (n_test,))
        By category: the last of two, by the difference of their scores; or each of more.
    """
    n_levels = fold.predicted.shape[1]
    if n_levels == 2:
        return {1: (fold.measured == 1, fold.predicted[:, 1] - fold.predicted[:, 0])}
    return {level: (fold.measured == level, fold.predicted[:, level]) for level in range(n_levels)}


def _pearson(x: Floats, y: Floats) -> float:
    if is_constant(x) or is_constant(y):
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def is_constant(values: Floats) -> bool:
    """Return whether values are equal but for rounding errors."""
    return bool(np.ptp(values) <= _TOLERANCE * np.abs(values).max())


@dataclass(frozen=True)
class Score:
    """Score of predictions.

    Attributes
    ----------
    label : str
        Name on axes and in headings.
    compute : function
        Score of a `FoldValues`.
    is_correlation : bool
        Whether constant predictions of a feature set count as 0: they show no association, and leaving out
        their folds would favour the model. Baselines have no such score (NaN).
    """

    label: str
    compute: Callable[[FoldValues], float]
    is_correlation: bool = False


# Scores of each kind of target, by their names in tables; the first is the main score.
SCORES: Mapping[str, Mapping[str, Score]] = {
    "continuous": {
        "partial_r": Score("partial r", correlate_residuals, is_correlation=True),
        "r": Score("r", correlate, is_correlation=True),
        "R2": Score("R²", explain_variance),
        "MAE": Score("MAE", average_error),
    },
    "categorical": {
        "AUC": Score("AUC", area_under_curve),
        "balanced_accuracy": Score("balanced accuracy", average_recall),
    },
}
