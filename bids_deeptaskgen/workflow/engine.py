"""Execution of the graph: nipype plugin, nipype configuration, work folder and progress."""

import configparser
import contextlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import is_stale, process_namespace
from bids_deeptaskgen.machine import available_cpus, available_gb
from bids_deeptaskgen.pipeline.memory_plan import MemoryPlan, count_processes
from bids_deeptaskgen.pipeline.progress import ProgressReporter
from bids_deeptaskgen.pipeline.records import CONNECTED, Job, read_records
from bids_deeptaskgen.pipeline.report_step import PageJob
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")

# Subfolder of the work folder for connectomes of this run and of interrupted runs.
CONNECTOMES = "connectomes"

_PRIVATE = re.compile(r"^run-(?P<namespace>.+)-(?P<pid>\d+)$")

# Interval at which MultiProc polls for finished nodes; its default of 2 s is longer than most nodes take.
POLL_S = 0.05
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


@contextlib.contextmanager
def private_folder(work: Path, *, keep: bool) -> Iterator[Path]:
    """Create a folder for this process only, and remove it at the end, together with an empty work folder.

    Folders of ended processes are removed as well; see `is_stale`. Other users cannot read the folder,
    because nipype pickles its inputs there.

    Parameters
    ----------
    work : Path
        Work folder, which contains the new folder.
    keep : bool
        Keep the work folder even if it is empty, because the user chose it.

    Yields
    ------
    Path
    """
    folder = work / f"run-{process_namespace()}-{os.getpid()}"
    # An earlier process with the same number may have left such a folder, with records of another run.
    shutil.rmtree(folder, ignore_errors=True)
    while not folder.exists():
        # Between these two calls, another run that ends may remove the empty work folder.
        work.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            folder.mkdir(mode=0o700)
    _remove_stale(work)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty_folders(work, keep=keep)


def _remove_stale(work: Path) -> None:
    for folder in work.glob("run-*"):
        name = _PRIVATE.match(folder.name)
        # Other processes may remove it at the same time.
        with contextlib.suppress(FileNotFoundError):
            last_written = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if name and is_stale(name["namespace"], int(name["pid"]), last_written):
                shutil.rmtree(folder, ignore_errors=True)


def _remove_empty_folders(work: Path, *, keep: bool) -> None:
    """Remove empty parts of the work folder, unless another run uses it."""
    if next(work.glob("run-*"), None) is not None:
        return
    for folder in (work / CONNECTOMES, *(() if keep else (work,))):
        with contextlib.suppress(OSError):
            folder.rmdir()


