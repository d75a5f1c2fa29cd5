"""Pages of participants: their announcement at the end of a run, and ``--reports-only``."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.output.dataset_files import dataset_model_hash, dataset_model_name
from bids_deeptaskgen.bids.output.recorded_failures import failed_participants
from bids_deeptaskgen.bids.output.results import read_dataset, read_results, result_subjects
from bids_deeptaskgen.bids.selection import remaining_labels
from bids_deeptaskgen.errors import InputError, UserError, abbreviate
from bids_deeptaskgen.models.bundle import Bundle, open_bundle
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.pipeline.memory_plan import find_limit
from bids_deeptaskgen.pipeline.page_memory import PageMemory
from bids_deeptaskgen.pipeline.report_step import PageJob, PageOutcome
from bids_deeptaskgen.report.pages import plan_pages
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")

# With more participants, pages with maps take hours and gigabytes, and each map is in its own file anyway.
MANY_PARTICIPANTS = 1000


def warn_of_many_pages(settings: ParticipantSettings, n_participants: int) -> None:
    """Warn of the size of full pages of many participants.

    Parameters
    ----------
    settings : ParticipantSettings
    n_participants : int
    """
    if settings.reports == "full" and n_participants > MANY_PARTICIPANTS:
        logger.warning(
            "%d participants with a page of several MB each: --reports qc writes small pages without maps, "
            "and --reports-only can make the full page of a participant later.",
            n_participants,
        )


def remake_pages(settings: ParticipantSettings) -> int:
    """Write pages from the files of an output dataset (``--reports-only``).

    Parameters
    ----------
    settings : ParticipantSettings
        Only OUTPUT_DIR is read.

    Returns
    -------
    int
        0, or 1 if a page could not be made, or a requested participant has neither maps nor a recorded
        failure.

    Raises
    ------
    UserError
        If the settings ask for no pages.
    InputError
        If no participant has maps.
    """
    if settings.reports == "none":
        message = "--reports-only was given with --reports none; choose full or qc."
        raise UserError(message)
    output = settings.output_dir
    selected = settings.participant_label
    labels = result_subjects(output, selected) | failed_participants(output, selected)
    missing_labels = sorted(set(selected) - labels)
    labels = remaining_labels(labels, settings.exclude_participant_label)
    if not labels:
        raise InputError(_explain_no_maps(output))
    if missing_labels:
        logger.warning(
            "`participant_label`: no maps and no recorded failure of %s were found in %s.",
            abbreviate([f"sub-{label}" for label in missing_labels]), output,
        )  # fmt: skip
    warn_of_many_pages(settings, len(labels))
    if settings.dry_run:
        _list_pages(output, sorted(labels))
        return 1 if missing_labels else 0
    from bids_deeptaskgen.workflow.run import run_pages

    bundle = _bundle_of_maps(settings, output)
    jobs = [
        PageJob(subject, output, settings.reports, output, bundle, is_forced=True)
        for subject in sorted(labels)
    ]
    is_4d = _has_4d_images(output, sorted(labels))
    memory = PageMemory(bundle, find_limit(settings), settings.reports, is_4d=is_4d)
    outcomes = run_pages(jobs, settings, memory)
    report_pages(settings, outcomes)
    return 1 if missing_labels or any(outcome.error for outcome in outcomes) else 0


def _has_4d_images(output: Path, labels: Sequence[str]) -> bool:
    """Return whether the first participant with maps has them in one image."""
    for label in labels:
        if results := read_results(output, [label]):
            return any(result.maps.layout == "4d" for result in results)
    return False


def _list_pages(output: Path, labels: Sequence[str]) -> None:
    """Print the paths of the pages that would be made."""
    for label in labels:
        results, _ = read_dataset(output, [label])
        for name in plan_pages(label, results):
            sys.stdout.write(f"{output / name}\n")
    sys.stdout.flush()


def _explain_no_maps(output: Path) -> str:
    """Explain why there is no participant whose page could be made."""
    finished = [f"sub-{label}" for label in sorted(result_subjects(output))]
    if not finished:
        return (
            f"{output}: no finished maps were found.\nRun the participant level with this OUTPUT_DIR first."
        )
    return (
        f"{output}: no finished maps of the selected participants were found, but of {len(finished)} others "
        f"({abbreviate(finished)}).\n"
        "Correct `participant_label`, or run the participant level for them first."
    )


def _bundle_of_maps(settings: ParticipantSettings, output: Path) -> Bundle | None:
    """Open the model of the maps: that of the settings, or the one that the dataset names.

    Returns
    -------
    Bundle or None
        None if it is not available, since pages can be made without it.
    """
    name, weights = dataset_model_name(output), dataset_model_hash(output)
    for model in dict.fromkeys((settings.model, name)):
        try:
            bundle = open_bundle(find_model(model).absolute()) if model else None
        except UserError as error:
            logger.debug("%s", " ".join(str(error).split()))
            continue
        if bundle is not None and bundle.weights_sha256 == weights:
            return bundle
    logger.warning(
        "The model of the maps (%s) is not available, so that the pages compare sessions by plain maps, "
        "which include the pattern that all participants share. To compare maps minus the mean maps, add "
        "--model with the name or folder of that model.",
        name or "unknown",
    )
    return None


def report_pages(settings: ParticipantSettings, outcomes: Sequence[PageOutcome]) -> None:
    """Print where the pages are, and which could not be made.

    Parameters
    ----------
    settings : ParticipantSettings
    outcomes : sequence of PageOutcome
    """
    pages = [page for outcome in outcomes for page in outcome.pages]
    if len(pages) == 1:
        sys.stdout.write(f"The page is {settings.output_dir / pages[0]}\n")
    elif pages:
        sys.stdout.write(
            f"{len(pages)} pages are in {settings.output_dir}, from {pages[0]} to {pages[-1]}.\n"
        )
    for outcome in outcomes:
        if outcome.error:
            logger.error(
                "sub-%s: the page could not be made; its maps are not affected. %s",
                outcome.subject,
                outcome.error,
            )
    sys.stdout.flush()
