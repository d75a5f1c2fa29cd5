"""Datasets of many finished participants, made from one participant that was really processed."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.speed.datasets import few_voxels
from benchmarks.speed.participant_run import ANY_LENGTH, app
from bids_deeptaskgen.bids.input.sources import find_sessions, locate
from bids_deeptaskgen.bids.output.completion import input_fingerprint
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.bids.output.results import Result, read_results
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.machine import software_versions
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.pipeline.context import make_context
from bids_deeptaskgen.report.pages import content_digest, page_name
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.simulation.random_model import random_bundle

ORIGINAL = "sub-00001"
# Further files that fMRIPrep 25 writes for a run with --output-spaces MNI152NLin6Asym:res-2 fsaverage and
# --cifti-output; none of them is read.
_OTHER_FILES = (
    "boldref.json", "boldref.nii.gz", "desc-coreg_boldref.json", "desc-coreg_boldref.nii.gz",
    "desc-hmc_boldref.json", "desc-hmc_boldref.nii.gz", "from-boldref_to-T1w_mode-image_desc-coreg_xfm.json",
    "from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", "from-boldref_to-auto00000_mode-image_xfm.json",
    "from-boldref_to-auto00000_mode-image_xfm.txt", "from-orig_to-boldref_mode-image_desc-hmc_xfm.json",
    "from-orig_to-boldref_mode-image_desc-hmc_xfm.txt", "desc-brain_mask.json", "desc-brain_mask.nii.gz",
    "space-MNI152NLin6Asym_boldref.json", "space-MNI152NLin6Asym_boldref.nii.gz",
    "space-T1w_boldref.json", "space-T1w_boldref.nii.gz", "space-T1w_desc-brain_mask.json",
    "space-T1w_desc-brain_mask.nii.gz", "space-T1w_desc-preproc_bold.json",
    "space-T1w_desc-preproc_bold.nii.gz", "space-fsLR_den-91k_bold.dtseries.nii",
    "space-fsLR_den-91k_bold.json", "hemi-L_space-fsaverage_bold.func.gii",
    "hemi-L_space-fsaverage_bold.json",
    "hemi-R_space-fsaverage_bold.func.gii", "hemi-R_space-fsaverage_bold.json",
    "desc-carpet_timeseries.tsv", "desc-confounds_timeseries.json",
)  # fmt: skip


class Datasets(NamedTuple):
    """Folders of a run over finished participants.

    Attributes
    ----------
    derivatives : Path
        Input.
    output : Path
    bundle : Path
        Model.
    """

    derivatives: Path
    output: Path
    bundle: Path


def options_of(bundle: Path, layout: str) -> tuple[str, ...]:
    """Return the options with which the participants were processed.

    Parameters
    ----------
    bundle : Path
        Folder of the model.
    layout : {"3d", "4d"}

    Returns
    -------
    tuple of str
    """
    return ("participant", "--model", str(bundle), "--device", "cpu", "--map-format", layout, *ANY_LENGTH)


def make_finished(work: Path, n_participants: int, layout: str = "3d") -> Datasets:
    """Create an input and an output dataset of finished participants, unless they exist.

    One participant is simulated, processed and given a page. The files of all others are hard links to its
    files, with their own completion records and the heads of their own pages.

    Parameters
    ----------
    work : Path
        Folder of the datasets.
    n_participants : int
    layout : {"3d", "4d"}
        One image for each contrast, or one image of all contrasts.

    Returns
    -------
    Datasets
    """
    bundle = random_bundle(work / "fdim-2", fdim=2)
    original = _process_original(work, bundle, layout)
    derivatives, output = (work / f"{n_participants}-{layout}-{kind}" for kind in ("derivatives", "maps"))
    if not (output / "complete").exists():
        for folder in (derivatives, output):
            shutil.rmtree(folder, ignore_errors=True)
        _copy_dataset(original.derivatives, derivatives)
        _copy_dataset(original.output, output)
        for folder in (derivatives, output):
            _write_participants(folder / "participants.tsv", n_participants)
        _multiply(original, derivatives, output, n_participants)
        (output / "complete").touch()
    return Datasets(derivatives, output, bundle)


def _process_original(work: Path, bundle: Path, layout: str) -> Datasets:
    """Simulate and process one participant, unless that was done."""
    derivatives, output = work / "original", work / f"original-{layout}-maps"
    if not derivatives.exists():
        shutil.copytree(few_voxels(work / "simulated", 1), derivatives)
        (folder,) = derivatives.glob("sub-*")
        old_name = folder.name
        folder = folder.rename(derivatives / ORIGINAL)
        for path in (folder / "func").iterdir():
            path.rename(path.with_name(path.name.replace(old_name, ORIGINAL)))
        for name in _OTHER_FILES:
            (folder / "func" / f"{ORIGINAL}_task-rest_{name}").touch()
    if not (output / f"{ORIGINAL}.html").exists():
        app(str(derivatives), str(output), *options_of(bundle, layout))
    return Datasets(derivatives, output, bundle)


def _copy_dataset(source: Path, target: Path) -> None:
    """Copy the files of a dataset as a whole."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file() and not path.name.startswith("sub-"):
            shutil.copy2(path, target / path.name)


