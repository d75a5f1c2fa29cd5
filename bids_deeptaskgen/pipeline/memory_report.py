"""Memory of a run before it starts: who does not fit, and what the processes need."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from bids_deeptaskgen.bids.input.preflight import Preflight
from bids_deeptaskgen.machine import available_cpus
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.memory_needs import Need, read_needs
from bids_deeptaskgen.pipeline.memory_plan import (
    MemoryPlan,
    check_prediction,
    count_processes,
    find_limit,
)
from bids_deeptaskgen.settings.flags import with_flags
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")


def plan_memory(
    context: RunContext, rows: Sequence[Preflight], to_do: Sequence[str], *, is_on_gpu: bool = False
) -> tuple[list[Preflight], MemoryPlan]:
    """Read the headers of participants, and mark those as unusable whose memory exceeds the limit.

    Parameters
    ----------
    context : RunContext
    rows : sequence of Preflight
        Sessions of all participants.
    to_do : sequence of str
        Participants whose maps are to be computed.
    is_on_gpu : bool
        Whether the network runs on a GPU.

    Returns
    -------
    rows : list of Preflight
        With the reason and the remedy for participants that do not fit.
    plan : MemoryPlan

    Raises
    ------
    UserError
        If the prediction does not fit, whatever the participant.
    """
    settings = context.settings
    plan = MemoryPlan(
        context.bundle,
        read_needs(context, to_do),
        find_limit(settings),
        reports=settings.reports,
        is_on_gpu=is_on_gpu,
        is_4d=settings.map_format == "4d",
    )
    if to_do:
        check_prediction(plan)
    unfit = explain_unfit(plan, settings)
    rows = [
        replace(row, reason=with_flags("; ".join(unfit[row.subject].splitlines())))
        if row.subject in unfit and not row.reason
        else row
        for row in rows
    ]
    return rows, plan


def explain_unfit(plan: MemoryPlan, settings: ParticipantSettings) -> dict[str, str]:
    """Explain for which participants the memory does not suffice.

    Parameters
    ----------
    plan : MemoryPlan
    settings : ParticipantSettings

    Returns
    -------
    dict of str to str
        Reason and remedy by participant; empty without a limit.
    """
    if plan.limit is None:
        return {}
    reasons = {}
    for subject, need in plan.needs.items():
        if not plan.fits(subject):
            # The sessions are steps of one job.
            n_sessions = need.prediction.n_sessions
            consequence = (
                f"; all {n_sessions} sessions of the participant are left out" if n_sessions > 1 else ""
            )
            reasons[subject] = (
                f"{need.bold}: needs {plan.single_gb(need):.1f} GB of memory ({need.description}), and the "
                f"limit is {plan.limit}{consequence}.\n{_advise(need, settings)}"
            )
    return reasons


def _advise(need: Need, settings: ParticipantSettings) -> str:
    """Name the options that reduce the memory of a participant."""
    options = []
    if need.n_windows > 1:
        options.append("`n_windows` 1")
    if settings.n_bootstrap:
        options.append("`n_bootstrap` 0")
    if settings.reports != "none":
        options.append("`reports` none")
    more = f", or use {' or '.join(options)}, which need less" if options else ""
    return f"Raise `mem`, or request more memory for the container or the job{more}."


def describe_memory(plan: MemoryPlan, settings: ParticipantSettings) -> str:
    """Describe the memory of a run in two lines, for ``--dry-run`` and the log.

    Parameters
    ----------
    plan : MemoryPlan
    settings : ParticipantSettings
        Uses nprocs.

    Returns
    -------
    str
        About the participants that fit.
    """
    n_processes = settings.nprocs or available_cpus()
    subjects = [subject for subject in plan.needs if plan.fits(subject)]
    if not subjects:
        return "Memory: no participant to compute has a header that can be read and fits."
    largest = max(subjects, key=lambda subject: plan.needs[subject].n_bytes)
    nodes, need = plan.nodes(subjects), plan.needs[largest]
    single_gb = max(plan.single_gb(plan.needs[subject]) for subject in subjects)
    pages = f", {nodes.pages:.1f} GB for pages" if plan.makes_pages else ""
    lines = [
        f"Memory: at most {nodes.connectomes:.1f} GB for the connectomes of a participant (sub-{largest}: "
        f"{need.description}), {nodes.prediction:.1f} GB for a prediction{pages}; in a single process "
        f"{single_gb:.1f} GB."
    ]
    if plan.limit is not None:
        n_fitting = count_processes(plan, subjects, n_processes)
        main = f", with {plan.main_gb:.1f} GB for the main process" if n_fitting > 1 else ""
        lines.append(f"{n_fitting} of {n_processes} processes are used within {plan.limit}{main}.")
    return "\n".join(lines)
