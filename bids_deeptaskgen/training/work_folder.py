"""The work folder of a training, from which an interrupted training resumes."""

import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.active_runs import ENDED_AFTER_S, RUNNING, ActiveRun, active_runs, register_run
from bids_deeptaskgen.io.atomic import process_namespace, remove_stale_files, write_json, write_text
from bids_deeptaskgen.io.lock import file_lock
from bids_deeptaskgen.io.marked_folder import MARK, mark_folder
from bids_deeptaskgen.models.bundle import Bundle, load_bundle
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.settings.base import science_settings
from bids_deeptaskgen.settings.toml_file import to_toml
from bids_deeptaskgen.settings.training import TrainingSettings
from bids_deeptaskgen.training.environment import is_first_process, require_libraries

logger = logging.getLogger("bids_deeptaskgen")

TARGETS, SPLIT, LOG, EVENTS, STATE = "targets", "split.tsv", "log.csv", "events", "state.pt"
_FACTS, _SETTINGS = "training.json", "settings.toml"
_LOOK_EVERY_S = 5.0


def work_folder(settings: TrainingSettings, out: Path) -> Path:
    """Return the work folder of a training.

    Parameters
    ----------
    settings : TrainingSettings
    out : Path
        Folder of the new model.

    Returns
    -------
    Path
        ``--work-dir``, or a folder next to `out`.
    """
    return settings.work_dir or out.with_name(f"{out.name}.training")


def check_out(settings: TrainingSettings, out: Path, base: Path) -> None:
    """Check that a model can be written, and silence the log of all but the first process.

    Parameters
    ----------
    settings : TrainingSettings
    out : Path
        Folder of the new model.
    base : Path
        Folder of the model that the training begins with.

    Raises
    ------
    UserError
        If `out` is the base model, is no model, or is a model and ``--overwrite`` is not set.
    """
    if not is_first_process():
        logger.setLevel(logging.ERROR)
    if out.resolve() == base.resolve():
        message = f"{out}: is the model that the training begins with.\nChoose another OUT."
        raise UserError(message)
    if not out.exists():
        return
    if not (out / "card.json").is_file():
        message = f"{out}: exists and is not a model.\nChoose another OUT."
        raise UserError(message)
    if not settings.overwrite:
        continuation = (
            f" (with `work_dir` {work_folder(settings, out)} and more `epochs` its training continues)"
            if settings.is_network
            else ""
        )
        message = (
            f"{out}: is already a model.\nChoose another OUT{continuation}, or replace model and training "
            "with `overwrite`."
        )
        raise UserError(message)


def begin(settings: TrainingSettings, model: str, out: Path) -> Bundle:
    """Check that a training can run and be written, and load the model that it begins with.

    Parameters
    ----------
    settings : TrainingSettings
    model : str
        Name or folder of the model.
    out : Path
        Folder of the new model.

    Raises
    ------
    UserError
        If a library is not installed, the model does not exist, or `out` cannot be written.
    """
    require_libraries(settings)
    folder = find_model(model)
    check_out(settings, out, folder)
    return load_bundle(folder)


@contextmanager
def claim_work_folder(settings: TrainingSettings, out: Path) -> Iterator[None]:
    """Register this training in its work folder, which no other process may use at the same time.

    Parameters
    ----------
    settings : TrainingSettings
    out : Path
        Folder of the new model.

    Yields
    ------
    None
        Without a registration in all but the first process of a training, and for a folder of other files,
        which `open_folder` refuses.

    A training that was killed on another machine, or in another container, seems to run for some minutes.
    This one then waits, so that a job that Slurm has requeued continues.

    Raises
    ------
    UserError
        If another process uses the work folder, or deletes it during the training.
    """
    folder = work_folder(settings, out)
    if not is_first_process() or _holds_other_files(folder):
        yield
        return
    with ExitStack() as stack:
        # A training that is refused leaves no folder.
        stack.callback(_remove_if_empty, folder)
        while not _register(stack, folder):
            _await_end(folder)
        with mark_folder(folder):
            # After the mark exists: a mark that is missing later has been deleted.
            stack.callback(_unmark, folder)
            yield


def _register(stack: ExitStack, folder: Path) -> bool:
    """Register this training until the end of the stack; return False if another one is registered."""
    with file_lock(folder / _FACTS):
        if active_runs(folder / RUNNING):
            return False
        stack.enter_context(register_run(folder / RUNNING, "training"))
    return True


