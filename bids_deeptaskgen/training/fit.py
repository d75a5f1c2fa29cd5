"""Fitting a network to measured statmaps.

Lightning's Fabric brings devices, processes and precision; the loop is written out here, since all that is
random in it follows from seed, epoch and person (`training.sampling`): a run that was killed goes on from its
last epoch as if nothing had happened, and several processes see the people that one would see.
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

# As published: a tenth of the rate after 10 epochs in which the validation loss fell by less than 0.01%.
PLATEAU = {"mode": "min", "factor": 0.1, "patience": 10, "threshold": 1e-4}
STATE = "state.pt"


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
        Launched; `devices.make_fabric` makes it. Every process calls this function with the same arguments.
    module : MaskedUNet
        With its first weights; changed.
    participants, validation : sequence of Person
        Those to train on; those by whom the best epoch is chosen and the rate is lowered, none if empty.
    settings : FitSettings
    folder : Path, optional
        Where the state after each epoch is kept, the same for all processes; a run that finds one there goes
        on from it.
    watch : function of Epoch
        Called after each epoch, in the first process, and at the start for those that a resumed run had.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If there is nobody to train on, the schedule is not known or needs people to validate on, or a step's
        people cannot be shared by the processes.
    UserError
        If the folder holds the state of a training with other settings, or after more epochs.
    FloatingPointError
        If the loss is no longer a number.
    OSError
        If the state cannot be written; that of the epoch before stays.
    """
    if settings.schedule not in SCHEDULES:
        message = f"no schedule is called {settings.schedule!r}; there are {', '.join(SCHEDULES)}"
        raise ValueError(message)
    if not participants or (settings.schedule == "plateau" and not validation):
        message = f"{len(participants)} people to train on and {len(validation)} to validate on are too few."
        raise ValueError(message)
    run = _Run(fabric, module, settings)
    if folder:
        run.resume(folder / STATE)
    for line in run.log:
        _told(fabric, watch, line)
    for epoch in range(len(run.log), settings.n_epochs):
        began = time.monotonic()
        rate = run.optimizer.param_groups[0]["lr"]
        loss = run.train(epoch, participants)
        scores = run.validate(epoch, validation)
        run.end_epoch(Epoch(epoch + 1, rate, loss, *scores, time.monotonic() - began))
        if folder and fabric.is_global_zero:
            run.save(folder / STATE)
        fabric.barrier()
        _told(fabric, watch, run.log[-1])
    return Fit(run.best, run.state(), run.best_epoch, tuple(run.log))


def _told(fabric: Fabric, watch: Callable[[Epoch], None], line: Epoch) -> None:
    if fabric.is_global_zero:
        watch(line)


