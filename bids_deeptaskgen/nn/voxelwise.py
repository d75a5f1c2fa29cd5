"""The published network on a CPU, with the work that the wanted voxels need and no more.

Maps are matrices here, (n_voxels, n_channels): a convolution gathers the rows of the voxels at each of its
27 offsets and multiplies them, for chosen voxels only. The network is shown zeros outside the brain and is
asked for grey matter, so that about half of the arithmetic of its two largest layers would be for nothing.
What is left is done as matrix products, which a CPU does faster than 3-D convolutions. `UNet.features` is
its plain twin.
"""

from itertools import product
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bids_deeptaskgen.nn.unet import AttentionGate, Block, UNet

# Voxels that are multiplied at a time: their rows stay in the caches.
N_PER_PRODUCT = 2048

Size = tuple[int, int, int]


def is_supported(network: UNet) -> bool:
    """Whether a network is of the kind that is computed here: gated, plain blocks, nothing to normalise."""
    gates = all(isinstance(gate, AttentionGate) for gate in network.attention_gates)
    up = all(isinstance(layer, nn.ConvTranspose3d) for layer in network.upscale)
    config = network.config
    return gates and up and config.n_conv == 1 and not config.batch_norm


class Padded:
    """A map with a rim of zeros, as a matrix of rows that lie beside each other.

    Parameters
    ----------
    size : tuple of int
        Voxels along each axis, without the rim.
    n_channels : int
    """

    def __init__(self, size: Size, n_channels: int) -> None:
        self.size = size
        x, y, z = (n + 2 for n in size)
        self.box = torch.zeros((x, y, z, n_channels))
        self.rows = self.box.view(-1, n_channels)
        self.inner = self.box[1:-1, 1:-1, 1:-1]
        # How far away in `rows` the voxel at each offset of a 3x3x3 kernel lies.
        self.steps = [(i * y + j) * z + k for i, j, k in product((-1, 0, 1), repeat=3)]

    def places(self, wanted: Tensor) -> Tensor:
        """Find the rows of voxels: boolean (x, y, z) to integer (n_wanted,)."""
        return F.pad(wanted, (1, 1) * 3).flatten().nonzero()[:, 0]

    def convolve(self, layer: nn.Conv3d, places: Tensor) -> Tensor:
        """Apply a 3x3x3 convolution and ReLU at some voxels: (n_places,) to (n_places, out_channels)."""
        n_out, n_in = layer.weight.shape[:2]
        kernels = layer.weight.detach().permute(2, 3, 4, 1, 0).reshape(27, n_in, n_out).contiguous()
        out = cast(Tensor, layer.bias).detach().repeat(len(places), 1)
        room = self.rows.new_empty((min(N_PER_PRODUCT, len(places)), n_in))
        for start in range(0, len(places), N_PER_PRODUCT):
            part, total = (rows[start : start + N_PER_PRODUCT] for rows in (places, out))
            gathered = room[: len(part)]
            for step, kernel in zip(self.steps, kernels, strict=True):
                torch.index_select(self.rows, 0, part + step, out=gathered)
                total.addmm_(gathered, kernel)
        return F.relu_(out)


def voxelwise(network: UNet, box: Tensor, shown: Tensor, wanted: Tensor) -> Tensor:
    """Predict the wanted voxels of one person.

    Parameters
    ----------
    network : UNet
        One that `is_supported`, on the CPU.
    box : tensor of shape (n_rois, x, y, z)
        Connectome, zero outside `shown`.
    shown, wanted : boolean tensor of shape (x, y, z)
        Voxels that the network is shown; voxels that are predicted.

    Returns
    -------
    tensor of shape (n_wanted, n_contrasts)
    """
    wanted_at = _wanted_at_levels(wanted, len(network.downs))
    skips = [_first_block(_convolution(network.in_block), box, shown)]  # maps are (x, y, z, n) from here on
    for down in network.downs:
        skips.append(_dense(down, pooled(skips[-1])))
    x = _dense(network.bottleneck, pooled(skips[-1]))
    blocks = [*network.ups, network.out_block[0]]
    for upscale, gate, block in zip(network.upscale, network.attention_gates, blocks, strict=True):
        skip, target = skips.pop(), wanted_at.pop()
        size = cast(Size, tuple(target.shape))
        coarse = shrunk(upsampled(cast(nn.ConvTranspose3d, upscale), x), size)
        rows = _last_of_level(cast(AttentionGate, gate), _convolution(block), coarse, skip, target)
        del skip, coarse
        x = rows.new_zeros((*size, rows.shape[1]))
        x[target] = rows
    return network.head(rows)


