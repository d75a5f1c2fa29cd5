"""Means and products of the deviations of connectomes and maps, from which ridge regressions are computed.

Participants are read twice: once for the means, once for the products. Nothing but the means (of every fold)
has the size of maps, so memory does not grow with the number of participants, apart from the small products.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Sums = NDArray[np.float64]
Labels = NDArray[np.intp]
# Returns a participant's connectome, (n_rois, n_voxels), and measured maps, (n_contrasts, n_voxels).
Load = Callable[[], tuple[Floats, Floats]]

# A contrast with fewer voxels than this share is not measured.
MIN_VOXELS = 0.5


@dataclass(frozen=True)
class Products:
    """Sums over voxels of products of deviations, for each parcel.

    Attributes
    ----------
    xx : array of shape (..., 1 + n_parcels, n_rois, n_rois)
        Products of connectivity; parcel 0 holds the voxels without a parcel.
    xy : array of shape (1 + n_parcels, n_rois, n_contrasts)
        Products of connectivity and maps.
    yy : array of shape (1 + n_parcels, n_contrasts)
        Squared maps.
    """

    xx: Sums
    xy: Sums
    yy: Sums


class Folds:
    """Participants that are divided into folds, and the means of those outside each fold.

    Parameters
    ----------
    participants : sequence of function
        Each reads the connectome and the maps of a participant; NaN where nothing was measured. A voxel
        whose connectivity is 0 with all ROIs has no signal.
    parcels : integer array of shape (n_voxels,)
        Parcel of each voxel from 1; 0 for none.
    folds : integer array of shape (n_participants,)
        Fold of each participant, from 0.
    """

    def __init__(self, participants: Sequence[Load], parcels: ArrayLike, folds: ArrayLike) -> None:
        self._participants = participants
        labels = np.asarray(parcels, np.intp)
        self.folds = np.asarray(folds, np.intp)
        self.n_folds = int(self.folds.max()) + 1
        # Voxels of a parcel lie side by side, so that its products need no copy.
        self._order = np.argsort(labels, kind="stable")
        self._bounds = np.searchsorted(labels[self._order], np.arange(int(labels.max(initial=0)) + 2))
        self._means, self.is_measured = self._average()

    @property
    def n_rois(self) -> int:
        """Return the number of ROIs."""
        return self._n_rois

    @property
    def n_contrasts(self) -> int:
        """Return the number of contrasts."""
        return int(self.is_measured.shape[1])

    @property
    def n_parcels(self) -> int:
        """Return the number of parcels, without the voxels of none."""
        return len(self._bounds) - 2

    @cached_property
    def patterns(self) -> tuple[NDArray[np.bool_], Labels]:
        """Return the distinct sets of participants who share contrasts, and the set of each contrast.

        Returns
        -------
        boolean array of shape (n_patterns, n_participants)
        integer array of shape (n_contrasts,)
        """
        patterns, numbers = np.unique(self.is_measured.T, axis=0, return_inverse=True)
        return patterns, np.ravel(numbers)

    def means(self, fold: int) -> tuple[Floats, Floats]:
        """Return the means over the participants outside a fold.

        Parameters
        ----------
        fold : int
            Number of the fold; ``n_folds`` for the means over all participants.

        Returns
        -------
        connectome : array of shape (n_rois, n_voxels)
        maps : array of shape (n_contrasts, n_voxels)
            0 where no participant has a value.
        """
        means = np.empty_like(self._means[fold])
        means[:, self._order] = np.nan_to_num(self._means[fold])
        return means[: self._n_rois], means[self._n_rois :]

    def training_products(self) -> tuple[list[Products], list[Products]]:
        """Sum the products of the participants outside each fold, and of each participant alone.

        Returns
        -------
        training : list of Products, length n_folds + 1
            ``xx`` has a further first axis, one entry for each of `patterns`. The last item is of all
            participants.
        left_out : list of Products, length n_participants
            Deviations from the means over the participants outside the fold of the participant.
        """
        n_patterns = len(self.patterns[0])
        training = [self._zeros(n_patterns) for _ in range(self.n_folds + 1)]
        left_out, deviations = [], np.empty_like(self._means[0])
        for number, rows in enumerate(self._rows()):
            for fold, sums in enumerate(training):
                np.subtract(rows, self._means[fold], out=deviations)
                products = self._products(deviations)
                if fold == self.folds[number]:
                    left_out.append(products)
                    continue
                for pattern in np.flatnonzero(self.patterns[0][:, number]):
                    sums.xx[pattern] += products.xx
                sums.xy[:] += products.xy
                sums.yy[:] += products.yy
        return training, left_out

    def _zeros(self, n_patterns: int) -> Products:
        n_parcels, n_rois, n_contrasts = 1 + self.n_parcels, self._n_rois, self.n_contrasts
        return Products(
            np.zeros((n_patterns, n_parcels, n_rois, n_rois)),
            np.zeros((n_parcels, n_rois, n_contrasts)),
            np.zeros((n_parcels, n_contrasts)),
        )

    def _rows(self) -> Iterator[Floats]:
        """Yield connectivity and maps of each participant as rows of one array, voxels sorted by parcel."""
        for load in self._participants:
            connectome, maps = load()
            rows = np.concatenate([connectome, maps], dtype=np.float32)[:, self._order]
            rows[: len(connectome), ~rows[: len(connectome)].any(axis=0)] = np.nan
            rows[~np.isfinite(rows)] = np.nan
            self._n_rois = len(connectome)
            yield rows

    def _average(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Average the rows over the participants outside each fold, and over all, (n_folds + 1, ...)."""
        is_measured: list[NDArray[np.bool_]] = []
        means, counts = np.empty(0, np.float32), np.empty(0, np.uint16)
        for fold, rows in zip(self.folds, self._rows(), strict=True):
            if not is_measured:
                # Until all participants are read, row f holds the mean of fold f itself.
                means = np.zeros((self.n_folds + 1, *rows.shape), np.float32)
                counts = np.zeros((self.n_folds, *rows.shape), np.uint16)
            has_value = np.isfinite(rows)
            is_measured.append(has_value[self._n_rois :].mean(axis=1) > MIN_VOXELS)
            counts[fold] += has_value
            # A running mean does not lose precision as the number of participants grows.
            means[fold] += np.where(has_value, rows - means[fold], 0) / np.maximum(counts[fold], 1)
        total, n_all = np.zeros(means.shape[1:]), counts.sum(axis=0, dtype=np.int32)
        for mean, count in zip(means[:-1], counts, strict=True):
            total += np.multiply(mean, count, dtype=np.float64)
        # Without any value, 0 / 0 gives NaN, which marks the voxel.
        with np.errstate(invalid="ignore"):
            for mean, count in zip(means[:-1], counts, strict=True):
                mean[:] = (total - np.multiply(mean, count, dtype=np.float64)) / (n_all - count)
            means[-1] = total / n_all
        return means, np.array(is_measured)

    def _products(self, deviations: Floats) -> Products:
        """Sum the products over the voxels that have all values; sets the deviations of others to 0."""
        x, y = deviations[: self._n_rois], deviations[self._n_rois :]
        has_map = np.isfinite(y).mean(axis=1) > MIN_VOXELS
        y[~has_map] = 0
        deviations[:, ~np.isfinite(deviations).all(axis=0)] = 0
        products = np.empty((1 + self.n_parcels, len(deviations), len(deviations)))
        for parcel, (start, stop) in enumerate(zip(self._bounds[:-1], self._bounds[1:], strict=True)):
            block = deviations[:, start:stop]
            products[parcel] = block @ block.T
        n_rois = len(x)
        yy = np.diagonal(products[:, n_rois:, n_rois:], axis1=1, axis2=2)
        # Copies, since a view would keep the products of maps in memory.
        return Products(products[:, :n_rois, :n_rois].copy(), products[:, :n_rois, n_rois:].copy(), yy.copy())
