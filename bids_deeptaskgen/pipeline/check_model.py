"""Checks of the model and the device, before any participant is processed."""

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
        If the weights do not fit the card's architecture, the ROI maps are redundant, the device is
        missing, or its results at this precision are too inaccurate.
    """
    import bids_deeptaskgen.connectome.session  # noqa: F401 - two threads must not import it

    bundle, settings = context.bundle, context.settings
    # The nodes of a plugin may have a device that this machine lacks.
    on_this_machine = settings.use_plugin is None
    device, precision = (settings.device, settings.precision) if on_this_machine else ("cpu", "fp32")
    with ThreadPoolExecutor(1) as thread:
        # Decompression and linear algebra run while torch is imported.
        rois = thread.submit(lambda: bundle.roi_space)
        from bids_deeptaskgen.nn.inference import check_inference

        check_inference(bundle, device, precision)
        rois.result()
