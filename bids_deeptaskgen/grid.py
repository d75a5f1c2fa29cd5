"""Voxel grids, and sampling of an image on another grid.

The models use FSL's MNI152 2 mm grid (LAS: x runs from right to left), cropped; fMRIPrep writes
TemplateFlow's grid (RAS). Both have 91x109x91 voxels at the same points of space, in mirrored order. Their
shapes are equal, so all functions compare affines.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Warp = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# Larger than the rounding error of float32 or text in an affine, smaller than any real shift.
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
    def from_image(cls, shape: tuple[int, ...], affine: Array) -> "Grid":
        """Create the grid of an image.

        Parameters
        ----------
        shape : tuple of int
            Shape of the image; only the first three axes are used.
        affine : array of shape (4, 4)
            From voxel indices to mm.

        Returns
        -------
        Grid
        """
        x, y, z = (int(n) for n in shape[:3])
        return cls((x, y, z), tuple(tuple(float(value) for value in row) for row in np.asarray(affine)))

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """Return the affine as an array of shape (4, 4), in mm."""
        return np.array(self.affine)

    @property
    def voxel_sizes_mm(self) -> tuple[float, float, float]:
        """Return the edge lengths of a voxel in mm."""
        x, y, z = np.sqrt((self.matrix[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    def fits(self, grid: "Grid") -> bool:
        """Return whether voxels of the same index have the same position, within rounding of headers.

        Parameters
        ----------
        grid : Grid
            The grid to compare with.

        Returns
        -------
        bool

        Examples
        --------
        >>> OUTPUT_GRID.fits(OUTPUT_GRID), OUTPUT_GRID.fits(FULL_MODEL_GRID)
        (True, False)
        """
        return self.shape == grid.shape and bool(np.abs(self.matrix - grid.matrix).max() < ROUNDING_MM)

    def __str__(self) -> str:
        sizes = " x ".join(f"{size:g}" for size in self.voxel_sizes_mm)
        origin = ", ".join(f"{value:g}" for value in self.matrix[:3, 3])
        return f"{'x'.join(map(str, self.shape))} voxels of {sizes} mm, first voxel at ({origin}) mm"


def _diagonal(step: tuple[float, float, float], origin: tuple[float, float, float]) -> NDArray[np.float64]:
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = origin
    return affine


# A voxel belongs to a mask on another grid if at least half of its weight does.
MIN_MASK_SHARE = 0.5
# Position of the model's box in the 91x109x91 grid of the same orientation.
CROP = (slice(7, 83), slice(9, 102), slice(0, 78))
FULL_MODEL_GRID = Grid.from_image((91, 109, 91), _diagonal((-2, 2, 2), (90, -126, -72)))
MODEL_GRID = Grid.from_image((76, 93, 78), _diagonal((-2, 2, 2), (76, -108, -72)))
OUTPUT_GRID = Grid.from_image((91, 109, 91), _diagonal((2, 2, 2), (-90, -126, -72)))


def model_to_output(volume: NDArray[Any]) -> NDArray[Any]:
    """Copy a volume from the model's grid to TemplateFlow's res-02 grid (RAS), zero elsewhere.

    Parameters
    ----------
    volume : array of shape (..., 76, 93, 78)
        On ``MODEL_GRID``.

    Returns
    -------
    array of shape (..., 91, 109, 91)
        On ``OUTPUT_GRID``, same dtype; every value keeps its point of space.

    Examples
    --------
    >>> model_to_output(np.zeros((2, *MODEL_GRID.shape))).shape
    (2, 91, 109, 91)
    """
    full_volume = np.zeros(volume.shape[:-3] + FULL_MODEL_GRID.shape, volume.dtype)
    full_volume[(..., *CROP)] = volume
    return full_volume[..., ::-1, :, :]


def output_to_model(volume: NDArray[Any]) -> NDArray[Any]:
    """Copy the part of a volume on TemplateFlow's res-02 grid that is in the model's box to the model's grid.

    Parameters
    ----------
    volume : array of shape (..., 91, 109, 91)
        On ``OUTPUT_GRID``.

    Returns
    -------
    array of shape (..., 76, 93, 78)
        On ``MODEL_GRID``, same dtype; every value keeps its point of space.

    Examples
    --------
    >>> volume = np.arange(76 * 93 * 78).reshape(MODEL_GRID.shape)
    >>> np.array_equal(output_to_model(model_to_output(volume)), volume)
    True
    """
    return np.ascontiguousarray(volume[..., ::-1, :, :][(..., *CROP)])


def voxel_positions(
    source: Grid, target: Grid, target_mask: NDArray[np.bool_], warp: Warp | None = None
) -> NDArray[np.float64]:
    """Compute the positions of a target grid's voxels in a source grid, in voxel units.

    Parameters
    ----------
    source, target : Grid
    target_mask : boolean array of target's shape
        Voxels of the target grid.
    warp : callable, optional
        Function from points (mm) of the target's space to points of the source's, both of shape
        (n_target_voxels, 3).

    Returns
    -------
    array of shape (n_target_voxels, 3)
        Indices i, j, k in ``source``, not rounded, in C order of ``target_mask``.
    """
    if warp is not None:
        points_mm = warp(np.argwhere(target_mask) @ target.matrix[:3, :3].T + target.matrix[:3, 3])
        to_source = np.linalg.inv(source.matrix)
        return np.asarray(points_mm @ to_source[:3, :3].T + to_source[:3, 3])
    to_source = np.linalg.inv(source.matrix) @ target.matrix
    return np.argwhere(target_mask) @ to_source[:3, :3].T + to_source[:3, 3]


@dataclass(frozen=True)
class Sampler:
    """Voxel indices and weights that sample volumes of a source grid on voxels of a target grid.

    Attributes
    ----------
    is_covered : boolean array of shape (n_target_voxels,)
        Target voxels that the source covers; the others are not sampled.
    corners : integer array of shape (n_corners, n_inside)
        Flat indices into a source volume stored with i fastest, as in a NIfTI file.
    weights : array of shape (n_corners, n_inside) or None
        Weight of each corner; None if both grids have the same points, so that values are copied.
    """

    is_covered: NDArray[np.bool_]
    corners: NDArray[np.intp]
    weights: NDArray[np.float32] | None

    @property
    def resamples(self) -> bool:
        """Return whether values are interpolated rather than copied."""
        return self.weights is not None

    @property
    def nearest_voxels(self) -> NDArray[np.intp]:
        """Return the flat index of the source voxel with the largest weight, for each sampled voxel."""
        if self.weights is None:
            return np.asarray(self.corners[0])
        return np.asarray(np.take_along_axis(self.corners, self.weights.argmax(axis=0)[None], axis=0)[0])

    def select(self, is_kept: NDArray[np.bool_]) -> "Sampler":
        """Restrict the sampler to some of its voxels.

        Parameters
        ----------
        is_kept : boolean array of shape (n_inside,)
            Voxels to keep, among those that are sampled.

        Returns
        -------
        Sampler
        """
        is_covered = self.is_covered.copy()
        is_covered[is_covered] = is_kept
        weights = None if self.weights is None else self.weights[:, is_kept]
        return Sampler(is_covered, self.corners[:, is_kept], weights)

    def restrict_to(self, mask: NDArray[np.bool_]) -> "Sampler":
        """Set the weights of source voxels outside a mask to 0, even if their values are NaN.

        Target voxels with less than half of their weight in the mask are no longer sampled; the weights of
        the others are normalised to a sum of 1.

        Parameters
        ----------
        mask : boolean array of the source grid's shape

        Returns
        -------
        Sampler
        """
        in_mask = mask.ravel(order="F")[self.corners]
        if self.weights is None:
            return self.select(in_mask[0])
        weights = self.weights * in_mask
        share = weights.sum(axis=0)
        # Zero times NaN is NaN, so a corner without weight reads the corner with the largest weight instead.
        heaviest = np.take_along_axis(self.corners, weights.argmax(axis=0)[None], axis=0)
        corners = np.where(weights > 0, self.corners, heaviest)
        weights /= np.maximum(share, np.finfo(np.float32).tiny)
        return Sampler(self.is_covered, corners, weights).select(share >= MIN_MASK_SHARE)

    def in_source_order(self) -> "tuple[Sampler, NDArray[np.intp]]":
        """Sort the voxels by their position in the source, which makes sampling several times as fast.

        Returns
        -------
        sampler : Sampler
            Samples the voxels in that order.
        places : integer array of shape (n_inside,)
            Index of each voxel among the target voxels.
        """
        order = np.argsort(self.corners[0], kind="stable")
        weights = None if self.weights is None else self.weights[:, order]
        return Sampler(self.is_covered, self.corners[:, order], weights), np.flatnonzero(self.is_covered)[
            order
        ]

    def take(self, volumes: Iterable[NDArray[np.generic]], out: NDArray[np.floating]) -> None:
        """Sample volumes.

        Parameters
        ----------
        volumes : iterable of n_volumes arrays of shape (n_source_voxels,)
            As stored in the file: i fastest, unscaled.
        out : array of shape (n_volumes, n_inside)
            Receives the sampled values.
        """
        # Later code counts values that are not finite; numpy need not warn of them.
        with np.errstate(invalid="ignore"):
            for row, volume in zip(out, volumes, strict=True):
                if self.weights is None:
                    row[:] = volume.take(self.corners[0])
                else:
                    row[:] = 0
                    for corner, weight in zip(self.corners, self.weights, strict=True):
                        # Multiplied in float64, so that the sum is rounded only once.
                        row += np.multiply(weight, volume.take(corner), dtype=np.float64)


def make_sampler(
    source: Grid, target: Grid, target_mask: NDArray[np.bool_], warp: Warp | None = None
) -> Sampler:
    """Create the sampler of images on a source grid for voxels of a target grid.

    Grids with the same points of space (in any order and sign of the axes) are matched by index, without
    interpolation; all others by trilinear interpolation between the eight neighbours.

    Parameters
    ----------
    source, target : Grid
    target_mask : boolean array of target's shape
        Voxels of the target grid.
    warp : callable, optional
        As in `voxel_positions`.

    Returns
    -------
    Sampler
    """
    positions = voxel_positions(source, target, target_mask, warp)
    nearest = np.rint(positions)
    limit = np.array(source.shape) - 1
    # A hundredth of a voxel is larger than rounding errors and smaller than any real shift.
    exact = bool(np.abs(positions - nearest).max(initial=0) < 1e-2)
    if exact:
        positions = nearest
    # Rounding may move a voxel of the border slightly outside.
    is_covered = np.asarray(((positions > -1e-6) & (positions < limit + 1e-6)).all(axis=1))
    positions = positions[is_covered].clip(0, limit)
    if exact:
        return Sampler(is_covered, _flat(positions.astype(np.intp), source)[None], None)
    lower_corner = np.minimum(np.floor(positions).astype(np.intp), np.maximum(limit - 1, 0))
    fraction = positions - lower_corner
    corners, weights = [], []
    for offset in np.ndindex(2, 2, 2):
        weight = np.where(offset, fraction, 1 - fraction).prod(axis=1)
        corners.append(_flat(np.minimum(lower_corner + offset, limit), source))
        weights.append(weight.astype(np.float32))
    return Sampler(is_covered, np.stack(corners), np.stack(weights))


def _flat(indices: NDArray[np.intp], grid: Grid) -> NDArray[np.intp]:
    nx, ny, _ = grid.shape
    return indices[:, 0] + nx * (indices[:, 1] + ny * indices[:, 2])


def unmask(values: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Unmask the values of a mask's voxels.

    Parameters
    ----------
    values : array of shape (..., n_voxels)
    mask : boolean array of shape (x, y, z)
        With n_voxels voxels.

    Returns
    -------
    array of shape (..., x, y, z)
        Zero outside the mask; same dtype.

    Examples
    --------
    >>> unmask(np.array([5, 6]), np.array([[[True, False, True]]]))
    array([[[5, 0, 6]]])
    """
    volumes = np.zeros(values.shape[:-1] + mask.shape, values.dtype)
    volumes[..., mask] = values
    return volumes
