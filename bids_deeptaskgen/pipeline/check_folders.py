"""Which folders a run may write to."""

import logging
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.input.derivatives import is_participant_folder
from bids_deeptaskgen.bids.output.dataset_files import dataset_settings_hash
from bids_deeptaskgen.bids.output.results import settings_hashes
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")


def check_folders(settings: ParticipantSettings, derivatives: Path) -> None:
    """Refuse an output or work folder that is a file, and an output folder with a dataset of others."""
    output = settings.output_dir
    for name, folder in (("OUTPUT_DIR", output), ("--work-dir", settings.work_dir)):
        place = next((path for path in (folder, *folder.parents) if path.exists()), None) if folder else None
        if place and not place.is_dir():
            message = f"{name} is {folder}, but {place} is a file.\nChoose another folder."
            raise UserError(message)
        if folder:
            _refuse_inside_participant(name, folder, (settings.bids_dir, derivatives))
    found = output / "dataset_description.json"
    if found.exists() and dataset_settings_hash(output) is None:
        message = (
            f"OUTPUT_DIR is {output}, which holds another dataset: its {found.name} is of other software.\n"
            f"Choose a new folder, e.g. {derivatives.parent / 'deeptaskgen'}."
        )
        raise UserError(message)


def _refuse_inside_participant(name: str, folder: Path, datasets: Sequence[Path]) -> None:
    """Refuse to write where a person's files are, among which the maps would be looked for as input."""
    for root in datasets:
        if not folder.resolve().is_relative_to(root.resolve()):
            continue
        first = next(iter(folder.resolve().relative_to(root.resolve()).parts), "")
        if is_participant_folder(first):
            message = (
                f"{name} is {folder}, inside the folder of a person, {root / first}.\nChoose another folder."
            )
            raise UserError(message)


def refuse_mixture(settings: ParticipantSettings, hash_now: str, subjects: Sequence[str]) -> None:
    """Refuse to put maps of these settings among maps of others.

    The completion records decide: the dataset's description tells what was begun last. Where it tells of
    these settings, the records of these people are enough, so that the many runs of a Slurm array need not
    read everybody's.
    """
    output = settings.output_dir
    of = subjects if dataset_settings_hash(output) == hash_now else ()
    other = next((path for path, made_with in settings_hashes(output, of) if made_with != hash_now), None)
    if other is None:
        return
    if not settings.overwrite:
        message = (
            f"{output}: holds maps that were made with other settings or another model (see the sidecars of "
            f"those that belong to {other.relative_to(output)}).\n"
            "Choose another OUTPUT_DIR, or replace those maps with --overwrite."
        )
        raise UserError(message)
    logger.warning("%s: maps of other settings are replaced person by person (--overwrite).", output)
