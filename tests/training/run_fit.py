"""Fits in separate processes: ``python -m tests.training.run_fit (killed | lost | two) FOLDER``."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from bids_deeptaskgen.nn.network import set_threads
from bids_deeptaskgen.training.devices import is_lost_process, make_fabric
from bids_deeptaskgen.training.fit import _Run, fit
from tests.training.participants import (
    NETWORK,
    PARTICIPANTS,
    SETTINGS,
    VALIDATION,
    RandomParticipant,
    fitted,
    in_float64,
    new_module,
)

PLAIN = replace(NETWORK, batch_norm=False)
# Six participants in one step, of whom one lacks a contrast and one lacks all maps.
STEP = [*PARTICIPANTS[:4], RandomParticipant("half", lacks=(1,)), RandomParticipant("nothing", lacks=(0, 1))]
# Three batches, which two processes cannot share evenly.
WATCHED = [*VALIDATION, RandomParticipant("sub-v3"), RandomParticipant("sub-v4", lacks=(0,))]
# Weights stay, so that batch normalisation alone changes.
STILL = replace(SETTINGS, n_epochs=1, learning_rate=0.0, schedule="constant")


def killed(folder):
    """Run a fit that is killed while it writes the third epoch's state."""
    write, n_written = Path.write_bytes, 0

    def write_or_die(path, content):
        nonlocal n_written
        n_written += 1
        if n_written == 3:
            write(path, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, content)

    Path.write_bytes = write_or_die
    fitted(replace(SETTINGS, n_epochs=5), folder=folder)


def first_step(fabric, module, participants):
    """Compute the loss and the gradients of one step with all participants."""
    loss = _Run(fabric, module, replace(SETTINGS, batch_size=len(participants))).train(0, participants)
    return loss, {name: value.grad.clone() for name, value in module.network.named_parameters()}


def results(fabric):
    """Compute results that must not depend on the number of processes."""
    loss, gradients = first_step(fabric, new_module(PLAIN), STEP)
    exact_loss, exact_gradients = first_step(fabric, new_module(PLAIN).double(), in_float64(STEP))
    # The last step has one participant, fewer than there are processes.
    exact_participants, exact_watched = in_float64(PARTICIPANTS), in_float64(WATCHED)
    whole = fit(fabric, new_module(PLAIN).double(), exact_participants, exact_watched, SETTINGS)
    own = torch.arange(6.0).view(6, 1)[fabric.global_rank :: fabric.world_size].requires_grad_()
    gathered = _Run(fabric, new_module(PLAIN), SETTINGS)._gather(own)
    (gathered[:, 0] ** 2).sum().backward()
    normed = fit(fabric, new_module(), PARTICIPANTS, WATCHED, SETTINGS)
    still = fit(fabric, new_module().double(), exact_participants, [], STILL)
    return {
        "loss": loss,
        "gradients": gradients,
        "exact_loss": exact_loss,
        "exact_gradients": exact_gradients,
        "log": [vars(line) for line in whole.log],
        "last": whole.last_state,
        "gathered": gathered.detach(),
        "gathered_gradient": own.grad,
        "normed_log": [vars(line) for line in normed.log],
        "normed": normed.last_state,
        "still": still.last_state,
    }


def lost(folder):
    """Wait for a process that has ended, and write the error."""
    fabric = make_fabric("cpu", n_devices=2)
    fabric.barrier()
    if fabric.global_rank:
        os._exit(3)
    try:
        fabric.barrier()
    except RuntimeError as error:
        (folder / "lost.txt").write_text(f"{is_lost_process(error)}: {type(error)} {error}")


def two(folder):
    """Run the fits in two processes and save the results of each; the first starts the second."""
    fabric = make_fabric("cpu", n_devices=2)
    torch.save(results(fabric), folder / f"{fabric.global_rank}.pt")


if __name__ == "__main__":
    set_threads(1)
    {"killed": killed, "lost": lost, "two": two}[sys.argv[1]](Path(sys.argv[2]))
