"""Claim of an output dataset: all its maps have the same settings and model, also with many runs at once."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bids_deeptaskgen.bids.output.dataset_files import DESCRIPTION, dataset_settings_hash
from bids_deeptaskgen.bids.output.results import settings_hashes
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.active_runs import ENDED_AFTER_S, RUNNING, active_runs, register_run
from bids_deeptaskgen.io.lock import file_lock
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")

# Folder of the files of active runs in an output dataset.
RUNNING_FOLDER = Path("logs", RUNNING)


@contextmanager
def claim_dataset(settings: ParticipantSettings, current_hash: str) -> Iterator[None]:
    """Restrict the output dataset to the settings of this run, before anything is written to it.

    Runs with the same settings share the dataset. Of several runs with other settings that start at the same
    time, one claims the dataset and the others are refused.

    Parameters
    ----------
    settings : ParticipantSettings
    current_hash : str
        Hash of the science settings and the model of this run.

    Yields
    ------
    None
        While no run with other settings can start.

    Raises
    ------
    UserError
        If a run with other settings writes to the dataset, or has written maps since `refuse_mixture`.
    """
    output = settings.output_dir
    with ExitStack() as stack:
        with file_lock(output / DESCRIPTION):
            _refuse_active(output, current_hash)
            stack.enter_context(register_run(output / RUNNING_FOLDER, current_hash))
        # Runs with other settings have ended, or will not start: their records are complete. This is not done
        # under the lock, because it may take minutes.
        if not settings.overwrite and dataset_settings_hash(output) != current_hash:
            _refuse_records(output, current_hash)
        yield


@contextmanager
def join_claim(output: Path, current_hash: str) -> Iterator[Path]:
    """Register a batch job in the output dataset that its run has claimed.

    The job of a run that was killed may start when that claim has ended and another run has the dataset.

    Parameters
    ----------
    output : Path
    current_hash : str
        Hash of the science settings and the model of the run that submitted the job.

    Yields
    ------
    Path
        The file of the job; whoever kills the job may remove it.

    Raises
    ------
    UserError
        If a run with other settings writes to the dataset, or has done so since, or the dataset was removed.
    """
    with ExitStack() as stack:
        # Without this, the lock would create the folder of a dataset that was removed.
        _refuse_description(output, current_hash)
        with file_lock(output / DESCRIPTION):
            _refuse_active(output, current_hash)
            _refuse_description(output, current_hash)
            path = stack.enter_context(register_run(output / RUNNING_FOLDER, current_hash))
        yield path


def _refuse_description(output: Path, current_hash: str) -> None:
    if dataset_settings_hash(output) != current_hash:
        message = (
            f"{output}: was removed, or has other settings or another model than the run that submitted this "
            "job.\nStart the run again."
        )
        raise UserError(message)


def refuse_mixture(settings: ParticipantSettings, current_hash: str, subjects: Sequence[str]) -> None:
    """Refuse to add maps to a dataset with maps of other settings, without writing anything.

    The completion records and the active runs decide. If the dataset's description, which the latest run
    wrote, has the same hash, only the records of `subjects` are read; the runs of a Slurm array thus stay
    fast.

    Parameters
    ----------
    settings : ParticipantSettings
    current_hash : str
        Hash of the science settings and the model of this run.
    subjects : sequence of str
        Labels of the participants of this run.

    Raises
    ------
    UserError
        If there are maps of other settings and ``--overwrite`` is not set, or a run with other settings
        writes to the dataset.
    """
    output = settings.output_dir
    record_subjects = subjects if dataset_settings_hash(output) == current_hash else ()
    if not settings.overwrite:
        _refuse_records(output, current_hash, record_subjects)
    elif _find_mismatch(output, current_hash, record_subjects):
        logger.warning(
            "%s: maps of other settings are replaced, participant by participant (`overwrite`).", output
        )
    _refuse_active(output, current_hash)


def _find_mismatch(output: Path, current_hash: str, subjects: Sequence[str] = ()) -> Path | None:
    """Return the first completion record of other settings."""
    hashes = settings_hashes(output, subjects)
    return next((path for path, made_with in hashes if made_with != current_hash), None)


def _refuse_records(output: Path, current_hash: str, subjects: Sequence[str] = ()) -> None:
    mismatch = _find_mismatch(output, current_hash, subjects)
    if mismatch is not None:
        message = (
            f"{output}: holds maps that were made with other settings or another model (see the sidecars "
            f"next to {mismatch.relative_to(output)}).\n"
            "Choose another OUTPUT_DIR, or replace those maps with `overwrite`."
        )
        raise UserError(message)


def _refuse_active(output: Path, current_hash: str) -> None:
    """Refuse a dataset to which a run with other settings writes; with ``--overwrite``, too."""
    for run in active_runs(output / RUNNING_FOLDER):
        if not run.has_settings(current_hash):
            message = (
                f"{output}: another run writes maps with other settings or another model to this folder "
                f"(process {run.pid} of {run.namespace}, see {run.path.relative_to(output)}).\n"
                "Choose another OUTPUT_DIR, or wait until that run ends. If it was killed, wait "
                f"{ENDED_AFTER_S / 60:.0f} minutes, or delete that file."
            )
            raise UserError(message)
