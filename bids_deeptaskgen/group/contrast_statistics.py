"""Statistics of the maps of a contrast over participants, from some voxels of all participants at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.pairs import MapPair
from bids_deeptaskgen.io.voxel_rows import VoxelRows
from bids_deeptaskgen.stats.map_similarity import SimilarityAccumulator
from bids_deeptaskgen.stats.map_statistics import mean_sd_count
from bids_deeptaskgen.stats.qc_fc import correlate_columns

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


def compute_statistics(rows: VoxelRows, request: Request) -> ContrastStatistics:
    """Compute the statistics of a contrast in one pass over its voxels.

    Parameters
    ----------
    rows : VoxelRows
        Maps of participants, sessions and runs; see `map_rows.RowPlan`.
    request : Request

    Returns
    -------
    ContrastStatistics
    """
    shape = OUTPUT_GRID.shape
    result = ContrastStatistics(
        mean=np.zeros(shape),
        sd=np.zeros(shape),
        count=np.zeros(shape, np.int32),
        fd_r=np.full(shape, np.nan),
        fd_n=np.zeros(shape, np.int32),
    )
    similarity = _Similarities(len(request.sample))
    pairs = [_Similarities(2 * len(pair.participants)) for pair in request.pairs]
    rois = None if request.parcels is None else _RoiMeans(rows.n_rows, request.parcels.ravel())
    for voxels, values in rows.chunks():
        participants = values[: request.n_participants]
        mean, sd, count = mean_sd_count(participants)
        result.mean.ravel()[voxels], result.sd.ravel()[voxels] = mean, sd
        result.count.ravel()[voxels] = count
        if request.fd_mm is not None:
            r, n = correlate_columns(request.fd_mm, _with_nan(participants))
            result.fd_r.ravel()[voxels], result.fd_n.ravel()[voxels] = r, n
        similarity.add(participants[request.sample])
        for pair, accumulator in zip(request.pairs, pairs, strict=True):
            accumulator.add(values[pair.rows_a], values[pair.rows_b])
        if rois:
            rois.add(voxels, values)
    result.similarity, result.similarity_deviations = similarity.correlations()
    for accumulator in pairs:
        n = accumulator.n_rows // 2
        for target, matrix in zip(
            (result.pair_r, result.pair_r_deviations), accumulator.correlations(), strict=True
        ):
            target.append(matrix[:n, n:])
    result.roi_means = rois.means if rois else None
    return result


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
    similarities = _Similarities(2 * len(first))
    similarities.add(first, second)
    r, r_deviations = similarities.correlations()
    return r[: len(first), len(first) :], r_deviations[: len(first), len(first) :]


class _Similarities:
    """Similarity of maps, and of maps minus the mean over the rows of a block.

    Parameters
    ----------
    n_rows : int
        Rows of all blocks together.
    """

    def __init__(self, n_rows: int) -> None:
        self.n_rows = n_rows
        self._maps, self._deviations = SimilarityAccumulator(n_rows), SimilarityAccumulator(n_rows)

    def add(self, *blocks: NDArray[np.float32]) -> None:
        """Add some voxels of blocks of rows, such as one block per session."""
        self._maps.add(np.concatenate(blocks))
        deviations = [_with_nan(block) - mean_sd_count(block)[0].astype(np.float32) for block in blocks]
        self._deviations.add(np.concatenate(deviations))

    def correlations(self) -> tuple[Floats, Floats]:
        """Return the similarity of maps and of deviations, (n_rows, n_rows) each."""
        return self._maps.correlations(), self._deviations.correlations()


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


def _with_nan(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace values that are 0, which are no values, by NaN."""
    return np.where(values == 0, np.float32(np.nan), values)
