"""Grids of voxels, and how the voxels of one are taken from another.

The model lives on FSL's MNI152 2 mm grid (LAS: x runs from right to left), cropped; fMRIPrep writes
TemplateFlow's grid (RAS). Both have 91x109x91 voxels at the same points of space, in mirrored order, so a
comparison of shapes cannot tell them apart: everything here goes by the affine.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Warp = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# Far more than rounding to float32 or to text leaves in an affine, far less than any real shift.
ROUNDING_MM = 1e-2


@dataclass(frozen=True)
class Grid:
    """Points of space on which an image is sampled.

    Attributes
    ----------
    shape : tuple of int
        Number of voxels along i, j, k.
    affine : tuple of tuple of float
        4x4 matrix from voxel indices to mm, row by row.
    """

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], affine: Array) -> "Grid":
        """Make a grid of an image's shape (its first three axes) and affine."""
        x, y, z = (int(n) for n in shape[:3])
        return cls((x, y, z), tuple(tuple(float(value) for value in row) for row in np.asarray(affine)))

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """The affine as an array of shape (4, 4), in mm."""
        return np.array(self.affine)

    @property
    def voxel_sizes_mm(self) -> tuple[float, float, float]:
        """Edge lengths of a voxel in mm."""
        x, y, z = np.sqrt((self.matrix[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    def fits(self, other: "Grid") -> bool:
        """Whether voxels of the same index are at the same place, but for how headers round."""
        return self.shape == other.shape and bool(np.abs(self.matrix - other.matrix).max() < ROUNDING_MM)

    def __str__(self) -> str:
        sizes = " x ".join(f"{size:g}" for size in self.voxel_sizes_mm)
        origin = ", ".join(f"{value:g}" for value in self.matrix[:3, 3])
        return f"{'x'.join(map(str, self.shape))} voxels of {sizes} mm, first voxel at ({origin}) mm"


def _diagonal(step: tuple[float, float, float], origin: tuple[float, float, float]) -> NDArray[np.float64]:
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = origin
    return affine


# A voxel belongs to a mask on another grid if half of its weight does.
MIN_MASK_SHARE = 0.5
# Where the model's box lies in the 91x109x91 grid of the same orientation.
CROP = (slice(7, 83), slice(9, 102), slice(0, 78))
FULL_MODEL_GRID = Grid.of((91, 109, 91), _diagonal((-2, 2, 2), (90, -126, -72)))
MODEL_GRID = Grid.of((76, 93, 78), _diagonal((-2, 2, 2), (76, -108, -72)))
OUTPUT_GRID = Grid.of((91, 109, 91), _diagonal((2, 2, 2), (-90, -126, -72)))


def model_to_output(volume: Array) -> Array:
    """Place a volume of the model's grid on TemplateFlow's res-02 grid (RAS), zero elsewhere.

    Parameters
    ----------
    volume : array of shape (..., 76, 93, 78)
        On ``MODEL_GRID``.

    Returns
    -------
    array of shape (..., 91, 109, 91)
        On ``OUTPUT_GRID``, same dtype; every value keeps its point of space.
    """
    placed = np.zeros(volume.shape[:-3] + FULL_MODEL_GRID.shape, volume.dtype)
    placed[(..., *CROP)] = volume
    return placed[..., ::-1, :, :]


def voxel_positions(
    source: Grid, target: Grid, wanted: NDArray[np.bool_], warp: Warp | None = None
) -> NDArray[np.float64]:
    """Where voxels of one grid lie in another, in voxel units.

    Parameters
    ----------
    source, target : Grid
        Grid of the image at hand; grid whose voxels are asked for.
    wanted : boolean array of target's shape
    warp : callable, optional
        From points (mm) of the target's space to those of the source's, of shape (n_wanted, 3).

    Returns
    -------
    array of shape (n_wanted, 3)
        Indices i, j, k in ``source``, not rounded, in C order of ``wanted``.
    """
    if warp is not None:
        points_mm = warp(np.argwhere(wanted) @ target.matrix[:3, :3].T + target.matrix[:3, 3])
        to_source = np.linalg.inv(source.matrix)
        return np.asarray(points_mm @ to_source[:3, :3].T + to_source[:3, 3])
    to_source = np.linalg.inv(source.matrix) @ target.matrix
    return np.argwhere(wanted) @ to_source[:3, :3].T + to_source[:3, 3]


@dataclass(frozen=True)
class Sampler:
    """Takes the voxels of a target grid out of volumes of a source grid.

    Attributes
    ----------
    inside : boolean array of shape (n_wanted,)
        Which of the wanted voxels the source covers; the others are not sampled.
    corners : integer array of shape (n_corners, n_inside)
        Flat indices into a source volume stored with i fastest, as in a NIfTI file.
    weights : array of shape (n_corners, n_inside) or None
        Weight of each corner; None where the two grids are the same points, so that values are copied.
    """

    inside: NDArray[np.bool_]
    corners: NDArray[np.intp]
    weights: NDArray[np.float32] | None

    @property
    def resamples(self) -> bool:
        """Whether values are interpolated rather than copied."""
        return self.weights is not None

    def only(self, chosen: NDArray[np.bool_]) -> "Sampler":
        """Restrict to some of the voxels that are inside; ``chosen`` has shape (n_inside,)."""
        inside = self.inside.copy()
        inside[inside] = chosen
        weights = None if self.weights is None else self.weights[:, chosen]
        return Sampler(inside, self.corners[:, chosen], weights)

    def within(self, mask: NDArray[np.bool_]) -> "Sampler":
        """Take nothing from outside a mask on the source grid: what is there has weight 0, even if it is NaN.

        Voxels of which less than half lies in the mask are no longer inside; the weights of the others
        sum to 1 again.

        Parameters
        ----------
        mask : boolean array of the source grid's shape

        Returns
        -------
        Sampler
        """
        in_mask = mask.ravel(order="F")[self.corners]
        if self.weights is None:
            return self.only(in_mask[0])
        weights = self.weights * in_mask
        share = weights.sum(axis=0)
        # Zero times NaN is NaN, so that a corner without weight reads its voxel's heaviest one instead.
        heaviest = np.take_along_axis(self.corners, weights.argmax(axis=0)[None], axis=0)
        corners = np.where(weights > 0, self.corners, heaviest)
        weights /= np.maximum(share, np.finfo(np.float32).tiny)
        return Sampler(self.inside, corners, weights).only(share >= MIN_MASK_SHARE)

    def in_source_order(self) -> "tuple[Sampler, NDArray[np.intp]]":
        """Take the voxels as they follow each other in the source, which is several times as fast.

        Returns
        -------
        sampler : Sampler
            Gives the voxels in that order.
        places : integer array of shape (n_inside,)
            Where each of them stands among the wanted voxels.
        """
        order = np.argsort(self.corners[0], kind="stable")
        weights = None if self.weights is None else self.weights[:, order]
        return Sampler(self.inside, self.corners[:, order], weights), np.flatnonzero(self.inside)[order]

    def take(self, volumes: Iterable[NDArray[np.generic]], out: NDArray[np.floating]) -> None:
        """Sample volumes.

        Parameters
        ----------
        volumes : iterable of n_volumes arrays of shape (n_source_voxels,)
            As stored in the file: i fastest, unscaled.
        out : array of shape (n_volumes, n_inside)
            Filled with the sampled values.
        """
        # What is not finite is found and counted later; numpy need not warn of it.
        with np.errstate(invalid="ignore"):
            for row, volume in zip(out, volumes, strict=True):
                if self.weights is None:
                    row[:] = volume.take(self.corners[0])
                else:
                    row[:] = 0
                    for corner, weight in zip(self.corners, self.weights, strict=True):
                        # Rounded once, to what a row holds.
                        row += np.multiply(weight, volume.take(corner), dtype=np.float64)


def make_sampler(source: Grid, target: Grid, wanted: NDArray[np.bool_], warp: Warp | None = None) -> Sampler:
    """Find how to sample ``wanted`` voxels of ``target`` from images on ``source``.

    Grids that are the same points of space (whatever the order or sign of the axes) are matched by index,
    without interpolation; all others by trilinear interpolation between the eight neighbours.

    Parameters
    ----------
    source, target : Grid
    wanted : boolean array of target's shape
    warp : callable, optional
        As in `voxel_positions`.

    Returns
    -------
    Sampler
    """
    positions = voxel_positions(source, target, wanted, warp)
    nearest = np.rint(positions)
    limit = np.array(source.shape) - 1
    # A hundredth of a voxel is far more than rounding leaves and far less than any real shift.
    exact = bool(np.abs(positions - nearest).max(initial=0) < 1e-2)
    if exact:
        positions = nearest
    # Rounding may put a voxel of the border a hair outside.
    inside = np.asarray(((positions > -1e-6) & (positions < limit + 1e-6)).all(axis=1))
    positions = positions[inside].clip(0, limit)
    if exact:
        return Sampler(inside, _flat(positions.astype(np.intp), source)[None], None)
    low = np.minimum(np.floor(positions).astype(np.intp), np.maximum(limit - 1, 0))
    fraction = positions - low
    corners, weights = [], []
    for offset in np.ndindex(2, 2, 2):
        weight = np.where(offset, fraction, 1 - fraction).prod(axis=1)
        corners.append(_flat(np.minimum(low + offset, limit), source))
        weights.append(weight.astype(np.float32))
    return Sampler(inside, np.stack(corners), np.stack(weights))


def _flat(indices: NDArray[np.intp], grid: Grid) -> NDArray[np.intp]:
    nx, ny, _ = grid.shape
    return indices[:, 0] + nx * (indices[:, 1] + ny * indices[:, 2])


def unmask(values: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Lay values of a mask's voxels out in space: (..., n_voxels) to (..., x, y, z), zero elsewhere."""
    volumes = np.zeros(values.shape[:-1] + mask.shape, values.dtype)
    volumes[..., mask] = values
    return volumes
