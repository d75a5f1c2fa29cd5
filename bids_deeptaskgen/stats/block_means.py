"""Means of maps over blocks of voxels, which suffice to compare participants and need little memory."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class BlockMeans:
    """Assignment of voxels to blocks.

    Attributes
    ----------
    blocks : integer array of shape (n_voxels,)
        Number of each voxel's block, from 0 without gaps.
    n_blocks : int
    """

    blocks: NDArray[np.intp]
    n_blocks: int

    @cached_property
    def _order(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Sort the voxels by block, and find the first of each block."""
        order = np.argsort(self.blocks, kind="stable")
        return order, np.searchsorted(self.blocks[order], np.arange(self.n_blocks))

    def apply(self, maps: ArrayLike, voxels: NDArray[np.bool_] | None = None) -> Floats:
        """Average maps over each block.

        Parameters
        ----------
        maps : array of shape (n_maps, n_voxels)
        voxels : boolean array of shape (n_voxels,), optional
            Voxels with values; by default all.

        Returns
        -------
        float32 array of shape (n_maps, n_blocks)
            Mean over the voxels with values; NaN for blocks without any.

        Examples
        --------
        >>> blocks = BlockMeans(np.array([0, 1, 0]), 2)
        >>> blocks.apply([[1, 5, 3]])
        array([[2., 5.]], dtype=float32)
        >>> blocks.apply([[1, 5, 3]], np.array([True, False, True]))
        array([[ 2., nan]], dtype=float32)
        """
        order, starts = self._order
        counts = np.add.reduceat(np.ones(len(order)) if voxels is None else voxels[order] * 1.0, starts)
        inverse = np.full(self.n_blocks, np.nan)
        np.divide(1, counts, out=inverse, where=counts > 0)
        means = []
        for values in np.asarray(maps, np.float32):
            row = values if voxels is None else np.where(voxels, values, np.float32(0))
            means.append(np.add.reduceat(row[order], starts, dtype=np.float64) * inverse)
        return np.array(means, np.float32).reshape(-1, self.n_blocks)


def number_blocks(positions: NDArray[np.intp], size: int) -> tuple[BlockMeans, NDArray[np.intp]]:
    """Assign voxels to cubic blocks of a grid.

    Parameters
    ----------
    positions : integer array of shape (n_voxels, 3)
        Indices of the voxels in the grid, not negative.
    size : int
        Edge of a block, in voxels; the first block starts at voxel 0.

    Returns
    -------
    means : BlockMeans
    block_positions : integer array of shape (n_blocks, 3)
        Indices i, j, k of the blocks with voxels, in C order.

    Examples
    --------
    >>> number_blocks(np.array([[0, 0, 0], [0, 0, 5], [1, 1, 1]]), 4)[1].tolist()
    [[0, 0, 0], [0, 0, 1]]
    """
    block_positions, blocks = np.unique(positions // size, axis=0, return_inverse=True)
    return BlockMeans(blocks.reshape(-1), len(block_positions)), block_positions
