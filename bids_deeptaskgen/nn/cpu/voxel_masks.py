"""Masks and maps of a box of voxels, on its levels."""

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int, int]


def padded(mask: Tensor) -> Tensor:
    """Put a rim of False around a mask, (x, y, z) to (x + 2, y + 2, z + 2)."""
    return F.pad(mask, (1, 1) * 3)


def dilated(mask: Tensor) -> Tensor:
    """Add the neighbours of a mask's voxels, (x, y, z)."""
    for axis, n in enumerate(mask.shape):
        wider = mask.clone()
        wider.narrow(axis, 0, n - 1).logical_or_(mask.narrow(axis, 1, n - 1))
        wider.narrow(axis, 1, n - 1).logical_or_(mask.narrow(axis, 0, n - 1))
        mask = wider
    return mask


def pooled(x: Tensor) -> Tensor:
    """Give the maximum of each 2x2x2 voxels of (x, y, z, n); what is left over at the ends is dropped."""
    size = [n // 2 * 2 for n in x.shape[:3]]
    for axis, n in enumerate(size):
        # Axis by axis, which is two reads for each write.
        first = (slice(None),) * axis
        x = torch.maximum(x[(*first, slice(0, n, 2))], x[(*first, slice(1, n, 2))])
    return x


def before_pooling(mask: Tensor, like: Tensor) -> Tensor:
    """Mark the voxels of a finer level, of which `like` is a mask, that are pooled to those of a mask."""
    for axis in range(3):
        mask = mask.repeat_interleave(2, axis)
    left_over = [n - m for n, m in zip(like.shape, mask.shape, strict=True)]
    return F.pad(mask, [pad for n in reversed(left_over) for pad in (0, n)])


def flat_places(at: Tensor, size: Size) -> Tensor:
    """Give voxels their numbers in the order of a box, (n_voxels, 3) to (n_voxels,)."""
    x, y, z = at.unbind(1)
    return (x * size[1] + y) * size[2] + z
