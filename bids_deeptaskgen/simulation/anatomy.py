"""Anatomy common to all simulated participants: tissues, a mean image, and smooth random fields."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.connectome.template_masks import brain_mask, on_grid
from bids_deeptaskgen.grid import MODEL_GRID, Array, Grid
from bids_deeptaskgen.simulation.coordinate_rois import axes_mm

# Knots lie at the same points of space for every grid, so that a field does not depend on the grid.
FIELD_BOX_MM = ((-104.0, 104.0), (-140.0, 108.0), (-86.0, 122.0))
# A cubic B-spline is nearly a Gaussian whose full width at half maximum is 1.36 knot distances.
FWHM_PER_KNOT = 2.3548 / np.sqrt(3)
EDGE_SIGMA_MM = 4.0
BRAIN_BRIGHTNESS = 10_000.0
# Air-filled cavities take signal away: centre in mm, radius in mm (frontal sinus, both ear canals).
SIGNAL_LOSS = (((0.0, 40.0, -24.0), 11.0), ((-48.0, -24.0, -34.0), 9.0), ((48.0, -24.0, -34.0), 9.0))


@contextmanager
def one_thread() -> Iterator[None]:
    """Restrict linear algebra to one thread, as a context or a decorator.

    The products of the simulation are small: several threads would wait for each other, and could round
    differently on machines with other numbers of cores.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The voxels of a simulated head and their tissues.

    Attributes
    ----------
    grid : Grid
    head : boolean array of the grid's shape
        Simulated voxels; all further arrays list them in C order.
    in_brain : boolean array of shape (n_voxels,)
        Whether a voxel belongs to the brain.
    closeness : array of shape (n_voxels,)
        Smoothed brain mask, 0.5 at a flat border and 1 deep inside.
    grey, white, csf : array of shape (n_voxels,)
        Fractions of tissue, 0 outside the brain.
    mean : array of shape (n_voxels,)
        Mean brightness as in fMRI: thousands in the brain, hundreds around it.
    slopes : array of shape (3, n_voxels)
        Change of the mean brightness per mm along x, y, z.
    """

    grid: Grid
    head: NDArray[np.bool_]
    in_brain: NDArray[np.bool_]
    closeness: Array
    grey: Array
    white: Array
    csf: Array
    mean: Array
    slopes: Array

    @property
    def n_voxels(self) -> int:
        """Return the number of simulated voxels."""
        return len(self.mean)

    @property
    def coordinates_mm(self) -> Array:
        """Return the MNI coordinates of the voxels in mm, shape (3, n_voxels), float32."""
        axes = (axis.astype(np.float32) for axis in axes_mm(self.grid))
        return np.stack([np.broadcast_to(axis, self.grid.shape)[self.head] for axis in np.ix_(*axes)])


@cache
def anatomy(grid: Grid = MODEL_GRID, *, margin: bool = False) -> Anatomy:
    """Load the anatomy of the MNI152 template.

    Parameters
    ----------
    grid : Grid
        Points of the 2 mm MNI152 grid, or every n-th of them.
    margin : bool
        Whether to simulate the surroundings of the brain too, about 8 mm.

    Returns
    -------
    Anatomy
    """
    brain = brain_mask(grid)
    steps = np.diag(grid.matrix)[:3]
    closeness = gaussian_filter(brain.astype(np.float32), EDGE_SIGMA_MM / np.abs(steps))
    head = (closeness > 0.02) | brain if margin else brain
    grey, white = (
        on_grid(load(resolution=2), grid) * brain
        for load in (datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)
    )
    csf = np.clip(brain - grey - white, 0, 1)
    mean = _mean_image(grid, brain, closeness)
    slopes = np.stack([np.gradient(mean, step, axis=axis) for axis, step in enumerate(steps)])
    return Anatomy(
        grid,
        head,
        brain[head],
        closeness[head],
        grey[head],
        white[head],
        csf[head],
        mean[head],
        slopes[:, head],
    )


def _mean_image(grid: Grid, brain: NDArray[np.bool_], closeness: Array) -> Array:
    """Compute T2*-like brightness from the T1-weighted template: dark voxels (fluid) become bright."""
    template = on_grid(datasets.load_mni152_template(resolution=2), grid)
    loss = np.zeros(grid.shape, np.float32)
    for centre, radius_mm in SIGNAL_LOSS:
        parts = [
            np.exp(-0.5 * ((axis - c) / radius_mm) ** 2)
            for axis, c in zip(axes_mm(grid), centre, strict=True)
        ]
        loss += parts[0][:, None, None] * parts[1][:, None] * parts[2]
    brightness = np.where(brain, 1.25 - 0.55 * template, 0.2 * closeness) * (1 - 0.55 * np.minimum(loss, 1))
    sigma = 1.0 / grid.voxel_sizes_mm[1]
    return np.asarray(gaussian_filter((BRAIN_BRIGHTNESS * brightness).astype(np.float32), sigma))


class SmoothFields:
    """Random fields of a given smoothness, unit variance at every voxel.

    Cubic B-splines with random weights, which are cheap because each axis is done for itself.

    Parameters
    ----------
    grid : Grid
        Grid on which fields are evaluated.
    fwhm_mm : float
        Full width at half maximum of the smoothing that would make such a field of white noise.
    """

    def __init__(self, grid: Grid, fwhm_mm: float) -> None:
        spacing = fwhm_mm / FWHM_PER_KNOT
        self.bases = tuple(
            _spline_basis(axis, np.arange(start, stop + spacing, spacing), spacing)
            for axis, (start, stop) in zip(axes_mm(grid), FIELD_BOX_MM, strict=True)
        )
        self.n_knots = tuple(basis.shape[1] for basis in self.bases)

    def draw(self, rng: np.random.Generator, n_fields: int) -> Array:
        """Draw fields.

        Parameters
        ----------
        rng : Generator
        n_fields : int

        Returns
        -------
        array of shape (n_fields, nx, ny, nz), float32
        """
        along_x, along_y, along_z = self.bases
        weights = rng.standard_normal((n_fields, *self.n_knots), dtype=np.float32)
        planes = along_y @ (weights @ along_z.T)
        n_x, n_y, n_z = (len(basis) for basis in self.bases)
        fields = along_x @ planes.reshape(n_fields, -1, n_y * n_z)
        return fields.reshape(n_fields, n_x, n_y, n_z)


def _spline_basis(axis_mm: Array, knots_mm: Array, spacing_mm: float) -> Array:
    distance = np.abs(axis_mm[:, None] - knots_mm) / spacing_mm
    inner = 2 / 3 - distance**2 + distance**3 / 2
    outer = np.maximum(2 - distance, 0) ** 3 / 6
    basis = np.where(distance < 1, inner, outer)
    # Without scaling, the variance would be lower between the knots than at them.
    return np.asarray(basis / np.sqrt((basis**2).sum(axis=1, keepdims=True)), np.float32)
