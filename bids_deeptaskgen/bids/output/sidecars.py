"""What is said beside each map: what BIDS requires of derivatives, and where the map comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.models.contrasts import Contrast


@dataclass(frozen=True)
class Provenance:
    """What all maps of one session have in common.

    Attributes
    ----------
    card : Card
        The model's.
    task : str
        Task of the input, ``rest``.
    runs : tuple of dict
        What is to be said of each run; ``sources`` lists the files used, as URIs.
    settings : dict
        The science settings; JSON values.
    settings_hash : str
        Of the settings and the weights.
    computed : dict
        The rest, e.g. number of windows, device, precision, versions of software; JSON values. Nothing that
        differs between two runs of the same data (times, folders) may be in it.
    """

    card: Card
    task: str
    runs: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any]
    settings_hash: str
    computed: Mapping[str, Any] = field(default_factory=dict)


def statmap_sidecar(
    provenance: Provenance, contrast: Contrast | Sequence[Contrast] | None, kind: str = "statmap"
) -> dict[str, Any]:
    """Describe a map, as BIDS requires of derivatives and as its user should know.

    Parameters
    ----------
    provenance : Provenance
    contrast : Contrast, sequence of Contrast, or None
        Several for the volumes of a 4-D image, in order; None for a connectome.
    kind : str
        A key of ``desc`` in ``data/outputs.json``.

    Returns
    -------
    dict
        The same input gives the same content in the same order.
    """
    table = load_table("outputs.json")
    card = provenance.card
    description: str = table["descriptions"][table["desc"][kind]]
    warped = {str(run["warped_from"]) for run in provenance.runs if "warped_from" in run}
    if warped:
        description = f"{description} {table['warped'].format(spaces=', '.join(sorted(warped)))}"
    if provenance.settings.get("calibrated") and contrast is not None:
        description = f"{description} {table['calibrated']}"
    sources = [uri for run in provenance.runs for uri in run["sources"]]
    own: dict[str, Any] = {} if card.for_science else {"Notice": card.notice}
    if isinstance(contrast, Contrast):
        own["Contrast"] = _contrast_entry(contrast, card.units) | _weight_entry(provenance, contrast)
    elif contrast is not None:
        own["Contrasts"] = [
            _contrast_entry(one, card.units) | _weight_entry(provenance, one) for one in contrast
        ]
    own["Model"] = model_entry(card)
    own["SettingsHash"] = provenance.settings_hash
    own["Settings"] = dict(provenance.settings)
    own["Runs"] = [{key: value for key, value in run.items() if key != "sources"} for run in provenance.runs]
    own["Computed"] = dict(provenance.computed)
    return {
        "Description": description if card.for_science else f"{description} {card.notice}".strip(),
        "TaskName": provenance.task,
        "SkullStripped": True,
        **table["space"],
        "Sources": list(dict.fromkeys(sources)),
        "DeepTaskGen": own,
    }


def group_sidecar(
    contrast: Contrast, stat: str, task: str, n_participants: int, units: str = "z"
) -> dict[str, Any]:
    """Describe a map over participants.

    Parameters
    ----------
    contrast : Contrast
    stat : {"mean", "sd", "count"}
    task : str
        Task of the input, ``rest``.
    n_participants : int
        People whose maps are in it, each with the mean of their sessions.
    units : str
        Of the predicted maps.

    Returns
    -------
    dict
    """
    table = load_table("outputs.json")
    own = {"Contrast": _contrast_entry(contrast, units), "NumberOfParticipants": n_participants}
    return {
        "Description": table["group_stats"][stat],
        "TaskName": task,
        "SkullStripped": True,
        **table["space"],
        "DeepTaskGen": own,
    }


def model_entry(card: Card) -> dict[str, Any]:
    """Say which model it was, in JSON values; the hash of its weights is its version."""
    return {
        "Name": card.name,
        "WeightsSha256": card.sha256.get("weights.safetensors"),
        "Licence": card.licence,
        "ForScience": card.for_science,
        "RoiSet": card.roi_set,
        "TrainingData": card.training,
        "Parent": card.parent,
    }


def _weight_entry(provenance: Provenance, contrast: Contrast) -> dict[str, float]:
    """Say how far a calibrated map goes from the mean map (0) to the network's (1)."""
    weights, card = provenance.card.calibration, provenance.card
    if weights is None or not provenance.settings.get("calibrated"):
        return {}
    return {"CalibrationWeight": weights[[one.label for one in card.contrasts].index(contrast.label)]}


def _contrast_entry(contrast: Contrast, units: str) -> dict[str, Any]:
    least = load_table("outputs.json")["unreliable_below"]
    entry: dict[str, Any] = {
        "Label": contrast.label,
        "SourceName": contrast.source_name,
        "Task": contrast.task,
        "Units": units,
        "TypicalRetestCorrelation": contrast.retest_r,
    }
    if contrast.retest_r is not None and contrast.retest_r < least:
        entry["Warning"] = (
            f"Measured maps of this contrast hardly agree with themselves (retest r {contrast.retest_r:g}, "
            f"under {least:g}): a prediction of it says little about a person."
        )
    return entry
