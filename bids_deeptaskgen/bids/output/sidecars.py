"""Sidecars of maps: the fields that BIDS requires of derivatives, and the provenance of the map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.models.contrasts import Contrast


@dataclass(frozen=True)
class Provenance:
    """Facts that all maps of one session share.

    Attributes
    ----------
    card : Card
        Card of the model.
    task : str
        Task of the input, ``rest``; combined tasks are joined with ``+``.
    runs : tuple of dict
        Facts of each run; ``sources`` lists the URIs of its files.
    settings : dict
        Settings that affect the maps; JSON values.
    settings_hash : str
        Hash of the settings and the weights.
    processing : dict
        Further facts, e.g. number of windows, device, precision, versions of software; JSON values. It must
        not contain facts that differ between two runs on the same data, such as times and folders.
    known_faults : tuple of dict
        Known faults of the releases that wrote the input; see `FaultOfInput.to_json`.
    """

    card: Card
    task: str
    runs: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any]
    settings_hash: str
    processing: Mapping[str, Any] = field(default_factory=dict)
    known_faults: tuple[Mapping[str, Any], ...] = ()


def statmap_sidecar(
    provenance: Provenance, contrast: Contrast | Sequence[Contrast] | None, kind: str = "statmap"
) -> dict[str, Any]:
    """Build the sidecar of a map.

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
        JSON values; equal arguments give equal content in the same order.
    """
    table = load_table("outputs.json")
    card = provenance.card
    description: str = table["descriptions"][table["desc"][kind]]
    spaces = {str(run["warped_from"]) for run in provenance.runs if "warped_from" in run}
    if spaces:
        description = f"{description} {table['warped'].format(spaces=', '.join(sorted(spaces)))}"
    if provenance.settings.get("calibrated") and contrast is not None:
        description = f"{description} {table['calibrated']}"
    sources = [uri for run in provenance.runs for uri in run["sources"]]
    content: dict[str, Any] = {} if card.for_science else {"Notice": card.notice}
    if isinstance(contrast, Contrast):
        content["Contrast"] = _model_entry(provenance, contrast)
    elif contrast is not None:
        content["Contrasts"] = [_model_entry(provenance, volume) for volume in contrast]
    content["Model"] = describe_model(card)
    content["SettingsHash"] = provenance.settings_hash
    content["Settings"] = dict(provenance.settings)
    content["Runs"] = [
        {key: value for key, value in run.items() if key != "sources"} for run in provenance.runs
    ]
    content["KnownFaultsOfInput"] = [dict(fault) for fault in provenance.known_faults]
    content["Computed"] = dict(provenance.processing)
    return {
        "Description": description if card.for_science else f"{description} {card.notice}".strip(),
        "TaskName": provenance.task,
        "SkullStripped": True,
        **table["space"],
        "Sources": list(dict.fromkeys(sources)),
        "DeepTaskGen": content,
    }


def group_sidecar(
    contrast: Contrast, stat: str, task: str, n_participants: int, units: str = "z"
) -> dict[str, Any]:
    """Build the sidecar of a map over participants.

    Parameters
    ----------
    contrast : Contrast
    stat : {"mean", "sd", "count"}
    task : str
        Task of the input, ``rest``.
    n_participants : int
        Number of participants in the map; each contributes the mean of its sessions.
    units : str
        Units of the predicted maps.

    Returns
    -------
    dict
        JSON values.
    """
    table = load_table("outputs.json")
    content = {"Contrast": _contrast_entry(contrast, units), "NumberOfParticipants": n_participants}
    return {
        "Description": table["group_stats"][stat],
        "TaskName": task,
        "SkullStripped": True,
        **table["space"],
        "DeepTaskGen": content,
    }


def describe_model(card: Card) -> dict[str, Any]:
    """Describe the model in JSON values; the hash of the weights is its version.

    Parameters
    ----------
    card : Card

    Returns
    -------
    dict
        Values by name in a JSON sidecar.
    """
    return {
        "Name": card.name,
        "Architecture": str(card.architecture),
        "WeightsSha256": card.sha256.get("weights.safetensors"),
        "OutputMaskSha256": card.sha256.get("output_mask.nii.gz"),
        "Licence": card.licence,
        "ForScience": card.for_science,
        "RoiSet": card.roi_set,
        "TrainingData": card.training,
        "Parent": card.parent,
    }


def _model_entry(provenance: Provenance, contrast: Contrast) -> dict[str, Any]:
    """Describe a contrast with its channel, from 0, and its weight in a calibrated map."""
    labels = [model_contrast.label for model_contrast in provenance.card.contrasts]
    channel = {"Channel": labels.index(contrast.label)} if contrast.label in labels else {}
    return _contrast_entry(contrast, provenance.card.units) | channel | _weight_entry(provenance, contrast)


def _weight_entry(provenance: Provenance, contrast: Contrast) -> dict[str, float]:
    """Return the weight of the prediction in a calibrated map: 0 is the mean map, 1 the prediction."""
    weights, card = provenance.card.calibration, provenance.card
    if weights is None or not provenance.settings.get("calibrated"):
        return {}
    labels = [model_contrast.label for model_contrast in card.contrasts]
    return {"CalibrationWeight": weights[labels.index(contrast.label)]}


def _contrast_entry(contrast: Contrast, units: str) -> dict[str, Any]:
    threshold = load_table("outputs.json")["unreliable_below"]
    entry: dict[str, Any] = {
        "Label": contrast.label,
        "SourceName": contrast.source_name,
        "Task": contrast.task,
        "Units": units,
        "TypicalRetestCorrelation": contrast.retest_r,
    }
    if contrast.retest_r is not None and contrast.retest_r < threshold:
        entry["Warning"] = (
            f"Measured maps of this contrast hardly correlate between test and retest (r "
            f"{contrast.retest_r:g}, below {threshold:g}): predicted maps say little about a participant."
        )
    return entry
