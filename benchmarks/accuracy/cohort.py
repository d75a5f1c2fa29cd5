"""Two cohorts of one simulated population at 4 mm, with different acquisitions."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bids_deeptaskgen.connectome.accumulator import correlate_windows
from bids_deeptaskgen.connectome.regressors import FMRIPREP_HIGH_PASS_HZ, cosine_basis
from bids_deeptaskgen.connectome.roi_projection import roi_projection
from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.grid import MODEL_GRID, Grid
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois
from bids_deeptaskgen.simulation.participant import simulate_participant
from bids_deeptaskgen.simulation.resting_state import RestSettings

Floats = NDArray[np.float32]

GRID = Grid.from_image((38, 47, 39), MODEL_GRID.matrix @ np.diag([2, 2, 2, 1]))
BRAIN, GREY = brain_mask(GRID), grey_matter_mask(GRID)


@dataclass(frozen=True)
class Site:
    """Acquisition of a cohort.

    Attributes
    ----------
    seed : int
        Seed of its participants.
    rest : RestSettings
        Length, repetition time and motion of a resting-state run.
    added_noise : float
        SD of white noise added to each voxel, in image intensity (the simulator's own noise has 90).
    smoothing_mm : float
        Full width at half maximum of the smoothing kernel, in mm; 0 for none.
    task_noise : float
        SD of the noise of measured task maps, in units of the SD of each map.
    """

    seed: int
    rest: RestSettings
    added_noise: float = 0.0
    smoothing_mm: float = 0.0
    task_noise: float = 0.8


FIRST = Site(7_001, RestSettings(n_volumes=240, t_r=2.0))
SECOND = Site(
    7_002,
    RestSettings(n_volumes=420, t_r=0.8, motion=2.0),
    added_noise=60.0,
    smoothing_mm=6.0,
    task_noise=1.0,
)


@dataclass(frozen=True)
class SimulatedParticipant:
    """A simulated participant with the interface of `training.validation.Participant`.

    Attributes
    ----------
    name : str
    rest : array of shape (n_rois, n_brain_voxels)
        Connectome.
    task, retest : array of shape (n_contrasts, n_grey_voxels)
        Measured maps of two sessions.
    n_windows : int
        Always 1.
    """

    name: str
    rest: Floats
    task: Floats
    retest: Floats
    n_windows: int = 1

    def connectome(self, window: int) -> Floats:  # noqa: ARG002 - the only window
        """Return the connectome, (n_rois, n_brain_voxels)."""
        return self.rest

    def statmaps(self) -> Floats:
        """Return the measured maps, (n_contrasts, n_grey_voxels)."""
        return self.task


@cache
def rois() -> NDArray[np.float64]:
    """Return the ROI maps in the brain mask, (n_rois, n_brain_voxels)."""
    return coordinate_rois()[:, ::2, ::2, ::2][:, BRAIN].astype(np.float64)


@cache
def projection() -> NDArray[np.float64]:
    """Return the matrix that projects voxels to ROI time series, (n_rois, n_brain_voxels)."""
    return roi_projection(rois())


def simulate(site: Site, index: int, folder: Path) -> SimulatedParticipant:
    """Simulate a participant with one resting-state run and two task sessions, or load a saved simulation.

    Parameters
    ----------
    site : Site
        Acquisition.
    index : int
        Number of the participant within the cohort.
    folder : Path
        Folder of saved simulations.

    Returns
    -------
    SimulatedParticipant
    """
    path = folder / f"{site.seed}-{index}.npz"
    if not path.exists():
        participant = simulate_participant(site.seed, index, grid=GRID)
        rest = participant.rest_run(site.rest)
        voxels = np.concatenate([block.copy() for block in rest.blocks()])
        rng = np.random.default_rng((site.seed, index))
        voxels += site.added_noise * rng.standard_normal(voxels.shape, dtype=np.float32)
        if site.smoothing_mm:
            voxels = np.stack([_smoothed(volume, site.smoothing_mm) for volume in voxels])
        # As acompcor without the components: motion, its derivatives, slow cosines.
        motion = np.column_stack([rest.motion, np.gradient(rest.motion, axis=0)])
        cosines = cosine_basis(len(voxels), site.rest.t_r, FMRIPREP_HIGH_PASS_HZ)
        regressors = np.column_stack([np.ones(len(voxels)), cosines, motion / motion.std(axis=0)])
        basis = np.linalg.qr(regressors)[0]
        connectome = correlate_windows(voxels, projection(), basis).connectome[0]
        grey = GREY[BRAIN]
        maps = [participant.statmaps(site.task_noise, session=session)[:, grey] for session in (0, 1)]
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, rest=connectome, task=maps[0], retest=maps[1])
        temporary.rename(path)
    with np.load(path) as arrays:
        return SimulatedParticipant(path.stem, *(arrays[name] for name in ("rest", "task", "retest")))


def _smoothed(values: Floats, fwhm_mm: float) -> Floats:
    """Smooth a volume of shape (n_brain_voxels,) inside the brain."""
    sigma = fwhm_mm / 2.3548 / np.array(GRID.voxel_sizes_mm)
    volume = np.zeros(GRID.shape, np.float32)
    volume[BRAIN] = values
    weight = gaussian_filter(BRAIN.astype(np.float32), sigma)
    return np.asarray(gaussian_filter(volume, sigma)[BRAIN] / weight[BRAIN])


def cohort(site: Site, n_participants: int, folder: Path) -> list[SimulatedParticipant]:
    """Simulate participants in parallel.

    Parameters
    ----------
    site : Site
        Acquisition.
    n_participants : int
    folder : Path
        Folder of saved simulations; created if it does not exist.

    Returns
    -------
    list of SimulatedParticipant
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(simulate, site, folder=folder), range(n_participants)))
