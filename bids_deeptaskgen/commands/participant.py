"""Participant level: find all participants, compute their maps, report the outcome."""

import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.known_faults import describe_known_faults, find_unknown_versions
from bids_deeptaskgen.bids.input.preflight import Preflight
from bids_deeptaskgen.bids.input.sources import locate, preflight_dataset
from bids_deeptaskgen.bids.output.connectome_files import save_brain_mask
from bids_deeptaskgen.bids.output.dataset_files import dataset_settings_hash, write_dataset_files
from bids_deeptaskgen.bids.output.output_mask import save_output_mask
from bids_deeptaskgen.bids.output.roi_parcels import save_roi_parcels
from bids_deeptaskgen.commands.pages import remake_pages, report_pages, warn_of_many_pages
from bids_deeptaskgen.io.atomic import write_text
from bids_deeptaskgen.machine import log_duration, software_versions
from bids_deeptaskgen.pipeline.check_folders import check_folders
from bids_deeptaskgen.pipeline.check_model import check_model
from bids_deeptaskgen.pipeline.claim import claim_dataset, refuse_mixture
from bids_deeptaskgen.pipeline.context import RunContext, make_context
from bids_deeptaskgen.pipeline.dry_run import describe_plan, rerun_command
from bids_deeptaskgen.pipeline.finished import Completed, find_finished, select_completed
from bids_deeptaskgen.pipeline.memory_needs import read_needs
from bids_deeptaskgen.pipeline.memory_plan import MemoryPlan
from bids_deeptaskgen.pipeline.memory_report import describe_memory, plan_memory
from bids_deeptaskgen.pipeline.records import (
    FAILED,
    NOT_SELECTED,
    Record,
    connectomes_folder,
    flatten,
)
from bids_deeptaskgen.pipeline.report_step import PageOutcome
from bids_deeptaskgen.pipeline.resolve_settings import check_template_warp
from bids_deeptaskgen.pipeline.summary import (
    closing_table,
    failed_subjects,
    log_path,
    preflight_table,
    records_without,
    unusable_records,
    write_logs,
)
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.command_line import describe_command
from bids_deeptaskgen.settings.flags import with_flags
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.toml_file import to_toml
from bids_deeptaskgen.workflow.engine import uses_gpu

logger = logging.getLogger("bids_deeptaskgen")

# With more participants, 94 files each are too many for the file systems of some clusters.
MANY_PARTICIPANTS = 1000


def run(settings: ParticipantSettings) -> int:
    """Predict the maps of all participants with usable data.

    Parameters
    ----------
    settings : ParticipantSettings

    Returns
    -------
    int
        Exit code: 0 if all maps were written, 1 if a participant failed, 3 if none has usable input.

    Raises
    ------
    UserError
        If the model or the output folder cannot be used.
    InputError
        If there are no derivatives.
    """
    if settings.reports_only:
        return remake_pages(settings)
    dataset = locate(
        settings.bids_dir, settings.derivatives, desc=settings.desc, input_type=settings.input_type
    )
    return run_dataset(settings, dataset)


def run_dataset(
    settings: ParticipantSettings, dataset: InputDataset, user_settings: Settings | None = None
) -> int:
    """Predict the maps of all participants of an input dataset.

    Parameters
    ----------
    settings : ParticipantSettings
    dataset : InputDataset
    user_settings : Settings, optional
        Settings of the command that the user ran, if it was another one; they are saved in the logs.

    Returns
    -------
    int
        Exit code; see `run`.
    """
    command_line = describe_command(user_settings or settings)
    context = make_context(settings, dataset, command_line)
    settings, dataset = context.settings, context.dataset
    check_folders(settings, dataset.root)
    with log_duration("preflight"):
        rows = [
            replace(row, reason=with_flags(row.reason)) for row in preflight_dataset(dataset, context.query)
        ]
    subjects = sorted({row.subject for row in rows if not row.reason})
    progress = _read_progress(context, subjects)
    finished = progress.finished
    to_do = [subject for subject in subjects if subject not in finished]
    with log_duration("headers"):
        rows, plan = plan_memory(context, rows, to_do, is_on_gpu=uses_gpu(settings.device))
    subjects = sorted({row.subject for row in rows if not row.reason})
    n_to_do = len(subjects) - len(finished)
    _report_preflight(context, rows, finished, n_to_do)
    warn_of_many_pages(settings, n_to_do + len(progress.completed.page_subjects))
    if subjects:
        refuse_mixture(settings, context.settings_hash, subjects)
    if settings.dry_run:
        if to_do:
            _echo(with_flags(describe_memory(plan, settings)))
        _echo(describe_plan(context, rows, finished, progress.completed.page_subjects))
        return 0 if subjects else 3
    if not subjects:
        return _report_outcome(settings, unusable_records(rows))
    outcome = _run_subjects(context, subjects, progress, user_settings, plan)
    records = [*outcome.records, *records_without(unusable_records(rows), outcome.records)]
    code = _report_outcome(settings, records)
    report_pages(settings, outcome.pages)
    if not outcome.is_mixed:
        return code
    # A run that is stopped for some time (SIGSTOP) or whose clock differs much seems to have ended to others.
    logger.error(
        "%s: another run with other settings wrote to this folder at the same time, so its maps and those of "
        "this run are mixed. Repeat both runs, each with a different OUTPUT_DIR.",
        settings.output_dir,
    )
    return code or 1


class _Progress(NamedTuple):
    """What exists before a run.

    Attributes
    ----------
    dataset_hash : str or None
        Hash of the settings of the latest run.
    finished : dict of str to list of Record
        Participants whose maps exist.
    completed : Completed
        Those for whom nothing is to do.
    """

    dataset_hash: str | None
    finished: Mapping[str, Sequence[Record]]
    completed: Completed


