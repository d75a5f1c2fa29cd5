"""Search spaces of functional ROIs: regions of an atlas, of which a functional ROI is a part."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.atlases.atlas import Atlas
from bids_deeptaskgen.errors import UserError, abbreviate
from bids_deeptaskgen.grid import OUTPUT_GRID

Ints = NDArray[np.intp]


@dataclass(frozen=True)
class SearchSpace:
    """Voxels of the maps in each of several regions, which do not overlap.

    Attributes
    ----------
    label : str
        Label of the atlas in file names (``seg-``).
    numbers : tuple of int
    names : tuple of str
    voxels : integer array of shape (n_members,)
        Indices among the voxels of the maps' mask, region by region, ascending within a region.
    bounds : integer array of shape (n_regions + 1,)
        Members ``bounds[i]`` to ``bounds[i + 1]`` belong to region i.
    indices : integer array of shape (n_members, 3)
        Indices i, j, k of the voxels in an image on ``OUTPUT_GRID``.
    positions_mm : array of shape (n_members, 3)
        x, y, z of their centres.
    """

    label: str
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    voxels: Ints
    bounds: Ints
    indices: Ints
    positions_mm: NDArray[np.float64]

    @cached_property
    def regions(self) -> list[slice]:
        """Return the members of each region."""
        return [slice(*pair) for pair in zip(self.bounds[:-1], self.bounds[1:], strict=True)]

    @cached_property
    def member_numbers(self) -> NDArray[np.int32]:
        """Return the number of the region of each member, of shape (n_members,)."""
        return np.repeat(np.array(self.numbers, np.int32), np.diff(self.bounds))


def make_search_space(atlas: Atlas, mask: NDArray[np.bool_], labels: Sequence[str] = ()) -> SearchSpace:
    """Build the search space of regions of an atlas.

    Parameters
    ----------
    atlas : Atlas
        Of labels, on the voxels of `mask`.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps, on ``OUTPUT_GRID``.
    labels : sequence of str
        Numbers or names of regions; empty for all.

    Returns
    -------
    SearchSpace
        Regions in the order of the atlas, also those without a voxel in the mask.

    Raises
    ------
    UserError
        If the atlas has probabilities, a label is no region of it, or no region has a voxel in the mask.
    """
    if atlas.is_probabilistic:
        message = (
            f"`froi`: {atlas.source} has probabilities, which overlap: a voxel could be in several "
            "functional ROIs.\n"
            "Use an atlas of labels, or a mask of the voxels above a probability of your choice."
        )
        raise UserError(message)
    rows = choose_regions(atlas, labels)
    members = [_region_voxels(atlas, row) for row in rows]
    voxels = np.concatenate(members) if members else np.empty(0, np.intp)
    if not len(voxels):
        names = abbreviate([atlas.names[row] for row in rows])
        message = (
            f"`froi`: no region of {atlas.source} has a voxel that the model predicts ({names}).\n"
            "Choose other regions with `froi_labels`, or another atlas."
        )
        raise UserError(message)
    affine, indices = OUTPUT_GRID.matrix, np.argwhere(mask)[voxels]
    return SearchSpace(
        label=atlas.label,
        numbers=tuple(atlas.numbers[row] for row in rows),
        names=tuple(atlas.names[row] for row in rows),
        voxels=voxels,
        bounds=np.cumsum([0, *map(len, members)]),
        indices=indices,
        positions_mm=indices @ affine[:3, :3].T + affine[:3, 3],
    )


def choose_regions(atlas: Atlas, labels: Sequence[str]) -> list[int]:
    """Choose regions by number or name.

    Parameters
    ----------
    atlas : Atlas
    labels : sequence of str
        Numbers, or names regardless of case; a name that several regions share stands for all of them.

    Returns
    -------
    list of int
        Rows of the atlas, ascending; all of them without labels.

    Raises
    ------
    UserError
        If a label is no region of the atlas.
    """
    if not labels:
        return list(range(len(atlas.numbers)))
    # An exact number takes precedence over a name that looks like a number.
    rows: dict[str, set[int]] = {}
    for row, name in enumerate(atlas.names):
        rows.setdefault(_simplify(name), set()).add(row)
    rows |= {str(number): {row} for row, number in enumerate(atlas.numbers)}
    unknown_labels = [label for label in labels if _simplify(label) not in rows]
    if unknown_labels:
        similar_names = dict.fromkeys(
            match for label in unknown_labels for match in get_close_matches(_simplify(label), list(rows), 3)
        )
        spellings = {_simplify(name): name for name in atlas.names}
        nearest = ", ".join(spellings.get(name, name) for name in similar_names)
        message = (
            f"`froi_labels`: {', '.join(unknown_labels)}: {atlas.source} has no such region"
            + (f" (nearest: {nearest})" if nearest else "")
            + f".\nIts {len(atlas.numbers)} regions are {_list_regions(atlas)}."
        )
        raise UserError(message)
    return sorted(set().union(*(rows[_simplify(label)] for label in labels)))


def _simplify(label: str) -> str:
    return " ".join(label.split()).casefold()


def _list_regions(atlas: Atlas) -> str:
    regions = zip(atlas.numbers, atlas.names, strict=True)
    return abbreviate([f"{number} ({name})" for number, name in regions])


def _region_voxels(atlas: Atlas, row: int) -> Ints:
    start, stop = atlas.weights.indptr[row : row + 2]
    voxels = atlas.weights.indices[start:stop][atlas.weights.data[start:stop] > 0]
    return np.sort(voxels).astype(np.intp)
