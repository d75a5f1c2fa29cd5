"""Fine-tuning strategies: the trained parts of a network, and its first weights from a parent."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import nn

from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nn.network import check_weights
from bids_deeptaskgen.nn.network_state import HEAD, bundle_state, replace_head, select_channels
from bids_deeptaskgen.nn.unet import UNet, new_network


def _backbone(module: UNet) -> list[nn.Parameter]:
    """List all parameters but the last layer's: the published schedule 1 as its authors describe it."""
    return [value for name, value in module.named_parameters() if name not in HEAD]


def _batchnorm(module: UNet) -> list[nn.Parameter]:
    """List the scale and shift of batch normalisation: schedule 1 as the published code implements it."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm3d)]
    return [value for layer in norms for value in layer.parameters()]


def _all_parameters(module: UNet) -> list[nn.Parameter]:
    return list(module.parameters())


STRATEGIES: dict[str, Callable[[UNet], list[nn.Parameter]]] = {
    "backbone": _backbone,
    "batchnorm": _batchnorm,
    "new-head": _all_parameters,
    "everything": _all_parameters,
}


def choose_parts(module: UNet, strategy: str) -> list[nn.Parameter]:
    """Select the parameters that a strategy trains, and freeze the rest.

    The running mean and variance of batch normalisation follow the data under every strategy.

    Parameters
    ----------
    module : UNet
        Its parameters' ``requires_grad`` is set.
    strategy : {"backbone", "batchnorm", "new-head", "everything"}
        ``new-head`` and ``everything`` train all parameters; the former follows `replace_head`.

    Returns
    -------
    list of Parameter
        The trained parameters.

    Raises
    ------
    ValueError
        If the strategy is unknown, or the network has no such parameters.
    """
    if strategy not in STRATEGIES:
        msg = f"unknown strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}"
        raise ValueError(msg)
    module.requires_grad_(False)  # noqa: FBT003 - the method's only argument
    parameters = STRATEGIES[strategy](module)
    if not parameters:
        msg = f"{module.config} has no parameters that strategy {strategy} trains"
        raise ValueError(msg)
    for value in parameters:
        value.requires_grad_()
    return parameters


def child_network(parent: Bundle, channels: Sequence[int] | None, n_channels: int, seed: int) -> UNet:
    """Build a network with the weights of its parent.

    Parameters
    ----------
    parent : Bundle
    channels : sequence of int, or None
        Outputs of the parent to keep; None for a new last layer.
    n_channels : int
        Number of outputs.
    seed : int
        Seed of a new last layer.

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
