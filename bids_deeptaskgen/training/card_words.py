"""Texts of model cards that trained networks and ridge models share. Does not import torch."""

from pathlib import Path

from bids_deeptaskgen.bids.input.derivatives import list_pipelines, read_description
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.stats.calibration import MIN_PARTICIPANTS, Calibration

SIMULATED_NOTICE = (
    "This model was trained on simulated participants. Use it to try the software, not for science: its maps "
    "carry no information about any brain."
)


def calibration_words(calibration: Calibration, method: str) -> str:
    """Describe a calibration, and how many contrasts have weights of their own.

    Parameters
    ----------
    calibration : Calibration
    method : str
        Participants of the calibration and their mean maps.

    Returns
    -------
    str
    """
    n_contrasts = len(calibration.n_participants)
    n_shrunk = int((calibration.n_participants >= MIN_PARTICIPANTS).sum())
    details = (
        f"weights shrunk towards it for {n_shrunk} of {n_contrasts} contrasts, which have maps of "
        f"{MIN_PARTICIPANTS} or more of them"
        if n_shrunk
        else f"for all {n_contrasts} contrasts, since none has maps of {MIN_PARTICIPANTS} of them"
    )
    return f"calibrated {method}: weight {calibration.pooled_weight:.2f} pooled over contrasts, {details}"


def science_status(statmaps: Path, base: Card, *, uses_weights: bool) -> tuple[bool, str]:
    """Return whether a trained model is for science, and its notice.

    Parameters
    ----------
    statmaps : Path
        Measured maps: a dataset, or a table of paths.
    base : Card
        Model that the training began with.
    uses_weights : bool
        Whether the weights of `base` were used, and not only its ROI maps and masks.

    Returns
    -------
    for_science : bool
        False for simulated participants, and for weights of a model that is not for science.
    notice : str
        Of the measured maps, the weights, or the ROI maps.
    """
    description = read_description(statmaps) if statmaps.is_dir() else {}
    names = [str(pipeline.get("Name")) for pipeline in list_pipelines(description)]
    if "bids-deeptaskgen simulate" in names:
        return False, SIMULATED_NOTICE
    if uses_weights:
        return base.for_science, base.notice
    if base.for_science or base.untrained:
        return True, ""
    return True, f"The ROI maps of this model are those of {base.name}, which is not for science."