def _await_end(folder: Path) -> None:
    """Wait until the file of another training is too old; refuse as soon as that training renews it."""
    renewed_s: dict[Path, float] = {}
    end_s = time.monotonic() + ENDED_AFTER_S
    while runs := active_runs(folder / RUNNING):
        for run in runs:
            with suppress(FileNotFoundError):
                last_s = run.path.stat().st_mtime
                is_renewed = renewed_s.get(run.path, last_s) != last_s
                if is_renewed or run.namespace == process_namespace() or time.monotonic() > end_s:
                    raise UserError(_refusal(folder, run))
                if not renewed_s:
                    logger.info(
                        "%s: waiting for up to %.0f minutes: another training (process %d of %s) uses this "
                        "folder, or was killed.",
                        folder, ENDED_AFTER_S / 60, run.pid, run.namespace,
                    )  # fmt: skip
                renewed_s[run.path] = last_s
        time.sleep(_LOOK_EVERY_S)


def _refusal(folder: Path, run: ActiveRun) -> str:
    return (
        f"{folder}: another training uses this folder (process {run.pid} of {run.namespace}, see "
        f"{run.path.relative_to(folder)}).\n"
        "Wait until it ends, or choose another OUT or `work_dir`. If it was killed, delete that file."
    )


def _unmark(folder: Path) -> None:
    """Remove the mark; of a folder that was deleted, remove what was written to it afterwards."""
    if (folder / MARK).is_file():
        (folder / MARK).unlink()
    elif not (folder / _FACTS).is_file():
        # The next training would take it for a folder of other files.
        _remove_files(folder)


def _remove_files(folder: Path) -> None:
    """Remove the files of a training; hidden files, also those of users, stay."""
    for path in _files_of(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _holds_other_files(folder: Path) -> bool:
    """Return whether a folder has files, but not those of a training."""
    return bool(_files_of(folder)) and not (folder / _FACTS).is_file()


def _files_of(folder: Path) -> list[Path]:
    """List the content of a work folder, without the files of active runs and without locks."""
    return [path for path in folder.glob("*") if not path.name.startswith(".")]


def open_folder(settings: TrainingSettings, folder: Path, data: Mapping[str, str]) -> None:
    """Create the work folder of a training, or check that it belongs to this training.

    Parameters
    ----------
    settings : TrainingSettings
    folder : Path
    data : dict of str to str
        Facts and hashes that decide the outcome beside the settings.

    Raises
    ------
    UserError
        If the folder holds another training or other files.
    """
    facts_file = folder / _FACTS
    if _holds_other_files(folder):
        message = f"{folder}: is not empty and holds no training.\nChoose another `work_dir`."
        raise UserError(message)
    if settings.overwrite:
        _remove_files(folder)
    facts = {"Settings": _science(settings), "Data": dict(data)}
    stored_facts = json.loads(facts_file.read_text("utf-8")) if facts_file.is_file() else facts
    if (folder / STATE).is_file():
        _refuse_changes(folder, stored_facts, facts)
        logger.info("%s: resuming the training with these settings.", folder)
    elif stored_facts != facts:
        # A training without a complete epoch is discarded.
        shutil.rmtree(folder / TARGETS, ignore_errors=True)
    remove_stale_files(folder)
    write_json(facts_file, facts)
    write_text(folder / _SETTINGS, to_toml(settings))


def _science(settings: TrainingSettings) -> dict[str, Any]:
    # Only the cosine schedule depends on the number of epochs.
    length = {"epochs": settings.epochs} if settings.schedule == "cosine" else {}
    return {"command": type(settings).__name__, **science_settings(settings), **length}


def _refuse_changes(folder: Path, stored_facts: Any, facts: Mapping[str, Any]) -> None:
    changes = []
    for part, form in (("Settings", "`{}`"), ("Data", "{}")):
        old_values, new_values = stored_facts.get(part, {}), facts[part]
        changes += [
            f"{form.format(key)} ({_short(old_values.get(key))} then, {_short(new_values.get(key))} now)"
            for key in [*new_values, *(key for key in old_values if key not in new_values)]
            if old_values.get(key) != new_values.get(key)
        ]
    if changes:
        message = (
            f"{folder}: holds a training that differs in {'; '.join(changes)}.\n"
            "Use its settings and data, choose another OUT or `work_dir`, or start again with `overwrite`."
        )
        raise UserError(message)


def _short(value: object) -> str:
    text = "not set" if value in (None, [], "") else str(value)
    return text if len(text) <= 40 else text[:12] + "..."
