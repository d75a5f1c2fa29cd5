"""What a run would do, in words: the end of what ``--dry-run`` shows."""

import shlex
from collections.abc import Sequence
from math import ceil

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.input.derivatives import raw_dataset
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.preflight import Preflight
from bids_deeptaskgen.bids.output.dataset_files import methods_sentences
from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.settings.participant import ParticipantSettings


def describe_plan(context: RunContext, rows: Sequence[Preflight]) -> str:
    """Say how the maps would be made, in how many chunks, who is done and who is to do.

    Parameters
    ----------
    context : RunContext
        Maps with another settings hash count as not done.
    rows : sequence of Preflight
        Of everyone.

    Returns
    -------
    str
    """
    settings = context.settings
    methods = methods_sentences(context.science)
    usable = sorted({row.subject for row in rows if not row.reason})
    done = _done(context, rows)
    to_do = [subject for subject in usable if subject not in done]
    n_chunks = ceil(len(usable) / settings.chunk_size)
    lines = [
        f"Cleaning: --nuisance-regressors {settings.nuisance_regressors}. {_one_line(methods['cleaning'])}",
        f"Windows: {_windows(settings, context.bundle.card)}. "
        f"{_one_line(methods['pooling'])} {_one_line(methods['windows'])}",
        f"Chunks: {n_chunks} of up to {settings.chunk_size} people.",
        f"Done already, unless their input has changed: {_participants(sorted(done))}",
        f"To do: {_participants(to_do)}",
        f"Nothing was computed (--dry-run); {len(to_do)} people would be done.",
    ]
    return "\n".join(lines)


def rerun_command(dataset: InputDataset, task: str, rows: Sequence[Preflight]) -> str:
    """Write the fMRIPrep command that would make what some people lack; empty if nobody would be helped.

    Parameters
    ----------
    dataset : Located
        The derivatives.
    task : str
        Task of the wanted series.
    rows : sequence of Preflight
        Of everyone.

    Returns
    -------
    str
    """
    lacking = sorted({row.subject for row in rows if row.wants_rerun})
    if not lacking:
        return ""
    table, root = load_table("queries.json"), dataset.root
    chosen = ["--participant-label", *lacking] if len(lacking) < len({row.subject for row in rows}) else []
    words = [
        "fmriprep",
        str(raw_dataset(root, dataset.description) or "BIDS_DIR"),
        str(root),
        "participant",
        *chosen,
    ]
    words += ["--task-id", task, "--output-spaces", table["output_spaces"]]
    words += ["--level", "full"] if any(" --level full" in row.reason for row in rows) else []
    return (
        f"{len(lacking)} people would become usable by (with the -w of the first run, what is there is used "
        f"again):\n  {shlex.join(words)}"
    )


def _done(context: RunContext, rows: Sequence[Preflight]) -> set[str]:
    """Tell who has all their maps, by names and completion records; no input is opened for it."""
    usable = [row for row in rows if not row.reason]
    finished: dict[tuple[str, str | None], set[Entities]] = {}
    subjects = sorted({row.subject for row in usable})
    for result in read_results(context.settings.output_dir, subjects) if subjects else ():
        if result.settings_hash == context.settings_hash and result.maps.cover(context.requested):
            finished.setdefault((result.subject, result.session), set()).add(result.entities)
    left = {
        row.subject
        for row in usable
        if not row.series(combine_runs=context.settings.combine_runs)
        <= finished.get((row.subject, row.session), set())
    }
    return set(subjects) - left


def _windows(settings: ParticipantSettings, card: Card) -> str:
    if settings.n_windows != "auto":
        return f"{settings.n_windows} of each run"
    if card.window_minutes is None:
        return "1 of each run (the model does not say on which length it was trained)"
    return f"as many of each run as come nearest to {card.window_minutes:g} minutes"


def _participants(subjects: Sequence[str]) -> str:
    listed = " ".join(f"sub-{subject}" for subject in subjects)
    return f"{len(subjects)} people" + (f" ({listed})" if listed else "") + "."


def _one_line(text: str) -> str:
    return " ".join(text.split())
