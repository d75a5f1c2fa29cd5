"""Execution of the graph with a nipype plugin, and its progress."""

import contextlib
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import system_refusal
from bids_deeptaskgen.io.marked_folder import refuse_deleted
from bids_deeptaskgen.machine import available_cpus, may_use_gpu
from bids_deeptaskgen.pipeline.memory_plan import MemoryPlan, count_processes
from bids_deeptaskgen.pipeline.page_memory import PageMemory
from bids_deeptaskgen.pipeline.progress import ProgressReporter
from bids_deeptaskgen.pipeline.records import CONNECTED, Job, read_records
from bids_deeptaskgen.pipeline.report_step import PageJob
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.workflow.plugins import (
    choose_plugin,
    configure_nipype,
    make_plugin,
    poll_interval,
)

logger = logging.getLogger("bids_deeptaskgen")

# nipype raises the traceback of a node as text.
_SYSTEM_ERROR = re.compile(r"\[Errno (?P<number>\d+)\][^:\n]*(?:: '(?P<path>[^']*)')?")

# After this many attempts in a row without a finished participant, fewer processes will not help.
MAX_IDLE_ATTEMPTS = 4


def threads_of(settings: ParticipantSettings) -> int:
    """Return the number of threads per process: ``--omp-nthreads``, or all cores up to eight.

    The last digits of a network's output depend on its threads, so this number is independent of the number
    of processes.

    Parameters
    ----------
    settings : ParticipantSettings

    Returns
    -------
    int
        At least 1.
    """
    return settings.omp_nthreads or min(available_cpus(), 8)


