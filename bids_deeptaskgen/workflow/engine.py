"""How the graph is run: plugin, work folder, and what nipype must not do."""

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
from bids_deeptaskgen.pipeline.progress import ProgressReporter
from bids_deeptaskgen.pipeline.records import CONNECTED, Job, read_records
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")

# Where connectomes wait, in the work folder, for this run or a later one.
CONNECTOMES = "connectomes"

_PRIVATE = re.compile(r"^run-(?P<place>.+)-(?P<pid>\d+)$")

# MultiProc looks for finished nodes this often; its default of 2 s a step takes longer than the work.
POLL_S = 0.05
# So many runs in a row that bring nobody to an end are enough: it is not their number.
MAX_IDLE_ATTEMPTS = 4


def threads_of(settings: ParticipantSettings) -> int:
    """Threads of one process: as asked, or all cores up to eight, whatever the number of processes.

    The results of a network depend on its threads in the last digits, so the number must not follow from
    how many people happen to be computed side by side.
    """
    return settings.omp_nthreads or min(available_cpus(), 8)


@contextlib.contextmanager
def private_folder(work: Path, *, keep: bool) -> Iterator[Path]:
    """Make a folder that is this process's alone, and remove it at the end, and what is empty around it.

    Folders of processes that are gone are removed too; see `is_stale`. Nobody else may read what nipype
    pickles there.

    Parameters
    ----------
    work : Path
        Folder in which it is made.
    keep : bool
        Whether the work folder is the user's own, and stays even if it is empty.

    Yields
    ------
    Path
    """
    folder = work / f"run-{process_namespace()}-{os.getpid()}"
    # An earlier process of the same number may have left one, with records that are not ours.
    shutil.rmtree(folder, ignore_errors=True)
    while not folder.exists():
        # Between the two, a run that ends may remove a work folder in which there is nothing.
        work.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            folder.mkdir(mode=0o700)
    _remove_stale(work)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_unused(work, keep=keep)


def _remove_stale(work: Path) -> None:
    for left in work.glob("run-*"):
        found = _PRIVATE.match(left.name)
        # Others may remove it at the same time.
        with contextlib.suppress(FileNotFoundError):
            last_written = max(path.stat().st_mtime for path in (left, *left.iterdir()))
            if found and is_stale(found["place"], int(found["pid"]), last_written):
                shutil.rmtree(left, ignore_errors=True)


def _remove_unused(work: Path, *, keep: bool) -> None:
    """Remove what is empty of the work folder, if no other run uses it."""
    if next(work.glob("run-*"), None) is not None:
        return
    for folder in (work / CONNECTOMES, *(() if keep else (work,))):
        with contextlib.suppress(OSError):
            folder.rmdir()


