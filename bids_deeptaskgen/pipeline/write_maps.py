"""Output of a session: maps, sidecars, quality metrics."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.completion import Maps, finished_maps, write_completion
from bids_deeptaskgen.bids.output.connectome_files import connectome_sidecar, save_connectomes
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.sidecars import Provenance, statmap_sidecar
from bids_deeptaskgen.bids.output.window_halves import WindowHalves, map_blocks, save_halves
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.lock import file_lock
from bids_deeptaskgen.io.nifti_writer import save_maps, save_nifti
from bids_deeptaskgen.io.npy import Stack
from bids_deeptaskgen.machine import software_versions
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.pipeline.agreement_files import agreement_metrics, agreement_scores, write_agreement
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.map_collection import (
    CoarseHalves,
    PredictedMaps,
    map_connectomes,
    missing_region,
)
from bids_deeptaskgen.pipeline.records import MAPS_EXIST, MAPS_WRITTEN, Record
from bids_deeptaskgen.pipeline.run_facts import describe_computation
from bids_deeptaskgen.pipeline.write_tables import load_waiting_images, table_files, write_tables
from bids_deeptaskgen.stats.calibration import apply_calibration

Floats = NDArray[np.float32]
# The maps of a session are written within seconds, or within minutes on a busy file server. A run on another
# machine that was killed meanwhile blocks the session for this time.
_MAX_HELD_S = 300.0


def write_session(context: RunContext, record: Record, maps: PredictedMaps, device: str) -> Record:
    """Write the maps of a session, and finally the file that marks them as complete.

    If several runs process a session at the same time, possibly from different inputs, one after another
    writes it. Maps that another run with the same input has finished in the meantime are kept.

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
        With status ``done``, or ``present`` if another run has finished the maps.
    """
    output, required_maps = context.settings.output_dir, context.required_maps
    completion = _path(context, record, "qc_metrics")
    with file_lock(completion, max_held_s=_MAX_HELD_S):
        fingerprint = record.facts["input_fingerprint"]
        earlier_maps = finished_maps(output, record, context.settings_hash, fingerprint)
        if earlier_maps and earlier_maps.cover(required_maps):
            n_maps = len(required_maps.contrasts)
            return record.replace(status=MAPS_EXIST, n_maps=n_maps, facts=_without_connectome(record))
        return _write_session(context, record, maps, device, earlier_maps)


def _write_session(
    context: RunContext, record: Record, maps: PredictedMaps, device: str, earlier_maps: Maps | None
) -> Record:
    """Write a session, with the contrasts of an earlier run."""
    bundle, output, required_maps = context.bundle, context.settings.output_dir, context.required_maps
    if context.settings.calibrated:
        maps = calibrate(bundle, maps)
    if record.facts["metrics"]["share_without_values"]:
        maps = without_missing_regions(bundle, maps, map_connectomes(record))
    completion = _path(context, record, "qc_metrics")
    # Contrasts of an earlier run stay in the dataset: they are written again.
    labels = {*required_maps.contrasts, *(earlier_maps.contrasts if earlier_maps else ())}
    channels = [channel for channel, contrast in enumerate(bundle.card.contrasts) if contrast.label in labels]
    provenance = _provenance(context, record, device)
    images = list(_images(context, record, provenance, channels, maps))
    page_images = load_waiting_images(record)
    tables, report_files = table_files(
        context, record, has_images=page_images is not None, keeps_earlier=earlier_maps is not None
    )
    halves = _path(context, record, "window_halves")
    report_files += [halves] if maps.halves else []
    saves_connectome = required_maps.connectome or (earlier_maps is not None and earlier_maps.connectome)
    connectome = [_path(context, record, "connectome")] if saves_connectome else []
    agreement = [_path(context, record, "agreement")] if maps.agreement else []
    described_paths = [*connectome, *agreement, *(image.path for image in images)]
    files = [*tables, *(file for path in described_paths for file in (path, sidecar_path(path)))]
    # First, since only the completion record of an earlier run lists them.
    for stale in _files_of(completion, output) - {*files, *report_files}:
        stale.unlink(missing_ok=True)
    # From here to the end, the session counts as incomplete.
    completion.unlink(missing_ok=True)
    for path in connectome:
        _write_connectome(path, record, provenance)
    for image in images:
        _write_image(image, bundle)
    if maps.halves:
        _write_halves(halves, context, maps.halves, channels)
    scores = agreement_scores(maps)
    if maps.agreement:
        contrasts = {channel: bundle.card.contrasts[channel] for channel in channels}
        bootstrap = record.facts.get("bootstrap")
        write_agreement(agreement[0], maps.agreement, scores, contrasts, bootstrap)
    metrics = record.facts["metrics"] | agreement_metrics(scores)
    computation = describe_computation(context, record, device)
    write_tables(context, record, provenance, metrics, computation, page_images)
    labels_written = [bundle.card.contrasts[channel].label for channel in channels]
    _complete(context, record, metrics, files, report_files, labels_written)
    return record.replace(status=MAPS_WRITTEN, n_maps=len(channels), facts=_without_connectome(record))


def _without_connectome(record: Record) -> dict[str, Any]:
    """Return the facts of a record without pairs of ROIs: the records of all sessions stay in memory."""
    return {name: value for name, value in record.facts.items() if name != "roi_connectome"}


def _complete(
    context: RunContext,
    record: Record,
    metrics: Mapping[str, Any],
    files: Sequence[Path],
    report_files: Sequence[Path],
    labels: Sequence[str],
) -> None:
    """Write the file that marks the maps of a session as complete."""
    facts = record.facts
    write_completion(
        context.settings.output_dir,
        record,
        {
            **metrics,
            "Flags": facts["flags"],
            "SeriesHashes": facts["series_hashes"],
            **_typicality_reference(facts),
        },
        files=files,
        report_files=report_files,
        settings_hash=context.settings_hash,
        fingerprint=facts["input_fingerprint"],
        contrasts=labels if context.required_maps.layout == "4d" else (),
        n_bootstrap=facts.get("n_bootstrap", 0),
        random_seed=facts.get("random_seed", 0),
    )


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
        Calibrated maps; standard deviations are multiplied by the same weights. Correlations of maps minus
        the mean maps do not change.

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

    def scale(sd: Floats | None) -> Floats | None:
        return None if sd is None else sd * np.float32(weights)[:, None]

    halves = maps.halves
    if halves:
        # Over the same voxels, so that the calibrated means are the means of calibrated maps.
        voxels = maps.agreement.voxels if maps.agreement else None
        coarse = map_blocks(bundle.output_mask)[0].apply(average, voxels)
        values = [apply_calibration(half, coarse, weights) for half in halves.values]
        halves = halves._replace(values=np.array(values))
    return maps._replace(
        halves=halves,
        mean=apply_calibration(maps.mean, average, weights),
        sd=scale(maps.sd),
        bootstrap_sd=scale(maps.bootstrap_sd),
    )


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
    region = missing_region(bundle, connectomes)

    def clear(values: Floats | None) -> Floats | None:
        return None if values is None else np.where(region, np.float32(0), values)

    return maps._replace(
        mean=np.where(region, np.float32(0), maps.mean),
        sd=clear(maps.sd),
        bootstrap_sd=clear(maps.bootstrap_sd),
    )


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

    def describe(contrast: Contrast | Sequence[Contrast], kind: str) -> dict[str, Any]:
        sidecar = statmap_sidecar(provenance, contrast, kind)
        if kind.startswith("bootstrap"):
            sidecar["DeepTaskGen"]["Bootstrap"] = record.facts["bootstrap"]
        return sidecar

    kinds = (("statmap", maps.mean), ("window_sd", maps.sd), ("bootstrap_sd", maps.bootstrap_sd))
    for kind, values in kinds:
        if values is None:
            continue
        if context.required_maps.layout == "4d":
            path = _path(context, record, f"{kind}s")
            yield _Image(path, values[channels], describe(contrasts, f"{kind}s"))
            continue
        for channel, contrast in zip(channels, contrasts, strict=True):
            path = _path(context, record, kind, contrast=contrast.label)
            yield _Image(path, values[channel], describe(contrast, kind))


def _write_image(image: _Image, bundle: Bundle) -> None:
    if image.maps.ndim == 1:
        volume = model_to_output(unmask(image.maps, bundle.output_mask))
        save_nifti(image.path, volume, OUTPUT_GRID.matrix)
    else:
        volumes = (model_to_output(unmask(values, bundle.output_mask)) for values in image.maps)
        save_maps(image.path, volumes, len(image.maps), OUTPUT_GRID)
    write_json(sidecar_path(image.path), image.sidecar)


def _write_connectome(path: Path, record: Record, provenance: Provenance) -> None:
    connectomes = Stack(Path(record.connectome), record.facts["n_connectomes"])
    sidecar = connectome_sidecar(provenance, connectomes.shape, _window_minutes(record.facts))
    save_connectomes(path, connectomes, sidecar)


def _write_halves(path: Path, context: RunContext, halves: CoarseHalves, channels: Sequence[int]) -> None:
    bundle = context.bundle
    contrasts = tuple(bundle.card.contrasts[channel].label for channel in channels)
    blocks = map_blocks(bundle.output_mask)[1]
    values = halves.values[:, list(channels)]
    save_halves(path, WindowHalves(contrasts, values, blocks, halves.n_windows, context.settings_hash))


def _window_minutes(facts: dict[str, Any]) -> list[float]:
    """Return the kept minutes of each connectome: of all runs together, or of each window of each run."""
    minutes = [run["n_volumes_kept"] * run["t_r"] / 60 for run in facts["runs"]]
    if facts["n_connectomes"] == 1:
        return [sum(minutes)]
    return [run / facts["n_windows"] for run in minutes for _ in range(facts["n_windows"])]


def _files_of(completion: Path, output: Path) -> set[Path]:
    """List the files that an earlier, complete run wrote for the session."""
    try:
        record = json.loads(completion.read_text("utf-8"))["DeepTaskGen"]
        return {output / name for name in (*record["Files"], *record.get("ReportFiles", ()))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


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
            "Versions": software_versions(with_torch=context.bundle.card.architecture.is_network),
        },
    )