def run_graph(jobs: Sequence[Job], folder: Path, settings: ParticipantSettings, plan: MemoryPlan) -> str:
    """Run the jobs with nipype, and repeat those whose worker pool was killed.

    If a process is killed, for instance because of its memory, the whole pool ends. Unfinished participants
    are then repeated with half as many processes. A participant whose process is killed even without others
    is excluded.

    Parameters
    ----------
    jobs : sequence of Job
    folder : Path
        Private work folder.
    settings : ParticipantSettings
        Uses nprocs, use_plugin and stop_on_first_crash.
    plan : MemoryPlan
        Limit, and memory of the nodes.

    Returns
    -------
    str
        Error of the system because of which participants may have no final record; empty if there was none.
    """
    configure_nipype(folder, settings)
    # nipype reads its configuration when it is imported.
    name, arguments = choose_plugin(settings, len(jobs))
    if settings.use_plugin is None and name == "MultiProc":
        name, arguments = _limit_memory(arguments, plan, [job.subject for job in jobs])
    unfinished_jobs, n_idle, attempt, refusal = list(jobs), 0, 0, ""
    while unfinished_jobs and n_idle < MAX_IDLE_ATTEMPTS:
        was_killed, refusal = _run_once(
            unfinished_jobs, folder / f"attempt{attempt}", settings, (name, arguments), plan
        )
        if not was_killed or settings.use_plugin is not None or settings.stop_on_first_crash:
            return refusal
        remaining_jobs = _unfinished(unfinished_jobs)
        n_procs = arguments["n_procs"]
        n_idle = n_idle + 1 if len(remaining_jobs) == len(unfinished_jobs) else 0
        # A single process was working on the first of the remaining participants.
        unfinished_jobs = remaining_jobs[1:] if n_procs == 1 and n_idle else remaining_jobs
        arguments = arguments | {"n_procs": max(n_procs // 2, 1)}
        attempt += 1
        if unfinished_jobs:
            logger.warning(
                "A process was killed; %d participants are repeated with %d processes.",
                len(unfinished_jobs),
                arguments["n_procs"],
            )
    return refusal


def _limit_memory(
    arguments: dict[str, Any], plan: MemoryPlan, subjects: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """Return the plugin for as many workers as fit, or Linear, which needs no memory for a worker."""
    n_workers = count_processes(plan, subjects, arguments["n_procs"])
    if n_workers == 1:
        return "Linear", {}
    return "MultiProc", arguments | {"n_procs": n_workers, "memory_gb": plan.schedulable_gb(n_workers)}


def run_page_graph(
    jobs: Sequence[PageJob], folder: Path, settings: ParticipantSettings, memory: PageMemory
) -> str:
    """Write pages with nipype, without computing maps.

    Parameters
    ----------
    jobs : sequence of PageJob
        A page that is missing afterwards has no outcome; see `report_step.read_outcomes`.
    folder : Path
        Private work folder.
    settings : ParticipantSettings
        Uses nprocs and use_plugin.
    memory : PageMemory

    Returns
    -------
    str
        Error of the system because of which pages may be missing; empty if there was none.
    """
    configure_nipype(folder, settings)
    from bids_deeptaskgen.workflow.graph import make_page_graph

    name, arguments = choose_plugin(settings, len(jobs))
    page_gb = memory.page_gb
    if settings.use_plugin is None and name == "MultiProc":
        n_workers = memory.count_workers(arguments["n_procs"])
        page_gb -= memory.idle_gb
        more = {"n_procs": n_workers, "memory_gb": memory.schedulable_gb(n_workers)}
        name, arguments = ("MultiProc", arguments | more) if n_workers > 1 else ("Linear", {})
    graph = make_page_graph(jobs, folder / "graph", settings.chunk_size, page_gb)
    _, refusal = _run_plugin(graph, settings, (name, arguments))
    return refusal


def _run_once(
    jobs: Sequence[Job],
    folder: Path,
    settings: ParticipantSettings,
    plugin: tuple[str, dict[str, Any]],
    plan: MemoryPlan,
) -> tuple[bool, str]:
    """Run the graph of some participants; return what `_run_plugin` returns."""
    from bids_deeptaskgen.workflow.graph import make_graph

    graph = make_graph(
        jobs,
        folder,
        plan,
        n_threads=threads_of(settings),
        use_gpu=uses_gpu(settings.device),
        counts_workers=settings.use_plugin is None and plugin[0] == "MultiProc",
    )
    return _run_plugin(graph, settings, plugin, jobs[0].context.settings_hash)


def _run_plugin(
    graph: Any,
    settings: ParticipantSettings,
    plugin: tuple[str, dict[str, Any]],
    settings_hash: str = "",
) -> tuple[bool, str]:
    """Run a graph; return whether a worker of MultiProc was killed, and the error of the system.

    Raises
    ------
    UserError
        If it ended because the private work folder was deleted.
    """
    name, arguments = plugin
    Path(graph.base_dir).mkdir(exist_ok=True)
    # Not in nipype's configuration, whose parser replaces % and white space in a path.
    graph.config["execution"]["crashdump_dir"] = str(settings.output_dir / "logs")
    graph.config["execution"]["poll_sleep_duration"] = str(poll_interval(name, arguments))
    logger.debug("nipype plugin %s %s", name, arguments)
    work = Path(graph.base_dir).parent
    scheduler = make_plugin(name, arguments, work, settings.output_dir, settings_hash)
    refusal = ""
    try:
        graph.run(plugin=scheduler, plugin_args=arguments)
    except Exception as error:
        refuse_deleted(work)
        # Participants whose process died left no record; the closing table lists them.
        refusal = _find_refusal(error, Path(graph.base_dir))
        logger.error("The workflow did not finish (%s).", refusal.rstrip(".") or _last_line(error))
        logger.debug("nipype", exc_info=True)
    return getattr(scheduler, "lost_a_worker", False), refusal


def _unfinished(jobs: Sequence[Job]) -> list[Job]:
    """List the jobs without a final record."""
    records = read_records(jobs[0].records)
    connected_subjects = {record.subject for record in records if record.status == CONNECTED}
    finished_subjects = {record.subject for record in records} - connected_subjects
    return [job for job in jobs if job.subject not in finished_subjects]


def _find_refusal(error: BaseException, folder: Path) -> str:
    """Return the error of the system that nipype's error follows from, in words for users; empty if none.

    nipype reads the result file of a node after any error. If that could not be written, the last error is
    a missing file, and the reason is the context of that error, or, from another process, in its text.
    """
    following: BaseException | None = error
    while following is not None:
        # A file that is written compressed is not named.
        if isinstance(following, OSError) and following.filename is None:
            following.filename = str(folder)
        if refusal := system_refusal(following):
            return refusal[1]
        for match in _SYSTEM_ERROR.finditer(str(following)):
            if refusal := system_refusal(OSError(int(match["number"]), "", match["path"] or str(folder))):
                return refusal[1]
        following = following.__cause__ or following.__context__
    return ""


def _last_line(error: Exception) -> str:
    """Return the last line of nipype's message, which may be the traceback of a node."""
    line = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
    return line.strip()


def uses_gpu(device: str) -> bool:
    """Return whether the network will run on an NVIDIA GPU, without importing torch.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Examples
    --------
    >>> uses_gpu("cuda:1"), uses_gpu("cpu")
    (True, False)
    """
    # A container or a Slurm job may have another GPU than the first.
    return device.startswith("cuda") or (
        device == "auto" and any(Path("/dev").glob("nvidia[0-9]*")) and may_use_gpu()
    )


@contextlib.contextmanager
def show_progress(folder: Path, n_participants: int) -> Iterator[None]:
    """Show the progress of participants, from the records in a folder, while the block runs.

    On a terminal this is a progress bar, in a log one line per participant. It works with every plugin,
    because it only reads files.

    Parameters
    ----------
    folder : Path
        Folder to which `records.save_record` writes.
    n_participants : int
    """
    stop = threading.Event()
    reporter = ProgressReporter(folder, n_participants)
    thread = threading.Thread(target=reporter.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
