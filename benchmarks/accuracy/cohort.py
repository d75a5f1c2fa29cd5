"""Cohorts of one simulated population at 4 mm, with different acquisitions."""

from collections.abc import Callable, Iterable
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
from bids_deeptaskgen.simulation.coordinate_rois import axes_mm, coordinate_rois
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
    field_of_view_mm : tuple of float
        Lowest and highest z of the measured slices, MNI coordinates. The resting-state signal of all other
        voxels is 0. Task maps are complete.
    """

    seed: int
    rest: RestSettings
    added_noise: float = 0.0
    smoothing_mm: float = 0.0
    task_noise: float = 0.8
    field_of_view_mm: tuple[float, float] = (-np.inf, np.inf)


FIRST = Site(7_001, RestSettings(n_volumes=240, t_r=2.0))
SECOND = Site(
    7_002,
    RestSettings(n_volumes=420, t_r=0.8, motion=2.0),
    added_noise=60.0,
    smoothing_mm=6.0,
    task_noise=1.0,
)
# Other participants, scanned as the first cohort.
FURTHER = Site(7_003, FIRST.rest)
# Other repetition time; the lower cerebellum and the top of the head are not in the images.
CROPPED = Site(7_004, RestSettings(n_volumes=420, t_r=0.8), field_of_view_mm=(-48.0, 60.0))


def unchanged(maps: Floats) -> Floats:
    """Return maps as they were simulated."""
    return maps


@dataclass(frozen=True)
class SimulatedParticipant:
    """A simulated participant with the interface of `training.validation.Participant`.

    Arrays are read from files whenever they are needed, since a cohort does not fit into the memory of a
    laptop.

    Attributes
    ----------
    path : Path
        Archive of the arrays ``rest``, ``task`` and ``retest``.
    definition : function
        Maps of all contrasts, (n_contrasts, n_grey_voxels), from the simulated ones.
    connectomes : Path, optional
        Array of shape (n_lengths, n_rois, n_brain_voxels), to be used in place of ``rest``.
    row : int
        Row of `connectomes`.
    n_windows : int
        Always 1.
    """

    path: Path
    definition: Callable[[Floats], Floats] = unchanged
    connectomes: Path | None = None
    row: int = 0
    n_windows: int = 1

    @property
    def name(self) -> str:
        """Return seed and number of the participant."""
        return self.path.stem

    @property
    def rest(self) -> Floats:
        """Return the connectome, (n_rois, n_brain_voxels)."""
        if self.connectomes:
            return np.array(np.load(self.connectomes, mmap_mode="r")[self.row])
        return self._array("rest")

    @property
    def task(self) -> Floats:
        """Return the measured maps of the first session, (n_contrasts, n_grey_voxels)."""
        return self.definition(self._array("task"))

    @property
    def retest(self) -> Floats:
        """Return the measured maps of the second session, (n_contrasts, n_grey_voxels)."""
        return self.definition(self._array("retest"))

    def connectome(self, window: int) -> Floats:  # noqa: ARG002 - the only window
        """Return the connectome, (n_rois, n_brain_voxels)."""
        return self.rest

    def statmaps(self) -> Floats:
        """Return the measured maps, (n_contrasts, n_grey_voxels)."""
        return self.task

    def _array(self, name: str) -> Floats:
        with np.load(self.path) as arrays:
            return np.asarray(arrays[name])


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
        voxels, motion = simulate_rest(site, index)
        connectome = correlate(voxels, motion, site.rest.t_r)
        participant = simulate_participant(site.seed, index, grid=GRID)
        grey = GREY[BRAIN]
        maps = [participant.statmaps(site.task_noise, session=session)[:, grey] for session in (0, 1)]
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, rest=connectome, task=maps[0], retest=maps[1])
        temporary.rename(path)
    return SimulatedParticipant(path)


def simulate_rest(site: Site, index: int) -> tuple[Floats, NDArray[np.float64]]:
    """Simulate the resting-state run of a participant.

    Parameters
    ----------
    site : Site
        Acquisition.
    index : int
        Number of the participant within the cohort.

    Returns
    -------
    voxels : array of shape (n_volumes, n_brain_voxels)
        Image intensities.
    motion : array of shape (n_volumes, 6)
        Translations in mm and rotations in radians.
    """
    rest = simulate_participant(site.seed, index, grid=GRID).rest_run(site.rest)
    voxels = np.concatenate([block.copy() for block in rest.blocks()])
    rng = np.random.default_rng((site.seed, index))
    voxels += site.added_noise * rng.standard_normal(voxels.shape, dtype=np.float32)
    if site.smoothing_mm:
        voxels = np.stack([_smoothed(volume, site.smoothing_mm) for volume in voxels])
    z = axes_mm(GRID)[2][np.nonzero(BRAIN)[2]]
    low, high = site.field_of_view_mm
    voxels[:, (z < low) | (z > high)] = 0
    return voxels, rest.motion


def correlate(voxels: Floats, motion: NDArray[np.float64], t_r: float) -> Floats:
    """Compute the connectome of a run, cleaned as by acompcor without the components.

    Parameters
    ----------
    voxels : array of shape (n_volumes, n_brain_voxels)
    motion : array of shape (n_volumes, 6)
    t_r : float
        Repetition time in s.

    Returns
    -------
    array of shape (n_rois, n_brain_voxels)
        Pearson r.
    """
    parameters = np.column_stack([motion, np.gradient(motion, axis=0)])
    cosines = cosine_basis(len(voxels), t_r, FMRIPREP_HIGH_PASS_HZ)
    regressors = np.column_stack([np.ones(len(voxels)), cosines, parameters / parameters.std(axis=0)])
    basis = np.linalg.qr(regressors)[0]
    statistics = correlate_windows(np.asarray(voxels, np.float64), projection(), basis)
    return np.asarray(statistics.connectome[0])


def _smoothed(values: Floats, fwhm_mm: float) -> Floats:
    """Smooth a volume of shape (n_brain_voxels,) inside the brain."""
    sigma = fwhm_mm / 2.3548 / np.array(GRID.voxel_sizes_mm)
    volume = np.zeros(GRID.shape, np.float32)
    volume[BRAIN] = values
    weight = gaussian_filter(BRAIN.astype(np.float32), sigma)
    return np.asarray(gaussian_filter(volume, sigma)[BRAIN] / weight[BRAIN])


def cohort(site: Site, participants: int | Iterable[int], folder: Path) -> list[SimulatedParticipant]:
    """Simulate participants in parallel.

    Parameters
    ----------
    site : Site
        Acquisition.
    participants : int or iterable of int
        Their numbers, or how many of them.
    folder : Path
        Folder of saved simulations; created if it does not exist.

    Returns
    -------
    list of SimulatedParticipant
    """
    return in_parallel(simulate, site, participants, folder)


def in_parallel(
    function: Callable[..., SimulatedParticipant],
    site: Site,
    participants: int | Iterable[int],
    folder: Path,
) -> list[SimulatedParticipant]:
    """Call ``function(site, index, folder=folder)`` for participants, in several processes.

    Parameters
    ----------
    function : function
        `simulate`, or another function of a module.
    site : Site
    participants : int or iterable of int
        As for `cohort`.
    folder : Path
        Created if it does not exist.

    Returns
    -------
    list of SimulatedParticipant
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(participants) if isinstance(participants, int) else participants
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(function, site, folder=folder), numbers))
