"""U-Nets of DeepTaskGen (Serin et al. 2025, Communications Biology 8:1572).

Written from a description of the published networks. Names, shapes and order of the state are the published
ones, so that published weights can be loaded. Shapes in comments, e.g. (64, 76, 93, 78), are those of the
published ``attentionunet``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import convert_conv3d_weight_memory_format

from bids_deeptaskgen.models.architecture import Architecture, Shapes


class Block(nn.Module):
    """Block of n_conv times convolution, batch normalisation, ReLU; the size in voxels does not change.

    Parameters
    ----------
    n_in, n_out : int
        Channels of the input and the output.
    n_conv : int
        Number of convolutions.
    batch_norm : bool
        Whether to normalise after each convolution.
    """

    def __init__(self, n_in: int, n_out: int, n_conv: int = 1, *, batch_norm: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(n_conv):
            layers.append(nn.Conv3d(n_out if i else n_in, n_out, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm3d(n_out))
            layers.append(nn.ReLU(inplace=True))
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, n_in, x, y, z) to (n, n_out, x, y, z).

        Parameters
        ----------
        x : tensor of shape (n, n_in, x, y, z)
        """
        return self.conv(x)  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Residual block: n_conv times batch normalisation, ReLU, convolution, added to the (projected) input.

    Parameters
    ----------
    n_in, n_out : int
        Channels of the input and the output.
    n_conv : int
        Number of convolutions.
    batch_norm : bool
        Must be True: without it, the first in-place ReLU would change the input that is added at the end.

    Raises
    ------
    ValueError
        If `batch_norm` is False.
    """

    def __init__(self, n_in: int, n_out: int, n_conv: int = 1, *, batch_norm: bool = True) -> None:
        super().__init__()
        if not batch_norm:
            msg = "a residual block without batch normalisation is not supported; set batch_norm to True"
            raise ValueError(msg)
        layers: list[nn.Module] = []
        for i in range(n_conv):
            n = n_out if i else n_in
            layers += [nn.BatchNorm3d(n), nn.ReLU(inplace=True)]
            layers.append(nn.Conv3d(n, n_out, kernel_size=3, padding=1))
        self.conv = nn.Sequential(*layers)
        self.skip = nn.Sequential(nn.Conv3d(n_in, n_out, kernel_size=1)) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, n_in, x, y, z) to (n, n_out, x, y, z).

        Parameters
        ----------
        x : tensor of shape (n, n_in, x, y, z)
        """
        return self.conv(x) + self.skip(x)  # type: ignore[no-any-return]


