"""Preparation of the model of a bundle for prediction, by its architecture. Does not import torch itself."""

import logging
from collections.abc import Callable, Sequence

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.models.card import INPUT_MASKS
from bids_deeptaskgen.nn.ready_model import ReadyModel
from bids_deeptaskgen.settings.network import RIDGE
from bids_deeptaskgen.settings.value_types import parse_device

logger = logging.getLogger("bids_deeptaskgen")

PRECISIONS = ("fp32", "tf32", "bf16")
CARD = "card"


def _load_ridge(
    bundle: Bundle, device: str, _n_threads: int | None, *, input_mask: str, precision: str
) -> ReadyModel:
    from bids_deeptaskgen.nn.ridge import load_ridge

    ignored = [] if device in ("auto", "cpu") else [f"`device` {device}"]
    ignored += [] if precision == "fp32" else [f"`precision` {precision}"]
    ignored += [] if input_mask in (CARD, bundle.card.input_mask) else [f"`input_mask` {input_mask}"]
    warn_without_effect(bundle, ignored)
    return load_ridge(bundle)


def _load_network(bundle: Bundle, device: str, n_threads: int | None, **options: str) -> ReadyModel:
    from bids_deeptaskgen.nn.network import bundle_network, set_threads

    if n_threads is not None:
        set_threads(n_threads)
    return bundle_network(bundle, device, **options)


# Loaders by architecture; all other architectures are networks.
_LOADERS: dict[str, Callable[..., ReadyModel]] = {RIDGE: _load_ridge}


def load_network(
    bundle: Bundle,
    device: str = "auto",
    *,
    input_mask: str = "card",
    precision: str = "fp32",
    n_threads: int | None = None,
) -> ReadyModel:
    """Prepare the network (or the ridge model) of a bundle.

    Parameters
    ----------
    bundle : Bundle
        See `load_bundle`.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. A ridge model always uses the CPU.
    input_mask : {"card", "brain", "gm"}
        Voxels that a network receives: the brain mask, its intersection with the output mask (``gm``), or
        the choice of the bundle's card. A ridge model predicts each voxel from that voxel's connectome.
    precision : {"fp32", "tf32", "bf16"}
        Arithmetic of the convolutions of a network; see `precision_context`.
    n_threads : int or None
        CPU threads of a network, for the whole process; None keeps their number.

    Returns
    -------
    ReadyModel

    Raises
    ------
    UserError
        If a value is not known, the weights do not fit the architecture of the card, the device is not
        available, or `precision` is too inaccurate on it. For a ridge model, settings that have no effect are
        a warning.

    Examples
    --------
    >>> from bids_deeptaskgen import load_bundle
    >>> network = load_network(load_bundle("embedded"), "cpu")
    >>> network.brain_mask.shape
    (76, 93, 78)
    >>> int(network.brain_mask.sum())
    235375
    """
    _check_values(device, input_mask, precision)
    load = _LOADERS.get(bundle.card.architecture.name, _load_network)
    return load(bundle, device, n_threads, input_mask=input_mask, precision=precision)


def warn_without_effect(bundle: Bundle, settings: Sequence[str]) -> None:
    """Warn of settings of networks that a ridge model does not use.

    Parameters
    ----------
    bundle : Bundle
        Ridge model.
    settings : sequence of str
        Names and values; without any, nothing is logged.
    """
    if settings:
        logger.warning(
            "%s: no effect, since %s is a ridge regression, not a network. It is computed voxel by voxel, on "
            "the CPU and with float32 numbers.",
            ", ".join(settings), bundle.card.name,
        )  # fmt: skip


def _check_values(device: str, input_mask: str, precision: str) -> None:
    try:
        parse_device(device)
    except (TypeError, ValueError):
        message = f"device {device!r} is not known. Choose auto, cpu, cuda or cuda:N."
        raise UserError(message) from None
    for name, value, choices in (
        ("input_mask", input_mask, (CARD, *INPUT_MASKS)),
        ("precision", precision, PRECISIONS),
    ):
        if value not in choices:
            message = f"`{name}` is {value!r}, but must be one of {', '.join(choices)}."
            raise UserError(message)


def check_inference(bundle: Bundle, device: str, precision: str = "fp32") -> None:
    """Check that a bundle's model can be computed, as far as possible without reading its weights.

    Parameters
    ----------
    bundle : Bundle
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    precision : {"fp32", "tf32", "bf16"}

    Raises
    ------
    UserError
        If a value is not known, the weights do not fit the architecture of the card, the device is not
        available, or `precision` is too inaccurate on it; if the means of a ridge model are not finite.
    """
    _check_values(device, CARD, precision)
    if not bundle.card.architecture.is_network:
        from bids_deeptaskgen.nn.ridge import load_ridge

        load_ridge(bundle)  # checks the means, which `load_bundle` does not read
        return
    from bids_deeptaskgen.nn.network import check_weights, resolve_device

    resolve_device(device)
    check_weights(bundle)
    if precision != "fp32":
        load_network(bundle, device, precision=precision)
