"""Distribution of the training participants' ROI-by-ROI connectomes, for the typicality of others."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.connectome_files import ConnectomeFile
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.bids.output.roi_connectome import read_roi_matrix
from bids_deeptaskgen.connectome.typicality import (
    QUANTILES,
    ConnectomeDistribution,
    fisher_z,
    upper_triangle,
)
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.training.pairs import Pair

logger = logging.getLogger("bids_deeptaskgen")

Numbers = NDArray[np.float64]

# Each fold of the cross-validation needs a participant.
N_FOLDS = 10
MIN_PARTICIPANTS = N_FOLDS
# With a direction for every fifth participant, held-out participants of simulated cohorts of 10 to 1,000 have
# a median distance of 1.0 to 1.3; with more directions, variances are underestimated and distances grow (2.2
# for 50 directions of 50 participants). More than 50 directions hardly detect more.
N_PER_COMPONENT = 5
MAX_COMPONENTS = 50


@dataclass(frozen=True)
class RoiConnectomes:
    """ROI-by-ROI connectomes of training sessions.

    Attributes
    ----------
    values : array of shape (n_sessions, n_pairs)
        Fisher's z.
    subjects : tuple of str
        Participant of each session.
    groups : tuple of str
        Family of each session, or the participant if the family is not known.
    """

    values: Numbers
    subjects: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def n_participants(self) -> int:
        """Return the number of participants."""
        return len(set(self.subjects))


def training_distribution(pairs: Sequence[Pair], n_rois: int) -> ConnectomeDistribution | None:
    """Estimate the distribution from the ROI-by-ROI connectomes beside the saved connectomes.

    Parameters
    ----------
    pairs : sequence of Pair
        Sessions of the training participants.
    n_rois : int
        Number of ROIs of the model.

    Returns
    -------
    ConnectomeDistribution or None
        None if fewer than `MIN_PARTICIPANTS` unrelated participants have such a file; the log says why.
    """
    connectomes = read_roi_connectomes(pairs, n_rois)
    n_groups = len(set(connectomes.groups))
    if n_groups < MIN_PARTICIPANTS:
        logger.warning(
            "The model gets no distribution of ROI-by-ROI connectomes, so that it cannot rate how typical "
            "participants are: %d unrelated training participants have such a connectome, and %d are needed.",
            n_groups, MIN_PARTICIPANTS,
        )  # fmt: skip
        return None
    if not np.ptp(connectomes.values, axis=0).any():
        logger.warning(
            "The model gets no distribution of ROI-by-ROI connectomes: those of the training participants "
            "are equal."
        )
        return None
    return fit_distribution(connectomes)


def read_roi_connectomes(pairs: Sequence[Pair], n_rois: int) -> RoiConnectomes:
    """Read the ROI-by-ROI connectomes of sessions; the log names sessions without a usable file.

    Parameters
    ----------
    pairs : sequence of Pair
    n_rois : int

    Returns
    -------
    RoiConnectomes
    """
    rows, usable_pairs, missing_names, faults = [], [], [], []
    for pair in pairs:
        path = roi_connectome_path(pair.connectome)
        if not path.is_file():
            missing_names.append(pair.name)
            continue
        try:
            rows.append(_read_pairs(path, n_rois))
            usable_pairs.append(pair)
        except InputError as error:
            faults.append(str(error))
    if missing_names:
        logger.warning(
            "%d of %d training sessions have no ROI-by-ROI connectome (*_meas-PearsonCorrelation_relmat.tsv) "
            "beside their connectome, and do not count for typicality: %s.\nRe-run these participants with "
            "this version, `save_connectome` and `overwrite`.",
            len(missing_names), len(pairs), abbreviate(missing_names),
        )  # fmt: skip
    for fault in faults:
        logger.warning("%s\nThis session does not count for typicality.", fault)
    return RoiConnectomes(
        np.reshape(rows, (len(rows), n_rois * (n_rois - 1) // 2)),
        tuple(pair.subject for pair in usable_pairs),
        tuple(pair.group for pair in usable_pairs),
    )


def roi_connectome_path(file: ConnectomeFile) -> Path:
    """Return the path of the ROI-by-ROI connectome beside the connectome of a session.

    Parameters
    ----------
    file : ConnectomeFile

    Returns
    -------
    Path
        The file need not exist.
    """
    name = output_path(
        Path(), "roi_connectome", subject=file.subject, session=file.session, entities=file.entities
    ).name
    return file.path.with_name(name)


def _read_pairs(path: Path, n_rois: int) -> Numbers:
    """Read Fisher's z of all pairs of ROIs."""
    matrix = read_roi_matrix(path)
    if len(matrix) != n_rois:
        message = f"{path}: has {len(matrix)} ROIs, but the model has {n_rois}.\nRe-run this participant."
        raise InputError(message)
    correlations = upper_triangle(matrix)
    if not np.isfinite(correlations).all():
        n_missing = int((~np.isfinite(correlations)).sum())
        message = f"{path}: {n_missing} of {len(correlations)} correlations are n/a: an ROI has no signal."
        raise InputError(message)
    return fisher_z(correlations)


