"""Amplitude of predicted maps: slope of measured on predicted values, and ratio of standard deviations."""

import numpy as np

from bids_deeptaskgen.stats.map_rows import Maps, Rows, Scores, has_variance, row_blocks, select_rows


def amplitudes(
    measured: Maps, predicted: Maps | Rows, average: Maps | Rows | None = None
) -> tuple[Scores, Scores]:
    """Compare the amplitude of each participant's predicted map with that of the measured map, over voxels.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps.
    predicted : array of shape (n_participants, n_voxels) or (n_voxels,)
        One prediction per participant, or one for all.
    average : array of shape (n_participants, n_voxels) or (n_voxels,), optional
        Group average to subtract from both maps first; by default nothing.

    Returns
    -------
    slope : array of shape (n_participants,)
        Slope of the least-squares line, with intercept, of measured on predicted values: their covariance
        over the variance of the predicted values. 1 if the predicted differences between voxels are as large
        as they should be, below 1 if they are too large. NaN if a map is constant or not finite.
    sd_ratio : array of shape (n_participants,)
        SD of the predicted over SD of the measured values. Slope times SD ratio is r.

    Examples
    --------
    >>> measured = np.array([[1.0, 2, 3, 4]])
    >>> slope, sd_ratio = amplitudes(measured, 2 * measured + 5)
    >>> slope.round(6), sd_ratio.round(6)
    (array([0.5]), array([2.]))
    """
    slope, sd_ratio = np.full((2, len(measured)), np.nan)
    for rows in row_blocks(len(measured)):
        x = np.asarray(measured[rows], np.float64)
        y = np.asarray(select_rows(predicted, rows), np.float64)
        if average is not None:
            base = np.asarray(select_rows(average, rows), np.float64)
            x, y = x - base, y - base
        y = np.broadcast_to(y, x.shape)
        is_valid = has_variance(x) & has_variance(y)
        x, y = x[is_valid], y[is_valid]
        x = x - x.mean(axis=1, keepdims=True)
        y = y - y.mean(axis=1, keepdims=True)
        squares_x, squares_y = np.einsum("pv,pv->p", x, x), np.einsum("pv,pv->p", y, y)
        participants = np.flatnonzero(is_valid) + rows.start
        slope[participants] = np.einsum("pv,pv->p", x, y) / squares_y
        sd_ratio[participants] = np.sqrt(squares_y / squares_x)
    return slope, sd_ratio
