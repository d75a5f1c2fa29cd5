"""Settings of a fit, its log and its result."""

from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from bids_deeptaskgen.settings.fill import default_of
from bids_deeptaskgen.settings.training import TrainingSettings
from bids_deeptaskgen.training.losses import LossSettings

State = dict[str, Tensor]
_default = partial(default_of, TrainingSettings)
SCHEDULES = ("plateau", "cosine", "constant")


@dataclass(frozen=True)
class FitSettings:
    """Settings of a fit; the defaults are those of the options and of the published training.

    Attributes
    ----------
    loss : LossSettings
    strategy : str
        Trained parts; see `finetuning.STRATEGIES`.
    n_epochs : int
    batch_size : int
        Participants in a step, over all processes.
    learning_rate : float
        Initial learning rate of Adam.
    schedule : {"plateau", "cosine", "constant"}
        Schedule of the learning rate.
    seed : int
        Seed of order, windows and first weights.
    """

    loss: LossSettings = field(default_factory=LossSettings)
    strategy: str = "everything"
    n_epochs: int = _default("epochs")
    batch_size: int = _default("batch_size")
    learning_rate: float = _default("learning_rate")
    schedule: str = _default("schedule")
    seed: int = _default("seed")


@dataclass(frozen=True)
class Epoch:
    """A line of the log.

    Attributes
    ----------
    epoch : int
        From 1.
    learning_rate, train_loss : float
    validation_loss, r, difference : float
        Of the validation participants, their maps averaged over all windows: the loss; the spatial r,
        averaged over participants and contrasts; its excess over the r with other participants'
        predictions. NaN without validation participants.
    seconds : float
    """

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    r: float
    difference: float
    seconds: float


@dataclass(frozen=True)
class Fit:
    """The result of a fit.

    Attributes
    ----------
    best_state, last_state : dict of str to tensor
        State after the epoch with the highest validation r (without validation, the last epoch); state at the
        end.
    best_epoch : int
    log : tuple of Epoch
    """

    best_state: State
    last_state: State
    best_epoch: int
    log: tuple[Epoch, ...]
