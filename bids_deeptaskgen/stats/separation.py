"""Separation of the correlations with a participant's own prediction from those with others' predictions."""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.stats.identification import IdentificationScores

# Correlations are compared in units of the rounding of float32 products, so that equal maps tie.
_UNIT = 1e-6


def separate(matching: IdentificationScores) -> tuple[float, float]:
    """Compare the distributions of all correlations with self-predictions and with predictions of others.

    The correlations of all participants are pooled: the diagonal of the matrix against its other cells (Tavor
    et al. 2016, Science 352:216, compare them by the Kolmogorov-Smirnov test). Cells of a row or a column are
    not independent, so these are descriptions, not tests.

    Parameters
    ----------
    matching : IdentificationScores
        Correlations of each measured map with the predictions.

    Returns
    -------
    ks : float
        Kolmogorov-Smirnov D, the largest difference of the two distribution functions: 0 to 1.
    auc : float
        Probability that a random correlation with a self-prediction exceeds a random one with the prediction
        of another participant, ties counted half; 0.5 by chance. Both are NaN with fewer than two
        participants.
    """
    self_r = matching.self_r[np.isfinite(matching.self_r)]
    others_r = matching.pooled_others_r
    if len(self_r) < 2:
        return float("nan"), float("nan")
    if others_r is None:
        # One map for all: each correlation with a self-prediction is also that with all other predictions.
        return 0.0, 0.5
    return separation(self_r, others_r)


def separation(self_r: NDArray[np.floating], others_r: NDArray[np.floating]) -> tuple[float, float]:
    """Compute Kolmogorov-Smirnov D and the area under the ROC curve of two samples of correlations.

    Only the larger sample is sorted, which takes less time and memory than ranks of both: there may be
    millions of correlations with others.

    Parameters
    ----------
    self_r : array of shape (n_self,)
        Finite correlations with self-predictions; at least one.
    others_r : array of shape (n_others,)
        Finite correlations with predictions of others; at least one.

    Returns
    -------
    (float, float)
        D and AUC, see `separate`.

    Examples
    --------
    >>> separation(np.array([0.5, 0.7]), np.array([0.4, 0.6]))
    (0.5, 0.75)
    """
    x, y = (np.sort(np.rint(r / _UNIT).astype(np.int32)) for r in (self_r, others_r))
    # Both distribution functions just below and at the values of x. The function of x is constant between
    # them and the other one rises, so their largest difference is at one of these places.
    counts = [[np.searchsorted(sample, x, side) for sample in (x, y)] for side in ("left", "right")]
    d = max(np.abs(n_x / len(x) - n_y / len(y)).max() for n_x, n_y in counts)
    return float(d), float(sum(n_y.mean() for _, n_y in counts) / (2 * len(y)))
