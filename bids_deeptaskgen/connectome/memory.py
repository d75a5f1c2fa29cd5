"""Memory of the connectomes of a session, from what the headers of its files state.

Each function adds up the arrays that are in memory at the same time, and the largest sum counts. Arrays of
fewer than about 1 MB are omitted. The memory of interpreter and libraries is not included.
"""

from dataclasses import dataclass

import numpy as np

from bids_deeptaskgen.connectome.accumulator import N_PER_PART, product_sizes
from bids_deeptaskgen.connectome.axial_slices import slice_indices
from bids_deeptaskgen.connectome.data_checks.observer import N_SAMPLED_VOLUMES
from bids_deeptaskgen.connectome.preview_size import N_CARPET_ROWS, is_fine
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, Grid
from bids_deeptaskgen.io.nifti_header import NiftiHeader
from bids_deeptaskgen.io.nifti_reader import N_BUFFERS, block_length

_FLOAT32, _FLOAT64, _INDEX = 4, 8, 8
_N_CORNERS = 8
# Bytes per voxel of the grid: `scipy.ndimage.distance_transform_edt` holds indices, their differences and
# squares along each axis, measured with scipy 1.15 to 1.17.
_DISTANCE_BYTES = 58
# Bytes per voxel of a grid while the mask is read: values in float64, a copy, the mask.
_MASK_BYTES = 2 * _FLOAT64 + 1
# Bytes per voxel of a grid while a volume is smoothed: the volume, what the filter returns and their copies.
_SMOOTHING_BYTES = 6 * _FLOAT32
# Voxels of the transform of `allow_template_warp`, at 1 mm. nitransforms holds its displacements and their
# spline coefficients as float64.
_WARP_VOXELS = 193 * 229 * 193
_WARP_BYTES = 6 * _FLOAT64


@dataclass(frozen=True)
class RunShape:
    """Properties of a run that determine memory.

    Attributes
    ----------
    grid : Grid
    n_volumes : int
    dtype : numpy dtype
        Type of the stored values.
    rank : int
        Upper limit of the number of regressors, with the intercept.
    resamples : bool
        Values are interpolated.
    is_warped : bool
        The transform between templates is needed.
    has_mask : bool
        There is a file of the brain mask.
    """

    grid: Grid
    n_volumes: int
    dtype: np.dtype[np.generic]
    rank: int
    resamples: bool = False
    is_warped: bool = False
    has_mask: bool = True

    @classmethod
    def from_header(cls, header: NiftiHeader, rank: int, *, is_warped: bool, has_mask: bool) -> "RunShape":
        """Create the shape of a run from the header of its series.

        Parameters
        ----------
        header : NiftiHeader
        rank : int
        is_warped, has_mask : bool

        Returns
        -------
        RunShape
        """
        resamples = is_warped or not has_model_points(header.grid)
        return cls(header.grid, header.n_volumes, header.dtype, rank, resamples, is_warped, has_mask)

    @property
    def n_voxels(self) -> int:
        """Return the number of voxels of a volume."""
        return int(np.prod(self.grid.shape))

    @property
    def volume_bytes(self) -> int:
        """Return the bytes of a stored volume."""
        return self.n_voxels * self.dtype.itemsize


@dataclass(frozen=True)
class SessionShape:
    """Properties of a session that determine memory.

    Attributes
    ----------
    runs : tuple of RunShape
    n_windows : int
        Windows of each run.
    n_rois, n_voxels : int
        Shape of a connectome.
    makes_images : bool
        The series are previewed for the page.
    keeps_runs : bool
        Connectomes of single runs are kept, if the runs are pooled.
    n_blocks : int
        Blocks of each run for the bootstrap; 0 without one.
    smooths : bool
        The volumes are smoothed.
    """

    runs: tuple[RunShape, ...]
    n_windows: int
    n_rois: int
    n_voxels: int
    makes_images: bool = True
    keeps_runs: bool = False
    n_blocks: int = 0
    smooths: bool = False

    @property
    def connectome_bytes(self) -> int:
        """Return the bytes of one connectome."""
        return self.n_rois * self.n_voxels * _FLOAT32

    @property
    def pools(self) -> bool:
        """Return whether the connectomes of several runs are averaged."""
        return self.n_windows == 1 and len(self.runs) > 1

    @property
    def n_connectomes(self) -> int:
        """Return the number of connectomes from which maps are predicted."""
        return 1 if self.pools else self.n_windows * len(self.runs)

    @property
    def n_extra(self) -> int:
        """Return the number of connectomes of single runs."""
        return len(self.runs) if self.pools and self.keeps_runs else 0