def _write_participants(table: Path, n_participants: int) -> None:
    """Replace a table of one participant by one of all, with the same values in each row."""
    title, row = table.read_text("utf-8").splitlines()[:2]
    values = row.partition("\t")[2]
    rows = [f"sub-{number:05d}\t{values}" for number in range(1, n_participants + 1)]
    table.write_text("\n".join([title, *rows]) + "\n", "utf-8")


def _multiply(original: Datasets, derivatives: Path, output: Path, n_participants: int) -> None:
    """Write the files of all participants, which differ in their label only."""
    settings = ParticipantSettings(
        bids_dir=original.derivatives, output_dir=original.output, model=str(original.bundle), device="cpu"
    )
    context = make_context(settings, locate(settings.bids_dir, settings.derivatives))
    label = ORIGINAL.removeprefix("sub-")
    (session,) = find_sessions(context.dataset, label, context.query, combine_runs=True)
    if not isinstance(session, SessionInputs):
        raise session.error
    (result,) = read_results(original.output, [label])
    record = result.path(original.output, "qc_metrics").read_text("utf-8")
    old_fingerprint = input_fingerprint(session)
    head = (original.output / f"{ORIGINAL}.html").read_text("utf-8")[:4000]
    old_digest = _digest(original.output, result, original.bundle)
    for number in range(1, n_participants + 1):
        name = f"sub-{number:05d}"
        _link_files(original.derivatives / ORIGINAL / "func", derivatives / name / "func", name)
        _link_files(original.output / ORIGINAL / "func", output / name / "func", name)
        copy = replace(result, subject=name.removeprefix("sub-"))
        moved_session = replace(session, runs=tuple(_move(run, derivatives, name) for run in session.runs))
        text = record.replace(ORIGINAL, name).replace(old_fingerprint, input_fingerprint(moved_session))
        path = output_path(output, "qc_metrics", subject=copy.subject, entities=copy.entities)
        path.unlink()
        path.write_text(text, "utf-8")
        page = head.replace(ORIGINAL, name).replace(old_digest, _digest(output, copy, original.bundle))
        (output / page_name(copy.subject)).write_text(page, "utf-8")


def _link_files(source: Path, target: Path, name: str) -> None:
    target.mkdir(parents=True)
    for entry in os.scandir(source):
        os.link(entry.path, f"{target}/{entry.name.replace(ORIGINAL, name)}")


def _move(run: RunInputs, derivatives: Path, name: str) -> RunInputs:
    """Return the files of a run with another label."""
    paths = {"bold": run.bold, "mask": run.mask, "confounds": run.confounds}
    return run.with_fields(
        **{
            field: derivatives / name / "func" / path.name.replace(ORIGINAL, name)
            for field, path in paths.items()
            if path
        }
    )


def _digest(output: Path, result: Result, bundle: Path) -> str:
    model = load_bundle(bundle).weights_sha256
    return content_digest(output, [result], {}, "full", software_versions()["bids-deeptaskgen"], model)
