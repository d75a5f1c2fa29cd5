"""Masks and feature maps of a box of voxels, on the levels of the network."""

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int, int]


def pad_mask(mask: Tensor) -> Tensor:
    """Add a rim of False to a mask, from (x, y, z) to (x + 2, y + 2, z + 2).

    Parameters
    ----------
    mask : boolean tensor of shape (x, y, z)
    """
    return F.pad(mask, (1, 1) * 3)


def dilate(mask: Tensor) -> Tensor:
    """Add the 26 neighbours of each voxel to a mask of shape (x, y, z).

    Parameters
    ----------
    mask : boolean tensor of shape (x, y, z)
        Is not changed.

    Returns
    -------
    boolean tensor of shape (x, y, z)

    Examples
    --------
    >>> mask = torch.zeros((5, 5, 5), dtype=torch.bool)
    >>> mask[2, 2, 2] = True
    >>> int(dilate(mask).sum())
    27
    """
    for axis, n in enumerate(mask.shape):
        result = mask.clone()
        result.narrow(axis, 0, n - 1).logical_or_(mask.narrow(axis, 1, n - 1))
        result.narrow(axis, 1, n - 1).logical_or_(mask.narrow(axis, 0, n - 1))
        mask = result
    return mask


def max_pool(x: Tensor) -> Tensor:
    """Return the maxima of 2x2x2 voxels of (x, y, z, n); an odd last voxel of an axis is dropped.

    Parameters
    ----------
    x : tensor of shape (x, y, z, n)
        Values of n channels at each voxel.

    Returns
    -------
    tensor of shape (x // 2, y // 2, z // 2, n)

    Examples
    --------
    >>> max_pool(torch.arange(8.0).reshape(2, 2, 2, 1)).flatten()
    tensor([7.])
    """
    size = [n // 2 * 2 for n in x.shape[:3]]
    for axis, n in enumerate(size):
        # Axis by axis: two reads per write.
        first = (slice(None),) * axis
        x = torch.maximum(x[(*first, slice(0, n, 2))], x[(*first, slice(1, n, 2))])
    return x


def unpool_mask(mask: Tensor, reference: Tensor) -> Tensor:
    """Expand a mask to the next finer level: all voxels that are pooled to a voxel of the mask.

    Parameters
    ----------
    mask : boolean tensor of shape (x // 2, y // 2, z // 2)
    reference : boolean tensor of shape (x, y, z)
        Any mask of the finer level; only its shape is used.

    Returns
    -------
    boolean tensor of shape (x, y, z)
    """
    for axis in range(3):
        mask = mask.repeat_interleave(2, axis)
    n_dropped = [n - m for n, m in zip(reference.shape, mask.shape, strict=True)]
    return F.pad(mask, [pad for n in reversed(n_dropped) for pad in (0, n)])


def flat_index(voxels: Tensor, size: Size) -> Tensor:
    """Convert voxel indices to flat indices in C order.

    Parameters
    ----------
    voxels : integer tensor of shape (n_voxels, 3)
    size : tuple of int
        Number of voxels along each axis.

    Returns
    -------
    integer tensor of shape (n_voxels,)
    """
    x, y, z = voxels.unbind(1)
    return (x * size[1] + y) * size[2] + z
