"""Plan of a run as text, shown at the end of ``--dry-run``."""

import shlex
from collections.abc import Collection, Sequence
from math import ceil

from bids_deeptaskgen.bids.input.derivatives import find_pipeline, list_pipelines, raw_dataset
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.preflight import Preflight
from bids_deeptaskgen.bids.output.dataset_files import methods_sentences
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.summary import MAX_FINISHED
from bids_deeptaskgen.settings.participant import ParticipantSettings


def describe_plan(
    context: RunContext,
    rows: Sequence[Preflight],
    finished: Collection[str],
    page_subjects: Collection[str] = (),
) -> str:
    """Describe the processing, the number of chunks, and which participants are done or remain.

    Parameters
    ----------
    context : RunContext
    rows : sequence of Preflight
        Sessions of all participants.
    finished : collection of str
        Labels of the participants whose maps exist; see `finished.find_finished`.
    page_subjects : collection of str
        Labels of those among them whose page has to be made; see `finished.select_completed`.

    Returns
    -------
    str
    """
    settings = context.settings
    methods = methods_sentences(context.science)
    usable = sorted({row.subject for row in rows if not row.reason})
    to_do = [subject for subject in usable if subject not in finished]
    n_chunks = ceil((len(to_do) + len(page_subjects)) / settings.chunk_size)
    n_pages = 0 if settings.reports == "none" else len(to_do) + len(page_subjects)
    pages = f"; the pages of {n_pages} participants would be written" if n_pages else ""
    lines = [
        f"Cleaning: --nuisance-regressors {settings.nuisance_regressors}. {_one_line(methods['cleaning'])}",
        f"Windows: {_windows(settings, context.bundle.card)}. "
        f"{_one_line(methods['pooling'])} {_one_line(methods['windows'])}",
        *([_bootstrap(settings)] if settings.n_bootstrap else []),
        f"Chunks: {n_chunks} of up to {settings.chunk_size} participants.",
        f"Done already: {_participants(sorted(finished), max_labels=MAX_FINISHED)}",
        f"To do: {_participants(to_do)}",
        *(
            [f"To do, pages only: {_participants(sorted(page_subjects), max_labels=MAX_FINISHED)}"]
            if page_subjects
            else []
        ),
        f"Nothing was computed (--dry-run); {len(to_do)} participants would be processed{pages}.",
    ]
    return "\n".join(lines)


def rerun_command(dataset: InputDataset, tasks: Sequence[str], rows: Sequence[Preflight]) -> str:
    """Write the fMRIPrep command that would create missing inputs; empty if it would help no participant.

    Parameters
    ----------
    dataset : InputDataset
        fMRIPrep derivatives.
    tasks : sequence of str
        Task labels of the BOLD series.
    rows : sequence of Preflight
        Sessions of all participants.

    Returns
    -------
    str
    """
    subjects = sorted({row.subject for row in rows if row.wants_rerun})
    # The command writes into the folder that is read, which must not be that of another pipeline.
    is_other = list_pipelines(dataset.description) and find_pipeline(dataset.description) != "fmriprep"
    if not subjects or is_other:
        return ""
    table, root = load_table("queries.json"), dataset.root
    participant_options = (
        ["--participant-label", *subjects] if len(subjects) < len({row.subject for row in rows}) else []
    )
    words = [
        "fmriprep",
        str(raw_dataset(root, dataset.description) or "BIDS_DIR"),
        str(root),
        "participant",
        *participant_options,
    ]
    # fMRIPrep takes one task, or preprocesses all.
    tasks = sorted({row.task for row in rows if row.wants_rerun and row.task in tasks}) or tasks
    words += ["--task-id", tasks[0]] if len(tasks) == 1 else []
    words += ["--output-spaces", table["output_spaces"]]
    words += ["--level", "full"] if any(" --level full" in row.reason for row in rows) else []
    return (
        f"{len(subjects)} participants would become usable with this command (the -w of the first run "
        f"reuses its results):\n  {shlex.join(words)}"
    )


def _windows(settings: ParticipantSettings, card: Card) -> str:
    if settings.n_windows != "auto":
        return f"{settings.n_windows} of each run"
    if card.window_minutes is None:
        return "1 of each run (the model card has no window_minutes)"
    return f"the number of each run whose length is nearest to {card.window_minutes:g} minutes"


def _bootstrap(settings: ParticipantSettings) -> str:
    return (
        f"Bootstrap: {settings.n_bootstrap} resamples of blocks of volumes for each session (seed "
        f"{settings.random_seed}); each run is read twice, and each resample is one more prediction."
    )


def _participants(subjects: Sequence[str], max_labels: int | None = None) -> str:
    """Format a number of participants with their labels, unless there are more than `max_labels`."""
    is_listed = max_labels is None or len(subjects) <= max_labels
    labels = " ".join(f"sub-{subject}" for subject in subjects) if is_listed else ""
    return f"{len(subjects)} participants" + (f" ({labels})" if labels else "") + "."


def _one_line(text: str) -> str:
    return " ".join(text.split())
