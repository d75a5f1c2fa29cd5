"""The participant level: look everyone up, compute, and say how it ended."""

import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from bids_deeptaskgen.bids.dataset import dataset_settings_hash, write_dataset_files
from bids_deeptaskgen.bids.locate import is_person
from bids_deeptaskgen.bids.located import Located
from bids_deeptaskgen.bids.outputs import write_tsv
from bids_deeptaskgen.bids.preflight import Preflight
from bids_deeptaskgen.bids.results import settings_hashes
from bids_deeptaskgen.bids.sources import is_cleaned, locate, look_up
from bids_deeptaskgen.commands.plan import describe_plan
from bids_deeptaskgen.core.atomic import place, sweep_stale, write_text
from bids_deeptaskgen.core.regressors import PRESETS
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn.bundle import Bundle, load_bundle
from bids_deeptaskgen.resources import find_model
from bids_deeptaskgen.settings import ParticipantSettings, science_settings, settings_hash
from bids_deeptaskgen.settings_file import to_toml
from bids_deeptaskgen.workflow.connect import query_of
from bids_deeptaskgen.workflow.models import check_model
from bids_deeptaskgen.workflow.records import (
    CONNECTED,
    CRASHED,
    FAILED,
    Job,
    Record,
    discard_others,
    read_records,
)
from bids_deeptaskgen.workflow.results import software_versions

logger = logging.getLogger("bids_deeptaskgen")


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


def run_located(settings: ParticipantSettings, located: Located) -> int:
    """Predict the maps of everyone in datasets that have been found; see `run`."""
    bundle = load_bundle(find_model(settings.model).absolute())
    _introduce(bundle)
    settings = settled(settings, bundle, located)
    located = located.with_custom(settings.custom_confounds)
    _check_folders(settings, located.root)
    rows = look_up(located, query_of(settings))
    usable = sorted({row.subject for row in rows if not row.reason})
    _echo(preflight_table(rows))
    hash_now = settings_hash(settings, bundle.science_sha256)
    if usable:
        _refuse_mixture(settings, hash_now, usable)
    if settings.dry_run:
        _echo(describe_plan(settings, bundle.card, hash_now, rows))
        return 0 if usable else 3
    if not usable:
        return _close(settings, _unusable(rows))
    # A plugin's machines may have the device that this one lacks.
    check_model(bundle.folder, settings.device if settings.use_plugin is None else "cpu")
    computed = compute(settings, bundle, located, usable, hash_now)
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


def settled(settings: ParticipantSettings, bundle: Bundle, located: Located) -> ParticipantSettings:
    """Put what was found in the place of what was left open: hash and sidecars tell what was done.

    Raises
    ------
    UserError
        If a dataset was named that these settings do not use.
    """
    if settings.input_mask == "card":
        settings = replace(settings, input_mask=bundle.card.input_mask)
    cleaned = is_cleaned(located, settings.desc)
    if settings.nuisance_regressors == "auto":
        settings = replace(settings, nuisance_regressors="none" if cleaned else "acompcor")
    preset = PRESETS[settings.nuisance_regressors]
    if preset.removes_global_signal:
        logger.warning(
            "--nuisance-regressors %s removes the global signal, which no published model was trained "
            "without: predictions may be off in ways that nobody has measured.",
            settings.nuisance_regressors,
        )
    if cleaned and preset.needs_table:
        logger.warning(
            "--nuisance-regressors %s on series that were denoised before: what is regressed out twice, or "
            "after another filter, may bring back what was removed (Lindquist et al. 2019).",
            settings.nuisance_regressors,
        )
    if located.other("aroma") and not preset.aroma:
        message = (
            f"-d named aroma={located.other('aroma')}, which --nuisance-regressors "
            f"{settings.nuisance_regressors} does not use.\nAdd --nuisance-regressors aroma (its noise "
            "components) or --desc nonaggrDenoised (its cleaned series), or leave it out."
        )
        raise UserError(message)
    return settings


def compute(
    settings: ParticipantSettings, bundle: Bundle, located: Located, subjects: Sequence[str], hash_now: str
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

    Returns
    -------
    list of Record
        At least one for each person.
    """
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
    )
    write_text(log_path(output, "settings.toml"), to_toml(settings))
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
    from bids_deeptaskgen.workflow.faults import why_lost

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


def _check_folders(settings: ParticipantSettings, derivatives: Path) -> None:
    """Refuse an output or work folder that is a file, and an output folder with a dataset of others."""
    output = settings.output_dir
    for name, folder in (("OUTPUT_DIR", output), ("--work-dir", settings.work_dir)):
        place = next((path for path in (folder, *folder.parents) if path.exists()), None) if folder else None
        if place and not place.is_dir():
            message = f"{name} is {folder}, but {place} is a file.\nChoose another folder."
            raise UserError(message)
        if folder:
            _refuse_inside_person(name, folder, (settings.bids_dir, derivatives))
    found = output / "dataset_description.json"
    if found.exists() and dataset_settings_hash(output) is None:
        message = (
            f"OUTPUT_DIR is {output}, which holds another dataset: its {found.name} is of other software.\n"
            f"Choose a new folder, e.g. {derivatives.parent / 'deeptaskgen'}."
        )
        raise UserError(message)


def _refuse_inside_person(name: str, folder: Path, datasets: Sequence[Path]) -> None:
    """Refuse to write where a person's files are, among which the maps would be looked for as input."""
    for root in datasets:
        if not folder.resolve().is_relative_to(root.resolve()):
            continue
        first = next(iter(folder.resolve().relative_to(root.resolve()).parts), "")
        if is_person(first):
            message = (
                f"{name} is {folder}, inside the folder of a person, {root / first}.\nChoose another folder."
            )
            raise UserError(message)


def _refuse_mixture(settings: ParticipantSettings, hash_now: str, subjects: Sequence[str]) -> None:
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
