"""Results of the analyses of a target, from which tables and pages are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bids_deeptaskgen.biomarkers.models.baselines import predict_mean
from bids_deeptaskgen.biomarkers.problem import (
    Features,
    KernelFeatures,
    PermutationTest,
    Predictions,
    Problem,
)
from bids_deeptaskgen.biomarkers.results.scores import BASELINES, CONFOUNDS, MEAN, NESTED

Row = dict[str, Any]


class FeatureSet(NamedTuple):
    """Description of features.

    Attributes
    ----------
    name : str
    n_features : int
        Number of columns, or of voxels times contrasts.
    is_kernel : bool
        Whether the features are maps, which are known by their products only.
    description : str
    is_predicted : bool
        Whether the features are maps that were predicted from resting-state data, or values of such maps.
    """

    name: str
    n_features: int
    is_kernel: bool = False
    description: str = ""
    is_predicted: bool = False


def describe_features(features: Features, *, is_predicted: bool = False) -> FeatureSet:
    """Describe features, without their values.

    Parameters
    ----------
    features : TableFeatures or KernelFeatures
    is_predicted : bool
        Whether they are maps that were predicted from resting-state data, or values of such maps.

    Returns
    -------
    FeatureSet
    """
    is_kernel = isinstance(features, KernelFeatures)
    return FeatureSet(features.name, features.n_features, is_kernel, features.description, is_predicted)


@dataclass(frozen=True)
class TargetResult:
    """Predictions and tests of a target.

    Attributes
    ----------
    problem : Problem
        Of the set-up ``nested``.
    features : sequence of FeatureSet
        Compared feature sets, in order.
    predictions : dict of (str, str) to Predictions
        By set-up and features: names of feature sets, and ``confounds`` (the confounds alone) if there are
        confounds. The baseline ``mean`` follows from the folds.
    tests : dict of (str, str) to PermutationTest
        By set-up and features.
    learning_curve : sequence of dict
        Rows of ``learning_curve.tsv``.
    published : Problem or None
        Of the published set-up: the same target and participants with its folds, and without confounds.
    classifier : str
        ``logistic`` or ``ridge``; empty for a continuous target.

    Raises
    ------
    ValueError
        If there are confounds without predictions from the confounds alone, or predictions of the published
        set-up without its folds.
    """

    problem: Problem
    features: Sequence[FeatureSet]
    predictions: Mapping[tuple[str, str], Predictions]
    tests: Mapping[tuple[str, str], PermutationTest] = field(default_factory=dict)
    learning_curve: Sequence[Row] = ()
    published: Problem | None = None
    classifier: str = ""

    def __post_init__(self) -> None:
        if self.problem.confounds and (NESTED, CONFOUNDS) not in self.predictions:
            message = f"`predictions` lacks those of the confounds alone: ({NESTED!r}, {CONFOUNDS!r})."
            raise ValueError(message)
        if self.published is None and any(setup != NESTED for setup in self.setups):
            message = "`published` is None, but `predictions` has a set-up that needs its folds."
            raise ValueError(message)

    @property
    def setups(self) -> list[str]:
        """Return the names of the set-ups, in order."""
        return list(dict.fromkeys(setup for setup, _ in self.predictions))

    def problem_of(self, setup: str) -> Problem:
        """Return the problem of a set-up.

        Parameters
        ----------
        setup : str

        Returns
        -------
        Problem
        """
        return self.problem if setup == NESTED or self.published is None else self.published

    def predictions_of(self, setup: str) -> dict[str, Predictions]:
        """Collect the predictions of a set-up, baselines first.

        Parameters
        ----------
        setup : str

        Returns
        -------
        dict of str to Predictions
            By ``mean``, ``confounds`` (if there are confounds), and the names of the feature sets.
        """
        by_name = {name: value for (key, name), value in self.predictions.items() if key == setup}
        by_name.setdefault(MEAN, predict_mean(self.problem_of(setup)))
        names = [*BASELINES, *(item.name for item in self.features)]
        return {name: by_name[name] for name in names if name in by_name}

    def reference_of(self, setup: str) -> str:
        """Return the baseline from which gains are computed.

        Parameters
        ----------
        setup : str

        Returns
        -------
        str
            ``confounds``, or ``mean`` without confounds.
        """
        return CONFOUNDS if (setup, CONFOUNDS) in self.predictions else MEAN
