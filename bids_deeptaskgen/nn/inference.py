"""Preparation of the model of a bundle for prediction, by its architecture. Does not import torch itself."""

from collections.abc import Callable

from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nn.ready_model import ReadyModel
from bids_deeptaskgen.settings.network import RIDGE


def _load_ridge(bundle: Bundle, _device: str, _n_threads: int | None, **_options: str) -> ReadyModel:
    from bids_deeptaskgen.nn.ridge import load_ridge

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
        If the weights do not fit the architecture of the card, the device is not available, or `precision`
        is too inaccurate on it.

    Examples
    --------
    >>> from bids_deeptaskgen import load_bundle
    >>> network = load_network(load_bundle("embedded"), "cpu")
    >>> network.brain_mask.shape
    (76, 93, 78)
    >>> int(network.brain_mask.sum())
    235375
    """
    load = _LOADERS.get(bundle.card.architecture.name, _load_network)
    return load(bundle, device, n_threads, input_mask=input_mask, precision=precision)


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
        If the weights do not fit the architecture of the card, the device is not available, or `precision`
        is too inaccurate on it.
    """
    if not bundle.card.architecture.is_network:
        return  # `load_bundle` has checked its arrays
    from bids_deeptaskgen.nn.network import check_weights, resolve_device

    resolve_device(device)
    check_weights(bundle)
    if precision != "fp32":
        load_network(bundle, device, precision=precision)
