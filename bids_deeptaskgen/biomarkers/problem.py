"""Data of one prediction problem: target, confounds, families and folds of the same participants."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

# Fewer participants cannot be divided into folds that say anything.
MIN_PARTICIPANTS = 20
# Inner folds, where the outer folds cannot serve as such.
N_INNER_FOLDS = 5
# Statistics that differ by less are equal.
_ROUNDING = 1e-8


@dataclass(frozen=True)
class Target:
    """Trait to predict.

    Attributes
    ----------
    name : str
        Column of the table of participants.
    kind : {"continuous", "categorical"}
    values : float64 array of shape (n_participants,)
        Numbers, or the number of the category (from 0).
    levels : tuple of str
        Categories in order; empty for a continuous target.
    """

    name: str
    kind: Literal["continuous", "categorical"]
    values: Floats
    levels: tuple[str, ...] = ()

    @property
    def columns(self) -> Floats:
        """Return the target as columns for linear models, of shape (n_participants, n_columns).

        The numbers themselves; for two categories, 0 and 1; for more, an indicator of each category.
        """
        if len(self.levels) > 2:
            return np.asarray(self.values[:, None] == np.arange(len(self.levels)), np.float64)
        return self.values[:, None].astype(np.float64)


class Fold(NamedTuple):
    """Training and test participants of a fold.

    Attributes
    ----------
    repeat, number : int
    train, test : integer array
        Numbers of the participants, sorted.
    inner : tuple of integer array
        Validation participants of each inner fold: they divide `train`, and families are whole. The inner
        training participants are the others of `train`.
    """

    repeat: int
    number: int
    train: Integers
    test: Integers
    inner: tuple[Integers, ...]


@dataclass(frozen=True)
class Folds:
    """Division of participants into folds, several times.

    Attributes
    ----------
    numbers : integer array of shape (n_repeats, n_participants)
        Fold in which a participant is tested, from 0.
    families : integer array of shape (n_participants,)
        Number of each participant's family.
    method : str
        Description for the methods text, such as "stratified by the target in 5 bins".
    seed : int
        Seed of inner folds that are not the other outer folds.
    n_train : int or None
        Largest number of training participants of a fold, for learning curves; None for all.
    draws : integer array of shape (n_folds, n_families) or None
        Order in which the families of each fold's training participants are drawn, as far as they fit into
        `n_train`.
    """

    numbers: Integers
    families: Integers
    method: str = ""
    seed: int = 0
    n_train: int | None = None
    draws: Integers | None = None

    @property
    def n_repeats(self) -> int:
        """Return the number of divisions."""
        return len(self.numbers)

    @property
    def n_folds(self) -> int:
        """Return the number of folds of a division."""
        return int(self.numbers.max()) + 1

    def __iter__(self) -> Iterator[Fold]:
        """Yield all folds, repeat by repeat.

        The inner folds of a fold are the remaining outer folds if there are at least 3 folds, and otherwise
        5 random, family-wise folds of the training participants. Numbers without participants are skipped.

        Raises
        ------
        ValueError
            If a fold has fewer than two families of training participants.
        """
        for repeat, number, train in self.list_training_sets():
            numbers = self.numbers[repeat]
            labels = np.unique(numbers)
            inner = [train[numbers[train] == fold] for fold in labels[labels != number]]
            inner = [rows for rows in inner if len(rows)]
            if len(labels) < 3 or len(inner) < 2:
                inner = self._divide(train, repeat, number)
            yield Fold(repeat, number, train, np.flatnonzero(numbers == number), tuple(inner))

    def list_training_sets(self) -> Iterator[tuple[int, int, Integers]]:
        """Yield the training participants of all folds, which need not be divisible into inner folds.

        Yields
        ------
        repeat, number : int
        train : integer array
            Numbers of the participants, sorted.
        """
        for repeat, numbers in enumerate(self.numbers):
            for number in np.unique(numbers).tolist():
                yield repeat, number, self._draw(number, np.flatnonzero(numbers != number))

    def reduce(self, n_train: int, rng: np.random.Generator) -> "Folds":
        """Restrict the training participants of the first repeat, for a point of a learning curve.

        Parameters
        ----------
        n_train : int
            Largest number of training participants of a fold.
        rng : numpy.random.Generator
            Families are drawn at random for each fold. With generators of the same seed, the order is the
            same for all `n_train`: if families have one size, smaller samples are parts of larger ones. If
            their sizes differ, a small sample may have a family for which a larger one has no place.

        Returns
        -------
        Folds
            The first repeat with the same test participants. Each fold is trained with the families that
            are drawn first and have no more than `n_train` members together; a family that would exceed
            `n_train` is skipped. Folds may have few families, or none, if families are large.
        """
        n_families = int(self.families.max()) + 1
        draws = np.array([rng.permutation(n_families) for _ in range(int(self.numbers[0].max()) + 1)])
        return replace(self, numbers=self.numbers[:1], n_train=n_train, draws=draws)

    def _draw(self, number: int, train: Integers) -> Integers:
        """Return the training participants of a fold that belong to the families drawn first."""
        if self.n_train is None or self.draws is None:
            return train
        sizes = np.bincount(self.families[train], minlength=self.draws.shape[1])
        order = self.draws[number]
        is_drawn = np.zeros(self.draws.shape[1], np.bool_)
        n_drawn = 0
        for family, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
            if n_drawn + size <= self.n_train:
                is_drawn[family] = True
                n_drawn += size
        return train[is_drawn[self.families[train]]]

    def _divide(self, train: Integers, repeat: int, number: int) -> list[Integers]:
        """Divide training participants into random folds of whole families."""
        families, members = np.unique(self.families[train], return_inverse=True)
        if len(families) < 2:
            message = (
                f"Fold {number} of repeat {repeat} has {len(train)} training participants of {len(families)} "
                "families, which cannot be divided into inner folds. Use more participants or larger samples."
            )
            raise ValueError(message)
        rng = np.random.default_rng([self.seed, repeat, number])
        n_folds = min(N_INNER_FOLDS, len(families))
        folds = rng.permutation(np.arange(len(families)) % n_folds)
        return [train[folds[members] == fold] for fold in range(n_folds)]


@dataclass(frozen=True)
class Problem:
    """Target, confounds, families and folds of the participants of one analysis.

    Attributes
    ----------
    target : Target
    participants : tuple of str
        Sorted labels without ``sub-``.
    families : integer array of shape (n_participants,)
        Number of each participant's family.
    design : float64 array of shape (n_participants, 1 + n_confound_columns)
        Ones, then confounds: numbers with mean 0 and SD 1, and an indicator of each category. The columns
        depend on each other, so that no category is a reference.
    confounds : tuple of str
        Columns of tables that the confounds come from; empty without confounds.
    folds : Folds
    sites : tuple of str or None
        Site of each participant for ComBat.
    family_column : str
        Column of tables that the families come from; empty if there is none, and participants are taken to
        be unrelated.
    """

    target: Target
    participants: tuple[str, ...]
    families: Integers
    design: Floats
    confounds: tuple[str, ...]
    folds: Folds
    sites: tuple[str, ...] | None = None
    family_column: str = ""

    @property
    def n_participants(self) -> int:
        """Return the number of participants."""
        return len(self.participants)

    @property
    def has_relatives(self) -> bool:
        """Return whether two participants are of the same family."""
        return len(np.unique(self.families)) < self.n_participants


@dataclass(frozen=True)
class TableFeatures:
    """Features that are scaled within the training folds.

    Attributes
    ----------
    name : str
    participants : tuple of str
        Labels without ``sub-`` of the rows.
    columns : tuple of str
    values : float32 array of shape (n_participants, n_columns)
        Without missing values.
    description : str
        For facts of the page, such as "ROI x ROI connectome, 1,225 edges, of STORE".
    """

    name: str
    participants: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float32]
    description: str = ""

    @property
    def n_features(self) -> int:
        """Return the number of columns."""
        return len(self.columns)


@dataclass(frozen=True)
class KernelFeatures:
    """Features that are known by their products only: maps.

    Attributes
    ----------
    name : str
    participants : tuple of str
        Labels without ``sub-`` of rows and columns.
    kernel : float32 array of shape (n_participants, n_participants)
        Sum over contrasts of the products of maps; each contrast has a fixed scale, such that the mean of its
        diagonal over participants is 1 after the mean map is subtracted.
    unscaled_kernel : float32 array of the same shape or None
        The same without scales, for the published set-up with several contrasts; None if it is not needed.
        See `unscaled`.
    n_features : int
        Number of voxels times number of contrasts.
    description : str
        For facts of the page.
    scale : float or None
        For one contrast: mean diagonal of the products of maps, by which `kernel` was divided.
    """

    name: str
    participants: tuple[str, ...]
    kernel: NDArray[np.float32]
    unscaled_kernel: NDArray[np.float32] | None
    n_features: int
    description: str = ""
    scale: float | None = None

    @property
    def unscaled(self) -> tuple[NDArray[np.float32], float]:
        """Return a kernel and a factor, whose product is the sum of products of maps without scales.

        A kernel of 20,000 participants has 1.6 GB, so the product is not stored. Ridge regression with the
        penalty alpha on the product is that with alpha / factor on the kernel.

        Raises
        ------
        ValueError
            If there are several contrasts, and their sum without scales was not computed.
        """
        if self.unscaled_kernel is not None:
            return self.unscaled_kernel, 1.0
        if self.scale is None:
            message = f"the kernel of {self.name} was computed for scaled maps only"
            raise ValueError(message)
        return self.kernel, self.scale


Features = TableFeatures | KernelFeatures


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold predictions of a model.

    Attributes
    ----------
    values : float64 array of shape (n_repeats, n_participants, n_columns)
        Predicted target of each participant, from the fold in which the participant is tested. Columns of a
        continuous target: 1; of a categorical one: a score of each category, larger for likelier ones, and
        comparable with 0 (the category with the largest score is predicted).
    residuals : float64 array of the same shape, or None
        Part of `values` that the features add to the confounds, for linear models.
    targets : float64 array of shape (n_repeats, n_participants, n_target_columns) or None
        Target minus its prediction from the confounds of the training participants, for linear models.
    penalties : float64 array of shape (n_repeats, n_folds) or None
        Chosen penalties.
    """

    values: Floats
    residuals: Floats | None = None
    targets: Floats | None = None
    penalties: Floats | None = None


@dataclass(frozen=True)
class PermutationTest:
    """Statistic of the target and of permuted targets.

    Attributes
    ----------
    statistic : float
        Mean over repeats, folds and target columns of the correlation of residual target and residual
        prediction; a fold whose predictions are constant counts as 0.
    permuted : float64 array of shape (n_permutations,)
    """

    statistic: float
    permuted: Floats

    @property
    def p(self) -> float:
        """Return (b + 1) / (n + 1), where b permutations reach the statistic; NaN without permutations."""
        if not len(self.permuted):
            return float("nan")
        # A permutation that changes nothing differs by rounding errors, and must count.
        limit = self.statistic - _ROUNDING * max(1.0, abs(self.statistic))
        return (1 + int((self.permuted >= limit).sum())) / (1 + len(self.permuted))
