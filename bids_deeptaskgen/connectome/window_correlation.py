"""From the sums of a window to its correlations; what the sums are is told in `connectome`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# What a regression leaves of a voxel below this share of its variance is rounding.
RESIDUAL_VARIANCE_FLOOR = 1e-8


@dataclass(frozen=True)
class WindowAlgebra:
    """What the correlations of a window need beside the sums of its voxels.

    Attributes
    ----------
    n : int
        Volumes.
    roi_scale : array of shape (n_rois, 1)
        One over the length of each cleaned ROI series about its mean; 0 where it is flat.
    roi_loadings : array of shape (n_rois, rank)
        Of the ROI series on the basis, the window's mean among the constant.
    factors : array of shape (n_rois + rank + 1, rank)
        What is multiplied with a voxel's loadings: the cleaned ROI series times the basis, the basis times
        itself, and its sums.
    constant : float
        First column of the basis.
    """

    n: int
    roi_scale: Matrix
    roi_loadings: Matrix
    factors: Matrix
    constant: float

    @classmethod
    def of(cls, rois: Matrix, basis: Matrix, rows: slice) -> "WindowAlgebra":
        """Work it out of the ROI series (n_kept, n_rois), the basis (n_kept, rank), and a window's rows."""
        loadings = basis.T @ rois
        clean = rois[rows] - basis[rows] @ loadings
        mean = clean.mean(axis=0)
        clean -= mean
        here, constant = basis[rows], basis[0, 0]
        # clean'(Y_w - Q_w L) with clean = T_w - Q_w Q'T - mean: the last two terms share Q_w'Y_w.
        loadings[0] += mean / constant
        # An ROI that the regressors explain wholly has no correlations, only rounding.
        squares = (clean**2).sum(axis=0)
        flat = squares <= RESIDUAL_VARIANCE_FLOOR * rois[rows].var(axis=0) * len(here)
        scale = np.where(flat, 0.0, 1 / np.sqrt(np.where(flat, 1.0, squares)))[:, None]
        factors = np.vstack([clean.T @ here, here.T @ here, here.sum(axis=0)])
        return cls(len(here), scale, np.ascontiguousarray(loadings.T), factors, float(constant))

    def correlations(
        self, sums: Matrix, squares: Matrix, loadings: Matrix, usable: NDArray[np.bool_]
    ) -> Matrix:
        """Correlate some voxels with the ROIs: (n_rois, n).

        Parameters
        ----------
        sums : array of shape (n_rois + rank, n)
            Products of the window.
        squares : array of shape (n,)
            Sums of squares of the window, before cleaning.
        loadings : array of shape (rank, n)
            Of the voxels on the basis, over the whole run.
        usable : boolean array of shape (n,)
            Which of them have a signal; the others get 0.
        """
        n_rois = len(self.roi_scale)
        inner = sums[n_rois:]
        of_loadings = self.factors @ loadings
        products = sums[:n_rois] - self.roi_loadings @ inner
        products -= of_loadings[:n_rois]
        # of (Y_w - Q_w L): its sums, and its squares about their mean
        off_mean = inner[0] / self.constant - of_loadings[-1]
        cleaned = squares + np.einsum("qv,qv->v", loadings, of_loadings[n_rois:-1] - 2 * inner)
        cleaned -= off_mean**2 / self.n
        usable = usable & (cleaned > RESIDUAL_VARIANCE_FLOOR * squares)
        products *= np.where(usable, 1 / np.sqrt(np.where(usable, cleaned, 1.0)), 0.0)
        products *= self.roi_scale
        return products
