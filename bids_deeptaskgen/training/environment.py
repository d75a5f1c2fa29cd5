"""The processes and libraries of a training; nothing here needs Lightning."""

import os

from bids_deeptaskgen.machine import require_library
from bids_deeptaskgen.settings.training import TrainingSettings

# Set by what starts the processes of a training: torchrun, Slurm, and Fabric itself.
_RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK")


def is_first_process() -> bool:
    """Return whether this process is the first of a training's, before they are connected."""
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


def require_libraries(settings: TrainingSettings) -> None:
    """Check that the libraries that only training needs are installed.

    Parameters
    ----------
    settings : TrainingSettings
        With ``tensorboard``, its library is required too. A ridge model requires none.

    Raises
    ------
    UserError
        If a library is not installed; the message names the package to install.
    """
    if not settings.is_network:
        return
    require_library("lightning", "Training", "bids-deeptaskgen[train]")
    if settings.tensorboard:
        require_library("tensorboard", "`tensorboard`", "tensorboard")
