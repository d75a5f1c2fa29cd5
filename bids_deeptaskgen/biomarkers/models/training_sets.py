"""Sets of training participants of all folds and inner folds, each of which is fitted once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bids_deeptaskgen.biomarkers.problem import Features, Fold, Integers, Problem


class HeldOut(NamedTuple):
    """Participants that a model predicts in a fold.

    Attributes
    ----------
    fold : int
        Position of the fold in the sequence of folds.
    rows : integer array
        Numbers of the participants.
    is_test : bool
        Test participants of the fold, otherwise validation participants of an inner fold.
    """

    fold: int
    rows: Integers
    is_test: bool


class TrainingSet(NamedTuple):
    """Training participants and all participants whom their models predict.

    Attributes
    ----------
    train : integer array
        Sorted numbers of the participants.
    held_out : tuple of HeldOut
    """

    train: Integers
    held_out: tuple[HeldOut, ...]

    @property
    def rows(self) -> Integers:
        """Return the sorted numbers of all participants to predict."""
        return np.unique(np.concatenate([held_out.rows for held_out in self.held_out]))


def collect_training_sets(folds: Sequence[Fold]) -> list[TrainingSet]:
    """Collect the different training sets of folds and inner folds.

    If inner folds are outer folds, fold a without its inner fold b has the same training participants as
    fold b without its inner fold a, so that the number of fits is almost halved.

    Parameters
    ----------
    folds : sequence of Fold

    Returns
    -------
    list of TrainingSet
        In the order of first use.
    """
    sets: dict[bytes, tuple[Integers, list[HeldOut]]] = {}

    def add(train: Integers, held_out: HeldOut) -> None:
        sets.setdefault(train.tobytes(), (train, []))[1].append(held_out)

    for number, fold in enumerate(folds):
        add(fold.train, HeldOut(number, fold.test, is_test=True))
        for rows in fold.inner:
            add(np.setdiff1d(fold.train, rows), HeldOut(number, rows, is_test=False))
    return [TrainingSet(train, tuple(held_out)) for train, held_out in sets.values()]


def check_participants(problem: Problem, features: Features) -> None:
    """Check that features have the participants of a problem, in the same order.

    Parameters
    ----------
    problem : Problem
    features : TableFeatures or KernelFeatures

    Raises
    ------
    ValueError
        If they differ.
    """
    if features.participants != problem.participants:
        message = (
            f"`features` {features.name} has {len(features.participants)} participants, which differ from "
            f"the {problem.n_participants} of the target {problem.target.name} or have another order. Select "
            "the same participants first."
        )
        raise ValueError(message)
