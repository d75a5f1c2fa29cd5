"""Affine of a NIfTI header from its sform and qform, by the rules of the format."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid_comparison import describe_placement

Matrix = NDArray[np.float64]

# Below, the last component of a float32 quaternion cannot be told from 0, as in nibabel.
_ROUNDING = 3 * float(np.finfo(np.float32).eps)
# A longer quaternion is no rotation but damage. Up to it, the quaternion is normalised, as in nifti_clib.
_MAX_SQUARES = 1.01
# Volume of the parallelepiped of the axes' directions, below which the axes lie in a plane.
_MIN_VOLUME = 1e-4
# Larger distances between the positions of a voxel by qform and by sform are not rounding.
MAX_DISAGREEMENT_MM = 1.0
# No unit gives the image of a head such voxel sizes or positions.
_SIZE_LIMITS = (1e-4, 1e5)
_MAX_POSITION = 1e7
# Factors to mm by the code of the unit: unknown, m, mm, um.
_MM = {1: 1000.0, 3: 0.001}
# Range of voxel sizes of images of heads, by which wrong codes of units are recognised.
_SIZES_MM = (0.05, 30.0)


@dataclass(frozen=True, eq=False)
class Orientation:
    """Affines of a header.

    Attributes
    ----------
    sform, qform : array of shape (4, 4), or None
        From voxel indices to mm; None if its code is 0 or it is unusable.
    sform_code : int
        Code of a usable sform; 0 without.
    problems : tuple of str
        Why an sform or a qform with a code is unusable.
    """

    sform: Matrix | None
    qform: Matrix | None
    sform_code: int
    problems: tuple[str, ...]

    @property
    def affine(self) -> Matrix | None:
        """Return the affine: the sform, otherwise the qform, otherwise None."""
        return self.qform if self.sform is None else self.sform

    def describe_absence(self) -> str:
        """Describe why there is no affine, and what to do."""
        if not self.problems:
            return (
                "neither qform nor sform is set (both codes are 0), so left and right cannot be "
                "distinguished.\nReplace it by the original image with its header."
            )
        return (
            f"the header has no usable orientation: {', and '.join(self.problems)}.\n"
            "Replace it by the original image with its header."
        )

    def describe_disagreement(self, shape: tuple[int, ...]) -> str:
        """Describe how qform and sform disagree.

        Parameters
        ----------
        shape : tuple of int
            Shape of the image.

        Returns
        -------
        str
            Empty if all voxels are within ``MAX_DISAGREEMENT_MM``, or if one of both is not usable.
        """
        if self.sform is None or self.qform is None:
            return ""
        corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape[:3]) - 1)
        offsets = corners @ (self.qform - self.sform)[:3, :3].T + (self.qform - self.sform)[:3, 3]
        if np.abs(offsets).max() <= MAX_DISAGREEMENT_MM:
            return ""
        return describe_placement(self.qform, self.sform, shape, shape)


def read_orientation(header: Any) -> Orientation:
    """Read the affines of a header.

    The sform is used if its code is positive and it maps voxels to space, otherwise the qform if its code is
    positive. Units of m and um are converted unless the voxel sizes are those of a head in mm.

    Parameters
    ----------
    header : numpy structured scalar
        Fields of NIfTI-1 or NIfTI-2.

    Returns
    -------
    Orientation
    """
    problems = []
    forms: dict[str, Matrix | None] = {"sform": None, "qform": None}
    for name, read in (("sform", _read_sform), ("qform", _read_qform)):
        code = int(header[f"{name}_code"])
        if code <= 0:
            continue
        matrix, problem = read(header)
        problem = problem or _find_absurdity(matrix)
        if problem:
            problems.append(f"the {name} (code {code}) {problem}")
        else:
            forms[name] = _to_mm(matrix, int(header["xyzt_units"]) & 7)
    sform_code = 0 if forms["sform"] is None else int(header["sform_code"])
    return Orientation(forms["sform"], forms["qform"], sform_code, tuple(problems))


def _read_sform(header: Any) -> tuple[Matrix, str]:
    """Read the sform, and the reason why it is unusable."""
    matrix = np.eye(4)
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        matrix[row] = header[name]
    if not np.isfinite(matrix).all():
        return matrix, "has values that are not finite"
    if not matrix[:3].any():
        return matrix, "is all zeros"
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not lengths.all() or abs(np.linalg.det(matrix[:3, :3] / lengths)) < _MIN_VOLUME:
        return matrix, "is singular"
    return matrix, ""


def _read_qform(header: Any) -> tuple[Matrix, str]:
    """Read the qform, and the reason why it is unusable."""
    matrix = np.eye(4)
    sizes = np.array(header["pixdim"][1:4], np.float64)
    vector = np.array([header[f"quatern_{name}"] for name in "bcd"], np.float64)
    offsets = np.array([header[f"qoffset_{name}"] for name in "xyz"], np.float64)
    if not np.isfinite([*sizes, *vector, *offsets]).all():
        return matrix, "has values that are not finite"
    if (sizes <= 0).any():
        return matrix, f"has voxel sizes of {' x '.join(f'{size:g}' for size in sizes)} mm"
    squares = float(vector @ vector)
    if squares > _MAX_SQUARES:
        return matrix, f"is no rotation (its quaternion has a sum of squares of {squares:.3g})"
    real_squares = 1 - squares
    if real_squares < _ROUNDING:
        vector, real_squares = vector / np.sqrt(squares), 0.0
    if header["pixdim"][0] < 0:
        sizes[2] = -sizes[2]
    matrix[:3, :3] = _rotation(float(np.sqrt(real_squares)), vector) * sizes
    matrix[:3, 3] = offsets
    return matrix, ""


def _find_absurdity(matrix: Matrix) -> str:
    sizes = np.linalg.norm(matrix[:3, :3], axis=0)
    smallest, largest = _SIZE_LIMITS
    if ((sizes >= smallest) & (sizes <= largest)).all() and np.abs(matrix[:3, 3]).max() <= _MAX_POSITION:
        return ""
    sizes_text = " x ".join(f"{size:.3g}" for size in sizes)
    positions = ", ".join(f"{value:.3g}" for value in matrix[:3, 3])
    return f"has voxels of {sizes_text} and the first voxel at ({positions})"


def _rotation(real: float, vector: Matrix) -> Matrix:
    """Convert a unit quaternion to a rotation matrix."""
    b, c, d = vector
    cross = np.array([[0, -d, c], [d, 0, -b], [-c, b, 0]])
    rotation: Matrix = np.eye(3) + 2 * real * cross + 2 * cross @ cross
    return rotation


def _to_mm(matrix: Matrix, unit: int) -> Matrix:
    """Convert an affine to mm, unless its voxel sizes show that it is in mm."""
    factor = _MM.get(unit, 1.0)
    smallest, largest = _SIZES_MM
    sizes = np.linalg.norm(matrix[:3, :3], axis=0) * factor
    if factor == 1 or not ((sizes >= smallest) & (sizes <= largest)).all():
        return matrix
    return np.diag([factor, factor, factor, 1.0]) @ matrix
