"""Find what would fail for every participant, before anything is computed for one."""

from concurrent.futures import ThreadPoolExecutor

from bids_deeptaskgen.pipeline.context import RunContext


def check_model(context: RunContext) -> None:
    """Check weights, ROI maps, device and precision of a run.

    Parameters
    ----------
    context : RunContext

    Raises
    ------
    UserError
        If the weights are not those of the card's network, the ROI maps cannot be told apart, the device is
        not there, or the precision is too rough on it.
    """
    import bids_deeptaskgen.connectome.session  # noqa: F401 - so that no two threads import the same

    bundle, settings = context.bundle, context.settings
    # The machines of a plugin may have the device that this one lacks.
    on_this_machine = settings.use_plugin is None
    device, precision = (settings.device, settings.precision) if on_this_machine else ("cpu", "fp32")
    with ThreadPoolExecutor(1) as thread:
        # Inflating and linear algebra, while torch is loaded.
        rois = thread.submit(lambda: bundle.roi_space)
        from bids_deeptaskgen.nn.inference import check_weights, load_network, resolve_device

        resolve_device(device)
        check_weights(bundle)
        if precision != "fp32":
            load_network(bundle, device, precision=precision)
        rois.result()
