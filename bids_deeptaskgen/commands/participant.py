"""The participant level: look everyone up, compute, and say how it ended."""

import logging
import os
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bids_deeptaskgen.bids.input.input_dataset import Located
from bids_deeptaskgen.bids.input.preflight import Preflight
from bids_deeptaskgen.bids.input.query import query_of
from bids_deeptaskgen.bids.input.sources import locate, look_up
from bids_deeptaskgen.bids.output.connectome_files import save_brain_mask
from bids_deeptaskgen.bids.output.dataset_files import dataset_settings_hash, write_dataset_files
from bids_deeptaskgen.io.atomic import place, sweep_stale, write_text
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.machine import software_versions, told_seconds
from bids_deeptaskgen.models.bundle import Bundle, load_bundle
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.pipeline.check_folders import check_folders, refuse_mixture
from bids_deeptaskgen.pipeline.dry_run import describe_plan, rerun_command
from bids_deeptaskgen.pipeline.model_cache import check_model
from bids_deeptaskgen.pipeline.records import (
    CONNECTED,
    CRASHED,
    FAILED,
    Job,
    Record,
    discard_others,
    read_records,
)
from bids_deeptaskgen.pipeline.resolve_settings import check_template_warp, settled
from bids_deeptaskgen.pipeline.write_maps import wanted_maps
from bids_deeptaskgen.settings import ParticipantSettings, Settings, science_settings, settings_hash
from bids_deeptaskgen.settings.toml_file import to_toml

logger = logging.getLogger("bids_deeptaskgen")

# With more, file systems of clusters suffer from 94 files a person.
MANY_PEOPLE = 1000


def run(settings: ParticipantSettings) -> int:
    """Predict the maps of everyone who has usable data.

    Parameters
    ----------
    settings : ParticipantSettings

    Returns
    -------
    int
        Exit code: 0 if all are done, 1 if somebody failed, 3 if nobody had usable input.

    Raises
    ------
    UserError
        If the model or the output folder cannot be used.
    InputError
        If there are no derivatives.
    """
    located = locate(
        settings.bids_dir, settings.derivatives, desc=settings.desc, input_type=settings.input_type
    )
    return run_located(settings, located)


def run_located(settings: ParticipantSettings, located: Located, typed: Settings | None = None) -> int:
    """Predict the maps of everyone in datasets that have been found.

    Parameters
    ----------
    settings : ParticipantSettings
    located : Located
    typed : Settings, optional
        What the user gave, where that was another command's: the logs keep it, to be run again.

    Returns
    -------
    int
        Exit code, as of `run`.
    """
    bundle = load_bundle(find_model(settings.model).absolute())
    _introduce(bundle)
    settings = settled(settings, bundle, located)
    located = located.with_custom(settings.custom_confounds)
    check_folders(settings, located.root)
    with told_seconds("preflight"):
        rows = look_up(located, query_of(settings))
    usable = sorted({row.subject for row in rows if not row.reason})
    _echo(preflight_table(rows))
    if rerun := rerun_command(located.root, settings.task_id, rows):
        _echo(rerun)
    check_template_warp(rows)
    if len(usable) > MANY_PEOPLE and settings.output_layout == "3d":
        n_files = 2 * len(wanted_maps(settings, bundle).contrasts)
        logger.warning(
            "%d people with %d files each: --output-layout 4d would write one image and one JSON for each.",
            len(usable), n_files,
        )  # fmt: skip
    hash_now = settings_hash(settings, bundle.science_sha256)
    if usable:
        refuse_mixture(settings, hash_now, usable)
    if settings.dry_run:
        _echo(describe_plan(settings, bundle, hash_now, rows))
        return 0 if usable else 3
    if not usable:
        return _close(settings, _unusable(rows))
    # A plugin's machines may have the device that this one lacks.
    where = (settings.device, settings.precision) if settings.use_plugin is None else ("cpu", "fp32")
    with told_seconds("torch and model"):
        check_model(bundle.folder, *where)
    computed = compute(settings, bundle, located, usable, hash_now, told=to_toml(typed or settings))
    told = {(record.subject, record.session) for record in computed}
    others = [record for record in _unusable(rows) if (record.subject, record.session) not in told]
    code = _close(settings, computed + others)
    if dataset_settings_hash(settings.output_dir) == hash_now:
        return code
    # Nothing was there when this run looked, so that it was not refused.
    logger.error(
        "%s: another run with other settings began to write there meanwhile, so that its maps and those of "
        "this run are mixed. Do both again, each with an OUTPUT_DIR of its own.",
        settings.output_dir,
    )
    return code or 1


