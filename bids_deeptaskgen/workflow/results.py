"""What is written for one session of a person: maps, sidecars, quality figures."""

import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.outputs import (
    output_path,
    sidecar_path,
    write_completion,
    write_tsv,
)
from bids_deeptaskgen.bids.sidecars import Provenance, statmap_sidecar
from bids_deeptaskgen.core.atomic import write_json
from bids_deeptaskgen.core.grid import OUTPUT_GRID, model_to_output
from bids_deeptaskgen.core.niftiwrite import save_nifti
from bids_deeptaskgen.nn.bundle import Bundle, unmask
from bids_deeptaskgen.settings import science_settings
from bids_deeptaskgen.workflow.models import load_model
from bids_deeptaskgen.workflow.records import DONE, Job, Record

Floats = NDArray[np.float32]

# Libraries that the numbers depend on.
LIBRARIES = ("torch", "numpy", "scipy", "nibabel", "pybids", "nipype")


@cache
def software_versions() -> dict[str, str]:
    """List the versions of this software and of the libraries that the numbers depend on."""
    return {name: version(name) for name in ("bids-deeptaskgen", *LIBRARIES)}


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
    completion = output_path(output, "qc_metrics", **names)
    provenance = _provenance(job, record, bundle, device)
    images = [
        (
            output_path(output, kind, contrast=contrast.label, **names),
            values,
            statmap_sidecar(provenance, contrast, kind),
        )
        for kind, maps in (("statmap", mean), ("window_sd", sd))
        if maps is not None
        for contrast, values in zip(bundle.card.contrasts, maps, strict=True)
    ]
    coverage = output_path(output, "qc_rois", **names)
    files = [coverage, *(file for path, _, _ in images for file in (path, sidecar_path(path)))]
    # First of all, since only the completion record of an earlier run knows them.
    for left in _files_of(completion, output) - set(files):
        left.unlink(missing_ok=True)
    # From here until the end the session counts as not done.
    completion.unlink(missing_ok=True)
    for path, values, sidecar in images:
        _write_map(path, values, bundle, sidecar)
    rois = list(range(1, len(record.facts["roi_coverage"]) + 1))
    write_tsv(coverage, {"roi": rois, "coverage": record.facts["roi_coverage"]})
    write_completion(
        output,
        record,
        record.facts["metrics"],
        files=files,
        settings_hash=job.settings_hash,
        fingerprint=record.facts["input_fingerprint"],
    )
    return record.now(status=DONE, n_maps=len(mean))


def _write_map(path: Path, values: Floats, bundle: Bundle, sidecar: dict[str, Any]) -> None:
    volume = model_to_output(unmask(values, bundle.output_mask))
    save_nifti(path, volume, OUTPUT_GRID.matrix)
    write_json(sidecar_path(path), sidecar)


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
            "Precision": "fp32",
            "Versions": software_versions(),
        },
    )
