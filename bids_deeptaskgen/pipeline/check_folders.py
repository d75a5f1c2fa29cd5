"""Checks of the folders that a run writes to."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.input.participant_folders import is_participant_folder
from bids_deeptaskgen.bids.output.dataset_files import NAME, dataset_settings_hash
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")


def check_folders(settings: ParticipantSettings, derivatives: Path) -> None:
    """Refuse unsuitable output and work folders.

    Parameters
    ----------
    settings : ParticipantSettings
    derivatives : Path
        Root of the input derivatives.

    Raises
    ------
    UserError
        If a folder is a file or lies inside a participant's folder, or if the output folder contains a
        dataset of other software.
    """
    output = settings.output_dir
    for name, folder in (("OUTPUT_DIR", output), ("`work_dir`", settings.work_dir)):
        place = next((path for path in (folder, *folder.parents) if path.exists()), None) if folder else None
        if place and not place.is_dir():
            message = f"{name} is {folder}, but {place} is a file.\nChoose another folder."
            raise UserError(message)
        if folder:
            _refuse_inside_participant(name, folder, (settings.bids_dir, derivatives))
    _check_description(output, derivatives)
    _refuse_data_folders(settings, derivatives)
    _warn_folder_name(output)


def _check_description(output: Path, derivatives: Path) -> None:
    """Refuse an output folder whose description cannot be read, or is that of other software."""
    description = output / "dataset_description.json"
    if not os.path.lexists(description):
        return
    _refuse_broken(description)
    if dataset_settings_hash(output) is None:
        message = (
            f"OUTPUT_DIR is {output}, which holds another dataset: {description.name} names other software.\n"
            f"Choose a new folder, e.g. {derivatives.parent / 'deeptaskgen'}."
        )
        raise UserError(message)


def _refuse_data_folders(settings: ParticipantSettings, derivatives: Path) -> None:
    """Refuse output and work folders that are the input or each other, through links or ``..``."""
    inputs = [settings.bids_dir, derivatives]
    for name, folder, data_folders in (
        ("OUTPUT_DIR", settings.output_dir, inputs),
        ("`work_dir`", settings.work_dir, [*inputs, settings.output_dir]),
    ):
        if folder and any(folder.resolve() == data.resolve() for data in data_folders):
            message = (
                f"{name} is {folder}, a folder of data{_real_path(folder)}.\nChoose another folder, e.g. "
                f"{derivatives.parent / 'deeptaskgen'}."
            )
            raise UserError(message)


def _real_path(folder: Path) -> str:
    """Return the path without links and ``..`` in brackets, if it differs."""
    return f" ({folder.resolve()})" if folder.resolve() != folder else ""


def _warn_folder_name(output: Path) -> None:
    """Warn about a folder name that BIDS does not allow below a raw dataset."""
    is_in_dataset = (
        output.parent.name == "derivatives" and (output.parent.parent / "dataset_description.json").is_file()
    )
    if is_in_dataset and NAME not in output.name:
        logger.warning(
            "OUTPUT_DIR is %s. In BIDS, a folder in derivatives has the name of its software, e.g. %s.",
            output, output.with_name(NAME),
        )  # fmt: skip


def _refuse_broken(description: Path) -> None:
    """Refuse an output folder whose description cannot be read: its maps may be of other settings."""
    try:
        read_json(description)
    except InputError as error:
        problem, _, remedy = str(error).partition("\n")
        if description.exists():
            remedy = (
                "Choose a new folder, or delete that file if the maps in the folder are of these settings."
            )
        message = f"OUTPUT_DIR is {description.parent}, whose description cannot be read: {problem}\n{remedy}"
        raise UserError(message) from error


def _refuse_inside_participant(name: str, folder: Path, datasets: Sequence[Path]) -> None:
    """Refuse a folder inside a participant's input folder, where later runs would find the maps as input."""
    for root in datasets:
        if not folder.resolve().is_relative_to(root.resolve()):
            continue
        first = next(iter(folder.resolve().relative_to(root.resolve()).parts), "")
        if is_participant_folder(first):
            message = (
                f"{name} is {folder}, inside the folder of a participant, {root / first}.\n"
                "Choose another folder."
            )
            raise UserError(message)