def fit_distribution(connectomes: RoiConnectomes) -> ConnectomeDistribution:
    """Estimate a distribution, and cross-validated distances of its participants.

    Each session counts once. All sessions of a participant, and all participants of a family, are in the same
    fold.

    Parameters
    ----------
    connectomes : RoiConnectomes
        At least `N_FOLDS` groups.

    Returns
    -------
    ConnectomeDistribution
    """
    from sklearn.model_selection import GroupKFold

    values = connectomes.values
    distances = np.empty(len(values))
    for train, test in GroupKFold(N_FOLDS).split(values, groups=connectomes.groups):
        n_participants = len({connectomes.subjects[row] for row in train})
        distances[test] = estimate(values[train], n_participants).distances(values[test])
    distribution = estimate(values, connectomes.n_participants)
    return replace(distribution, quantiles=distance_quantiles(distances))


def estimate(values: Numbers, n_participants: int) -> ConnectomeDistribution:
    """Estimate mean and shrunk covariance (Ledoit and Wolf 2004, J Multivar Anal 88:365).

    Parameters
    ----------
    values : array of shape (n_sessions, n_pairs)
        Fisher's z.
    n_participants : int

    Returns
    -------
    ConnectomeDistribution
        Without quantiles.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    mean = values.mean(axis=0)
    deviations = values - mean
    _, sizes, directions = np.linalg.svd(deviations, full_matrices=False)
    variances = sizes**2 / len(values)
    n_components = min(MAX_COMPONENTS, max(1, n_participants // N_PER_COMPONENT), int((sizes > 0).sum()))
    return ConnectomeDistribution(
        mean=mean.astype(np.float32),
        basis=_with_signs(directions[:n_components]).astype(np.float32),
        variances=variances[:n_components],
        shrinkage=float(ledoit_wolf_shrinkage(values)),
        isotropic_variance=float(variances.sum() / values.shape[1]),
        n_participants=n_participants,
    )


def _with_signs(directions: Numbers) -> Numbers:
    """Turn directions so that their largest element is positive, since signs differ between machines."""
    rows = np.arange(len(directions))
    return directions * np.sign(directions[rows, np.abs(directions).argmax(axis=1)])[:, None]


def distance_quantiles(distances: Numbers) -> dict[str, float | None]:
    """Compute quantiles of the distances of participants, for those who read a new participant's distance.

    Parameters
    ----------
    distances : array of shape (n_sessions,)
        Cross-validated distances.

    Returns
    -------
    dict of str to float or None
        `QUANTILES` and ``max``. A new participant of the same population lies below the quantile q with
        probability q, hence the position q (n + 1) among the sorted distances; None if it is beyond them.

    Examples
    --------
    >>> distance_quantiles(np.arange(1.0, 20))
    {'q05': 1.0, 'q50': 10.0, 'q95': 19.0, 'q99': None, 'max': 19.0}
    """
    n = len(distances)
    quantiles: dict[str, float | None] = {
        name: float(np.quantile(distances, share, method="weibull"))
        if 1 <= round(share * (n + 1), 9) <= n
        else None
        for name, share in QUANTILES.items()
    }
    return quantiles | {"max": float(distances.max())}
