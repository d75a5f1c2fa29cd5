"""Steps common to training and fine-tuning: fit, calibration, bundle and report."""

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import UserError, is_out_of_memory
from bids_deeptaskgen.machine import available_cpus, available_gb
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nn.network import set_threads
from bids_deeptaskgen.nn.unet import UNet
from bids_deeptaskgen.settings.fill import fill
from bids_deeptaskgen.settings.training import TrainingSettings
from bids_deeptaskgen.training.cached_participants import (
    CachedParticipant,
    read_cached_participants,
    usable_pairs,
)
from bids_deeptaskgen.training.data import TrainingData
from bids_deeptaskgen.training.devices import (
    Fabric,
    bytes_of_step,
    check_devices,
    check_precision,
    free_gpu_bytes,
    is_lost_process,
    largest_batch,
    make_fabric,
)
from bids_deeptaskgen.training.environment import is_first_process
from bids_deeptaskgen.training.export import FinishedTraining, write_bundle
from bids_deeptaskgen.training.fit import fit
from bids_deeptaskgen.training.fit_records import Epoch, Fit, FitSettings
from bids_deeptaskgen.training.losses import LossSettings
from bids_deeptaskgen.training.masked_unet import MaskedUNet
from bids_deeptaskgen.training.progress import epoch_words, make_watch, progress_bar
from bids_deeptaskgen.training.sampling import SPLITS, TRAIN, VALIDATION
from bids_deeptaskgen.training.split_file import write_split
from bids_deeptaskgen.training.work_folder import SPLIT, TARGETS, open_folder, work_folder

logger = logging.getLogger("bids_deeptaskgen")


@dataclass(frozen=True)
class Start:
    """The starting point of a training.

    Attributes
    ----------
    network : UNet
        Network with its first weights and an output for each trained contrast.
    strategy : str
        Trained parts; see `finetuning.STRATEGIES`.
    base : Bundle
        Model whose ROI maps and masks are used.
    parent : Bundle or None
        Model whose weights are used: the base, or none.
    """

    network: UNet
    strategy: str
    base: Bundle
    parent: Bundle | None