def run_graph(jobs: Sequence[Job], folder: Path, settings: ParticipantSettings) -> None:
    """Schedule the jobs with nipype and wait for them.

    A process that is killed, for instance for its memory, takes its pool along: those who are not over are
    done again with half as many processes, and who kills even a single one is left out.

    Parameters
    ----------
    jobs : sequence of Job
    folder : Path
        Private work folder.
    settings : ParticipantSettings
        nprocs, mem, use_plugin, stop_on_first_crash.
    """
    _quieten(folder, settings)
    # nipype reads its configuration when it is imported.
    name, arguments = choose_plugin(settings, len(jobs))
    left, n_idle, attempt = list(jobs), 0, 0
    while left and n_idle < MAX_IDLE_ATTEMPTS:
        was_killed = _run_once(left, folder / f"attempt{attempt}", settings, (name, arguments))
        if not was_killed or settings.use_plugin is not None or settings.stop_on_first_crash:
            return
        now_left = _not_over(left)
        n_procs = arguments["n_procs"]
        n_idle = n_idle + 1 if len(now_left) == len(left) else 0
        # With one process, it was at work on the first of those who are left.
        left = now_left[1:] if n_procs == 1 and n_idle else now_left
        arguments = arguments | {"n_procs": max(n_procs // 2, 1)}
        attempt += 1
        if left:
            logger.warning(
                "A process was killed; %d people are done again with %d at a time.",
                len(left),
                arguments["n_procs"],
            )


def _run_once(
    jobs: Sequence[Job], folder: Path, settings: ParticipantSettings, plugin: tuple[str, dict[str, Any]]
) -> bool:
    """Run the graph of some people; whether a worker of MultiProc was killed meanwhile."""
    from bids_deeptaskgen.workflow.graph import make_graph
    from bids_deeptaskgen.workflow.multiproc import RobustMultiProc

    name, arguments = plugin
    folder.mkdir(exist_ok=True)
    graph = make_graph(jobs, folder, n_threads=threads_of(settings), use_gpu=uses_gpu(settings.device))
    logger.debug("nipype plugin %s %s", name, arguments)
    steady = RobustMultiProc(arguments) if name == "MultiProc" else None
    try:
        graph.run(plugin=steady or name, plugin_args=arguments)
    except Exception as error:
        # People whose process died left no record; the closing table tells of them.
        logger.error("the workflow did not finish (%s)", _first_line(error))
        logger.debug("nipype", exc_info=True)
    return steady is not None and steady.lost_a_worker


def _not_over(jobs: Sequence[Job]) -> list[Job]:
    """Tell those who have no record of their end yet."""
    records = read_records(jobs[0].records)
    begun = {record.subject for record in records if record.status == CONNECTED}
    over = {record.subject for record in records} - begun
    return [job for job in jobs if job.subject not in over]


def _first_line(error: Exception) -> str:
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)


def uses_gpu(device: str) -> bool:
    """Whether the network will run on an NVIDIA GPU, told without importing torch."""
    return device.startswith("cuda") or (device == "auto" and Path("/dev/nvidia0").exists())


def choose_plugin(settings: ParticipantSettings, n_jobs: int) -> tuple[str, dict[str, Any]]:
    """Choose nipype's plugin: the user's, or MultiProc where there is more than one thing to do at a time.

    Returns
    -------
    name : str
    arguments : dict
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
        # nipype counts GPUs with nvidia-smi, and would wait for ever where a container has none.
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
            f"--use-plugin {path}: cannot be read ({type(error).__name__}: {error}).\n"
            "It must be a YAML file with the keys plugin and plugin_args, as nipype documents them."
        )
        raise UserError(message) from error
    from nipype.pipeline import plugins

    if not hasattr(plugins, f"{name}Plugin"):
        known = ", ".join(sorted(n.removesuffix("Plugin") for n in vars(plugins) if n.endswith("Plugin")))
        message = f"--use-plugin {path}: nipype has no plugin {name}.\nIt has: {known}."
        raise UserError(message)
    return name, arguments


def _quieten(folder: Path, settings: ParticipantSettings) -> None:
    """Keep nipype off the network and the home folder, and quiet unless -vv asks for its words."""
    # What it says of a fault is in its crash file too, and its end is told by the engine.
    level = "INFO" if settings.verbose > 1 else "CRITICAL"
    wanted = {
        "execution": {
            "crashdump_dir": str(settings.output_dir / "logs"),
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
    parser.read_dict(wanted)
    with (home / "nipype.cfg").open("w", encoding="utf-8") as file:
        parser.write(file)
    os.environ["NIPYPE_NO_ET"] = "1"
    os.environ["NIPYPE_CONFIG_DIR"] = str(home)
    from nipype import config
    from nipype import logging as nipype_logging

    config.update_config(wanted)
    nipype_logging.update_logging(config)


@contextlib.contextmanager
def show_progress(folder: Path, n_participants: int) -> Iterator[None]:
    """Show how far the people are, by the records in a folder, while the block runs.

    A bar on a terminal, one plain line a person in a log; it works with every plugin, since it only looks
    at files.

    Parameters
    ----------
    folder : Path
        Where `records.save_record` writes.
    n_participants : int
    """
    stop = threading.Event()
    watcher = ProgressReporter(folder, n_participants)
    thread = threading.Thread(target=watcher.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
