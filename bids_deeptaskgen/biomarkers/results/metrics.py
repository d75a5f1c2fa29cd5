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


@dataclass(frozen=True, kw_only=True)
class Score:
    """Score of predictions, and its place in results and texts.

    Attributes
    ----------
    label : str
        Name on axes and in headings.
    compute : function
        Score of a `FoldValues`.
    phrase : str
        Name and definition within a sentence of the methods text.
    remark : str
        Sentence for the readers of the table of scores; empty without.
    is_main : bool
        Whether feature sets are compared by this score.
    is_published : bool
        Whether it is the main score of the published set-up.
    is_judged : bool
        Whether its gain over the baseline decides the verdict. Larger values must be better.
    is_drawn : bool
        Whether it has a panel in the figure of scores.
    is_correlation : bool
        Whether constant predictions of a feature set count as 0: they show no association, and leaving out
        their folds would favour the model. Baselines have no such score (NaN).
    is_residual : bool
        Whether it is a score of residual target and residual prediction. Then it has no gain, and that of
        the confounds is 0.
    has_unit : bool
        Whether it has the unit of the target, so that the number of digits depends on its size.
    substitute : str
        Score that it equals without confounds, and that takes its place there; empty if it stays.
    """

    label: str
    compute: Callable[[FoldValues], float]
    phrase: str
    remark: str = ""
    is_main: bool = False
    is_published: bool = False
    is_judged: bool = False
    is_drawn: bool = False
    is_correlation: bool = False
    is_residual: bool = False
    has_unit: bool = False
    substitute: str = ""


# Scores of each kind of target, by their names in tables. One of each kind is the main score, that of the
# published set-up, and the one that is judged.
SCORES: Mapping[str, Mapping[str, Score]] = {
    "continuous": {
        "partial_r": Score(
            label="partial r",
            compute=correlate_residuals,
            phrase="the partial r (correlation of the residual trait and its prediction from the residual "
            "features)",
            remark="Partial r: correlation of what the confounds leave of the target with its prediction "
            "from what they leave of the features; the other scores are those of confounds and features "
            "together.",
            is_main=True,
            is_drawn=True,
            is_correlation=True,
            is_residual=True,
            substitute="r",
        ),
        "r": Score(
            label="r",
            compute=correlate,
            phrase="Pearson's r",
            remark="r of constant predictions is n/a.",
            is_published=True,
            is_correlation=True,
        ),
        "R2": Score(
            label="R²",
            compute=explain_variance,
            phrase="R² (1 - sum of squared errors / sum of squares around the mean of the training "
            "participants)",
            remark="R² of the mean only is 0.",
            is_judged=True,
            is_drawn=True,
        ),
        "MAE": Score(
            label="MAE",
            compute=average_error,
            phrase="the mean absolute error (MAE)",
            remark="MAE has the unit of the target.",
            has_unit=True,
        ),
    },
    "categorical": {
        "AUC": Score(
            label="AUC",
            compute=area_under_curve,
            phrase="the area under the ROC curve (AUC; mean of one-vs-rest for more than two)",
            is_main=True,
            is_judged=True,
            is_drawn=True,
        ),
        "balanced_accuracy": Score(
            label="balanced accuracy",
            compute=average_recall,
            phrase="balanced accuracy",
            is_published=True,
            is_drawn=True,
        ),
    },
}


def reported_scores(kind: str, *, has_confounds: bool) -> list[str]:
    """Return the names of the scores that pages and texts report.

    Parameters
    ----------
    kind : {"continuous", "categorical"}
    has_confounds : bool
        Whether confounds were removed.

    Returns
    -------
    list of str
        Without confounds, a score with a substitute is not among them.

    Examples
    --------
    >>> reported_scores("continuous", has_confounds=False)
    ['r', 'R2', 'MAE']
    """
    return [name for name, score in SCORES[kind].items() if has_confounds or not score.substitute]


def drawn_scores(kind: str, *, has_confounds: bool) -> list[str]:
    """Return the names of the scores that have a panel.

    Parameters
    ----------
    kind : {"continuous", "categorical"}
    has_confounds : bool
        Whether confounds were removed.

    Returns
    -------
    list of str

    Examples
    --------
    >>> drawn_scores("continuous", has_confounds=False)
    ['r', 'R2']
    """
    names = (
        name if has_confounds else score.substitute or name
        for name, score in SCORES[kind].items()
        if score.is_drawn
    )
    return list(dict.fromkeys(names))


def judged_score(kind: str) -> str:
    """Return the name of the score whose gain over the baseline decides the verdict.

    Parameters
    ----------
    kind : {"continuous", "categorical"}

    Returns
    -------
    str
    """
    return next(name for name, score in SCORES[kind].items() if score.is_judged)
