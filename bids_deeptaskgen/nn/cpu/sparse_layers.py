"""Layers of the published network on rows of voxels: convolution, upsampling, resizing, gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bids_deeptaskgen.nn.cpu.parallel import in_parts
from bids_deeptaskgen.nn.cpu.voxel_masks import (
    Size,
    dilated,
    flat_places,
    padded,
)
from bids_deeptaskgen.nn.unet import AttentionGate

# Voxels that are multiplied at a time: their rows stay in the caches.
N_PER_PRODUCT = 1024


@dataclass(frozen=True)
class KernelTap:
    """A part of a convolution: some rows that lie beside each other, times a matrix.

    Attributes
    ----------
    starts : integer tensor of shape (n_voxels,)
        The first of these rows, for each voxel that is computed.
    kernel : tensor of shape (n_beside * n_in, n_out)
    """

    starts: Tensor
    kernel: Tensor


class Products:
    """A convolution as a sum of matrix products.

    Parameters
    ----------
    taps : sequence of Tap
    bias : tensor of shape (n_out,)
    """

    def __init__(self, taps: Sequence[KernelTap], bias: Tensor) -> None:
        self.taps, self.bias = taps, bias

    def __call__(self, rows: Tensor, out: Tensor) -> None:
        """Compute voxels: rows (n_rows, n_in) to out (n_voxels, n_out)."""
        n_in = rows.shape[1]

        def compute(part: slice) -> None:
            total: Tensor = out[part]
            before = self.bias
            for tap in self.taps:
                # Rows that lie beside each other are one longer row: fewer and larger products.
                width = len(tap.kernel)
                beside = rows.as_strided((len(rows) - width // n_in + 1, width), (n_in, 1))
                gathered = beside.index_select(0, tap.starts[part])
                before = torch.addmm(before, gathered, tap.kernel, out=total)

        in_parts(len(out), N_PER_PRODUCT, compute)


class Convolution:
    """A 3x3x3 convolution and ReLU at the voxels of a mask.

    Its input has a row for each of these voxels and their neighbours, in the order of the box and with those
    outside of it, which are zero.

    Parameters
    ----------
    layer : Conv3d
    target : boolean tensor of shape (x, y, z)
    """

    def __init__(self, layer: nn.Conv3d, target: Tensor) -> None:
        self.target = target
        self.near = dilated(padded(target))
        self.n_rows = int(self.near.sum())
        self.inside_at = self.select_rows(self.inside)
        self.n_voxels = int(target.sum())
        row_of = self.near.flatten().cumsum(0, dtype=torch.int32) - 1
        n_out, n_in = layer.weight.shape[:2]
        kernels = layer.weight.detach().permute(2, 3, 4, 1, 0).reshape(9, 3 * n_in, n_out).contiguous()
        places = padded(target).flatten().nonzero()[:, 0]
        y, z = self.near.shape[1:]
        # The three neighbours along z have rows beside each other.
        steps = [(i * y + j) * z - 1 for i, j in product((-1, 0, 1), repeat=2)]
        taps = [KernelTap(row_of[places + step], kernel) for step, kernel in zip(steps, kernels, strict=True)]
        self.products = Products(taps, cast(Tensor, layer.bias).detach())

    @property
    def inside(self) -> Tensor:
        """Voxels of the box that have a row, boolean (x, y, z)."""
        return self.near[1:-1, 1:-1, 1:-1]

    def select_rows(self, mask: Tensor) -> Tensor:
        """Find the rows of voxels of the box: boolean (x, y, z) to integer (n,)."""
        return padded(mask)[self.near].nonzero()[:, 0]

    def __call__(self, rows: Tensor) -> Tensor:
        """Compute the voxels, (n_rows, n_in) to (n_voxels, n_out)."""
        out = rows.new_empty((self.n_voxels, len(self.products.bias)))
        self.products(rows, out)
        return F.relu_(out)


class Up:
    """A step from a coarse level to the voxels of a mask on the next finer one.

    Parameters
    ----------
    upscale : ConvTranspose3d
    gate : AttentionGate
    block : Conv3d
        That of the block which joins both ways.
    target : boolean tensor of shape (x, y, z)

    Attributes
    ----------
    needed : boolean tensor of shape (x // 2, y // 2, z // 2)
        Voxels of the coarse level that matter.
    skipped : boolean tensor of shape (x, y, z)
        Voxels of the skip that matter.
    """

    def __init__(
        self, upscale: nn.ConvTranspose3d, gate: AttentionGate, block: nn.Conv3d, target: Tensor
    ) -> None:
        self.gate = gate
        self.convolution = Convolution(block, target)
        self.skipped = self.convolution.inside
        size = cast(Size, tuple(target.shape))
        at = self.convolution.near.nonzero() - 1
        self.outside = ((at < 0) | (at >= torch.tensor(size))).any(1).nonzero()[:, 0]
        at[self.outside] = 0  # any that is there; what it gives is set to zero
        self.skip_at = flat_places(at, size)
        self.resizing = Resizing(at, size)
        self.upsampling = Upsampling(upscale, self.resizing.read, cast(Size, tuple(n // 2 for n in size)))
        self.needed = self.upsampling.needed

    def __call__(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Compute the target's voxels.

        Parameters
        ----------
        coarse : tensor of shape (n_needed, n_in)
        skip : tensor of shape (x * y * z, n_skip)

        Returns
        -------
        tensor of shape (n_target, n_out)
        """
        upsampled = self.upsampling(coarse)
        n = skip.shape[1]
        joined = skip.new_empty((self.convolution.n_rows, 2 * n))

        def join(part: slice) -> None:
            below = self.resizing(upsampled, part)
            joined[part, :n] = below
            joined[part, n:] = gated(self.gate, below, skip.index_select(0, self.skip_at[part]))

        in_parts(len(joined), N_PER_PRODUCT, join)
        joined[self.outside] = 0
        return self.convolution(joined)


class Resizing:
    """Linear interpolation to as many voxels or one less along each axis, at some voxels.

    The n points of the result lie at i + (i + 0.5) / n among those of the n + 1 that there are.

    Parameters
    ----------
    at : integer tensor of shape (n_voxels, 3)
    size : tuple of int
        Voxels along each axis; before, there are twice those of the coarse level, and one.

    Attributes
    ----------
    read : integer tensor of shape (n_read, 3)
        Voxels that are needed, in the order in which they are wanted.
    """

    def __init__(self, at: Tensor, size: Size) -> None:
        before = cast(Size, tuple(n // 2 * 2 + 1 for n in size))
        shrinks = [n < m for n, m in zip(size, before, strict=True)]
        share = (at + 0.5) / torch.tensor(size)
        corners, weights = [], []
        for corner in product(*((0, 1) if shrinks_here else (0,) for shrinks_here in shrinks)):
            step = torch.tensor(corner)
            weight = torch.where(step > 0, share, 1 - share)[:, torch.tensor(shrinks)].prod(1)
            corners.append(flat_places(at + step, before))
            weights.append(weight[:, None])
        marked = torch.zeros(before[0] * before[1] * before[2], dtype=torch.bool)
        marked[torch.cat(corners)] = True
        row_of = marked.cumsum(0, dtype=torch.int32) - 1
        self.read = marked.view(before).nonzero()
        self.corners = [(row_of[corner], weight) for corner, weight in zip(corners, weights, strict=True)]

    def __call__(self, rows: Tensor, part: slice) -> Tensor:
        """Interpolate some of the voxels, (n_read, n) to (n_part, n)."""
        (first, weight), *others = self.corners
        total = rows.index_select(0, first[part]).mul_(weight[part])
        for corner, weight in others:
            total.addcmul_(rows.index_select(0, corner[part]), weight[part])
        return total


class Upsampling:
    """A transposed 3x3x3 convolution of stride 2 at some voxels of its result.

    Along an axis, voxel 2i has the coarse voxels i - 1 and i, by the last and the first third of the kernel;
    voxel 2i + 1 has voxel i, by the middle one.

    Parameters
    ----------
    layer : ConvTranspose3d
    wanted : integer tensor of shape (n_wanted, 3)
        Voxels among (2x + 1, 2y + 1, 2z + 1).
    size : tuple of int
        (x, y, z), that of the coarse level.

    Attributes
    ----------
    needed : boolean tensor of shape (x, y, z)
        Voxels of the coarse level that matter.
    """

    def __init__(self, layer: nn.ConvTranspose3d, wanted: Tensor, size: Size) -> None:
        kernels = layer.weight.detach().permute(2, 3, 4, 0, 1)  # (3, 3, 3, n_in, n_out)
        self.n_wanted = len(wanted)
        around = cast(Size, tuple(n + 2 for n in size))
        needed = torch.zeros(around, dtype=torch.bool)
        self.classes: list[tuple[Tensor, Products]] = []
        for parity in product((0, 1), repeat=3):
            members = (wanted % 2 == torch.tensor(parity)).all(1).nonzero()[:, 0]
            at = wanted[members] // 2 + 1  # in the box with a rim
            taps = []
            across = [((1, 0),) if odd else ((0, 0), (2, -1)) for odd in parity[:2]]
            for (i, step_x), (j, step_y) in product(*across):
                # Of two rows beside each other, the first is the coarse voxel before.
                along = (1,) if parity[2] else (2, 0)
                first = at + torch.tensor([step_x, step_y, 1 - len(along)])
                for n in range(len(along)):
                    needed[(first + torch.tensor([0, 0, n])).unbind(1)] = True
                kernel = torch.cat([kernels[i, j, k] for k in along])
                taps.append(KernelTap(flat_places(first, around).int(), kernel))
            self.classes.append((members, Products(taps, cast(Tensor, layer.bias).detach())))
        self.needed = needed[1:-1, 1:-1, 1:-1]
        self.needed_at = padded(self.needed).flatten().nonzero()[:, 0]
        self.n_around = needed.numel()

    def __call__(self, coarse: Tensor) -> Tensor:
        """Compute the wanted voxels.

        Parameters
        ----------
        coarse : tensor of shape (n_needed, n_in)

        Returns
        -------
        tensor of shape (n_wanted, n_out)
        """
        rows = coarse.new_zeros((self.n_around, coarse.shape[1]))
        rows[self.needed_at] = coarse
        n_out = len(self.classes[0][1].bias)
        out = coarse.new_empty((self.n_wanted, n_out))
        for members, products in self.classes:
            of_class = coarse.new_empty((len(members), n_out))
            products(rows, of_class)
            out[members] = of_class
        return out


def gated(gate: AttentionGate, coarse: Tensor, skip: Tensor) -> Tensor:
    """Weigh the skip's rows by those of the coarse level, two of (n_voxels, n) to one.

    A projection of single voxels may as well come after the resizing as before it.
    """

    def project(layer: nn.Module, rows: Tensor) -> Tensor:
        convolution = cast(nn.Conv3d, layer)
        return F.linear(rows, convolution.weight.flatten(1), convolution.bias)

    projected = project(gate.W_x, skip)
    weight = torch.sigmoid(project(gate.psi[0], F.relu_(project(gate.W_g, coarse).add_(projected))))
    return projected.mul_(weight)
