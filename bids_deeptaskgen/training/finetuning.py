"""Which parts of a network a training moves, and how its last layer is cut and put back."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import nn

from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nn.inference import check_weights
from bids_deeptaskgen.nn.network_state import HEAD, bundle_state, replace_head, select_channels
from bids_deeptaskgen.nn.unet import UNet, new_network


def _backbone(module: UNet) -> list[nn.Parameter]:
    """All but the last layer: the published schedule 1 as its authors describe it."""
    return [value for name, value in module.named_parameters() if name not in HEAD]


def _batchnorm(module: UNet) -> list[nn.Parameter]:
    """Scale and shift of batch normalisation alone: schedule 1 as the published code carries it out."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm3d)]
    return [value for layer in norms for value in layer.parameters()]


def _everything(module: UNet) -> list[nn.Parameter]:
    return list(module.parameters())


STRATEGIES: dict[str, Callable[[UNet], list[nn.Parameter]]] = {
    "backbone": _backbone,
    "batchnorm": _batchnorm,
    "new-head": _everything,
    "everything": _everything,
}


def choose_parts(module: UNet, strategy: str) -> list[nn.Parameter]:
    """Let training move the parts that a strategy names, and no other.

    What batch normalisation measures (running mean and variance) follows the data under every strategy.

    Parameters
    ----------
    module : UNet
        Its parameters' ``requires_grad`` is set.
    strategy : {"backbone", "batchnorm", "new-head", "everything"}
        ``new-head`` and ``everything`` move all; the former follows `replace_head`.

    Returns
    -------
    list of Parameter
        Those that will move.

    Raises
    ------
    ValueError
        If there is no strategy of this name, or the network has no such parts.
    """
    if strategy not in STRATEGIES:
        msg = f"no strategy is called {strategy!r}; there are {', '.join(STRATEGIES)}"
        raise ValueError(msg)
    module.requires_grad_(False)  # noqa: FBT003 - the method's only argument
    chosen = STRATEGIES[strategy](module)
    if not chosen:
        msg = f"{module.config} has no parts that {strategy} would move"
        raise ValueError(msg)
    for value in chosen:
        value.requires_grad_()
    return chosen


def child_network(parent: Bundle, channels: Sequence[int] | None, n_channels: int, seed: int) -> UNet:
    """Make a network that begins as its parent.

    Parameters
    ----------
    parent : Bundle
    channels : sequence of int, or None
        Which of the parent's outputs it has; None for a new last layer.
    n_channels : int
        How many outputs it has.
    seed : int
        Of a new last layer.

    Returns
    -------
    UNet

    Raises
    ------
    UserError
        If the parent's weights do not fit its card.
    """
    check_weights(parent)
    network = new_network(replace(parent.card.architecture, out_channels=n_channels), seed)
    state = bundle_state(parent)
    network.load_state_dict(
        replace_head(state, network.state_dict()) if channels is None else select_channels(state, channels)
    )
    return network