def has_model_points(grid: Grid) -> bool:
    """Return whether the model's voxels lie on points of a grid, so that no value is interpolated.

    Parameters
    ----------
    grid : Grid

    Returns
    -------
    bool
        As `grid.make_sampler` decides.
    """
    to_grid = np.linalg.inv(grid.matrix) @ MODEL_GRID.matrix
    # Of all voxels, those at the corners of the box deviate most.
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(MODEL_GRID.shape) - 1)
    positions = np.vstack([corners, np.eye(3)]) @ to_grid[:3, :3].T + to_grid[:3, 3]
    return bool(np.abs(positions - np.rint(positions)).max() < 1e-2)


def roi_bytes(n_rois: int, n_voxels: int) -> int:
    """Return the bytes of ROI projection and ROI weights, which stay in memory.

    Parameters
    ----------
    n_rois, n_voxels : int
        Shape of a connectome.

    Returns
    -------
    int
    """
    return n_rois * n_voxels * (_FLOAT64 + _FLOAT32)


def session_bytes(session: SessionShape) -> int:
    """Compute the peak memory of the connectomes of a session, beyond `roi_bytes`.

    Parameters
    ----------
    session : SessionShape

    Returns
    -------
    int
        Bytes.
    """
    n_prepared = [sum(map(_prepared_bytes, session.runs[: n + 1])) for n in range(len(session.runs))]
    all_prepared = n_prepared[-1] + sum(_observer_bytes(run, session) for run in session.runs)
    peaks = [
        # The ROI maps, their inverse, and absolute values in float64.
        4 * session.connectome_bytes,
        *(
            prepared + _preparation_bytes(run, session)
            for prepared, run in zip(n_prepared, session.runs, strict=True)
        ),
        *(all_prepared + _run_bytes(session, number) for number in range(len(session.runs))),
        all_prepared + _result_bytes(session) + _conversion_bytes(session),
        n_prepared[-1] + _result_bytes(session) + _description_bytes(session),
    ]
    if session.n_blocks:
        peaks.append(n_prepared[-1] + _result_bytes(session) + _bootstrap_bytes(session))
    return max(peaks)


def _prepared_bytes(run: RunShape) -> int:
    """Return the bytes of the sampler and the mask of a run, which stay until its session is done."""
    n_model = int(np.prod(MODEL_GRID.shape))
    return _sampler_bytes(run) + run.n_voxels + n_model


def _sampler_bytes(run: RunShape) -> int:
    # The model's brain is somewhat less than half of its box.
    n_brain = int(np.prod(MODEL_GRID.shape)) // 2
    return n_brain * (_N_CORNERS * (_INDEX + _FLOAT32) if run.resamples else _INDEX)


def _observer_bytes(run: RunShape, session: SessionShape) -> int:
    """Return the bytes that the observers of a run hold when it has been read."""
    if not session.makes_images:
        return 0
    n_slice_voxels = slice_indices(OUTPUT_GRID).size
    n_samples = min(N_SAMPLED_VOLUMES, run.n_volumes)
    return _FLOAT32 * (n_samples * n_slice_voxels + run.n_volumes * N_CARPET_ROWS)


def _preparation_bytes(run: RunShape, session: SessionShape) -> int:
    """Return the peak of the preparation of a run, before its volumes are read."""
    peaks = [_MASK_BYTES * run.n_voxels]
    if not run.has_mask:
        peaks.append(N_BUFFERS * run.volume_bytes + (_FLOAT64 + 2) * run.n_voxels)
    if run.resamples:
        # The sampler of the whole brain, that of the mask, and the weights inside the mask.
        peaks.append(3 * _sampler_bytes(run))
    if run.is_warped:
        peaks.append(_WARP_BYTES * _WARP_VOXELS)
    if is_fine(run.grid.voxel_sizes_mm) and session.makes_images:
        peaks.append(_DISTANCE_BYTES * run.n_voxels)
    return max(peaks)


