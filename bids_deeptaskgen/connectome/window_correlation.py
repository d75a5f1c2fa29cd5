"""Correlations of a window from its sums, which `connectome.accumulator` defines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# Residual variance below this share of a voxel's variance is rounding error.
RESIDUAL_VARIANCE_FLOOR = 1e-8


@dataclass(frozen=True)
class WindowAlgebra:
    """Terms of the correlations of a window that do not depend on the voxels.

    Attributes
    ----------
    n : int
        Number of volumes.
    roi_scale : array of shape (n_rois, 1)
        Inverse norm of each cleaned, demeaned ROI series; 0 for a flat series.
    roi_loadings : array of shape (n_rois, rank)
        Loadings of the ROI series on the basis; the constant includes the window's mean.
    factors : array of shape (n_rois + rank + 1, rank)
        Multiplied by a voxel's loadings: products of cleaned ROI series and basis, products of the basis
        with itself, and sums of the basis.
    constant : float
        First column of the basis.
    """

    n: int
    roi_scale: Matrix
    roi_loadings: Matrix
    factors: Matrix
    constant: float

    @classmethod
    def from_series(cls, rois: Matrix, basis: Matrix, rows: slice | NDArray[np.intp]) -> "WindowAlgebra":
        """Compute the terms of a window.

        Parameters
        ----------
        rois : array of shape (n_kept, n_rois)
            ROI series before cleaning.
        basis : array of shape (n_kept, rank)
            Orthonormal regressors; the first column is constant.
        rows : slice or integer array
            Rows of the window; rows of a resample can be repeated.

        Returns
        -------
        WindowAlgebra
        """
        loadings = basis.T @ rois
        residuals = rois[rows] - basis[rows] @ loadings
        mean = residuals.mean(axis=0)
        residuals -= mean
        window_basis, constant = basis[rows], basis[0, 0]
        # clean'(Y_w - Q_w L) with clean = T_w - Q_w Q'T - mean: the last two terms share Q_w'Y_w.
        loadings[0] += mean / constant
        # If the regressors fully explain an ROI, its residual is rounding error.
        squares = (residuals**2).sum(axis=0)
        is_flat = squares <= RESIDUAL_VARIANCE_FLOOR * rois[rows].var(axis=0) * len(window_basis)
        scale = np.where(is_flat, 0.0, 1 / np.sqrt(np.where(is_flat, 1.0, squares)))[:, None]
        factors = np.vstack(
            [residuals.T @ window_basis, window_basis.T @ window_basis, window_basis.sum(axis=0)]
        )
        return cls(len(window_basis), scale, np.ascontiguousarray(loadings.T), factors, float(constant))

    def correlations(
        self, sums: Matrix, squares: Matrix, loadings: Matrix, has_signal: NDArray[np.bool_]
    ) -> Matrix:
        """Correlate some voxels with the ROIs.

        Parameters
        ----------
        sums : array of shape (n_rois + rank, n)
            Products of the window.
        squares : array of shape (n,)
            Sums of squares of the window, before cleaning.
        loadings : array of shape (rank, n)
            Loadings of the voxels on the basis, over the whole run.
        has_signal : boolean array of shape (n,)
            Whether a voxel has signal; without, its correlations are 0.

        Returns
        -------
        array of shape (n_rois, n)
        """
        n_rois = len(self.roi_scale)
        basis_products = sums[n_rois:]
        weighted_loadings = self.factors @ loadings
        products = sums[:n_rois] - self.roi_loadings @ basis_products
        products -= weighted_loadings[:n_rois]
        # For (Y_w - Q_w L): the sums, and the squares about the mean.
        residual_sums = basis_products[0] / self.constant - weighted_loadings[-1]
        residual_squares = squares + np.einsum(
            "qv,qv->v", loadings, weighted_loadings[n_rois:-1] - 2 * basis_products
        )
        residual_squares -= residual_sums**2 / self.n
        has_signal = has_signal & (residual_squares > RESIDUAL_VARIANCE_FLOOR * squares)
        products *= np.where(has_signal, 1 / np.sqrt(np.where(has_signal, residual_squares, 1.0)), 0.0)
        products *= self.roi_scale
        return products
