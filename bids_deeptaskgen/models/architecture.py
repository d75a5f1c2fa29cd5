"""Architecture of models, and its derivation from the shapes of their arrays. Does not import torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.fill import default_of, fill
from bids_deeptaskgen.settings.network import RIDGE, NetworkSettings

Shapes = Mapping[str, tuple[int, ...]]
# Arrays of a ridge model beside its mean maps; see `models.ridge_arrays`.
COEFFICIENTS, PARCELS, MEAN_CONNECTOME = "coefficients", "parcels", "mean_connectome"
_default = partial(default_of, NetworkSettings)


@dataclass(frozen=True)
class Architecture:
    """Architecture of a model; the defaults are those of the options and of the published model.

    Attributes
    ----------
    name : str
        A network: ``attentionunet``, ``attentionunetminimal``, ``unet``, ``unetminimal`` or ``resunet``; or
        ``ridge``, a ridge regression, which has no layers: its numbers of layers and channels below are 0,
        and it has no batch normalisation.
    in_channels, out_channels : int
        Number of ROIs and of contrasts.
    fdim : int
        Channels at full resolution; doubled at every level.
    max_level : int
        Number of levels between the full resolution and the bottleneck, at least 1.
    n_conv : int
        Convolutions in each block.
    batch_norm : bool
        Whether each convolution of a block has batch normalisation; always True in a ``resunet``.
    """

    name: str = _default("architecture")
    in_channels: int = 50
    out_channels: int = 47
    fdim: int = _default("fdim")
    max_level: int = _default("max_level")
    n_conv: int = _default("n_conv")
    batch_norm: bool = True

    @property
    def is_network(self) -> bool:
        """Return whether the model is a neural network, which torch computes."""
        return self.name != RIDGE

    def __str__(self) -> str:
        if not self.is_network:
            return f"ridge regression, {self.in_channels} -> {self.out_channels} channels"
        norm = "with" if self.batch_norm else "without"
        return (
            f"{self.name}, {self.in_channels} -> {self.out_channels} channels, fdim {self.fdim}, "
            f"max_level {self.max_level}, n_conv {self.n_conv}, {norm} batch normalisation"
        )


def new_architecture(settings: NetworkSettings, n_rois: int, n_contrasts: int) -> Architecture:
    """Return the architecture of a new network.

    Parameters
    ----------
    settings : NetworkSettings
        Options of the network.
    n_rois, n_contrasts : int
        Number of input and output channels.

    Returns
    -------
    Architecture
    """
    return fill(
        Architecture,
        settings,
        name=settings.architecture,
        in_channels=n_rois,
        out_channels=n_contrasts,
    )


def ridge_architecture(n_rois: int, n_contrasts: int) -> Architecture:
    """Return the architecture of a ridge model.

    Parameters
    ----------
    n_rois, n_contrasts : int
        Number of input and output channels.

    Returns
    -------
    Architecture
    """
    return Architecture(RIDGE, n_rois, n_contrasts, fdim=0, max_level=0, n_conv=0, batch_norm=False)


def read_architecture(shapes: Shapes, source: str) -> Architecture:
    """Derive the architecture from the names and shapes of a model's arrays.

    Published checkpoints do not contain hyper-parameters, but all of them follow from the weights.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Names of the arrays and their shapes.
    source : str
        Name of their source for the error message.

    Returns
    -------
    Architecture

    Raises
    ------
    UserError
        If this is neither a ridge model, with coefficients of three axes, nor one of the published
        DeepTaskGen networks.
    """
    if {COEFFICIENTS, PARCELS, MEAN_CONNECTOME} <= set(shapes):
        if len(shapes[COEFFICIENTS]) != 3:
            message = (
                f"{source}: the {COEFFICIENTS} of this ridge model have shape {shapes[COEFFICIENTS]}; "
                "expected (contrasts, 1 + parcels, ROIs).\nTrain or fetch the model again."
            )
            raise UserError(message)
        n_contrasts, _, n_rois = shapes[COEFFICIENTS]
        return ridge_architecture(n_rois, n_contrasts)
    name = _identify_name(shapes)
    in_block = sorted(
        (int(match[1]), shape)
        for key, shape in shapes.items()
        if len(shape) == 5 and (match := re.fullmatch(r"in_block\.conv\.(\d+)\.weight", key))
    )
    last = shapes.get("out_block.1.weight", ())
    if name is None or not in_block or len(last) != 5:
        groups = sorted({key.split(".")[0] for key in shapes})
        message = (
            f"{source}: this is not one of the published DeepTaskGen networks.\n"
            f"The groups of its {len(shapes)} tensors are: {', '.join(groups) or 'none'}.\n"
            "Use a checkpoint of a U-Net (in_block, downs, bottleneck, ups, out_block, with or without "
            "upscale and attention_gates)."
        )
        raise UserError(message)
    fdim, in_channels = in_block[0][1][:2]
    return Architecture(
        name=name,
        in_channels=in_channels,
        out_channels=last[0],
        fdim=fdim,
        max_level=len({key.split(".")[1] for key in shapes if key.startswith("downs.")}),
        n_conv=len(in_block),
        batch_norm=any(re.fullmatch(r"in_block\.conv\.\d+\.running_mean", key) for key in shapes),
    )


def describe_mismatch(weights: Architecture, card: Architecture) -> str:
    """Describe how the architecture of the weights differs from that of the card.

    Parameters
    ----------
    weights, card : Architecture
        Not equal.

    Returns
    -------
    str

    Examples
    --------
    >>> from dataclasses import replace
    >>> ridge = ridge_architecture(50, 47)
    >>> describe_mismatch(ridge, replace(ridge, fdim=64))
    'the weights are of ridge regression, 50 -> 47 channels, so fdim is 0, but 64 in the card'
    """
    if str(weights) != str(card):
        return f"the weights are of {weights}, the card says {card}"
    # A ridge model has fields that its text omits.
    differences = [
        f"{field.name} is {getattr(weights, field.name)}, but {getattr(card, field.name)} in the card"
        for field in fields(weights)
        if getattr(weights, field.name) != getattr(card, field.name)
    ]
    return f"the weights are of {weights}, so {'; '.join(differences)}"


def count_parameters(shapes: Shapes) -> int:
    """Count the trained parameters of a model: its arrays without statistics of the training data.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shape of each array of the model, by name.

    Returns
    -------
    int

    Examples
    --------
    >>> count_parameters({"conv.weight": (8, 4, 3, 3, 3), "conv.bias": (8,), "norm.running_mean": (8,)})
    872
    """
    statistics = ("running_mean", "running_var", "num_batches_tracked", PARCELS, MEAN_CONNECTOME)
    total = 0
    for key, shape in shapes.items():
        if not key.endswith(statistics):
            size = 1
            for n in shape:
                size *= n
            total += size
    return total


def _identify_name(shapes: Shapes) -> str | None:
    """Return the name of the published network with these state names; None for any other network."""
    groups = {key.split(".")[0] for key in shapes}
    if not {"in_block", "downs", "bottleneck", "ups", "out_block"} <= groups:
        return None
    # Only residual blocks begin with batch normalisation. Their projection of the skip is optional.
    if "in_block.conv.0.running_mean" in shapes:
        return "resunet"
    unet = "attentionunet" if "attention_gates" in groups else "unet"
    return unet if "upscale" in groups else f"{unet}minimal"
