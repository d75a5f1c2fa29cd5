"""Layers of the published network on rows of voxels: convolution, upsampling, resizing, attention gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bids_deeptaskgen.nn.cpu.parallel import compute_in_parts
from bids_deeptaskgen.nn.cpu.voxel_masks import (
    Size,
    dilate,
    flat_index,
    pad_mask,
)
from bids_deeptaskgen.nn.unet import AttentionGate

# Voxels per matrix product, few enough for their rows to stay in the caches.
N_PER_PRODUCT = 1024


@dataclass(frozen=True)
class KernelTap:
    """Part of a convolution: adjacent rows times a matrix.

    Attributes
    ----------
    starts : integer tensor of shape (n_voxels,)
        First of the adjacent rows, for each computed voxel.
    kernel : tensor of shape (n_adjacent * n_in, n_out)
    """

    starts: Tensor
    kernel: Tensor


class Products:
    """Convolution as a sum of matrix products.

    Parameters
    ----------
    taps : sequence of KernelTap
    bias : tensor of shape (n_out,)
    """

    def __init__(self, taps: Sequence[KernelTap], bias: Tensor) -> None:
        self.taps, self.bias = taps, bias

    def __call__(self, rows: Tensor, out: Tensor) -> None:
        """Compute the voxels' output.

        Parameters
        ----------
        rows : tensor of shape (n_rows, n_in)
        out : tensor of shape (n_voxels, n_out)
            Is overwritten.
        """
        n_in = rows.shape[1]

        def compute(part: slice) -> None:
            total: Tensor = out[part]
            summand = self.bias
            for tap in self.taps:
                # Adjacent rows are viewed as one longer row, which gives fewer and larger products.
                width = len(tap.kernel)
                long_rows = rows.as_strided((len(rows) - width // n_in + 1, width), (n_in, 1))
                inputs = long_rows.index_select(0, tap.starts[part])
                summand = torch.addmm(summand, inputs, tap.kernel, out=total)

        compute_in_parts(len(out), N_PER_PRODUCT, compute)


class Convolution:
    """3x3x3 convolution and ReLU at the voxels of a mask.

    The input has one row for each of these voxels and their neighbours, in the order of the box. Neighbours
    outside the box have rows, too, which are zero.

    Parameters
    ----------
    layer : Conv3d
    target : boolean tensor of shape (x, y, z)
        Voxels to compute.
    """

    def __init__(self, layer: nn.Conv3d, target: Tensor) -> None:
        self.target = target
        self.neighbourhood = dilate(pad_mask(target))
        self.n_rows = int(self.neighbourhood.sum())
        self.box_rows = self.select_rows(self.box_mask)
        self.n_voxels = int(target.sum())
        row_of = self.neighbourhood.flatten().cumsum(0, dtype=torch.int32) - 1
        n_out, n_in = layer.weight.shape[:2]
        kernels = layer.weight.detach().permute(2, 3, 4, 1, 0).reshape(9, 3 * n_in, n_out).contiguous()
        voxels = pad_mask(target).flatten().nonzero()[:, 0]
        y, z = self.neighbourhood.shape[1:]
        # The three neighbours along z have adjacent rows.
        steps = [(i * y + j) * z - 1 for i, j in product((-1, 0, 1), repeat=2)]
        taps = [KernelTap(row_of[voxels + step], kernel) for step, kernel in zip(steps, kernels, strict=True)]
        self.products = Products(taps, cast(Tensor, layer.bias).detach())

    @property
    def box_mask(self) -> Tensor:
        """Return the mask of the voxels of the box that have a row, boolean (x, y, z)."""
        return self.neighbourhood[1:-1, 1:-1, 1:-1]

    def select_rows(self, mask: Tensor) -> Tensor:
        """Return the row numbers of a mask's voxels: boolean (x, y, z) to integer (n_voxels,).

        Parameters
        ----------
        mask : boolean tensor of shape (x, y, z)
            Voxels of the box; of these, only target voxels and their neighbours have a row.
        """
        return pad_mask(mask)[self.neighbourhood].nonzero()[:, 0]

    def __call__(self, rows: Tensor) -> Tensor:
        """Compute the target voxels: (n_rows, n_in) to (n_voxels, n_out)."""
        out = rows.new_empty((self.n_voxels, len(self.products.bias)))
        self.products(rows, out)
        return F.relu_(out)


class UpStage:
    """Upsampling, gated skip connection and convolution, at the voxels of a mask of the finer level.

    Parameters
    ----------
    upscale : ConvTranspose3d
    gate : AttentionGate
    block : Conv3d
        Convolution of the block that follows.
    target : boolean tensor of shape (x, y, z)
        Voxels to compute.

    Attributes
    ----------
    coarse_mask : boolean tensor of shape (x // 2, y // 2, z // 2)
        Voxels of the coarse level that affect the target.
    skip_mask : boolean tensor of shape (x, y, z)
        Voxels of the skip connection that affect the target.
    """

    def __init__(
        self, upscale: nn.ConvTranspose3d, gate: AttentionGate, block: nn.Conv3d, target: Tensor
    ) -> None:
        self.gate = gate
        self.convolution = Convolution(block, target)
        self.skip_mask = self.convolution.box_mask
        size = cast(Size, tuple(target.shape))
        voxels = self.convolution.neighbourhood.nonzero() - 1
        self.outside_rows = ((voxels < 0) | (voxels >= torch.tensor(size))).any(1).nonzero()[:, 0]
        voxels[self.outside_rows] = 0  # an arbitrary voxel of the box; the rows are set to zero later
        self.skip_index = flat_index(voxels, size)
        self.resizing = Resizing(voxels, size)
        self.upsampling = Upsampling(
            upscale, self.resizing.source_voxels, cast(Size, tuple(n // 2 for n in size))
        )
        self.coarse_mask = self.upsampling.coarse_mask

    def __call__(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Compute the target's voxels.

        Parameters
        ----------
        coarse : tensor of shape (n_coarse_voxels, n_in)
            Rows of the voxels of `coarse_mask`.
        skip : tensor of shape (x * y * z, n_skip)

        Returns
        -------
        tensor of shape (n_target, n_out)
        """
        upsampled = self.upsampling(coarse)
        n = skip.shape[1]
        features = skip.new_empty((self.convolution.n_rows, 2 * n))

        def join(part: slice) -> None:
            coarse_part = self.resizing(upsampled, part)
            features[part, :n] = coarse_part
            features[part, n:] = apply_gate(
                self.gate, coarse_part, skip.index_select(0, self.skip_index[part])
            )

        compute_in_parts(len(features), N_PER_PRODUCT, join)
        features[self.outside_rows] = 0
        return self.convolution(features)


class Resizing:
    """Trilinear interpolation, at some voxels, to the same number of voxels or one less along each axis.

    Where an axis shrinks from n + 1 to n voxels, voxel i of the result lies at i + (i + 0.5) / n.

    Parameters
    ----------
    voxels : integer tensor of shape (n_voxels, 3)
        Voxels of the result to compute.
    size : tuple of int
        Number of voxels of the result along each axis; the input has 2 * (n // 2) + 1.

    Attributes
    ----------
    source_voxels : integer tensor of shape (n_source, 3)
        Voxels of the input that are used, in the order of the rows that the call expects.
    """

    def __init__(self, voxels: Tensor, size: Size) -> None:
        source_size = cast(Size, tuple(n // 2 * 2 + 1 for n in size))
        shrinks = [n < m for n, m in zip(size, source_size, strict=True)]
        fraction = (voxels + 0.5) / torch.tensor(size)
        corners, weights = [], []
        for corner in product(*((0, 1) if shrinks_here else (0,) for shrinks_here in shrinks)):
            step = torch.tensor(corner)
            weight = torch.where(step > 0, fraction, 1 - fraction)[:, torch.tensor(shrinks)].prod(1)
            corners.append(flat_index(voxels + step, source_size))
            weights.append(weight[:, None])
        is_source = torch.zeros(source_size[0] * source_size[1] * source_size[2], dtype=torch.bool)
        is_source[torch.cat(corners)] = True
        row_of = is_source.cumsum(0, dtype=torch.int32) - 1
        self.source_voxels = is_source.view(source_size).nonzero()
        self.corners = [(row_of[corner], weight) for corner, weight in zip(corners, weights, strict=True)]

    def __call__(self, rows: Tensor, part: slice) -> Tensor:
        """Interpolate a part of the voxels.

        Parameters
        ----------
        rows : tensor of shape (n_source, n)
        part : slice
            Which of the voxels to compute.

        Returns
        -------
        tensor of shape (n_part, n)
        """
        (first, weight), *other_corners = self.corners
        total = rows.index_select(0, first[part]).mul_(weight[part])
        for corner, weight in other_corners:
            total.addcmul_(rows.index_select(0, corner[part]), weight[part])
        return total


class Upsampling:
    """Transposed 3x3x3 convolution of stride 2 at some voxels of its result.

    Along an axis, voxel 2i is computed from the coarse voxels i - 1 and i with the last and the first weight
    of the kernel, and voxel 2i + 1 from voxel i with the middle weight.

    Parameters
    ----------
    layer : ConvTranspose3d
    voxels : integer tensor of shape (n_voxels, 3)
        Voxels of the result, of size (2x + 1, 2y + 1, 2z + 1), to compute.
    size : tuple of int
        Number of voxels of the coarse level along each axis, (x, y, z).

    Attributes
    ----------
    coarse_mask : boolean tensor of shape (x, y, z)
        Voxels of the coarse level that are used.
    """

    def __init__(self, layer: nn.ConvTranspose3d, voxels: Tensor, size: Size) -> None:
        kernels = layer.weight.detach().permute(2, 3, 4, 0, 1)  # (3, 3, 3, n_in, n_out)
        self.n_voxels = len(voxels)
        padded_size = cast(Size, tuple(n + 2 for n in size))
        is_source = torch.zeros(padded_size, dtype=torch.bool)
        self.classes: list[tuple[Tensor, Products]] = []
        for parity in product((0, 1), repeat=3):
            members = (voxels % 2 == torch.tensor(parity)).all(1).nonzero()[:, 0]
            coarse = voxels[members] // 2 + 1  # in the padded box
            taps = []
            kernel_steps = [((1, 0),) if odd else ((0, 0), (2, -1)) for odd in parity[:2]]
            for (i, step_x), (j, step_y) in product(*kernel_steps):
                # Of two adjacent rows, the first belongs to the preceding coarse voxel.
                z_indices = (1,) if parity[2] else (2, 0)
                first = coarse + torch.tensor([step_x, step_y, 1 - len(z_indices)])
                for n in range(len(z_indices)):
                    is_source[(first + torch.tensor([0, 0, n])).unbind(1)] = True
                kernel = torch.cat([kernels[i, j, k] for k in z_indices])
                taps.append(KernelTap(flat_index(first, padded_size).int(), kernel))
            self.classes.append((members, Products(taps, cast(Tensor, layer.bias).detach())))
        self.coarse_mask = is_source[1:-1, 1:-1, 1:-1]
        self.coarse_index = pad_mask(self.coarse_mask).flatten().nonzero()[:, 0]
        self.n_padded = is_source.numel()

    def __call__(self, coarse: Tensor) -> Tensor:
        """Compute the voxels of the result.

        Parameters
        ----------
        coarse : tensor of shape (n_coarse_voxels, n_in)
            Rows of the voxels of `coarse_mask`.

        Returns
        -------
        tensor of shape (n_voxels, n_out)
        """
        rows = coarse.new_zeros((self.n_padded, coarse.shape[1]))
        rows[self.coarse_index] = coarse
        n_out = len(self.classes[0][1].bias)
        out = coarse.new_empty((self.n_voxels, n_out))
        for members, products in self.classes:
            class_rows = coarse.new_empty((len(members), n_out))
            products(rows, class_rows)
            out[members] = class_rows
        return out


def apply_gate(gate: AttentionGate, coarse: Tensor, skip: Tensor) -> Tensor:
    """Apply an attention gate to rows of voxels.

    The coarse features are resized before their projection, whereas `AttentionGate` projects them first. Both
    orders are equivalent because the projection is voxelwise and the interpolation weights sum to 1.

    Parameters
    ----------
    gate : AttentionGate
    coarse, skip : tensor of shape (n_voxels, n)
        Rows of the resized coarse level and of the skip connection.

    Returns
    -------
    tensor of shape (n_voxels, n)
    """

    def project(layer: nn.Module, rows: Tensor) -> Tensor:
        convolution = cast(nn.Conv3d, layer)
        return F.linear(rows, convolution.weight.flatten(1), convolution.bias)

    projection = project(gate.W_x, skip)
    weight = torch.sigmoid(project(gate.psi[0], F.relu_(project(gate.W_g, coarse).add_(projection))))
    return projection.mul_(weight)
