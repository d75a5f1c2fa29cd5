"""Content of the page of a group on individuality: similarity, identification, reliability, components."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """Similarity of the maps of participants.

    Attributes
    ----------
    title : str
        For example ``wm2bk, minus the group mean``, or ``mean over 47 contrasts``.
    participants : sequence of str
        A sample of at most 300, for the page.
    matrix : array of shape (n_participants, n_participants)
        Pearson r over voxels; NaN where undefined.
    mean_r : float
        Mean of r between different participants, over all of them.
    n_participants : int
        Participants in `mean_r`.
    """

    title: str
    participants: Sequence[str]
    matrix: Floats
    mean_r: float
    n_participants: int


@dataclass(frozen=True)
class IdentificationRow:
    """Identification of participants between two sessions, runs or windows.

    Attributes
    ----------
    contrast : str
        Label, or words for a mean over contrasts.
    pair : str
        For example ``ses-1 and ses-2``, or ``first and second half of the windows``.
    is_deviation : bool
        Whether the mean over participants was subtracted from the maps.
    n_participants : int
    rate : float
        Share of participants whose own map is the most similar, mean of both directions; chance is 1 / n.
    mean_rank : float
        Mean rank of the own map; chance is (n + 1) / 2.
    idiff : float
        Mean r with the own map minus mean r with the maps of others.
    own_r, others_r : float
    """

    contrast: str
    pair: str
    is_deviation: bool
    n_participants: int
    rate: float
    mean_rank: float
    idiff: float
    own_r: float
    others_r: float


@dataclass(frozen=True)
class IccRow:
    """Intraclass correlation of the mean of a map in an ROI between sessions.

    Attributes
    ----------
    contrast, roi : str
    n_participants, n_sessions : int
    icc, lower_bound, upper_bound : float
        ICC(3,1) and its 95% interval.
    """

    contrast: str
    roi: str
    n_participants: int
    n_sessions: int
    icc: float
    lower_bound: float
    upper_bound: float


@dataclass(frozen=True)
class Embedding:
    """Principal components of the participants' maps.

    Attributes
    ----------
    participants : sequence of str
    axes : array of shape (n_participants, n_axes)
        Position of each participant; two axes or more.
    explained : sequence of float
        Share of the variance of each axis.
    title : str
        Of which maps.
    """

    participants: Sequence[str]
    axes: Floats
    explained: Sequence[float]
    title: str
