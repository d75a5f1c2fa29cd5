"""nipype's plugins: choice, the file of ``--use-plugin``, and nipype's configuration."""

import configparser
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.machine import available_cpus, available_gb
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.workflow.semaphores import describe_problem

logger = logging.getLogger("bids_deeptaskgen")

# Interval at which MultiProc polls for finished nodes; its default of 2 s is longer than most nodes take.
POLL_S = 0.05
# A controller of a batch system serves a whole cluster, so it is asked less often.
BATCH_POLL_S = 5.0
BATCH_PLUGINS = ("SLURM", "SGE", "PBS", "LSF", "OAR", "Condor")
# They return before their jobs have run, so that no outcome could be reported.
_GRAPH_PLUGINS = {
    "SLURMGraph": "SLURM",
    "SGEGraph": "SGE",
    "PBSGraph": "PBS",
    "CondorDAGMan": "Condor",
    "SomaFlow": "MultiProc",
}


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
    if problem := describe_problem():
        logger.warning(
            "No semaphore can be created in /dev/shm (%s), so participants are processed one after another. "
            "For %d processes, make /dev/shm writable (in a container: mount it, e.g. --shm-size 64m).",
            problem, n_procs,
        )  # fmt: skip
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


def check_plugin(settings: ParticipantSettings) -> None:
    """Check the file of ``--use-plugin``, before any file is written.

    Parameters
    ----------
    settings : ParticipantSettings

    Raises
    ------
    UserError
        If the file cannot be read, or if its plugin cannot be used here.
    """
    if settings.use_plugin is None:
        return
    name, arguments = _read_plugin(settings.use_plugin)
    poll_interval(name, arguments)
    if name in BATCH_PLUGINS:
        from bids_deeptaskgen.workflow.plugin_arguments import check_arguments

        try:
            check_arguments(name, arguments)
        except ValueError as error:
            message = f"`use_plugin` {settings.use_plugin}: {error}."
            raise UserError(message) from error
    if name == "SLURM" and shutil.which("sbatch") is None:
        message = (
            f"`use_plugin` {settings.use_plugin}: the plugin SLURM needs the command sbatch, which is not on "
            "the PATH.\nRun on a node from which jobs can be submitted. In a container, run each participant "
            "in a separate job instead, without `use_plugin`."
        )
        raise UserError(message)


def poll_interval(name: str, arguments: Mapping[str, Any]) -> float:
    """Return the interval at which a plugin polls for finished nodes.

    Parameters
    ----------
    name : str
        Name of the plugin.
    arguments : dict
        Its arguments; ``poll_sleep_duration`` increases the interval of batch plugins.

    Returns
    -------
    float
        Interval in s.

    Raises
    ------
    UserError
        If ``poll_sleep_duration`` is not a number.

    Examples
    --------
    >>> poll_interval("MultiProc", {}), poll_interval("SLURM", {})
    (0.05, 5.0)
    >>> poll_interval("PBS", {"poll_sleep_duration": 60})
    60.0
    """
    if name not in BATCH_PLUGINS:
        return POLL_S
    value = arguments.get("poll_sleep_duration", 0)
    try:
        return max(float(value), BATCH_POLL_S)
    except (TypeError, ValueError):
        message = f"`use_plugin`: poll_sleep_duration is {value!r}; it must be a number of seconds."
        raise UserError(message) from None


def make_plugin(
    name: str, arguments: dict[str, Any], work: Path, output: Path, settings_hash: str = ""
) -> Any:
    """Create the plugin that runs a graph.

    Parameters
    ----------
    name : str
        Name of the plugin.
    arguments : dict
        Its arguments.
    work : Path
        Private work folder.
    output : Path
        Output dataset, whose folder ``logs`` gets the logs of failed batch jobs.
    settings_hash : str
        Hash of the settings and the model, with which the run has claimed the dataset; empty without a claim.

    Returns
    -------
    nipype.pipeline.plugins.base.PluginBase or str
        The name, for plugins that are used unchanged.
    """
    if name == "MultiProc":
        from bids_deeptaskgen.workflow.multiproc import RobustMultiProc

        return RobustMultiProc(arguments)
    if name not in BATCH_PLUGINS:
        return name
    from bids_deeptaskgen.workflow.batch import BatchFolders

    folders = BatchFolders(work, output / "logs", output if settings_hash else None, settings_hash)
    if name == "SLURM":
        from bids_deeptaskgen.workflow.slurm import RobustSLURM

        return RobustSLURM(folders, arguments, poll_interval(name, arguments))
    from bids_deeptaskgen.workflow.batch_systems import make_batch_plugin

    return make_batch_plugin(name, folders, arguments)


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
    if name in _GRAPH_PLUGINS:
        message = (
            f"`use_plugin` {path}: the plugin {name} returns before its jobs have run.\n"
            f"Use the plugin {_GRAPH_PLUGINS[name]} instead."
        )
        raise UserError(message)
    from nipype.pipeline import plugins

    if not hasattr(plugins, f"{name}Plugin"):
        plugins_text = ", ".join(
            sorted(n.removesuffix("Plugin") for n in vars(plugins) if n.endswith("Plugin"))
        )
        message = f"`use_plugin` {path}: nipype has no plugin {name}.\nAvailable: {plugins_text}."
        raise UserError(message)
    return name, arguments


def configure_nipype(folder: Path, settings: ParticipantSettings) -> None:
    """Configure nipype: no network access, no files in the home folder, messages only with -vv.

    Parameters
    ----------
    folder : Path
        Private work folder, which gets the configuration file.
    settings : ParticipantSettings
        Uses verbose and stop_on_first_crash.
    """
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
    # nipype's batch plugins name jobs by it; it is absent in containers.
    os.environ.setdefault("LOGNAME", "deeptaskgen")
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
