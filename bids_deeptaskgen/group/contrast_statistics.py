"""Statistics of the maps of a contrast over participants, from some voxels of all participants at a time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.pairs import MapPair
from bids_deeptaskgen.io.voxel_rows import VoxelRows
from bids_deeptaskgen.stats.deviations import Deviations, deviations_from_mean
from bids_deeptaskgen.stats.map_similarity import SimilarityAccumulator
from bids_deeptaskgen.stats.qc_fc import correlate_deviations

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Request:
    """What is computed of each contrast of a set.

    Attributes
    ----------
    n_participants : int
        The first rows are those of the participants.
    fd_mm : array of shape (n_participants,) or None
        Mean FD; NaN where unknown. None: no correlation with FD.
    sample : integer array
        Participants whose similarity is computed.
    pairs : sequence of MapPair
    parcels : integer array of the grid's shape, or None
        ROI of each voxel, from 1; 0 for none.
    """

    n_participants: int
    fd_mm: Floats | None
    sample: NDArray[np.intp]
    pairs: Sequence[MapPair] = ()
    parcels: NDArray[np.intp] | None = None


@dataclass
class ContrastStatistics:
    """Statistics of a contrast.

    Attributes
    ----------
    mean, sd, count : array of shape (91, 109, 91)
        Over participants; 0 where there are no values.
    fd_r, fd_n : array of shape (91, 109, 91)
        Pearson correlation with mean FD (NaN where undefined), and number of participants.
    similarity, similarity_deviations : array of shape (n_sample, n_sample)
        Pearson r over voxels, of maps and of maps minus the mean over participants.
    pair_r, pair_r_deviations : list of array of shape (n, n)
        For each pair, r of the first (rows) with the second session or run (columns).
    roi_means : array of shape (n_rows, n_rois), or None
        Mean over the voxels of each ROI; NaN without voxels.
    """

    mean: Floats
    sd: Floats
    count: NDArray[np.int32]
    fd_r: Floats
    fd_n: NDArray[np.int32]
    similarity: Floats = field(default_factory=lambda: np.empty((0, 0)))
    similarity_deviations: Floats = field(default_factory=lambda: np.empty((0, 0)))
    pair_r: list[Floats] = field(default_factory=list)
    pair_r_deviations: list[Floats] = field(default_factory=list)
    roi_means: Floats | None = None


def compute_statistics(
    rows: VoxelRows, request: Request, written_rows: Collection[int] | None = None
) -> ContrastStatistics:
    """Compute the statistics of a contrast in one pass over its voxels.

    Parameters
    ----------
    rows : VoxelRows
        Maps of participants, sessions and runs; see `map_rows.RowPlan`.
    request : Request
    written_rows : collection of int, optional
        Rows with a map; all by default. The others are left out: a single row without values would make
        every voxel one that some maps lack.

    Returns
    -------
    ContrastStatistics
        Similarities with rows that are left out are NaN.
    """
    shape = OUTPUT_GRID.shape
    result = ContrastStatistics(
        mean=np.zeros(shape),
        sd=np.zeros(shape),
        count=np.zeros(shape, np.int32),
        fd_r=np.full(shape, np.nan),
        fd_n=np.zeros(shape, np.int32),
    )
    has_map = np.isin(np.arange(rows.n_rows), range(rows.n_rows) if written_rows is None else [*written_rows])
    members = np.flatnonzero(has_map[: request.n_participants])
    fd_mm = None if request.fd_mm is None else request.fd_mm[members]
    sample = request.sample[has_map[request.sample]]
    similarity = _Similarity(request.sample, None, has_map)
    pairs = [_Similarity(pair.rows_a, pair.rows_b, has_map) for pair in request.pairs]
    rois = None if request.parcels is None else _RoiMeans(rows.n_rows, request.parcels.ravel())
    for voxels, values in rows.chunks():
        participants = deviations_from_mean(_select(values, members))
        _add_voxels(result, voxels, participants, fd_mm)
        similarity.add(values, participants if len(sample) == len(members) else None)
        for pair in pairs:
            pair.add(values)
        if rois:
            rois.add(voxels, values)
    result.similarity, result.similarity_deviations = similarity.correlations()
    by_pair = [pair.correlations() for pair in pairs]
    result.pair_r, result.pair_r_deviations = [r for r, _ in by_pair], [r for _, r in by_pair]
    result.roi_means = rois.means if rois else None
    return result


def _select(values: NDArray[np.float32], rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Select rows; the first rows are not copied."""
    n_rows = len(rows)
    return values[:n_rows] if np.array_equal(rows, np.arange(n_rows)) else values[rows]