def _run_bytes(session: SessionShape, number: int) -> int:
    """Return the peak while a run is read and finished, with the connectomes of the runs before it."""
    run, connectome = session.runs[number], session.connectome_bytes
    reading = _reading_bytes(session, run, session.n_windows)
    finishing = _sums_bytes(session, run, session.n_windows) + _finish_bytes(session, run) + connectome
    n_kept = number if session.n_extra else 0
    if session.pools:
        history_bytes = (2 * connectome if number else 0) + n_kept * connectome
        # The pooled connectome in float64, this run's, and their product with the number of volumes.
        pooling = (2 + 2 + n_kept) * connectome
    else:
        history_bytes = number * session.n_windows * connectome
        pooling = history_bytes + 2 * session.n_windows * connectome
    return max(history_bytes + reading, history_bytes + finishing, pooling)


def _sums_bytes(session: SessionShape, run: RunShape, n_windows: int) -> int:
    """Return the bytes of an accumulator: sums of each window, and the projection in the file's order."""
    n_voxels = -(-session.n_voxels // N_PER_PART) * N_PER_PART
    sums = n_windows * (session.n_rois + run.rank + 1) * n_voxels * _FLOAT64
    projection = (session.n_rois + 1) * session.n_voxels * _FLOAT64
    series = run.n_volumes * (session.n_rois + run.rank) * _FLOAT64
    return sums + projection + series + _sampler_bytes(run)


def _reading_bytes(session: SessionShape, run: RunShape, n_windows: int) -> int:
    """Return the bytes while volumes are read: sums, blocks of volumes, and two blocks of sampled rows."""
    n_per_block = min(block_length(run.volume_bytes), run.n_volumes)
    blocks = min(N_BUFFERS, -(-run.n_volumes // n_per_block)) * n_per_block * run.volume_bytes
    sizes = product_sizes(run.n_volumes, n_windows)
    is_float32 = not run.resamples and (session.smooths or np.can_cast(run.dtype, np.float32))
    value = _FLOAT32 if is_float32 else _FLOAT64
    rows = min(2, len(sizes)) * max(sizes) * session.n_voxels * value
    volume = _SMOOTHING_BYTES * run.n_voxels if session.smooths else 0
    return _sums_bytes(session, run, n_windows) + blocks + rows + volume


def _finish_bytes(session: SessionShape, run: RunShape) -> int:
    """Return the bytes of the correlations in the order of the file, and of the statistics of voxels."""
    return session.connectome_bytes + (run.rank + 4) * session.n_voxels * _FLOAT64


def _result_bytes(session: SessionShape) -> int:
    """Return the bytes of all connectomes of a session, and of the statistics of its voxels."""
    n_statistics = 3 * len(session.runs) + 3
    n_connectomes = session.n_connectomes + session.n_extra
    return n_connectomes * session.connectome_bytes + n_statistics * session.n_voxels * _FLOAT64


def _conversion_bytes(session: SessionShape) -> int:
    """Return the bytes of the pooled connectome in float64, while it is converted to float32."""
    return 2 * session.connectome_bytes if session.pools else 0


def _description_bytes(session: SessionShape) -> int:
    """Return the bytes of the ROI weights at voxels with signal, or of the connectomes on the slices."""
    n_image_voxels = slice_indices(MODEL_GRID, 2).size // 2 if session.makes_images else 0
    images = 2 * session.n_connectomes * session.n_rois * n_image_voxels * _FLOAT32
    return max(session.connectome_bytes, images)


def _bootstrap_bytes(session: SessionShape) -> int:
    """Return the peak while the runs are read again, and while resamples are computed."""
    connectome = session.connectome_bytes
    # The sum of a resample over runs is read from the file and written again.
    addition = 2 * connectome if len(session.runs) > 1 else 0
    peaks: list[int] = []
    for run in session.runs:
        sums = _sums_bytes(session, run, session.n_blocks)
        peaks.append(_reading_bytes(session, run, session.n_blocks))
        peaks.append(sums + _finish_bytes(session, run) + connectome + addition)
    return max(peaks)
