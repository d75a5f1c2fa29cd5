"""Comparison of grids: what differs between two, and copies of volumes between grids of the same points."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import Grid

Matrix = NDArray[np.float64]

# Smaller differences are rounding errors of headers.
_ANGLE_DEGREES = 0.1
_SHIFT_MM = 0.005
_SCALE = 1e-3
# Letters of the directions in which the world axes x, y, z increase and decrease.
_LETTERS = ("RL", "AP", "SI")


def axis_codes(matrix: Matrix) -> str:
    """Return the directions in which the voxel indices increase.

    Parameters
    ----------
    matrix : array of shape (4, 4)
        From voxel indices to mm.

    Returns
    -------
    str
        One letter per voxel axis: Right or Left, Anterior or Posterior, Superior or Inferior.

    Examples
    --------
    >>> axis_codes(np.diag([-2.0, 2, 2, 1]))
    'LAS'
    """
    directions = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    letters: dict[int, tuple[int, int]] = {}
    # The largest components first, so that each world axis is used once.
    for flat in np.argsort(-np.abs(directions), axis=None):
        world, voxel = divmod(int(flat), 3)
        if voxel not in letters and _LETTERS[world] not in [_LETTERS[row] for row, _ in letters.values()]:
            letters[voxel] = (world, int(directions[world, voxel] < 0))
    return "".join(_LETTERS[world][sign] for _, (world, sign) in sorted(letters.items()))


@dataclass(frozen=True)
class Placement:
    """Difference between two placements of the same voxels in space.

    Attributes
    ----------
    shift_mm : tuple of float
        Distance between the centres along x, y, z, in mm.
    degrees : float
        Angle of the rotation.
    mirrored_axis : str
        World axis along which one is mirrored; empty if none.
    scales : bool
        Whether voxel sizes or angles between axes differ.
    """

    shift_mm: tuple[float, float, float]
    degrees: float
    mirrored_axis: str
    scales: bool


def compare_placements(
    affine: Matrix, expected: Matrix, shape: tuple[int, ...], expected_shape: tuple[int, ...]
) -> Placement:
    """Compare two affines of images with about the same content.

    Parameters
    ----------
    affine, expected : array of shape (4, 4)
        From voxel indices to mm; not singular.
    shape, expected_shape : tuple of int

    Returns
    -------
    Placement
    """
    centres = [
        matrix[:3, :3] @ ((np.array(sizes[:3]) - 1) / 2) + matrix[:3, 3]
        for matrix, sizes in ((affine, shape), (expected, expected_shape))
    ]
    x, y, z = (float(value) for value in centres[0] - centres[1])
    movement = affine[:3, :3] @ np.linalg.inv(expected[:3, :3])
    columns, scales, rows = np.linalg.svd(movement)
    rotation = columns @ rows
    axis = ""
    if np.linalg.det(rotation) < 0:
        # The flip that leaves the smallest rotation.
        flips = {name: rotation @ np.diag(1.0 - 2 * np.eye(3)[row]) for row, name in enumerate("xyz")}
        axis = max(flips, key=lambda name: float(np.trace(flips[name])))
        rotation = flips[axis]
    cosine = np.clip((np.trace(rotation) - 1) / 2, -1, 1)
    return Placement((x, y, z), float(np.degrees(np.arccos(cosine))), axis, bool(np.ptp(scales) > _SCALE))


def describe_placement(
    affine: Matrix, expected: Matrix, shape: tuple[int, ...], expected_shape: tuple[int, ...]
) -> str:
    """Describe how a placement in space differs from another: mirrored axis, rotation, shift, voxel size.

    Parameters
    ----------
    affine, expected : array of shape (4, 4)
        From voxel indices to mm; not singular.
    shape, expected_shape : tuple of int

    Returns
    -------
    str
        End of a sentence whose subject is the affine.

    Examples
    --------
    >>> affine = np.diag([2.0, 2, 2, 1])
    >>> moved = affine.copy()
    >>> moved[0, 3] = 90
    >>> describe_placement(moved, affine, (5, 5, 5), (5, 5, 5))
    'is shifted by 90 mm (x +90, y 0, z 0)'
    >>> describe_placement(np.diag([-2.0, 2, 2, 1]), affine, (1, 5, 5), (1, 5, 5))
    'is mirrored along x (axes LAS, not RAS)'
    """
    placement = compare_placements(affine, expected, shape, expected_shape)
    codes = axis_codes(affine), axis_codes(expected)
    axes = f" (axes {codes[0]}, not {codes[1]})" if codes[0] != codes[1] else ""
    parts = []
    if placement.mirrored_axis:
        parts.append(f"is mirrored along {placement.mirrored_axis}{axes}")
    if placement.degrees > _ANGLE_DEGREES:
        parts.append(
            f"is rotated by {placement.degrees:.1f} degrees{'' if placement.mirrored_axis else axes}"
        )
    distance = float(np.linalg.norm(placement.shift_mm))
    if distance > _SHIFT_MM:
        directions = ", ".join(
            f"{axis} {value:+.3g}" if abs(value) > _SHIFT_MM else f"{axis} 0"
            for axis, value in zip("xyz", placement.shift_mm, strict=True)
        )
        parts.append(f"is shifted by {distance:.3g} mm ({directions})")
    sizes = [" x ".join(f"{size:.4g}" for size in _sizes(matrix)) for matrix in (affine, expected)]
    if sizes[0] != sizes[1]:
        parts.append(f"has voxels of {sizes[0]} mm, not {sizes[1]} mm")
    elif placement.scales:
        parts.append("is scaled or sheared")
    return ", ".join(parts) or "is moved by less than 0.01 mm at its centre"


def _sizes(matrix: Matrix) -> Matrix:
    sizes: Matrix = np.linalg.norm(matrix[:3, :3], axis=0)
    return sizes


def describe_difference(grid: Grid, expected: Grid) -> str:
    """Describe how a grid differs from the expected one.

    Parameters
    ----------
    grid, expected : Grid

    Returns
    -------
    str
        End of a sentence whose subject is the image on `grid`.

    Examples
    --------
    >>> affine = np.diag([2.0, 2, 2, 1])
    >>> describe_difference(Grid.from_image((4, 5, 5), affine), Grid.from_image((5, 5, 5), affine))
    'has 4x5x5 voxels, not 5x5x5'
    >>> mirrored = Grid.from_image((5, 5, 5), np.array([[-2.0, 0, 0, 9], *affine[1:]]))
    >>> describe_difference(mirrored, Grid.from_image((5, 5, 5), affine))
    'has axes LAS, not RAS, is shifted by 1 mm (x +1, y 0, z 0)'
    """
    codes = [axis_codes(item.matrix) for item in (grid, expected)]
    shapes = ["x".join(map(str, item.shape)) for item in (grid, expected)]
    parts = [f"has {shapes[0]} voxels, not {shapes[1]}"] if grid.shape != expected.shape else []
    if codes[0] != codes[1]:
        # Another order of the same points is no movement.
        parts.append(f"{'' if parts else 'has '}axes {codes[0]}, not {codes[1]}")
        grid = _order_towards(grid, codes[1]).of_grid(grid)
    if not parts or not np.allclose(grid.matrix, expected.matrix, rtol=0, atol=_SHIFT_MM):
        parts.append(describe_placement(grid.matrix, expected.matrix, grid.shape, expected.shape))
    return ", ".join(parts)


@dataclass(frozen=True)
class _Order:
    """Order and signs of the axes of a grid that give it other axis codes."""

    axes: tuple[int, ...]
    signs: tuple[int, ...]

    def of_grid(self, grid: Grid) -> Grid:
        """Return the grid of the same points in this order."""
        steps = np.zeros((4, 4))
        steps[3, 3] = 1
        for column, (row, sign) in enumerate(zip(self.axes, self.signs, strict=True)):
            steps[row, column] = sign
            steps[row, 3] = 0 if sign > 0 else grid.shape[row] - 1
        return Grid.from_image(tuple(grid.shape[row] for row in self.axes), grid.matrix @ steps)

    def of_values(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a view of volumes in this order."""
        view = values.transpose(*self.axes, *range(3, values.ndim))
        return view[tuple(slice(None, None, sign) for sign in self.signs)]