class _Similarity:
    """Similarity of rows with each other, or with those of another session, of those that have a map.

    Parameters
    ----------
    rows, columns : integer array
        Rows of the file; without columns, rows are correlated with each other.
    has_map : boolean array
        For each row of the file.
    """

    def __init__(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp] | None, has_map: NDArray[np.bool_]
    ) -> None:
        self._is_square = columns is None
        columns = rows if columns is None else columns
        self._shape = (len(rows), len(columns))
        self._places = np.ix_(has_map[rows], has_map[columns])
        self._rows, self._columns = rows[has_map[rows]], columns[has_map[columns]]
        self._sums = SimilarityAccumulator(len(self._rows), None if self._is_square else len(self._columns))

    def add(self, values: NDArray[np.float32], deviations: Deviations | None = None) -> None:
        """Add all rows at some voxels; deviations of the rows if these are known."""
        rows = deviations or deviations_from_mean(_select(values, self._rows))
        self._sums.add(rows, None if self._is_square else deviations_from_mean(values[self._columns]))

    def correlations(self) -> tuple[Floats, Floats]:
        """Return r of maps and of deviations; NaN where there is no map."""
        matrices = (self._sums.correlations(), self._sums.deviation_correlations())
        if self._sums.n_common.shape == self._shape:
            return matrices
        r, r_deviations = np.full((2, *self._shape), np.nan)
        r[self._places], r_deviations[self._places] = matrices
        return r, r_deviations


def _add_voxels(
    result: ContrastStatistics, voxels: NDArray[np.intp], participants: Deviations, fd_mm: Floats | None
) -> None:
    """Add mean, SD, count and the correlation with FD at some voxels."""
    result.mean.ravel()[voxels], result.sd.ravel()[voxels] = participants.mean, participants.sd
    result.count.ravel()[voxels] = participants.count
    if fd_mm is not None:
        r, n = correlate_deviations(fd_mm, participants)
        result.fd_r.ravel()[voxels], result.fd_n.ravel()[voxels] = r, n


def correlate_blocks(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Correlate the maps of two sessions of the same participants over voxels.

    Parameters
    ----------
    first, second : array of shape (n_participants, n_voxels)
        Maps; 0 and NaN are no values.

    Returns
    -------
    r, r_deviations : array of shape (n_participants, n_participants)
        Rows are maps of the first, columns of the second session; of maps, and of maps minus the mean over
        participants of their session.
    """
    similarity = SimilarityAccumulator(len(first), len(second))
    similarity.add(deviations_from_mean(first), deviations_from_mean(second))
    return similarity.correlations(), similarity.deviation_correlations()


class _RoiMeans:
    """Mean of the maps over the voxels of each ROI.

    Parameters
    ----------
    n_rows : int
    parcels : integer array of shape (n_grid_voxels,)
    """

    def __init__(self, n_rows: int, parcels: NDArray[np.intp]) -> None:
        self._parcels, n_rois = parcels, int(parcels.max())
        self._totals, self._counts = np.zeros((n_rows, n_rois)), np.zeros((n_rows, n_rois))

    def add(self, voxels: NDArray[np.intp], values: NDArray[np.float32]) -> None:
        """Add the values of all rows at some voxels."""
        labels = self._parcels[voxels]
        is_used = labels > 0
        indicator = np.zeros((int(is_used.sum()), self._totals.shape[1]), np.float32)
        indicator[np.arange(len(indicator)), labels[is_used] - 1] = 1
        selected = np.nan_to_num(values[:, is_used])
        self._totals += selected @ indicator
        self._counts += (selected != 0).astype(np.float32) @ indicator

    @property
    def means(self) -> Floats:
        """Return the mean of each row and ROI; NaN without values."""
        return np.where(self._counts > 0, self._totals / np.maximum(self._counts, 1), np.nan)
