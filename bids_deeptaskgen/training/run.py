"""What training and fine-tuning share: the fit, calibration, the bundle, and what is said of it."""

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.machine import available_cpus, available_gb
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nn.inference import set_threads
from bids_deeptaskgen.nn.unet import UNet
from bids_deeptaskgen.settings.fill import fill
from bids_deeptaskgen.settings.training import TrainingSettings
from bids_deeptaskgen.training.cached_participants import CachedParticipant, read_cached_participants
from bids_deeptaskgen.training.data import TrainingData
from bids_deeptaskgen.training.devices import (
    Fabric,
    bytes_of_step,
    check_devices,
    check_precision,
    free_gpu_bytes,
    is_lost_process,
    is_out_of_memory,
    largest_batch,
    make_fabric,
)
from bids_deeptaskgen.training.environment import is_first_process
from bids_deeptaskgen.training.export import Trained, write_bundle
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
    """With what a training begins.

    Attributes
    ----------
    network : UNet
        With its first weights; an output for each contrast that is trained on.
    strategy : str
        Which parts move; see `finetuning.STRATEGIES`.
    base : Bundle
        Whose ROI maps and masks are used.
    parent : Bundle or None
        Whose weights are used: the base, or nobody.
    """

    network: UNet
    strategy: str
    base: Bundle
    parent: Bundle | None


def train(settings: TrainingSettings, out: Path, data: TrainingData, start: Start) -> int:
    """Train, and write a bundle; every process of a training calls this.

    Parameters
    ----------
    settings : TrainingSettings
    out : Path
        Where the bundle shall be.
    data : TrainingData
    start : Start

    Returns
    -------
    int
        0, since what goes wrong is raised.

    Raises
    ------
    UserError
        If the folder holds another training, the memory does not do, or the loss is no longer a number.
    """
    # Before everybody's maps are read, which may take long.
    check_devices(settings.device, settings.n_devices)
    folder = work_folder(settings, out)
    if is_first_process():
        # The others wait in `make_fabric` until this is done.
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
        asked = os.environ.get("OMP_NUM_THREADS", "")
        set_threads(int(asked) if asked.isdecimal() else max(1, available_cpus() // settings.n_devices))
    module = MaskedUNet(
        start.network,
        start.base.brain_mask,
        start.base.output_mask,
        input_mask=start.base.card.input_mask,
    )
    check_precision(module, fabric.device, settings.precision)
    fitted = _fit(settings, folder, data, start, fabric, module)
    if not fabric.is_global_zero:
        return 0
    participants = {
        name: [CachedParticipant(pair, data, folder / TARGETS) for pair in data.pairs[name]]
        for name in (TRAIN, VALIDATION)
    }
    trained = Trained(settings, data, start.network.config, start.strategy, start.base, start.parent, fitted)
    bundle = write_bundle(out, trained, participants, module)
    shutil.rmtree(folder / TARGETS)
    _report(bundle, folder, trained)
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
    how = fill(FitSettings, settings, loss=loss, strategy=start.strategy, n_epochs=settings.epochs)
    n_steps = len(data.pairs[TRAIN]) + sum(pair.connectome.n_windows for pair in data.pairs[VALIDATION])
    with progress_bar(settings.epochs, n_steps) as bar, _failures(settings, fabric, module):
        note = make_watch(folder, settings.epochs, tensorboard=settings.tensorboard)

        def watch(line: Epoch) -> None:
            note(line)
            bar.end_epoch(line)

        participants, validation = (
            [
                CachedParticipant(pair, data, folder / TARGETS, lambda: bar.step(fabric.world_size))
                for pair in data.pairs[name]
            ]
            for name in (TRAIN, VALIDATION)
        )
        logger.info("training on %s, %d processes", fabric.device, fabric.world_size)
        return fit(fabric, module, participants, validation, how, folder, watch)


@contextmanager
def _failures(settings: TrainingSettings, fabric: Fabric, module: MaskedUNet) -> Iterator[None]:
    """Refuse what will not fit into memory, and say what ended a fit: memory, the loss, another process."""
    share = 0.5 if settings.precision == "bf16" else 1.0
    n_each = settings.batch_size // fabric.world_size
    is_gpu = fabric.device.type == "cuda"
    n_bytes = free_gpu_bytes(fabric.device) if is_gpu else available_gb() * 2**30 / settings.n_devices
    needed = share * bytes_of_step(module, n_each)
    fitting = min(largest_batch(module, n_bytes / share), n_each) * fabric.world_size
    if needed > n_bytes:
        raise UserError(_memory_words(settings, fitting, f"needs {needed / 2**30:.1f} GB on each device"))
    try:
        yield
    except FloatingPointError as error:
        message = (
            f"The training has gone astray: {error}.\nThe state before is kept. Start anew (--overwrite) "
            "with a lower --learning-rate, or with --precision fp32; are the task maps z values?"
        )
        raise UserError(message) from error
    except (RuntimeError, MemoryError) as error:
        if fabric.world_size > 1 and is_lost_process(error):
            message = (
                "Another process of this training has ended; it has said why, or was killed.\n"
                "Mend that and start again: the epochs that were done are kept."
            )
            raise UserError(message) from error
        if not is_out_of_memory(error):
            raise
        smaller = min(fitting, settings.batch_size // 2 // fabric.world_size * fabric.world_size)
        raise UserError(_memory_words(settings, smaller, "has used up the memory")) from error


def _memory_words(settings: TrainingSettings, fitting: int, what: str) -> str:
    advice = (
        f"--batch-size {fitting} would fit"
        if fitting
        else "Not even one person a device would fit: choose a lower --fdim or a device with more memory"
    )
    return f"--batch-size {settings.batch_size} {what}.\n{advice}."


def _report(bundle: Bundle, folder: Path, trained: Trained) -> None:
    fitted = trained.fitted
    n_participants = {name: trained.data.n_participants(name) for name in SPLITS}
    used = "" if trained.epoch == fitted.best_epoch else f"; the model is that of epoch {trained.epoch}"
    sys.stdout.write(
        "Trained on {train} people, validated on {validation}; {test} were put aside to evaluate the model "
        "with.\n".format(**n_participants)
        + f"Best epoch: {fitted.best_epoch} of {len(fitted.log)} "
        f"({epoch_words(fitted.log[fitted.best_epoch - 1])}){used}\n"
        f"Split, log and state: {folder}\n"
        f"Model: {bundle.folder}\n"
    )
