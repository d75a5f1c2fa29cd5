"""Fits in processes of their own: ``python -m tests.nn.run_fit (killed | two) FOLDER``."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from bids_deeptaskgen.nn.devices import make_fabric
from bids_deeptaskgen.nn.fit import _Run, fit
from bids_deeptaskgen.nn.predict import set_threads
from tests.nn.people import NETWORK, PEOPLE, SETTINGS, VALIDATION, RandomPerson, fitted, new_module

PLAIN = replace(NETWORK, batch_norm=False)
# Six people of whom one lacks a contrast and one has nothing, in one step.
STEP = [*PEOPLE[:4], RandomPerson("half", lacks=(1,)), RandomPerson("nothing", lacks=(0, 1))]
# Three batches, which two processes cannot share evenly.
WATCHED = [*VALIDATION, RandomPerson("sub-v3"), RandomPerson("sub-v4", lacks=(0,))]


def killed(folder):
    """Fit, and be killed amid the writing of the third epoch's state."""
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


def results(fabric):
    """Do the same whatever the number of processes is."""
    plain = new_module(PLAIN)
    run = _Run(fabric, plain, replace(SETTINGS, batch_size=6))
    loss = run.train(0, STEP)
    gradients = {name: value.grad.clone() for name, value in plain.network.named_parameters()}
    # The last step has one person, who is fewer than the processes.
    whole = fit(fabric, new_module(PLAIN), PEOPLE, WATCHED, SETTINGS)
    own = torch.arange(6.0).view(6, 1)[fabric.global_rank :: fabric.world_size].requires_grad_()
    gathered = run._gathered(own)
    (gathered[:, 0] ** 2).sum().backward()
    normed = fit(fabric, new_module(), PEOPLE, WATCHED, SETTINGS)
    return {
        "loss": loss,
        "gradients": gradients,
        "log": [vars(line) for line in whole.log],
        "last": whole.last,
        "gathered": gathered.detach(),
        "gathered_gradient": own.grad,
        "normed_log": [vars(line) for line in normed.log],
        "normed": normed.last,
    }


def two(folder):
    """Fit in two processes, and keep what each has; the second one is started by the first."""
    fabric = make_fabric("cpu", n_devices=2)
    torch.save(results(fabric), folder / f"{fabric.global_rank}.pt")


if __name__ == "__main__":
    set_threads(1)
    {"killed": killed, "two": two}[sys.argv[1]](Path(sys.argv[2]))