def compute(
    settings: ParticipantSettings,
    bundle: Bundle,
    located: Located,
    subjects: Sequence[str],
    hash_now: str,
    *,
    told: str,
) -> list[Record]:
    """Compute the people's maps and write the dataset's own files.

    Parameters
    ----------
    settings : ParticipantSettings
    bundle : Bundle
    located : Located
    subjects : sequence of str
    hash_now : str
        Of the settings and the model; see `settings_hash`.
    told : str
        The settings as the logs keep them.

    Returns
    -------
    list of Record
        At least one for each person.
    """
    with told_seconds("nipype"):
        from bids_deeptaskgen.workflow.engine import CONNECTOMES, private_folder, run_graph, watched

    output = settings.output_dir
    versions = software_versions()
    write_dataset_files(
        output,
        version=versions["bids-deeptaskgen"],
        located=located,
        card=bundle.card,
        settings=science_settings(settings),
        settings_hash=hash_now,
        versions=versions,
        bids_dir=settings.bids_dir,
        participants=settings.participants_tsv,
    )
    if settings.save_connectome:
        save_brain_mask(output, bundle.brain_mask)
    write_text(log_path(output, "settings.toml"), told)
    work = settings.work_dir or output / "work"
    connectomes = work / CONNECTOMES
    if settings.work_dir is None:
        # In a dataset there are maps of one hash alone; others' connectomes will never be wanted again.
        discard_others(connectomes, hash_now)
    with private_folder(work, keep=settings.work_dir is not None) as folder:
        records = folder / "records"
        jobs = [
            Job(subject, located, settings, bundle.folder, hash_now, connectomes, records)
            for subject in subjects
        ]
        _sweep(output, subjects, connectomes)
        try:
            with watched(records, len(jobs)):
                run_graph(jobs, folder, settings)
        finally:
            # Workers that were killed could not tidy up.
            _sweep(output, subjects, connectomes)
        return _with_the_lost(read_records(records), subjects, folder, stops=settings.stop_on_first_crash)


def _with_the_lost(
    records: Sequence[Record], subjects: Sequence[str], folder: Path, *, stops: bool
) -> list[Record]:
    """Give those a record of their end who have none, since their process did not live to write it."""
    from bids_deeptaskgen.pipeline.failures import why_lost

    over = [record for record in records if record.status != CONNECTED]
    begun = [record for record in records if record.status == CONNECTED]
    unheard = sorted(set(subjects) - {record.subject for record in records})
    lost = [*begun, *map(Record, unheard)]
    stopped = stops and any(record.failed for record in over)
    reason = "not done: the run stopped at the first failure (--stop-on-first-crash)." if stopped else ""
    if lost and not stopped:
        reason = why_lost(folder)
    return over + [record.now(status=CRASHED, reason=reason) for record in lost]


def _sweep(output: Path, subjects: Sequence[str], connectomes: Path) -> None:
    """Remove what killed processes left where this run writes; a large dataset is not searched for it."""
    for folder in (output, output / "logs", connectomes):
        sweep_stale(folder, below=False)
    for subject in subjects:
        sweep_stale(output / f"sub-{subject}")


def _introduce(bundle: Bundle) -> None:
    card = bundle.card
    logger.info("Model: %s, %d contrasts (%s)", card.name, len(card.contrasts), bundle.folder)
    if card.notice:
        logger.warning("%s", card.notice)


def preflight_table(rows: Sequence[Preflight]) -> str:
    """Write what everyone has as a table of text."""
    lines = [("participant", "BOLD files", "")]
    lines += [(row.name, str(len(row.bold_names)), row.reason or ", ".join(row.bold_names)) for row in rows]
    return _table(lines)


def closing_table(records: Sequence[Record]) -> str:
    """Write how it ended for everyone as a table of text."""
    lines = [("participant", "status", "maps", "reason")]
    lines += [
        (record.name, record.status, str(record.n_maps), " ".join(record.reason.split()))
        for record in records
    ]
    return _table(lines)


def _columns(records: Sequence[Record]) -> dict[str, list[object]]:
    return {
        "participant_id": [f"sub-{record.subject}" for record in records],
        "session_id": [f"ses-{record.session}" if record.session else None for record in records],
        "status": [record.status for record in records],
        "n_maps": [record.n_maps for record in records],
        "reason": [record.reason for record in records],
    }


@cache
def _run_name() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S')}-{place()}-{os.getpid()}"


def log_path(output: Path, name: str) -> Path:
    """Name a log file of this run alone: many may write to one dataset, as in a Slurm array."""
    return output / "logs" / f"{_run_name()}_{name}"


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _unusable(rows: Sequence[Preflight]) -> list[Record]:
    return [Record(row.subject, row.session, status=FAILED, reason=row.reason) for row in rows if row.reason]


def _close(settings: ParticipantSettings, records: Sequence[Record]) -> int:
    """Say how it ended, leave it in the logs, and give the exit code."""
    ordered = sorted(records, key=lambda record: record.name)
    failed = sorted({record.subject for record in ordered if record.failed})
    some = any(not record.failed for record in ordered)
    _echo(closing_table(ordered))
    if some:
        _echo(f"The maps are in {settings.output_dir}.")
    if settings.output_dir.exists():
        list_of_failed = log_path(settings.output_dir, "failed.txt")
        write_tsv(log_path(settings.output_dir, "participants.tsv"), _columns(ordered))
        write_text(list_of_failed, "".join(f"sub-{subject}\n" for subject in failed))
        if failed:
            n_people = len({record.subject for record in ordered})
            _echo(
                f"{len(failed)} of {n_people} people failed; to do them again: "
                f"--participant-label @{list_of_failed}"
            )
    if not some and all(record.status == FAILED for record in ordered):
        return 3
    return 1 if failed else 0


def _echo(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