def train(settings: TrainingSettings, out: Path, data: TrainingData, start: Start) -> int:
    """Train a network and write its bundle; every process of a training calls this function.

    Parameters
    ----------
    settings : TrainingSettings
    out : Path
        Folder of the bundle.
    data : TrainingData
    start : Start

    Returns
    -------
    int
        0; failures are raised.

    Raises
    ------
    UserError
        If the folder holds another training, the memory is too small, or the loss is not finite.
    """
    # Checked first, since reading all measured maps may take long.
    check_devices(settings.device, settings.n_devices)
    folder = work_folder(settings, out)
    if is_first_process():
        # All other processes wait in `make_fabric`.
        parent = {"parent": start.parent.weights_sha256} if start.parent else {}
        open_folder(settings, folder, data.facts() | parent)
        write_split(folder / SPLIT, data.split)
        read_cached_participants(data, folder / TARGETS)
    fabric = make_fabric(
        settings.device,
        n_devices=settings.n_devices,
        n_nodes=settings.n_nodes,
        precision=settings.precision,
    )
    if fabric.device.type == "cpu":
        n_threads = os.environ.get("OMP_NUM_THREADS", "")
        set_threads(
            int(n_threads) if n_threads.isdecimal() else max(1, available_cpus() // settings.n_devices)
        )
    module = MaskedUNet(
        start.network,
        start.base.brain_mask,
        start.base.output_mask,
        input_mask=start.base.card.network_input_mask,
    )
    check_precision(module, fabric.device, settings.precision)
    data = data.restrict({name: usable_pairs(data, name, folder / TARGETS) for name in (TRAIN, VALIDATION)})
    result = _fit(settings, folder, data, start, fabric, module)
    if not fabric.is_global_zero:
        return 0
    participants = {
        name: [CachedParticipant(pair, data, folder / TARGETS) for pair in data.pairs[name]]
        for name in (TRAIN, VALIDATION)
    }
    training = FinishedTraining(
        settings, data, start.network.config, start.strategy, start.base, start.parent, result
    )
    bundle = write_bundle(out, training, participants, module)
    shutil.rmtree(folder / TARGETS)
    _report(bundle, folder, training)
    return 0


def _fit(
    settings: TrainingSettings,
    folder: Path,
    data: TrainingData,
    start: Start,
    fabric: Fabric,
    module: MaskedUNet,
) -> Fit:
    loss = fill(LossSettings, settings, name=settings.loss)
    fit_settings = fill(FitSettings, settings, loss=loss, strategy=start.strategy, n_epochs=settings.epochs)
    pairs = data.pairs
    n_steps = len(pairs[TRAIN]) + sum(pair.connectome.n_windows for pair in pairs[VALIDATION])
    batch_size = effective_batch_size(settings.batch_size, len(pairs[TRAIN]), fabric.world_size)
    if batch_size < settings.batch_size:
        logger.info("A step uses %d participants, all that there are to train on.", len(pairs[TRAIN]))
    with progress_bar(settings.epochs, n_steps) as bar, _failures(settings, fabric, module, batch_size):
        log_epoch = make_watch(folder, settings.epochs, tensorboard=settings.tensorboard)

        def watch(line: Epoch) -> None:
            log_epoch(line)
            bar.end_epoch(line)

        participants, validation = (
            [
                CachedParticipant(pair, data, folder / TARGETS, lambda: bar.step(fabric.world_size))
                for pair in pairs[name]
            ]
            for name in (TRAIN, VALIDATION)
        )
        logger.info("training on %s, %d processes", fabric.device, fabric.world_size)
        return fit(fabric, module, participants, validation, fit_settings, folder, watch)


def effective_batch_size(batch_size: int, n_participants: int, n_processes: int) -> int:
    """Return the largest number of participants in a training step.

    Parameters
    ----------
    batch_size : int
        Requested number.
    n_participants : int
        Sessions to train on.
    n_processes : int
        Processes, which get equal shares.

    Returns
    -------
    int
        A multiple of the number of processes.

    Examples
    --------
    >>> effective_batch_size(10, 2, 1), effective_batch_size(10, 3, 2), effective_batch_size(10, 50, 2)
    (2, 4, 10)
    """
    return min(batch_size, -(-n_participants // n_processes) * n_processes)


@contextmanager
def _failures(
    settings: TrainingSettings, fabric: Fabric, module: MaskedUNet, batch_size: int
) -> Iterator[None]:
    """Check that a step fits into memory, and explain failures of memory, loss and processes."""
    share = 0.5 if settings.precision == "bf16" else 1.0
    n_per_process = batch_size // fabric.world_size
    is_gpu = fabric.device.type == "cuda"
    n_bytes = free_gpu_bytes(fabric.device) if is_gpu else available_gb() * 2**30 / settings.n_devices
    n_required = share * bytes_of_step(module, n_per_process)
    max_batch = min(largest_batch(module, n_bytes / share), n_per_process) * fabric.world_size
    if n_required > n_bytes:
        raise UserError(
            _memory_words(batch_size, max_batch, f"needs {n_required / 2**30:.1f} GB on each device")
        )
    try:
        yield
    except FloatingPointError as error:
        message = (
            f"The training diverged: {error}.\nThe previous state remains. Start again (`overwrite`) with a "
            "lower `learning_rate` or with `precision` fp32, and check that the measured maps are z values."
        )
        raise UserError(message) from error
    except (RuntimeError, MemoryError) as error:
        if fabric.world_size > 1 and is_lost_process(error):
            message = (
                "Another process of this training has ended. Its log has the reason, unless it was killed.\n"
                "Resolve that and start again: the training resumes after the last complete epoch."
            )
            raise UserError(message) from error
        if not is_out_of_memory(error):
            raise
        smaller = min(max_batch, batch_size // 2 // fabric.world_size * fabric.world_size)
        raise UserError(_memory_words(batch_size, smaller, "exhausted the memory")) from error


def _memory_words(batch_size: int, max_batch: int, problem: str) -> str:
    advice = (
        f"`batch_size` {max_batch} would fit"
        if max_batch
        else "Not even one participant per device fits: choose a lower `fdim` or a device with more memory"
    )
    return f"`batch_size` {batch_size} {problem}.\n{advice}."


def _report(bundle: Bundle, folder: Path, training: FinishedTraining) -> None:
    result = training.result
    n_participants = {name: training.data.n_participants(name) for name in SPLITS}
    remark = "" if training.epoch == result.best_epoch else f"; the model is that of epoch {training.epoch}"
    sys.stdout.write(
        "Trained on {train} participants, validated on {validation}; {test} test participants are reserved "
        "for evaluation.\n".format(**n_participants)
        + f"Best epoch: {result.best_epoch} of {len(result.log)} "
        f"({epoch_words(result.log[result.best_epoch - 1])}){remark}\n"
        f"Split, log and state: {folder}\n"
        f"Model: {bundle.folder}\n"
    )
