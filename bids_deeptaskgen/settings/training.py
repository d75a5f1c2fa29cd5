"""The settings of training: what a network learns from, how, and where."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.network import NetworkSettings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.value_types import (
    above,
    at_least,
    between,
    read_device,
    read_model,
    read_name,
)

# What `science` settings decide here is the network that comes out: with others, a training does not go on.
_data = partial(option, group="choose data", science=True)
_train = partial(option, group="train", science=True)
_model = partial(option, group="choose model")
_run = partial(option, group="run")
_MODEL = {"metavar": "NAME_OR_FOLDER", "read": read_model, "words": "the name of a model or its folder"}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """What training and fine-tuning have in common."""

    connectomes: Path = _data(
        metavar="DATASET",
        help="dataset with the people's connectomes, as bids-deeptaskgen ... participant --save-connectome "
        "writes them",
    )
    statmaps: Path = _data(
        metavar="DATASET",
        help="dataset with the same people's measured task maps (of simulate, FitLins or nilearn), or a "
        "table (TSV) of their paths: participant_id, contrast, path, session_id",
    )
    participants_tsv: Path | None = _data(
        None,
        metavar="FILE",
        unset="participants.tsv of the task maps, if it is there",
        help="table with families (family_id) and sites (site) of the people",
    )
    split: Path | None = _data(
        None,
        metavar="FILE",
        unset="made by the shares below, and kept in the work folder",
        help="table (TSV) of who is in which split: participant_id, and train, validation or test; people in "
        "it who are not here are left out",
    )
    validation_share: float = _data(
        0.1,
        check=between(0, 0.9),
        help="share of the people by whom the best epoch is chosen and the model is calibrated",
    )
    test_share: float = _data(
        0.1, check=between(0, 0.9), help="share of the people who are put aside, to evaluate the model with"
    )
    keep_sites: bool = _data(
        default=False, help="keep the people of a site in one split, as those of a family always are"
    )

    loss: str = _train(
        "crr",
        choices=("crr", "rc", "mse", "mae"),
        help="what is made small: crr is the squared error, and keeps people apart (as published); rc does "
        "so in another way; mse and mae are the errors alone",
    )
    alpha: float = _train(0.1, check=at_least(0), help="weight of the term of crr that keeps people apart")
    margin: float = _train(
        1.0, check=at_least(0), help="by how much crr wants others' maps to be farther than one's own"
    )
    # Not `science`: more of them may be asked for of a training that is over.
    epochs: int = option(
        100, group="train", check=at_least(1), help="how often everybody is shown, a window of each at a time"
    )
    batch_size: int = _train(
        10, check=at_least(1), help="people of a step, over all devices; crr and rc compare them"
    )
    learning_rate: float = _train(1e-3, check=above(0), help="of Adam, at the start")
    schedule: str = _train(
        "plateau",
        choices=("plateau", "cosine", "constant"),
        help="how the learning rate falls: to a tenth where the validation loss has not fallen for 10 "
        "epochs, along a cosine to 0, or not at all",
    )
    seed: int = _train(
        42,
        check=between(0, 2**32 - 1),
        help="of the split, the first weights, and the order and the windows of each epoch",
    )
    precision: str = _train(
        "fp32",
        choices=("fp32", "bf16"),
        help="bf16 needs about half the memory and is faster on GPUs that have it",
    )

    weights: str = _model(
        "best",
        choices=("best", "last"),
        help="which epoch's weights the model gets: those with the highest validation r, or the last",
    )
    calibration: bool = _model(
        default=True,
        help="estimate on the validation people how far each contrast's maps should go from the mean map to "
        "the network's (--calibrated uses it)",
    )
    name: str | None = _model(
        None,
        read=read_name,
        words="a name of letters, digits, -, _ and .",
        unset="as OUT is called",
        help="name of the model",
    )
    description: str = _model("", metavar="TEXT", unset="none", help="what the model is, in a sentence")
    licence: str | None = _model(
        None, metavar="TEXT", unset="the parent's, or not stated", help="licence of the weights"
    )

    device: str = _run(
        "auto",
        read=read_device,
        words="auto, cpu, cuda or cuda:N",
        help="where the network is trained: auto, cpu, cuda or cuda:N; auto is a GPU if there is one",
    )
    n_devices: int = _run(1, check=at_least(1), help="GPUs (or processes on the CPU) of each machine")
    n_nodes: int = _run(1, check=at_least(1), help="machines; under Slurm, as many as srun starts it on")
    work_dir: Path | None = _run(
        None,
        flags=("-w",),
        unset="OUT.training",
        help="folder for split, log and the state after each epoch, from which a training that was stopped "
        "goes on",
    )
    tensorboard: bool = _run(
        default=False, help="write the log for TensorBoard too, into the work folder (needs tensorboard)"
    )
    overwrite: bool = _run(
        default=False, help="start anew, and replace the model and the training that are there"
    )

    def _check_together(self) -> None:
        if self.split is None and self.validation_share + self.test_share >= 1:
            message = (
                f"--validation-share {self.validation_share:g} and --test-share {self.test_share:g} leave "
                "nobody to train on; their sum must be under 1."
            )
            raise UserError(message)
        if self.split is None and self.schedule == "plateau" and not self.validation_share:
            message = (
                "--validation-share 0 was given with --schedule plateau, which watches the validation loss; "
                "choose --schedule cosine or constant, or let some people be validated on."
            )
            raise UserError(message)
        n_processes = self.n_devices * self.n_nodes
        if self.batch_size % n_processes:
            message = (
                f"--batch-size {self.batch_size} cannot be shared by {n_processes} devices "
                "(--n-devices times --n-nodes); it must be a multiple of their number."
            )
            raise UserError(message)


@dataclass(frozen=True, kw_only=True)
class TrainSettings(TrainingSettings, NetworkSettings):
    """Train a network of your own on people's connectomes and measured task maps."""

    out: Path = option(positional=True, help="folder of the model that is made")
    model: str = _model(
        **_MODEL,
        help="model whose ROI maps and masks the connectomes were made with; its weights are not used",
    )
    contrasts: tuple[str, ...] = _train(
        (),
        metavar="CONTRAST",
        unset="all that are measured",
        words="a contrast's label or published name, or a task",
        help="contrasts to predict: labels, published names or tasks",
    )


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(TrainingSettings):
    """Go on training a model on other people, or for other contrasts."""

    out: Path = option(positional=True, help="folder of the model that is made")
    parent: str = _model(**_MODEL, help="model that is fine-tuned; the connectomes must be made with it")
    strategy: str = _train(
        choices=("backbone", "batchnorm", "new-head"),
        help="what moves: all but the last layer; batch normalisation alone; or everything, with a new last "
        "layer for new contrasts. With the first two the model predicts all contrasts of its parent, with "
        "the parent's last layer",
    )
    contrasts: tuple[str, ...] = _train(
        (),
        metavar="CONTRAST",
        unset="all that are measured (and, without new-head, the parent's)",
        words="a contrast's label or published name, or a task",
        help="contrasts to train on: labels, published names or tasks",
    )
    epochs: int = option(
        50, group="train", check=at_least(1), help="how often everybody is shown, a window of each at a time"
    )
