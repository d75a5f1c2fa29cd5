"""TensorBoard events of a training."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from lightning.fabric.loggers.tensorboard import TensorBoardLogger

from bids_deeptaskgen.training.fit_records import Epoch


def event_writer(folder: Path) -> Callable[[Epoch], None]:
    """Create a folder of events; the returned function adds an epoch to them.

    Parameters
    ----------
    folder : Path
        Folder of the events, which TensorBoard reads.

    Returns
    -------
    function of Epoch

    Raises
    ------
    ModuleNotFoundError
        If TensorBoard is not installed.
    """
    logger = TensorBoardLogger(folder.parent, name=folder.name, version="")

    def write(line: Epoch) -> None:
        values = {name: value for name, value in asdict(line).items() if name != "epoch"}
        logger.log_metrics(values, step=line.epoch)
        logger.save()

    return write