class _Outcome(NamedTuple):
    """Records and pages of all participants, and whether a run with other settings wrote to the dataset."""

    records: list[Record]
    pages: list[PageOutcome]
    is_mixed: bool


def _read_progress(context: RunContext, subjects: Sequence[str]) -> _Progress:
    dataset_hash = dataset_settings_hash(context.settings.output_dir)
    with log_duration("finished participants"):
        finished = find_finished(context, subjects)
    with log_duration("pages of finished participants"):
        completed = select_completed(context, finished, connectomes_folder(context.settings))
    return _Progress(dataset_hash, finished, completed)


def _run_subjects(
    context: RunContext,
    subjects: Sequence[str],
    progress: _Progress,
    user_settings: Settings | None,
    plan: MemoryPlan,
) -> _Outcome:
    """Process the participants, except those for whom nothing is to do: they need no model and no node."""
    settings, completed = context.settings, progress.completed
    if completed.records:
        logger.info(
            "%d of %d participants are finished: their maps exist, and their input has not changed.",
            len(completed.records), len(subjects),
        )  # fmt: skip
    if len(completed.records) < len(subjects):
        with log_duration("torch and model"):
            check_model(context)
    with log_duration("nipype"):
        from bids_deeptaskgen.workflow.plugins import check_plugin
        from bids_deeptaskgen.workflow.run import run_participants
    check_plugin(settings)
    if any(subject not in progress.finished for subject in subjects):
        logger.info("%s", with_flags(describe_memory(plan, settings)))
    output, current_hash = settings.output_dir, context.settings_hash
    with claim_dataset(settings, current_hash):
        if dataset_settings_hash(output) != progress.dataset_hash:
            # Another run, which may have had other settings and `overwrite`, has replaced maps meanwhile.
            progress = _read_progress(context, subjects)
            plan = _add_needs(context, plan, completed.records.keys() - progress.completed.records.keys())
            completed = progress.completed
        _write_dataset(context, user_settings)
        to_do = [subject for subject in subjects if subject not in completed.records]
        records, pages = run_participants(context, to_do, plan)
        # While this run has the claim, no run with other settings starts.
        is_mixed = dataset_settings_hash(output) != current_hash
    records = [*flatten(completed.records.values()), *records]
    pages = sorted([*completed.pages, *pages], key=lambda page: page.subject)
    return _Outcome(records, pages, is_mixed)


def _add_needs(context: RunContext, plan: MemoryPlan, subjects: Collection[str]) -> MemoryPlan:
    """Prepare the processing of participants who were finished before."""
    if not subjects:
        return plan
    check_model(context)
    return replace(plan, needs={**plan.needs, **read_needs(context, sorted(subjects))})


def _report_preflight(
    context: RunContext, rows: Sequence[Preflight], finished: Collection[str], n_to_do: int
) -> None:
    """Print the preflight table, and warnings before the computation starts."""
    settings = context.settings
    _echo(preflight_table(rows, finished))
    if known_faults := describe_known_faults(context.known_faults, find_unknown_versions(context.releases)):
        _echo(known_faults)
    for fault in context.known_faults:
        logger.warning("%s", fault.warning)
    if context.known_faults:
        logger.info("`deeptaskgen known-faults %s` lists the sources.", context.dataset.root)
    if rerun := rerun_command(context.dataset, settings.task_id, rows):
        _echo(rerun)
    check_template_warp(rows)
    if n_to_do > MANY_PARTICIPANTS and settings.map_format == "3d":
        n_files = 2 * len(context.contrasts)
        logger.warning(
            "%d participants with %d files each: --map-format 4d writes one image and one JSON for each.",
            n_to_do, n_files,
        )  # fmt: skip


def _write_dataset(context: RunContext, user_settings: Settings | None) -> None:
    """Write the dataset-level files of the output dataset, and the settings of this run."""
    settings, output = context.settings, context.settings.output_dir
    versions = software_versions(with_torch=context.bundle.card.architecture.is_network)
    write_dataset_files(
        output,
        version=versions["bids-deeptaskgen"],
        located=context.dataset,
        card=context.bundle.card,
        settings=context.science,
        settings_hash=context.settings_hash,
        versions=versions,
        bids_dir=settings.bids_dir,
        participants=settings.participants_tsv,
        overwrite=settings.overwrite,
        known_faults=context.known_faults,
    )
    save_roi_parcels(output, context.bundle, overwrite=settings.overwrite)
    save_output_mask(output, context.bundle, overwrite=settings.overwrite)
    if settings.save_connectome:
        save_brain_mask(output, context.bundle.brain_mask)
    write_text(log_path(output, "settings.toml"), to_toml(user_settings or settings))


def _report_outcome(settings: ParticipantSettings, records: Sequence[Record]) -> int:
    """Print the outcome of every session, write it to the logs, and return the exit code."""
    ordered = sorted(records, key=lambda record: record.name)
    failed = failed_subjects(ordered)
    has_maps = any(not record.failed and record.status != NOT_SELECTED for record in ordered)
    _echo(closing_table(ordered))
    if has_maps:
        _echo(f"The maps are in {settings.output_dir}.")
    if settings.output_dir.exists():
        failures = write_logs(settings.output_dir, ordered)
        if failed:
            n_participants = len({record.subject for record in ordered})
            _echo(
                f"{len(failed)} of {n_participants} participants failed; to repeat them: "
                f"--participant-label @{failures}"
            )
    if not has_maps and all(record.status in (FAILED, NOT_SELECTED) for record in ordered):
        return 3
    return 1 if failed else 0


def _echo(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