def run_graph(jobs: Sequence[Job], folder: Path, settings: ParticipantSettings, plan: MemoryPlan) -> None:
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
    """
    _configure_nipype(folder, settings)
    # nipype reads its configuration when it is imported.
    name, arguments = choose_plugin(settings, len(jobs))
    if settings.use_plugin is None and name == "MultiProc":
        name, arguments = _limit_memory(arguments, plan, [job.subject for job in jobs])
    unfinished_jobs, n_idle, attempt = list(jobs), 0, 0
    while unfinished_jobs and n_idle < MAX_IDLE_ATTEMPTS:
        was_killed = _run_once(
            unfinished_jobs, folder / f"attempt{attempt}", settings, (name, arguments), plan
        )
        if not was_killed or settings.use_plugin is not None or settings.stop_on_first_crash:
            return
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


def _limit_memory(
    arguments: dict[str, Any], plan: MemoryPlan, subjects: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """Return the plugin for as many workers as fit, or Linear, which needs no memory for a worker."""
    n_workers = count_processes(plan, subjects, arguments["n_procs"])
    if n_workers == 1:
        return "Linear", {}
    return "MultiProc", arguments | {"n_procs": n_workers, "memory_gb": plan.schedulable_gb(n_workers)}


def run_page_graph(jobs: Sequence[PageJob], folder: Path, settings: ParticipantSettings) -> None:
    """Write pages with nipype, without computing maps.

    Parameters
    ----------
    jobs : sequence of PageJob
        A page that is missing afterwards has no outcome; see `report_step.read_outcomes`.
    folder : Path
        Private work folder.
    settings : ParticipantSettings
        Uses nprocs, mem and use_plugin.
    """
    _configure_nipype(folder, settings)
    from bids_deeptaskgen.workflow.graph import make_page_graph

    graph = make_page_graph(jobs, folder / "graph", settings.chunk_size)
    _run_plugin(graph, settings, choose_plugin(settings, len(jobs)))


def _run_once(
    jobs: Sequence[Job],
    folder: Path,
    settings: ParticipantSettings,
    plugin: tuple[str, dict[str, Any]],
    plan: MemoryPlan,
) -> bool:
    """Run the graph of some participants; return whether a worker of MultiProc was killed."""
    from bids_deeptaskgen.workflow.graph import make_graph

    graph = make_graph(
        jobs,
        folder,
        plan,
        n_threads=threads_of(settings),
        use_gpu=uses_gpu(settings.device),
        counts_workers=settings.use_plugin is None and plugin[0] == "MultiProc",
    )
    return _run_plugin(graph, settings, plugin)


def _run_plugin(graph: Any, settings: ParticipantSettings, plugin: tuple[str, dict[str, Any]]) -> bool:
    """Run a graph; return whether a worker of MultiProc was killed."""
    from bids_deeptaskgen.workflow.multiproc import RobustMultiProc

    name, arguments = plugin
    Path(graph.base_dir).mkdir(exist_ok=True)
    # Not in nipype's configuration, whose parser replaces % and white space in a path.
    graph.config["execution"]["crashdump_dir"] = str(settings.output_dir / "logs")
    logger.debug("nipype plugin %s %s", name, arguments)
    multiproc = RobustMultiProc(arguments) if name == "MultiProc" else None
    try:
        graph.run(plugin=multiproc or name, plugin_args=arguments)
    except Exception as error:
        # Participants whose process died left no record; the closing table lists them.
        logger.error("The workflow did not finish (%s).", _last_line(error))
        logger.debug("nipype", exc_info=True)
    return multiproc is not None and multiproc.lost_a_worker


def _unfinished(jobs: Sequence[Job]) -> list[Job]:
    """List the jobs without a final record."""
    records = read_records(jobs[0].records)
    connected_subjects = {record.subject for record in records if record.status == CONNECTED}
    finished_subjects = {record.subject for record in records} - connected_subjects
    return [job for job in jobs if job.subject not in finished_subjects]


def _last_line(error: Exception) -> str:
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)


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
    return device.startswith("cuda") or (device == "auto" and Path("/dev/nvidia0").exists())


def choose_plugin(settings: ParticipantSettings, n_jobs: int) -> tuple[str, dict[str, Any]]:
    """Choose nipype's plugin: that of ``--use-plugin``, MultiProc for parallel jobs, or Linear.

    Parameters
    ----------
    settings : ParticipantSettings
    n_jobs : int
        Number of participants.

    Returns
    -------
    name : str
        Name of the plugin.
    arguments : dict
        ``plugin_args`` of the plugin.

    Raises
    ------
    UserError
        If the file of ``--use-plugin`` cannot be read or names an unknown plugin.
    """
    if settings.use_plugin is not None:
        return _read_plugin(settings.use_plugin)
    n_procs = settings.nprocs or available_cpus()
    if n_procs == 1 or n_jobs == 1:
        return "Linear", {}
    # A fork of a process that has started threads or CUDA may hang.
    return "MultiProc", {
        "n_procs": n_procs,
        "memory_gb": settings.mem or 0.9 * available_gb(),
        "mp_context": "forkserver",
        "raise_insufficient": False,
        # nipype counts GPUs with nvidia-smi, and waits for ever in a container without that program.
        "n_gpu_procs": 1,
        "poll_sleep_duration": POLL_S,
    }


def _read_plugin(path: Path) -> tuple[str, dict[str, Any]]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text("utf-8"))
        name, arguments = str(content["plugin"]), dict(content.get("plugin_args") or {})
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        message = (
            f"`use_plugin` {path}: cannot be read ({type(error).__name__}: {error}).\n"
            "It must be a YAML file with the keys plugin and plugin_args, as in nipype's documentation."
        )
        raise UserError(message) from error
    from nipype.pipeline import plugins

    if not hasattr(plugins, f"{name}Plugin"):
        plugins_text = ", ".join(
            sorted(n.removesuffix("Plugin") for n in vars(plugins) if n.endswith("Plugin"))
        )
        message = f"`use_plugin` {path}: nipype has no plugin {name}.\nAvailable: {plugins_text}."
        raise UserError(message)
    return name, arguments


def _configure_nipype(folder: Path, settings: ParticipantSettings) -> None:
    """Configure nipype: no network access, no files in the home folder, messages only with -vv."""
    # Crash files contain nipype's messages about failures, and the engine logs the end.
    level = "INFO" if settings.verbose > 1 else "CRITICAL"
    options = {
        "execution": {
            "crashfile_format": "txt",
            "hash_method": "timestamp",
            "poll_sleep_duration": str(POLL_S),
            "remove_unnecessary_outputs": "false",
            "check_version": "false",
            "stop_on_first_crash": str(settings.stop_on_first_crash).lower(),
        },
        "logging": {"workflow_level": level, "interface_level": level, "log_to_file": "false"},
    }
    # Worker processes read the file; this process may have imported nipype before.
    home = folder / "nipype"
    home.mkdir(exist_ok=True)
    parser = configparser.ConfigParser()
    parser.read_dict(options)
    with (home / "nipype.cfg").open("w", encoding="utf-8") as file:
        parser.write(file)
    os.environ["NIPYPE_NO_ET"] = "1"
    os.environ["NIPYPE_CONFIG_DIR"] = str(home)
    from nipype import config
    from nipype import logging as nipype_logging

    config.update_config(options)
    nipype_logging.update_logging(config)


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
