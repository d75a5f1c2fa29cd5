"""Where a training is kept, so that one that was stopped goes on and nobody else's is taken for it."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import remove_stale_files, write_json, write_text
from bids_deeptaskgen.models.bundle import Bundle, load_bundle
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.settings.base import science_settings
from bids_deeptaskgen.settings.toml_file import to_toml
from bids_deeptaskgen.settings.training import TrainingSettings
from bids_deeptaskgen.training.environment import is_first_process, require_libraries

logger = logging.getLogger("bids_deeptaskgen")

TARGETS, SPLIT, LOG, EVENTS = "targets", "split.tsv", "log.csv", "events"
_FACTS, _SETTINGS = "training.json", "settings.toml"


def work_folder(settings: TrainingSettings, out: Path) -> Path:
    """Give the folder of a training."""
    return settings.work_dir or out.with_name(f"{out.name}.training")


def check_out(settings: TrainingSettings, out: Path, base: Path) -> None:
    """Refuse to write a model where something else is, and let the first process alone speak.

    Parameters
    ----------
    settings : TrainingSettings
    out : Path
        Where the model shall be.
    base : Path
        Folder of the model that it begins with.

    Raises
    ------
    UserError
    """
    if not is_first_process():
        logger.setLevel(logging.ERROR)
    if out.resolve() == base.resolve():
        message = f"{out}: is the model that is to be begun with.\nChoose another OUT."
        raise UserError(message)
    if not out.exists():
        return
    if not (out / "card.json").is_file():
        message = f"{out}: exists and is no model.\nChoose another OUT."
        raise UserError(message)
    if not settings.overwrite:
        message = (
            f"{out}: is a model already.\nChoose another OUT (with --work-dir {work_folder(settings, out)} "
            "and more --epochs its training goes on), or replace model and training with --overwrite."
        )
        raise UserError(message)


def begin(settings: TrainingSettings, model: str, out: Path) -> Bundle:
    """Open the model that a training begins with, once it is sure that it can be done and written.

    Parameters
    ----------
    settings : TrainingSettings
    model : str
        Name or folder.
    out : Path
        Where the new model shall be.

    Raises
    ------
    UserError
        If a library is not installed, there is no such model, or something is in the new one's place.
    """
    require_libraries(settings)
    folder = find_model(model)
    check_out(settings, out, folder)
    return load_bundle(folder)


def open_folder(settings: TrainingSettings, folder: Path, data: Mapping[str, str]) -> None:
    """Make the folder of a training, or make sure that what it holds is this training.

    Parameters
    ----------
    settings : TrainingSettings
    folder : Path
    data : dict of str to str
        What decides the outcome beside the settings, in words and hashes.

    Raises
    ------
    UserError
        If it holds another training, or something else.
    """
    # Here, not above: without the extra it cannot be imported, and that must be said.
    from bids_deeptaskgen.training.fit import STATE

    found = folder / _FACTS
    if folder.exists() and any(folder.iterdir()):
        if not found.is_file():
            message = f"{folder}: is not empty and holds no training.\nChoose another --work-dir."
            raise UserError(message)
        if settings.overwrite:
            shutil.rmtree(folder)
    facts = {"Settings": _science(settings), "Data": dict(data)}
    before = json.loads(found.read_text("utf-8")) if found.is_file() else facts
    if (folder / STATE).is_file():
        _refuse_others(folder, before, facts)
        logger.info("%s: what a training with these settings has done there is taken up.", folder)
    elif before != facts:
        # One that was refused, or stopped in its first epoch, is not worth keeping.
        shutil.rmtree(folder / TARGETS, ignore_errors=True)
    remove_stale_files(folder)
    write_json(found, facts)
    write_text(folder / _SETTINGS, to_toml(settings))


def _science(settings: TrainingSettings) -> dict[str, Any]:
    # A cosine is as long as there are epochs; other schedules go on as they began.
    length = {"epochs": settings.epochs} if settings.schedule == "cosine" else {}
    return {"command": type(settings).__name__, **science_settings(settings), **length}


def _refuse_others(folder: Path, before: Any, now: Mapping[str, Any]) -> None:
    told = []
    for part, show in (("Settings", _flag), ("Data", str)):
        old, new = before.get(part, {}), now[part]
        told += [
            f"{show(key)} ({_short(old.get(key))} then, {_short(new.get(key))} now)"
            for key in [*new, *(key for key in old if key not in new)]
            if old.get(key) != new.get(key)
        ]
    if told:
        message = (
            f"{folder}: holds a training with others of these: {'; '.join(told)}.\n"
            "Give the settings and the data that it began with, choose another OUT or --work-dir, or start "
            "anew with --overwrite."
        )
        raise UserError(message)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _short(value: object) -> str:
    text = "not set" if value in (None, [], "") else str(value)
    return text if len(text) <= 40 else text[:12] + "..."
