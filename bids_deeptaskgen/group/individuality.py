"""Individuality: similarity of participants, identification between sessions, reliability of ROIs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import quantity
from bids_deeptaskgen.group.map_rows import RowPlan
from bids_deeptaskgen.report.group_content import Embedding, IccRow, IdentificationRow, Similarity
from bids_deeptaskgen.stats.intraclass_correlation import icc_3_1
from bids_deeptaskgen.stats.principal_coordinates import principal_coordinates
from bids_deeptaskgen.stats.session_identification import identify_sessions

Floats = NDArray[np.float64]

# Similarity is computed for all participants up to this number, and for a random sample above.
MAX_SIMILARITY = 2000
# Participants in the matrix on the page.
MAX_PAGE = 300
# Intervals of ICC(3,1) from fewer participants are too wide to be of use.
MIN_ICC = 20
N_AXES = 4
# Two participants differ along one axis only.
MIN_EMBEDDING = 3
# Sets of sessions that are compared: studies plan few sessions, so that few sets occur.
_MAX_SESSION_SETS = 4096


def mean_title(n_contrasts: int) -> str:
    """Return the name of the mean over contrasts.

    Parameters
    ----------
    n_contrasts : int

    Returns
    -------
    str

    Examples
    --------
    >>> mean_title(1), mean_title(47)
    ('mean over 1 contrast', 'mean over 47 contrasts')
    """
    return f"mean over {quantity(n_contrasts, 'contrast')}"


def sample_participants(n_participants: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Select the participants whose similarity is computed.

    Parameters
    ----------
    n_participants : int
    rng : Generator

    Returns
    -------
    integer array
        All up to ``MAX_SIMILARITY``, and a sorted random sample above.
    """
    if n_participants <= MAX_SIMILARITY:
        return np.arange(n_participants)
    return np.sort(rng.choice(n_participants, MAX_SIMILARITY, replace=False))


class MeanMatrix:
    """Mean of matrices over contrasts, at each cell over those in which it is defined."""

    def __init__(self) -> None:
        self._total: Floats | None = None
        self._count: Floats | None = None
        self.n_contrasts = 0

    def add(self, matrix: Floats) -> None:
        """Add the matrix of a contrast.

        Parameters
        ----------
        matrix : array
            NaN where undefined.
        """
        if self._total is None or self._count is None:
            self._total, self._count = np.zeros(matrix.shape), np.zeros(matrix.shape)
        is_defined = np.isfinite(matrix)
        self._total += np.where(is_defined, matrix, 0)
        self._count += is_defined
        self.n_contrasts += bool(is_defined.any())

    @property
    def mean(self) -> Floats:
        """Return the mean; NaN where no matrix is defined."""
        if self._total is None or self._count is None:
            return np.empty((0, 0))
        return np.where(self._count > 0, self._total / np.maximum(self._count, 1), np.nan)


def mean_off_diagonal(matrix: Floats) -> float:
    """Return the mean over pairs of different participants; NaN without any.

    Parameters
    ----------
    matrix : array of shape (n, n)

    Returns
    -------
    float
    """
    values = matrix[~np.eye(len(matrix), dtype=bool)]
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")


def describe_similarity(
    title: str, names: Sequence[str], matrix: Floats, rng: np.random.Generator
) -> Similarity:
    """Describe the similarity of participants for the page.

    Parameters
    ----------
    title : str
    names : sequence of str
        Name of each row.
    matrix : array of shape (n, n)
    rng : Generator
        Source of the sample on the page.

    Returns
    -------
    Similarity
    """
    sample = np.arange(len(names))
    if len(names) > MAX_PAGE:
        sample = np.sort(rng.choice(len(names), MAX_PAGE, replace=False))
    return Similarity(
        title=title,
        participants=[names[int(i)] for i in sample],
        matrix=matrix[np.ix_(sample, sample)],
        mean_r=mean_off_diagonal(matrix),
        n_participants=len(names),
    )


def embed_participants(names: Sequence[str], similarity: Floats, title: str) -> Embedding | None:
    """Compute the principal components of participants from their similarity.

    Parameters
    ----------
    names : sequence of str
    similarity : array of shape (n, n)
        Pearson r over voxels, that is products of z-scored maps.
    title : str

    Returns
    -------
    Embedding or None
        None under three participants with maps.
    """
    if len(names) < MIN_EMBEDDING:
        return None
    axes, explained = principal_coordinates(similarity, min(N_AXES, len(names) - 1))
    usable = np.flatnonzero(np.isfinite(axes).all(axis=1))
    if len(usable) < MIN_EMBEDDING:
        return None
    return Embedding([names[int(i)] for i in usable], axes[usable], explained.tolist(), title)


def identify_participants(contrast: str, title: str, r: Floats, *, is_deviation: bool) -> IdentificationRow:
    """Score the identification of participants between two sessions, runs or halves of windows.

    Parameters
    ----------
    contrast, title : str
        Label of the contrast; title of the pair.
    r : array of shape (n, n)
        Correlation of the maps of the first (rows) with those of the second session (columns).
    is_deviation : bool

    Returns
    -------
    IdentificationRow
    """
    scores = identify_sessions(r)
    return IdentificationRow(
        contrast=contrast,
        pair=title,
        is_deviation=is_deviation,
        n_participants=scores.n_participants,
        rate=scores.rate,
        mean_rank=scores.mean_rank,
        idiff=scores.idiff,
        own_r=scores.own_r,
        others_r=scores.others_r,
    )


