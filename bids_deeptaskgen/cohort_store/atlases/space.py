"""Space of an atlas: only atlases in the space of the maps, MNI152NLin6Asym, are used.

The template has several names: ``MNI152NLin6Asym`` in TemplateFlow and fMRIPrep, ``MNI152NLin6ASym`` in the
BIDS specification. Neuroparc's ``MNI152NLin6`` is FSL's template, too, but other programs could
mean the symmetric one: such a file must have FSL's field of view, as a file that states no space.
"""

import re
from pathlib import Path

import numpy as np

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID, Grid
from bids_deeptaskgen.grid_comparison import axis_codes

MODEL_SPACE = "MNI152NLin6Asym"
_SYNONYMS = (MODEL_SPACE, "MNI152NLin6ASym")
_IF_FIELD_OF_VIEW_FITS = ("MNI152NLin6",)
# Names of atlases outside BIDS have the space in any place, also at the end.
_STATEMENT = re.compile(r"(?i)(?:^|[_.])(space|tpl)-([a-z0-9+]+)")
# The field of view of MNI152NLin2009cAsym is more than 5 mm larger on each side along x and y; voxels of
# other sizes in the same field of view move its ends by less than a voxel.
_MAX_DIFFERENCE_MM = 4.0
_STATE_SPACE = f"add `space-{MODEL_SPACE}_` to the name of the file"


def check_space(path: Path, grid: Grid, parameter: str) -> None:
    """Check that an atlas is in the space of the maps, by its name and its field of view.

    Parameters
    ----------
    path : Path
        Image; ``space-`` or ``tpl-`` in its name states the space.
    grid : Grid
        Grid of its volumes.
    parameter : str
        Name of the option, for messages.

    Raises
    ------
    InputError
        If the name states another space, or no space and the field of view is not that of FSL's template.
    """
    statements = [(key.lower(), space) for key, space in _STATEMENT.findall(path.name)]
    # tpl-X_..._space-Y is an atlas of X in the space Y.
    spaces = [space for key, space in statements if key == "space"] or [space for _, space in statements]
    # Of several, the one that does not fit.
    space = min(spaces, key=lambda item: item in (*_SYNONYMS, *_IF_FIELD_OF_VIEW_FITS), default=None)
    if space is not None and space not in (*_SYNONYMS, *_IF_FIELD_OF_VIEW_FITS):
        message = (
            f"{path}: is in {space}, but the maps are in {MODEL_SPACE} (FSL's MNI152 template).\n"
            f"Give `{parameter}` this atlas in {MODEL_SPACE}; most atlases exist in several spaces. If the "
            "name of the file is wrong, rename it."
        )
        raise InputError(message)
    if space in _SYNONYMS:
        return
    difference = _describe_field_of_view(grid)
    if difference:
        stated = "does not state its space" if space is None else f"is in {space}"
        message = (
            f"{path}: {stated}, and its field of view is not that of {MODEL_SPACE} (FSL's MNI152 template): "
            f"{difference}.\nGive `{parameter}` an atlas in {MODEL_SPACE}. If this one is, {_STATE_SPACE}."
        )
        raise InputError(message)


def _describe_field_of_view(grid: Grid) -> str:
    """Describe how the field of view differs from that of the maps; empty if it does not."""
    if not _is_along_axes(grid):
        return f"its axes ({axis_codes(grid.matrix)}) are oblique"
    start, end = _ends_mm(grid)
    expected_start, expected_end = _ends_mm(OUTPUT_GRID)
    tolerance = min(max(grid.voxel_sizes_mm), _MAX_DIFFERENCE_MM)
    if max(np.abs(start - expected_start).max(), np.abs(end - expected_end).max()) <= tolerance:
        return ""
    ends = [
        ", ".join(f"{axis} {first:g} to {last:g}" for axis, first, last in zip("xyz", *pair, strict=True))
        for pair in ((start, end), (expected_start, expected_end))
    ]
    return f"it covers {ends[0]} mm, not {ends[1]} mm"


def _is_along_axes(grid: Grid) -> bool:
    """Return whether each voxel axis runs along a world axis, within rounding."""
    directions = np.abs(grid.matrix[:3, :3]) / np.linalg.norm(grid.matrix[:3, :3], axis=0)
    return bool((directions.max(axis=0) > 1 - 1e-4).all())


def _ends_mm(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ends of the field of view along x, y, z: the outer edges of the outermost voxels."""
    corners = np.array([np.full(3, -0.5), np.array(grid.shape) - 0.5])
    points = corners @ grid.matrix[:3, :3].T + grid.matrix[:3, 3]
    return points.min(axis=0), points.max(axis=0)
