"""Output of a session: maps, sidecars, quality metrics."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.completion import finished_maps, write_completion
from bids_deeptaskgen.bids.output.connectome_files import connectome_sidecar, save_connectomes
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.sidecars import Provenance, statmap_sidecar
from bids_deeptaskgen.connectome.coverage import region_without_signal, signal_of_connectomes
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_maps, save_nifti
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.machine import software_versions
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.records import MAPS_WRITTEN, Record
from bids_deeptaskgen.stats.calibration import apply_calibration

Floats = NDArray[np.float32]


class PredictedMaps(NamedTuple):
    """Maps of one session, in the card's units, as arrays of shape (n_contrasts, n_output_voxels).

    Attributes
    ----------
    mean : float32 array
        Mean of the predictions from single windows.
    sd : float32 array or None
        Standard deviation over the windows; None for a single prediction.
    """

    mean: Floats
    sd: Floats | None


def write_session(context: RunContext, record: Record, maps: PredictedMaps, device: str) -> Record:
    """Write the maps of a session, and finally the file that marks them as complete.

    Parameters
    ----------
    context : RunContext
    record : Record
        Record of the session, whose connectome file exists.
    maps : PredictedMaps
        Maps of all contrasts of the model.
    device : str
        Device on which the network ran.

    Returns
    -------
    Record
        With status ``done``.
    """
    bundle, output, required_maps = context.bundle, context.settings.output_dir, context.required_maps
    if context.settings.calibrated:
        maps = calibrate(bundle, maps)
    if record.facts["metrics"]["share_without_values"]:
        maps = without_missing_regions(bundle, maps, np.load(record.connectome, mmap_mode="r"))
    completion = _path(context, record, "qc_metrics")
    fingerprint = record.facts["input_fingerprint"]
    # Contrasts of an earlier run stay in the dataset: they are written again.
    earlier_maps = finished_maps(output, record, context.settings_hash, fingerprint)
    labels = {*required_maps.contrasts, *(earlier_maps.contrasts if earlier_maps else ())}
    channels = [channel for channel, contrast in enumerate(bundle.card.contrasts) if contrast.label in labels]
    provenance = _provenance(context, record, device)
    images = list(_images(context, record, provenance, channels, maps))
    coverage = _path(context, record, "qc_rois")
    saves_connectome = required_maps.connectome or (earlier_maps is not None and earlier_maps.connectome)
    connectome = [_path(context, record, "connectome")] if saves_connectome else []
    described_paths = [*connectome, *(image.path for image in images)]
    files = [coverage, *(file for path in described_paths for file in (path, sidecar_path(path)))]
    # First, since only the completion record of an earlier run lists them.
    for stale in _files_of(completion, output) - set(files):
        stale.unlink(missing_ok=True)
    # From here to the end, the session counts as incomplete.
    completion.unlink(missing_ok=True)
    for path in connectome:
        _write_connectome(path, record, provenance)
    for image in images:
        _write_image(image, bundle)
    rois = list(range(1, len(record.facts["roi_coverage"]) + 1))
    write_tsv(coverage, {"roi": rois, "coverage": record.facts["roi_coverage"]})
    labels_written = [bundle.card.contrasts[channel].label for channel in channels]
    write_completion(
        output,
        record,
        {
            **record.facts["metrics"],
            "Flags": record.facts["flags"],
            "SeriesHashes": record.facts["series_hashes"],
            **_typicality_reference(record.facts),
        },
        files=files,
        settings_hash=context.settings_hash,
        fingerprint=fingerprint,
        contrasts=labels_written if required_maps.layout == "4d" else (),
    )
    return record.replace(status=MAPS_WRITTEN, n_maps=len(channels))


def _typicality_reference(facts: dict[str, Any]) -> dict[str, Any]:
    # Facts of an earlier version, whose connectomes wait for prediction, lack it.
    reference = facts.get("typicality_reference")
    return {"TypicalityReference": reference} if reference else {}


def calibrate(bundle: Bundle, maps: PredictedMaps) -> PredictedMaps:
    """Calibrate predicted maps: move them towards the mean of measured maps; see `stats.calibration`.

    Parameters
    ----------
    bundle : Bundle
        Model with a calibration.
    maps : PredictedMaps

    Returns
    -------
    PredictedMaps
        Calibrated maps; the standard deviation is multiplied by the same weights.

    Raises
    ------
    ValueError
        If the bundle contains no mean maps.
    """
    average = bundle.mean_statmaps()
    if average is None:
        message = f"{bundle.folder}: the model contains no mean maps."
        raise ValueError(message)
    weights = np.array(bundle.card.calibration)
    sd = None if maps.sd is None else maps.sd * np.float32(weights)[:, None]
    return PredictedMaps(apply_calibration(maps.mean, average, weights), sd)


def without_missing_regions(
    bundle: Bundle, maps: PredictedMaps, connectomes: NDArray[np.float32]
) -> PredictedMaps:
    """Set maps to 0 in large regions without signal, which the network would fill from elsewhere.

    Parameters
    ----------
    bundle : Bundle
    maps : PredictedMaps
    connectomes : array of shape (n_connectomes, n_rois, n_voxels)
        From which the maps were predicted.

    Returns
    -------
    PredictedMaps
        Copies; see `connectome.coverage.region_without_signal`.
    """
    has_signal = signal_of_connectomes(connectomes)
    in_map = bundle.output_mask[bundle.brain_mask]
    region = region_without_signal(has_signal, bundle.brain_mask)[in_map]
    zero = np.zeros(1, np.float32)
    sd = None if maps.sd is None else np.where(region, zero, maps.sd)
    return PredictedMaps(np.where(region, zero, maps.mean), sd)


class _Image(NamedTuple):
    """Image with its sidecar: one map, or the maps of several contrasts."""

    path: Path
    maps: Floats
    sidecar: dict[str, Any]


def _path(context: RunContext, record: Record, kind: str, **labels: str) -> Path:
    return output_path(
        context.settings.output_dir,
        kind,
        subject=record.subject,
        session=record.session,
        entities=record.entities,
        **labels,
    )


def _images(
    context: RunContext,
    record: Record,
    provenance: Provenance,
    channels: Sequence[int],
    maps: PredictedMaps,
) -> Iterator[_Image]:
    """Yield the maps of the selected channels as images: one each, or one 4-D image."""
    contrasts = [context.bundle.card.contrasts[channel] for channel in channels]
    for kind, values in (("statmap", maps.mean), ("window_sd", maps.sd)):
        if values is None:
            continue
        if context.required_maps.layout == "4d":
            path = _path(context, record, f"{kind}s")
            yield _Image(path, values[channels], statmap_sidecar(provenance, contrasts, f"{kind}s"))
            continue
        for channel, contrast in zip(channels, contrasts, strict=True):
            path = _path(context, record, kind, contrast=contrast.label)
            yield _Image(path, values[channel], statmap_sidecar(provenance, contrast, kind))


def _write_image(image: _Image, bundle: Bundle) -> None:
    if image.maps.ndim == 1:
        volume = model_to_output(unmask(image.maps, bundle.output_mask))
        save_nifti(image.path, volume, OUTPUT_GRID.matrix)
    else:
        volumes = (model_to_output(unmask(values, bundle.output_mask)) for values in image.maps)
        save_maps(image.path, volumes, len(image.maps), OUTPUT_GRID)
    write_json(sidecar_path(image.path), image.sidecar)


def _write_connectome(path: Path, record: Record, provenance: Provenance) -> None:
    connectomes = np.load(record.connectome, mmap_mode="r")
    sidecar = connectome_sidecar(provenance, connectomes.shape, _window_minutes(record.facts))
    save_connectomes(path, connectomes, sidecar)


def _window_minutes(facts: dict[str, Any]) -> list[float]:
    """Return the kept minutes of each connectome: of all runs together, or of each window of each run."""
    minutes = [run["n_volumes_kept"] * run["t_r"] / 60 for run in facts["runs"]]
    if facts["n_connectomes"] == 1:
        return [sum(minutes)]
    return [run / facts["n_windows"] for run in minutes for _ in range(facts["n_windows"])]


def _files_of(completion: Path, output: Path) -> set[Path]:
    """List the files that an earlier, complete run wrote for the session."""
    try:
        filenames = json.loads(completion.read_text("utf-8"))["DeepTaskGen"]["Files"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {output / name for name in filenames}


def _provenance(context: RunContext, record: Record, device: str) -> Provenance:
    facts = record.facts
    return Provenance(
        card=context.bundle.card,
        task=record.task or "rest",
        runs=tuple(facts["runs"]),
        settings=context.science,
        settings_hash=context.settings_hash,
        known_faults=tuple(fault.to_json() for fault in context.known_faults),
        processing={
            "WindowsPerRun": facts["n_windows"],
            "Predictions": facts["n_connectomes"],
            "Device": device,
            "Precision": context.settings.precision,
            "Versions": software_versions(),
        },
    )
