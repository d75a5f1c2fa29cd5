"""Plain-text description of a model, as printed by ``deeptaskgen models``."""

import textwrap

import numpy as np

from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.models.architecture import count_parameters
from bids_deeptaskgen.models.bundle import Bundle


def describe(bundle: Bundle) -> str:
    """Format a model's card as text with one line per field.

    Parameters
    ----------
    bundle : Bundle

    Returns
    -------
    str
    """
    card, grid = bundle.card, Grid.from_image(bundle.card.grid.shape, np.array(bundle.card.grid.affine))
    n_shared = int((bundle.output_mask & bundle.brain_mask).sum())
    rows = {
        "Model": card.name,
        "Folder": str(bundle.folder),
        "Notice": card.notice,
        "Description": card.description,
        "For science": "yes" if card.for_science else "no, for trying the software only",
        "Architecture": str(card.architecture),
        "Parameters": f"{count_parameters(bundle.shapes()):,}",
        "Contrasts": f"{len(card.contrasts)} ({card.contrasts[0].label} ... {card.contrasts[-1].label})",
        "Unit of maps": card.units,
        "ROIs": f"{card.architecture.in_channels} ({card.roi_set})",
        "Input": f"{int(bundle.brain_mask.sum()):,} brain voxels of a connectome, mask: {card.input_mask}",
        "Output": f"{int(bundle.output_mask.sum()):,} voxels, {n_shared:,} of them in the brain mask",
        "Grid": f"{card.grid.space} res-{card.grid.resolution}, {grid}",
        "Window": "unknown" if card.window_minutes is None else f"{card.window_minutes:g} minutes",
        "Calibration": "none"
        if card.calibration is None
        else f"weights of the predicted maps from {min(card.calibration):g} to {max(card.calibration):g}",
        "Typicality": _describe_typicality(bundle),
        "Training": card.training,
        "Parent": card.parent or "none",
        "Licence": card.licence,
        "Citation": card.citation,
        "Weights": f"sha256 {bundle.weights_sha256}",
        "Files": f"{len(card.sha256)}, all verified against the hashes of the card",
    }
    lines = (
        textwrap.fill(text, 100, initial_indent=f"{name + ':':<14}", subsequent_indent=" " * 14)
        for name, text in rows.items()
        if text
    )
    return "\n".join(lines) + "\n"


def _describe_typicality(bundle: Bundle) -> str:
    distribution = bundle.connectome_distribution()
    if distribution is not None:
        return (
            "mean and covariance of the ROI-by-ROI connectomes of "
            f"{distribution.n_participants} training participants"
        )
    return "none" if bundle.card.mean_roi_connectome is None else "mean ROI-by-ROI connectome only"