class Identification:
    """Identification of participants in each contrast and in their mean.

    Parameters
    ----------
    titles : sequence of str
        Of the pairs of sessions or runs, or of the halves of the windows.
    """

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = titles
        self._means = [(MeanMatrix(), MeanMatrix()) for _ in titles]
        self._rows: list[IdentificationRow] = []

    def add(self, contrast: str, r: Sequence[Floats], r_deviations: Sequence[Floats]) -> None:
        """Add the matrices of a contrast.

        Parameters
        ----------
        contrast : str
        r, r_deviations : sequence of array of shape (n, n)
            Correlations for each title, of the maps, and of the maps minus the mean over participants.
        """
        for title, means, matrices in zip(
            self._titles, self._means, zip(r, r_deviations, strict=True), strict=True
        ):
            for is_deviation, (mean, matrix) in enumerate(zip(means, matrices, strict=True)):
                mean.add(matrix)
                self._rows.append(
                    identify_participants(contrast, title, matrix, is_deviation=bool(is_deviation))
                )

    @property
    def rows(self) -> list[IdentificationRow]:
        """Return the rows with participants; those of the mean over several contrasts first."""
        means = [
            identify_participants(
                mean_title(mean.n_contrasts), title, mean.mean, is_deviation=bool(is_deviation)
            )
            for title, matrices in zip(self._titles, self._means, strict=True)
            for is_deviation, mean in enumerate(matrices)
            if mean.n_contrasts > 1
        ]
        # Maps without variation, or a contrast that these participants lack, identify no one.
        return [row for row in (*means, *self._rows) if row.n_participants]


@dataclass(frozen=True)
class CompleteSessions:
    """Participants who have all of some sessions.

    Attributes
    ----------
    sessions : tuple of str
        Labels without ``ses-``.
    rows : integer array of shape (n_participants, n_sessions)
        Rows of the maps.
    n_left_out : int
        Further participants with several sessions, who lack one of these.
    """

    sessions: tuple[str, ...]
    rows: NDArray[np.intp]
    n_left_out: int = 0


def find_complete_sessions(plan: RowPlan) -> CompleteSessions | None:
    """Select the sessions that the reliability is computed from.

    Parameters
    ----------
    plan : RowPlan

    Returns
    -------
    CompleteSessions or None
        The sessions with the most maps in total, of at least ``MIN_ICC`` participants who have all of them;
        of equal numbers, those of more participants. None if fewer participants have two sessions.
    """
    by_subject: dict[str, set[str]] = {}
    for subject, session in plan.sessions:
        by_subject.setdefault(subject, set()).add(session)
    patterns = Counter(map(frozenset, by_subject.values()))
    ranked = []
    for sessions in _common_sessions([pattern for pattern, _ in patterns.most_common()]):
        n_members = sum(n for pattern, n in patterns.items() if sessions <= pattern)
        if n_members >= MIN_ICC:
            ranked.append((-n_members * len(sessions), -n_members, sorted(sessions)))
    if not ranked:
        return None
    labels = min(ranked)[2]
    members = [subject for subject in plan.participants if by_subject.get(subject, set()).issuperset(labels)]
    rows = [[plan.sessions[subject, label] for label in labels] for subject in members]
    return CompleteSessions(tuple(labels), np.array(rows), len(by_subject) - len(members))


def _common_sessions(patterns: Iterable[frozenset[str]]) -> set[frozenset[str]]:
    """Return the sets of two or more sessions that are all that some participants have in common."""
    common: set[frozenset[str]] = set()
    for pattern in patterns:
        if len(common) < _MAX_SESSION_SETS:
            common |= {pattern} | {pattern & sessions for sessions in common}
    return {sessions for sessions in common if len(sessions) > 1}


def compute_icc(
    contrast: str, roi_means: Floats, complete: CompleteSessions, names: Mapping[int, str]
) -> list[IccRow]:
    """Compute the reliability of the mean of a contrast's map in each ROI.

    Parameters
    ----------
    contrast : str
    roi_means : array of shape (n_rows, n_rois)
        NaN without voxels.
    complete : CompleteSessions
    names : dict of int to str
        Name of each ROI by number, from 1.

    Returns
    -------
    list of IccRow
        Without ROIs that fewer than ``MIN_ICC`` participants have in all sessions.
    """
    values = roi_means[complete.rows]
    has_all: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
    result = []
    for number in range(values.shape[2]):
        participants = values[has_all[:, number], :, number]
        if len(participants) < MIN_ICC or not np.ptp(participants):
            continue
        icc = icc_3_1(participants[:, :, None])
        result.append(
            IccRow(
                contrast=contrast,
                roi=names.get(number + 1, f"ROI{number + 1}"),
                n_participants=len(participants),
                n_sessions=len(complete.sessions),
                icc=float(icc.icc[0]),
                lower_bound=float(icc.lower_bound[0]),
                upper_bound=float(icc.upper_bound[0]),
            )
        )
    return result