class AttentionGate(nn.Module):
    """Attention gate, which weights a skip connection voxel by voxel by means of the coarser level.

    As published, it returns the weighted *projection* of the skip, not the skip itself, and it projects the
    coarser map before resizing it.

    Parameters
    ----------
    n_coarse, n_skip : int
        Channels of the coarser map and of the skip; both are projected to ``n_skip``.
    """

    def __init__(self, n_coarse: int, n_skip: int) -> None:
        super().__init__()
        self.W_g = nn.Conv3d(n_coarse, n_skip, kernel_size=1)
        self.W_x = nn.Conv3d(n_skip, n_skip, kernel_size=1)
        self.psi = nn.Sequential(nn.Conv3d(n_skip, 1, kernel_size=1), nn.Sigmoid())

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Weight the projected skip connection.

        Parameters
        ----------
        coarse : tensor of shape (n, n_coarse, x', y', z')
            Features of the coarser level.
        skip : tensor of shape (n, n_skip, x, y, z)
            Features of the skip connection.

        Returns
        -------
        tensor of shape (n, n_skip, x, y, z)
        """
        projection = self.W_x(skip)
        weight = self.psi(F.relu(projection + resize(self.W_g(coarse), projection), inplace=True))
        return projection * weight  # type: ignore[no-any-return]


class OpenGate(nn.Module):
    """Gate that passes the skip connection unchanged."""

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:  # noqa: ARG002 - an AttentionGate takes both
        """Return the skip connection.

        Parameters
        ----------
        coarse : tensor
            Is ignored.
        skip : tensor of shape (n, n_skip, x, y, z)

        Returns
        -------
        tensor of shape (n, n_skip, x, y, z)
        """
        return skip


def transposed_convolution(n: int, *, padding: int) -> nn.Module:
    """Build an upsampling layer with weights: from (2n, x) to (n, 2x + 1 - 2 padding) along each axis.

    Parameters
    ----------
    n : int
        Number of output channels.
    padding : int
        Voxels removed at either end of each axis.
    """
    return nn.ConvTranspose3d(2 * n, n, kernel_size=3, stride=2, padding=padding)


def trilinear_upsampling(_: int) -> nn.Module:
    """Build an upsampling layer without weights: from (2n, x) to (2n, 2x) along each axis."""
    return nn.Upsample(scale_factor=2, mode="trilinear", align_corners=True)


@dataclass(frozen=True)
class UNetVariant:
    """Parts of one variant of the U-Net.

    Attributes
    ----------
    gates : bool
        Whether skip connections go through attention gates.
    upscale : function of int
        Builds the layer that upsamples to the level of n channels.
    keeps_channels : bool
        Whether upsampling keeps 2n channels. If so, as in the published minimal networks, the state names of
        the upward blocks are one level deeper.
    block : type
        ``Block`` or ``ResidualBlock``.
    """

    gates: bool
    upscale: Callable[[int], nn.Module] = partial(transposed_convolution, padding=0)
    keeps_channels: bool = False
    block: type[Block | ResidualBlock] = Block


FAMILY = {
    "attentionunet": UNetVariant(gates=True),
    "attentionunetminimal": UNetVariant(gates=True, upscale=trilinear_upsampling, keeps_channels=True),
    "unet": UNetVariant(gates=False),
    "unetminimal": UNetVariant(gates=False, upscale=trilinear_upsampling, keeps_channels=True),
    "resunet": UNetVariant(
        gates=False, upscale=partial(transposed_convolution, padding=1), block=ResidualBlock
    ),
}


class UNet(nn.Module):
    """U-Net that maps connectomes to statistical maps.

    Parameters
    ----------
    config : Architecture
        Shape of the network.

    Raises
    ------
    ValueError
        If the name or the number of levels is invalid.
    """

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        if config.name not in FAMILY:
            msg = f"unknown network {config.name!r}; choose one of {', '.join(FAMILY)}"
            raise ValueError(msg)
        if config.max_level < 1:
            msg = f"max_level is {config.max_level}, but must be at least 1"
            raise ValueError(msg)
        self.config = config
        parts = FAMILY[config.name]
        f = [config.fdim * 2**level for level in range(config.max_level + 1)]  # 64, 128
        f_up = f[::-1]  # 128, 64
        k = 2 if parts.keeps_channels else 1

        def block(n_in: int, n_out: int) -> nn.Module:
            return parts.block(n_in, n_out, config.n_conv, batch_norm=config.batch_norm)

        def up_block(n: int) -> nn.Module:
            inner = block(k * n + n, n)  # upsampled map and skip
            return nn.Sequential(inner) if parts.keeps_channels else inner

        # The order of these assignments determines the order of the state, which is the published one.
        self.downs = nn.ModuleList(block(a, b) for a, b in zip(f, f[1:], strict=False))
        self.ups = nn.ModuleList(up_block(n) for n in f_up[:-1])
        self.upscale = nn.ModuleList(parts.upscale(n) for n in f_up)
        self.in_block = block(config.in_channels, f[0])
        self.bottleneck = block(f[-1], 2 * f[-1])
        self.attention_gates = nn.ModuleList(
            AttentionGate(k * n, n) if parts.gates else OpenGate() for n in f_up
        )
        self.out_block = nn.Sequential(
            block(k * f[0] + f[0], f[0]), nn.Conv3d(f[0], config.out_channels, kernel_size=1)
        )

    def features(self, x: Tensor) -> Tensor:
        """Compute all but the last layer: (n, in_channels, x, y, z) to (n, fdim, x, y, z).

        Parameters
        ----------
        x : tensor of shape (n, in_channels, x, y, z)
            Connectomes (Pearson r), zero outside the input mask.
        """
        skips = [self.in_block(x)]  # (64, 76, 93, 78)
        for block in self.downs:
            skips.append(block(F.max_pool3d(skips[-1], 2)))  # (128, 38, 46, 39)
        x = self.bottleneck(F.max_pool3d(skips[-1], 2))  # (256, 19, 23, 19)
        blocks = [*self.ups, self.out_block[0]]
        for upscale, gate, block in zip(self.upscale, self.attention_gates, blocks, strict=True):
            x = upscale(x)  # (128, 39, 47, 39), then (64, 77, 93, 79)
            skip = gate(x, skips.pop())  # (128, 38, 46, 39), then (64, 76, 93, 78)
            x = torch.cat([resize(x, skip), skip], dim=1)  # (256, 38, 46, 39), then (128, 76, 93, 78)
            del skip  # the next block needs most memory
            x = block(x)  # (128, 38, 46, 39), then (64, 76, 93, 78)
        return x

    def head(self, rows: Tensor) -> Tensor:
        """Apply the last, voxelwise layer to rows of voxels: (n_voxels, fdim) to (n_voxels, out_channels).

        Parameters
        ----------
        rows : tensor of shape (n_voxels, fdim), or with leading axes
            Output of `features` with channels last.
        """
        last = cast(nn.Conv3d, self.out_block[1])
        return F.linear(rows, last.weight.flatten(1), last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, in_channels, x, y, z) to (n, out_channels, x, y, z).

        Parameters
        ----------
        x : tensor of shape (n, in_channels, x, y, z)
            Connectomes (Pearson r), zero outside the input mask.
        """
        return self.out_block[1](self.features(x))  # type: ignore[no-any-return]


def resize(x: Tensor, reference: Tensor) -> Tensor:
    """Interpolate features trilinearly to the size of a reference; return them unchanged if the sizes agree.

    Parameters
    ----------
    x : tensor of shape (n, n_channels, x, y, z)
    reference : tensor of shape (n, any, x', y', z')

    Returns
    -------
    tensor of shape (n, n_channels, x', y', z')
    """
    size = reference.shape[2:]
    return x if x.shape[2:] == size else F.interpolate(x, size=size, mode="trilinear")


def state_dict_errors(shapes: Shapes, architecture: Architecture) -> list[str]:
    """List differences between a state and the state that an architecture needs.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Names and shapes of the tensors.
    architecture : Architecture

    Returns
    -------
    list of str
        One phrase for each tensor that is missing, unknown or of another shape.
    """
    with torch.device("meta"):
        state = UNet(architecture).state_dict()
    expected = {key: tuple(value.shape) for key, value in state.items()}
    return (
        [f"{key} is missing" for key in expected if key not in shapes]
        + [f"{key} is not known" for key in shapes if key not in expected]
        + [
            f"{key} is {shapes[key]}, not {shape}"
            for key, shape in expected.items()
            if shapes.get(key, shape) != shape
        ]
    )


def new_network(architecture: Architecture, seed: int) -> UNet:
    """Build a network with random weights on the CPU.

    Parameters
    ----------
    architecture : Architecture
    seed : int
        Seed of the weights; torch's global random state is not changed.

    Returns
    -------
    UNet
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return to_channels_last(UNet(architecture))


def to_channels_last(network: UNet) -> UNet:
    """Convert the weights of convolutions to the faster channels-last memory format, in place.

    Parameters
    ----------
    network : UNet

    Returns
    -------
    UNet
        `network` itself.
    """
    convert_conv3d_weight_memory_format(network, torch.channels_last_3d)
    return network
