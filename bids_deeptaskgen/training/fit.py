"""The fit of a network to measured maps.

Lightning's Fabric provides devices, processes and precision. This module has its own loop, since all random
numbers follow from seed, epoch and participant (`training.sampling`): an interrupted fit resumes after its
last epoch with identical results, and several processes use the same participants as one process.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import atomic_path
from bids_deeptaskgen.io.prefetch import prefetch
from bids_deeptaskgen.training.finetuning import choose_parts
from bids_deeptaskgen.training.fit_records import SCHEDULES, Epoch, Fit, FitSettings, State
from bids_deeptaskgen.training.losses import make_loss
from bids_deeptaskgen.training.masked_unet import MaskedUNet
from bids_deeptaskgen.training.sampling import epoch_order, window_of
from bids_deeptaskgen.training.validation import Participant, batch_scores, predict_participant
from bids_deeptaskgen.training.work_folder import STATE

# As published: a tenth of the rate after 10 epochs in which the validation loss fell by less than 0.01%.
PLATEAU = {"mode": "min", "factor": 0.1, "patience": 10, "threshold": 1e-4}


def fit(
    fabric: Fabric,
    module: MaskedUNet,
    participants: Sequence[Participant],
    validation: Sequence[Participant],
    settings: FitSettings,
    folder: Path | None = None,
    watch: Callable[[Epoch], None] = lambda _: None,
) -> Fit:
    """Fit a network.

    Parameters
    ----------
    fabric : Fabric
        Launched, see `devices.make_fabric`. Every process calls this function with the same arguments.
    module : MaskedUNet
        Network with its first weights; changed in place.
    participants, validation : sequence of Participant
        Training participants; validation participants, which decide the best epoch and the rate.
    settings : FitSettings
    folder : Path, optional
        Folder of the state after each epoch, the same for all processes. A fit resumes from a state that it
        finds there.
    watch : function of Epoch
        Called in the first process after each epoch; a resumed fit first repeats the earlier epochs.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If there are no training participants, the schedule is unknown or needs validation participants, or
        the batch size is no multiple of the number of processes.
    UserError
        If the folder holds the state of a fit with other settings or more epochs.
    FloatingPointError
        If the loss is not finite.
    OSError
        If the state cannot be written; the previous state remains.
    """
    if settings.schedule not in SCHEDULES:
        message = f"unknown schedule {settings.schedule!r}; choose one of {', '.join(SCHEDULES)}"
        raise ValueError(message)
    if not participants or (settings.schedule == "plateau" and not validation):
        message = f"too few participants: {len(participants)} training, {len(validation)} validation"
        raise ValueError(message)
    run = _Run(fabric, module, settings)
    if folder:
        run.resume(folder / STATE)
    for line in run.log:
        _notify(fabric, watch, line)
    for epoch in range(len(run.log), settings.n_epochs):
        start = time.monotonic()
        rate = run.optimizer.param_groups[0]["lr"]
        loss = run.train(epoch, participants)
        scores = run.validate(epoch, validation)
        run.end_epoch(Epoch(epoch + 1, rate, loss, *scores, time.monotonic() - start))
        if folder and fabric.is_global_zero:
            run.save(folder / STATE)
        fabric.barrier()
        _notify(fabric, watch, run.log[-1])
    return Fit(run.best_state, run.state(), run.best_epoch, tuple(run.log))


def _notify(fabric: Fabric, watch: Callable[[Epoch], None], line: Epoch) -> None:
    if fabric.is_global_zero:
        watch(line)


class _Run:
    """The state of a fit: network, optimizer, log and best epoch."""

    def __init__(self, fabric: Fabric, module: MaskedUNet, settings: FitSettings) -> None:
        self.fabric, self.settings, self.masked = fabric, settings, module
        if settings.batch_size % fabric.world_size:
            message = f"batch_size {settings.batch_size} is no multiple of the {fabric.world_size} processes"
            raise ValueError(message)
        parameters = choose_parts(module.network, settings.strategy)
        optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
        network: nn.Module = module
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        wrapped = fabric.setup(network, optimizer)
        self.module, self.optimizer = wrapped[0], wrapped[1]
        self.schedule = _schedule(optimizer, settings)
        self.log: list[Epoch] = []
        self.best_state: State = self.state()
        self.best_epoch = 0

    def state(self) -> State:
        """Copy the network's state to the CPU."""
        return {key: value.detach().cpu().clone() for key, value in self.masked.network.state_dict().items()}

    def train(self, epoch: int, participants: Sequence[Participant]) -> float:
        """Train on every participant once.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        participants : sequence of Participant

        Returns
        -------
        float
            Loss, averaged over the steps and weighted by their participants.

        Raises
        ------
        FloatingPointError
            If the loss is not finite.
        """
        loss_of = make_loss(self.settings.loss, epoch)
        self.module.train()
        total = 0.0
        for connectomes, statmaps, n_participants in prefetch(self._batches(epoch, participants)):
            self.optimizer.zero_grad(set_to_none=True)
            predicted = self._gather(self.module(connectomes.to(self.fabric.device)))
            measured = self._gather(statmaps.to(self.fabric.device))
            # Distances are between all participants of a step, over all processes.
            loss = loss_of(predicted[:n_participants], measured[:n_participants])
            total += n_participants * loss.item()
            if not np.isfinite(total):
                message = f"the loss of epoch {epoch + 1} is {loss.item()}"
                raise FloatingPointError(message)
            # Each process has the gradients of its participants: DDP averages, but their sum is needed.
            self.fabric.backward(loss * self.fabric.world_size)
            self.optimizer.step()
        self._share_statistics()
        return total / len(participants)

    def _batches(
        self, epoch: int, participants: Sequence[Participant]
    ) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Load this process's participants of each step, with the number of all participants of the step."""
        seed, rank, n_ranks = self.settings.seed, self.fabric.global_rank, self.fabric.world_size
        order = epoch_order(seed, epoch, [participant.name for participant in participants])
        for start in range(0, len(order), self.settings.batch_size):
            step = order[start : start + self.settings.batch_size]
            # Equal shares for all processes; repeated participants come last and are cut off.
            step_participants = [*step, *step[:1] * (-len(step) % n_ranks)]
            share = [participants[number] for number in step_participants[rank::n_ranks]]
            windows = [
                window_of(seed, epoch, participant.name, participant.n_windows) for participant in share
            ]
            connectomes = [
                participant.connectome(window) for participant, window in zip(share, windows, strict=True)
            ]
            statmaps = [participant.statmaps() for participant in share]
            yield torch.from_numpy(np.stack(connectomes)), torch.from_numpy(np.stack(statmaps)), len(step)

    def _gather(self, values: Tensor) -> Tensor:
        """Collect the rows of all processes, in the order of a single process.

        Gradients flow to this process's rows only; every process computes the same loss.
        """
        if self.fabric.world_size == 1:
            return values
        participants = cast(Tensor, self.fabric.all_gather(values.detach()))
        participants[self.fabric.global_rank] = values
        return participants.transpose(0, 1).flatten(0, 1)  # (n_ranks, n, ...) to (n_ranks * n, ...)

    def _share_statistics(self) -> None:
        """Average the statistics of batch normalisation over processes; on GPUs they are already equal."""
        for value in self.masked.network.buffers():
            if self.fabric.world_size > 1 and value.is_floating_point():
                value.copy_(cast(Tensor, self.fabric.all_reduce(value.clone(), reduce_op="mean")))

    @torch.no_grad()
    def validate(self, epoch: int, participants: Sequence[Participant]) -> tuple[float, float, float]:
        """Compute loss, r and difference of the validation participants; the processes share the batches.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        participants : sequence of Participant

        Returns
        -------
        loss, r, difference : float
            See `Epoch`.
        """
        self.module.eval()
        loss_of = make_loss(self.settings.loss, epoch)
        # Sums of the scores and of the participants with a score; a single participant has no difference.
        sums = torch.zeros((2, 3), dtype=torch.float64)
        size, rank, n_ranks = self.settings.batch_size, self.fabric.global_rank, self.fabric.world_size
        for start in range(0, len(participants), size)[rank::n_ranks]:
            batch = participants[start : start + size]
            # Without Fabric's wrapper, which might wait for processes with fewer batches.
            with self.fabric.autocast():
                predicted = np.stack(
                    [predict_participant(self.masked, member, self.fabric.device) for member in batch]
                )
            measured = np.stack([participant.statmaps() for participant in batch])
            loss = float(loss_of(torch.from_numpy(predicted), torch.from_numpy(measured)))
            scores = torch.tensor([loss, *batch_scores(predicted, measured)], dtype=torch.float64)
            sums += len(batch) * torch.stack([scores.nan_to_num(), scores.isfinite().double()])
        if n_ranks > 1:
            sums = cast(Tensor, self.fabric.all_reduce(sums, reduce_op="sum"))
        loss, r, difference = (sums[0] / sums[1]).tolist()
        return loss, r, difference

    def end_epoch(self, line: Epoch) -> None:
        """Log an epoch, keep the best network and update the learning rate."""
        best_r = max((epoch.r for epoch in self.log if np.isfinite(epoch.r)), default=-np.inf)
        self.log.append(line)
        # Without any r, the last epoch is the best.
        if line.r > best_r or best_r == -np.inf:
            self.best_state, self.best_epoch = self.state(), line.epoch
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(line.validation_loss)
        elif self.schedule:
            self.schedule.step()

    def save(self, path: Path) -> None:
        """Save the state that a resumed fit needs."""
        content = {
            "settings": asdict(self.settings),
            "network": self.masked.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else {},
            "best": self.best_state,
            "best_epoch": self.best_epoch,
            "log": [asdict(line) for line in self.log],
        }
        # torch does not report a full disk as such, so the bytes are written here.
        buffer = BytesIO()
        torch.save(content, buffer)
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def resume(self, path: Path) -> None:
        """Resume from a saved state, if there is one.

        Raises
        ------
        UserError
            If the state is of other settings or more epochs.
        """
        if not path.exists():
            return
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        # The number of epochs may grow, unless the learning rate follows from it.
        ignored = {} if self.settings.schedule == "cosine" else {"n_epochs": 0}
        n_done = len(content["log"])
        if (
            content["settings"] | ignored != asdict(self.settings) | ignored
            or n_done > self.settings.n_epochs
        ):
            message = (
                f"{path}: is the state after {n_done} epochs of a training with {content['settings']}, but "
                f"the current settings are {asdict(self.settings)}.\nChoose another folder, or the same "
                "settings and no fewer epochs."
            )
            raise UserError(message)
        self.masked.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        if self.schedule:
            self.schedule.load_state_dict(content["schedule"])
        self.best_state, self.best_epoch = content["best"], content["best_epoch"]
        self.log = [Epoch(**line) for line in content["log"]]


def _schedule(
    optimizer: torch.optim.Optimizer, settings: FitSettings
) -> torch.optim.lr_scheduler.LRScheduler | None:
    if settings.schedule == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **PLATEAU)  # type: ignore[arg-type]
    if settings.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.n_epochs)
    return None