class _Run:
    """A training under way: network, optimizer and what is known so far."""

    def __init__(self, fabric: Fabric, module: MaskedUNet, settings: FitSettings) -> None:
        self.fabric, self.settings, self.plain = fabric, settings, module
        if settings.batch_size % fabric.world_size:
            message = f"{settings.batch_size} people cannot be shared by {fabric.world_size} processes."
            raise ValueError(message)
        chosen = choose_parts(module.network, settings.strategy)
        optimizer = torch.optim.Adam(chosen, lr=settings.learning_rate)
        synced: nn.Module = module
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            synced = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        wrapped = fabric.setup(synced, optimizer)
        self.module, self.optimizer = wrapped[0], wrapped[1]
        self.schedule = _schedule(optimizer, settings)
        self.log: list[Epoch] = []
        self.best: State = self.state()
        self.best_epoch = 0

    def state(self) -> State:
        """Copy the network's state to the CPU."""
        return {key: value.detach().cpu().clone() for key, value in self.plain.network.state_dict().items()}

    def train(self, epoch: int, participants: Sequence[Participant]) -> float:
        """Show everybody once; the mean loss over steps, weighted by their people."""
        loss_of = make_loss(self.settings.loss, epoch)
        self.module.train()
        total = 0.0
        for connectomes, statmaps, n_participants in prefetch(self._batches(epoch, participants)):
            self.optimizer.zero_grad(set_to_none=True)
            predicted = self._gathered(self.module(connectomes.to(self.fabric.device)))
            measured = self._gathered(statmaps.to(self.fabric.device))
            # Distances are between all people of a step, wherever they were predicted.
            loss = loss_of(predicted[:n_participants], measured[:n_participants])
            total += n_participants * loss.item()
            if not np.isfinite(total):
                message = f"the loss of epoch {epoch + 1} is {loss.item()}"
                raise FloatingPointError(message)
            # Each process has the gradients of its people: the sum is wanted, and DDP takes the mean.
            self.fabric.backward(loss * self.fabric.world_size)
            self.optimizer.step()
        self._share_statistics()
        return total / len(participants)

    def _batches(
        self, epoch: int, participants: Sequence[Participant]
    ) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Read this process's share of each step's people, and say how many the step has in all."""
        seed, rank, n_ranks = self.settings.seed, self.fabric.global_rank, self.fabric.world_size
        order = epoch_order(seed, epoch, [participant.name for participant in participants])
        for start in range(0, len(order), self.settings.batch_size):
            step = order[start : start + self.settings.batch_size]
            # Each process has as many to do; whoever is here again for that comes last, and is cut off.
            filled = [*step, *step[:1] * (-len(step) % n_ranks)]
            own = [participants[number] for number in filled[rank::n_ranks]]
            windows = [window_of(seed, epoch, participant.name, participant.n_windows) for participant in own]
            connectomes = [
                participant.connectome(window) for participant, window in zip(own, windows, strict=True)
            ]
            statmaps = [participant.statmaps() for participant in own]
            yield torch.from_numpy(np.stack(connectomes)), torch.from_numpy(np.stack(statmaps)), len(step)

    def _gathered(self, values: Tensor) -> Tensor:
        """Bring together the rows of all processes, in the order that one process would have.

        Gradients go to the rows of this process: the others compute the same loss, and those of theirs.
        """
        if self.fabric.world_size == 1:
            return values
        participants = cast(Tensor, self.fabric.all_gather(values.detach()))
        participants[self.fabric.global_rank] = values
        return participants.transpose(0, 1).flatten(0, 1)  # (n_ranks, n, ...) to (n_ranks * n, ...)

    def _share_statistics(self) -> None:
        """Take the mean over processes of what batch normalisation measured, on GPUs the same already."""
        for value in self.plain.network.buffers():
            if self.fabric.world_size > 1 and value.is_floating_point():
                value.copy_(cast(Tensor, self.fabric.all_reduce(value.clone(), reduce_op="mean")))

    @torch.no_grad()
    def validate(self, epoch: int, participants: Sequence[Participant]) -> tuple[float, float, float]:
        """Loss, r and difference of people who are not trained on; each process does some batches."""
        self.module.eval()
        loss_of = make_loss(self.settings.loss, epoch)
        # Each score times its people, and these; a batch of one person has no difference.
        sums = torch.zeros((2, 3), dtype=torch.float64)
        size, rank, n_ranks = self.settings.batch_size, self.fabric.global_rank, self.fabric.world_size
        for start in range(0, len(participants), size)[rank::n_ranks]:
            batch = participants[start : start + size]
            # The plain network, since the wrapped one might wait for processes that have fewer batches.
            with self.fabric.autocast():
                predicted = np.stack(
                    [predict_participant(self.plain, one, self.fabric.device) for one in batch]
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
        """Take note of an epoch, keep the best network, lower the rate."""
        best_r = max((one.r for one in self.log if np.isfinite(one.r)), default=-np.inf)
        self.log.append(line)
        # As long as no epoch has an r, the last one is the best.
        if line.r > best_r or best_r == -np.inf:
            self.best, self.best_epoch = self.state(), line.epoch
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(line.validation_loss)
        elif self.schedule:
            self.schedule.step()

    def save(self, path: Path) -> None:
        """Keep all that is needed to go on."""
        content = {
            "settings": asdict(self.settings),
            "network": self.plain.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else {},
            "best": self.best,
            "best_epoch": self.best_epoch,
            "log": [asdict(line) for line in self.log],
        }
        # Of a full disk torch tells in words that do not say so.
        whole = BytesIO()
        torch.save(content, whole)
        with atomic_path(path) as temporary:
            temporary.write_bytes(whole.getbuffer())

    def resume(self, path: Path) -> None:
        """Go on from what an earlier run kept, if it did."""
        if not path.exists():
            return
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        # More epochs than at first may be asked for, unless the rate follows from their number.
        free = {} if self.settings.schedule == "cosine" else {"n_epochs": 0}
        n_done = len(content["log"])
        if content["settings"] | free != asdict(self.settings) | free or n_done > self.settings.n_epochs:
            message = (
                f"{path}: is the state after {n_done} epochs of a training with {content['settings']}, but "
                f"this one has {asdict(self.settings)}.\nChoose another folder, or the same settings and no "
                "fewer epochs."
            )
            raise UserError(message)
        self.plain.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        if self.schedule:
            self.schedule.load_state_dict(content["schedule"])
        self.best, self.best_epoch = content["best"], content["best_epoch"]
        self.log = [Epoch(**line) for line in content["log"]]


def _schedule(
    optimizer: torch.optim.Optimizer, settings: FitSettings
) -> torch.optim.lr_scheduler.LRScheduler | None:
    if settings.schedule == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **PLATEAU)  # type: ignore[arg-type]
    if settings.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.n_epochs)
    return None
