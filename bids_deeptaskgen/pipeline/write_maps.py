"""What is written for one session of a person: maps, sidecars, quality figures."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.completion import Maps, finished_maps, write_completion
from bids_deeptaskgen.bids.output.connectome_files import connectome_sidecar, save_connectomes
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.sidecars import Provenance, statmap_sidecar
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_maps, save_nifti
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.machine import software_versions
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.models.contrasts import choose_contrasts
from bids_deeptaskgen.pipeline.model_cache import load_model, mean_statmaps
from bids_deeptaskgen.pipeline.records import DONE, Job, Record
from bids_deeptaskgen.settings import ParticipantSettings, science_settings
from bids_deeptaskgen.stats.calibration import apply_calibration

Floats = NDArray[np.float32]


def wanted_maps(settings: ParticipantSettings, bundle: Bundle) -> Maps:
    """Tell which maps the settings ask for."""
    labels = choose_contrasts(bundle.card.contrasts, settings.contrasts)
    return Maps(settings.output_layout, labels, settings.save_connectome)


def write_results(job: Job, record: Record, mean: Floats, sd: Floats | None, device: str) -> Record:
    """Write the maps of a session, and last of all the file that says that they are complete.

    Parameters
    ----------
    job : Job
    record : Record
    mean : array of shape (n_contrasts, n_output_voxels)
        Predicted maps, in the card's units.
    sd : array of that shape, or None
        Spread over windows.
    device : str
        Where they were predicted.

    Returns
    -------
    Record
    """
    bundle, output = load_model(job.model), job.settings.output_dir
    names: dict[str, Any] = {
        "subject": record.subject,
        "session": record.session,
        "entities": record.entities,
    }
    if job.settings.calibrated:
        mean, sd = calibrated_maps(bundle, mean, sd)
    completion = output_path(output, "qc_metrics", **names)
    wanted = wanted_maps(job.settings, bundle)
    fingerprint = record.facts["input_fingerprint"]
    # What an earlier run was asked for stays in the dataset: it is written again.
    earlier = finished_maps(output, record, job.settings_hash, fingerprint)
    labels = {*wanted.contrasts, *(earlier.contrasts if earlier else ())}
    chosen = [one for one, contrast in enumerate(bundle.card.contrasts) if contrast.label in labels]
    images = list(_images(job, record, bundle, device, chosen, {"statmap": mean, "window_sd": sd}))
    coverage = output_path(output, "qc_rois", **names)
    saves = wanted.connectome or (earlier is not None and earlier.connectome)
    saved = [output_path(output, "connectome", **names)] if saves else []
    beside = [*saved, *(image.path for image in images)]
    files = [coverage, *(file for path in beside for file in (path, sidecar_path(path)))]
    # First of all, since only the completion record of an earlier run knows them.
    for left in _files_of(completion, output) - set(files):
        left.unlink(missing_ok=True)
    # From here until the end the session counts as not done.
    completion.unlink(missing_ok=True)
    for path in saved:
        connectomes = np.load(record.connectome, mmap_mode="r")
        provenance = _provenance(job, record, bundle, device)
        described = connectome_sidecar(provenance, connectomes.shape, _window_minutes(record.facts))
        save_connectomes(path, connectomes, described)
    for image in images:
        _write_image(image, bundle)
    rois = list(range(1, len(record.facts["roi_coverage"]) + 1))
    write_tsv(coverage, {"roi": rois, "coverage": record.facts["roi_coverage"]})
    write_completion(
        output,
        record,
        record.facts["metrics"],
        files=files,
        settings_hash=job.settings_hash,
        fingerprint=fingerprint,
        contrasts=[bundle.card.contrasts[one].label for one in chosen] if wanted.layout == "4d" else (),
    )
    return record.now(status=DONE, n_maps=len(chosen))


def _window_minutes(facts: dict[str, Any]) -> list[float]:
    """Kept time in each connectome: all runs together in a single one, else each run's in equal parts."""
    minutes = [run["n_volumes_kept"] * run["t_r"] / 60 for run in facts["runs"]]
    if facts["n_connectomes"] == 1:
        return [sum(minutes)]
    return [run / facts["n_windows"] for run in minutes for _ in range(facts["n_windows"])]


def calibrated_maps(bundle: Bundle, mean: Floats, sd: Floats | None) -> tuple[Floats, Floats | None]:
    """Bring predicted maps nearer to the mean map of measured people, see `stats.calibration`.

    Parameters
    ----------
    bundle : Bundle
        With a calibration.
    mean : array of shape (n_contrasts, n_output_voxels)
    sd : array of that shape, or None
        Spread over windows, which shrinks by the same weights.

    Returns
    -------
    mean, sd
    """
    weights = np.array(bundle.card.calibration)
    average = mean_statmaps(bundle.folder)
    return apply_calibration(mean, average, weights), None if sd is None else sd * np.float32(weights)[
        :, None
    ]


class _Image(NamedTuple):
    """An image to be written: one map, or the maps of several contrasts, and what is said beside it."""

    path: Path
    maps: Floats
    sidecar: dict[str, Any]


def _images(
    job: Job,
    record: Record,
    bundle: Bundle,
    device: str,
    chosen: Sequence[int],
    maps: dict[str, Floats | None],
) -> Iterator[_Image]:
    """Lay out the maps of the chosen contrasts as images: one each, or one for all of them."""
    names: dict[str, Any] = {
        "subject": record.subject,
        "session": record.session,
        "entities": record.entities,
    }
    output, provenance = job.settings.output_dir, _provenance(job, record, bundle, device)
    contrasts = [bundle.card.contrasts[one] for one in chosen]
    for kind, values in maps.items():
        if values is None:
            continue
        if job.settings.output_layout == "4d":
            path = output_path(output, f"{kind}s", **names)
            yield _Image(path, values[chosen], statmap_sidecar(provenance, contrasts, f"{kind}s"))
            continue
        for one, contrast in zip(chosen, contrasts, strict=True):
            path = output_path(output, kind, contrast=contrast.label, **names)
            yield _Image(path, values[one], statmap_sidecar(provenance, contrast, kind))


def _write_image(image: _Image, bundle: Bundle) -> None:
    if image.maps.ndim == 1:
        volume = model_to_output(unmask(image.maps, bundle.output_mask))
        save_nifti(image.path, volume, OUTPUT_GRID.matrix)
    else:
        volumes = (model_to_output(unmask(values, bundle.output_mask)) for values in image.maps)
        save_maps(image.path, volumes, len(image.maps), OUTPUT_GRID)
    write_json(sidecar_path(image.path), image.sidecar)


def _files_of(completion: Path, output: Path) -> set[Path]:
    """List the files that an earlier, complete run wrote for the session."""
    try:
        listed = json.loads(completion.read_text("utf-8"))["DeepTaskGen"]["Files"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {output / name for name in listed}


def _provenance(job: Job, record: Record, bundle: Bundle, device: str) -> Provenance:
    facts = record.facts
    return Provenance(
        card=bundle.card,
        task=job.settings.task_id,
        runs=tuple(facts["runs"]),
        settings=science_settings(job.settings),
        settings_hash=job.settings_hash,
        computed={
            "WindowsPerRun": facts["n_windows"],
            "Predictions": facts["n_connectomes"],
            "Device": device,
            "Precision": job.settings.precision,
            "Versions": software_versions(),
        },
    )