def _order_towards(grid: Grid, codes: str) -> _Order:
    directions = axis_codes(grid.matrix)
    axes = tuple(next(row for row in range(3) if directions[row] in _line(letter)) for letter in codes)
    signs = tuple(1 if directions[row] == letter else -1 for row, letter in zip(axes, codes, strict=True))
    return _Order(axes, signs)


def _line(letter: str) -> str:
    """Return both directions of the world axis of a letter."""
    return next(pair for pair in _LETTERS if letter in pair)


def reorder(values: NDArray[Any], source: Grid, target: Grid) -> NDArray[Any]:
    """Copy volumes to a grid with the same points of space, in another order or sign of the axes.

    Parameters
    ----------
    values : array of shape (*source.shape, ...)
        Values on `source`; further axes are kept.
    source, target : Grid

    Returns
    -------
    array of shape (*target.shape, ...)
        The same values, each at its point of space; a view of `values`.

    Raises
    ------
    ValueError
        If the points of the grids differ. The message describes the difference.

    Examples
    --------
    >>> left = np.array([[-2.0, 0, 0, 2], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    >>> las = Grid.from_image((2, 1, 1), left)
    >>> ras = Grid.from_image((2, 1, 1), np.diag([2.0, 2, 2, 1]))
    >>> reorder(np.array([5, 6]).reshape(2, 1, 1), las, ras).ravel()
    array([6, 5])
    """
    if source.fits(target):
        return values
    order = _order_towards(source, axis_codes(target.matrix))
    if not order.of_grid(source).fits(target):
        raise ValueError(describe_difference(source, target))
    return order.of_values(values)