def _last_of_level(
    gate: AttentionGate, layer: nn.Conv3d, coarse: Tensor, skip: Tensor, target: Tensor
) -> Tensor:
    """Join what comes from below with the gated skip, and convolve both at the voxels of the target."""
    near = dilated(target)
    joined = Padded(cast(Size, tuple(target.shape)), 2 * skip.shape[-1])
    joined.rows[joined.places(near)] = _joined(gate, coarse[near], skip[near])
    return joined.convolve(layer, joined.places(target))


def dilated(mask: Tensor) -> Tensor:
    """Add the neighbours of a mask's voxels, (x, y, z)."""
    return F.max_pool3d(mask[None].float(), 3, stride=1, padding=1)[0] > 0


def _wanted_at_levels(wanted: Tensor, n_levels: int) -> list[Tensor]:
    """Say which voxels each level on the way up must have, from the finest."""
    levels = [wanted]
    for _ in range(n_levels):
        # A voxel of the coarser level reaches two of the finer one and the next; resizing adds a neighbour.
        reached = F.pad(dilated(dilated(levels[-1])), (0, 2) * 3)[None].float()
        coarse = F.max_pool3d(reached, 3, stride=2)[0] > 0
        size = [n // 2 for n in levels[-1].shape]
        levels.append(coarse[: size[0], : size[1], : size[2]])
    return levels


def _first_block(layer: nn.Conv3d, box: Tensor, shown: Tensor) -> Tensor:
    """Compute the first block, (x, y, z, n): far from what is shown, all voxels are alike."""
    padded = Padded(cast(Size, tuple(shown.shape)), box.shape[0])
    padded.inner.copy_(box.permute(1, 2, 3, 0))
    near = dilated(shown)
    out = F.relu(cast(Tensor, layer.bias).detach()).repeat(*shown.shape, 1)
    out[near] = padded.convolve(layer, padded.places(near))
    return out


def _convolution(block: nn.Module) -> nn.Conv3d:
    return cast(nn.Conv3d, cast(Block, block).conv[0])


def _dense(block: nn.Module, x: Tensor) -> Tensor:
    """Apply a block as it is to all voxels of (x, y, z, n)."""
    out: Tensor = block(x.permute(3, 0, 1, 2)[None])
    return out[0].permute(1, 2, 3, 0)


def pooled(x: Tensor) -> Tensor:
    """Give the maximum of each 2x2x2 voxels of (x, y, z, n); what is left over at the ends is dropped."""
    size = [n // 2 * 2 for n in x.shape[:3]]
    for axis, n in enumerate(size):
        # Axis by axis, which is two reads for each write.
        first = (slice(None),) * axis
        x = torch.maximum(x[(*first, slice(0, n, 2))], x[(*first, slice(1, n, 2))])
    return x


def upsampled(layer: nn.ConvTranspose3d, x: Tensor) -> Tensor:
    """Apply a transposed 3x3x3 convolution of stride 2, as 27 matrix products.

    Returns
    -------
    tensor of shape (2x + 1, 2y + 1, 2z + 1, n_out)
    """
    size = x.shape[:3]
    rows = x.reshape(-1, x.shape[3])
    kernels = layer.weight.detach().permute(2, 3, 4, 0, 1)  # (3, 3, 3, n_in, n_out)
    out = cast(Tensor, layer.bias).detach().repeat(*(2 * n + 1 for n in size), 1)
    for i, j, k in product(range(3), repeat=3):
        part = (rows @ kernels[i, j, k]).view(*size, -1)
        out[i : i + 2 * size[0] : 2, j : j + 2 * size[1] : 2, k : k + 2 * size[2] : 2] += part
    return out


def shrunk(x: Tensor, size: Size) -> Tensor:
    """Bring (x, y, z, n) to a size that is the same or one less along each axis, by linear interpolation.

    The n points of the result lie at i + (i + 0.5) / n among those of the n + 1 that there are.
    """
    for axis, n in enumerate(size):
        if x.shape[axis] > n:
            share = ((torch.arange(n) + 0.5) / n).view(*(n if one == axis else 1 for one in range(4)))
            x = torch.lerp(x.narrow(axis, 0, n), x.narrow(axis, 1, n), share)
    return x


def _joined(gate: AttentionGate, coarse: Tensor, skip: Tensor) -> Tensor:
    """Put coarse and gated rows side by side: two of (n_voxels, n) to (n_voxels, 2n).

    A projection of single voxels may as well come after the resizing as before it.
    """

    def project(layer: nn.Module, rows: Tensor) -> Tensor:
        convolution = cast(nn.Conv3d, layer)
        return F.linear(rows, convolution.weight.flatten(1), convolution.bias)

    projected = project(gate.W_x, skip)
    weight = torch.sigmoid(project(gate.psi[0], F.relu_(project(gate.W_g, coarse).add_(projected))))
    return torch.cat([coarse, projected.mul_(weight)], dim=1)
