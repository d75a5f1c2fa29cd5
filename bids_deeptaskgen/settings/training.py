"""Settings of training and fine-tuning."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.network import RIDGE, NetworkSettings
from bids_deeptaskgen.settings.option import OptionSpec, label_option, option, option_specs
from bids_deeptaskgen.settings.value_types import (
    at_least,
    greater_than,
    in_range,
    parse_device,
    parse_model,
    parse_name,
)

# Here, settings with affects_output change the trained network: training resumes only if they are equal.
_data = partial(option, group="choose data", affects_output=True)
_train = partial(option, group="train", affects_output=True)
_model = partial(option, group="choose model")
_run = partial(option, group="run")
# Options that only concern networks.
_OF_NETWORKS = (
    "fdim",
    "max_level",
    "n_conv",
    "loss",
    "alpha",
    "margin",
    "epochs",
    "batch_size",
    "learning_rate",
    "schedule",
    "precision",
    "weights",
    "n_devices",
    "n_nodes",
    "tensorboard",
)
_MODEL = {"metavar": "NAME_OR_FOLDER", "parse": parse_model, "expected": "the name of a model or its folder"}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """Settings that training and fine-tuning share."""

    connectomes: Path = _data(
        metavar="DATASET",
        help="dataset of connectomes, as written by bids-deeptaskgen ... participant --save-connectome",
    )
    statmaps: Path = _data(
        metavar="DATASET",
        help="dataset of measured task maps of the same participants (of simulate, FitLins or nilearn), or "
        "a table (TSV) of their paths: participant_id, contrast, path, session_id",
    )
    task_id: str | None = label_option(
        None,
        "task",
        group="choose data",
        affects_output=True,
        flags=("-t",),
        default_meaning="all; each connectome is an example of its participant",
        help="task of the resting-state runs of the connectomes",
    )
    participants_tsv: Path | None = _data(
        None,
        metavar="FILE",
        default_meaning="participants.tsv of the task maps, if it exists",
        help="table with the family (family_id) and site (site) of each participant",
    )
    split: Path | None = _data(
        None,
        metavar="FILE",
        default_meaning="drawn with the shares below, and saved in the work folder",
        help="table (TSV) with the split of each participant: participant_id, and train, validation or test; "
        "participants without data are ignored",
    )
    validation_share: float = _data(
        0.1,
        check=in_range(0, 0.9),
        help="share of participants used to choose the best epoch and to calibrate the model; a ridge model "
        "is fitted to them, too",
    )
    test_share: float = _data(
        0.1, check=in_range(0, 0.9), help="share of participants reserved for the evaluation of the model"
    )
    keep_sites: bool = _data(
        default=False, help="keep all participants of a site in one split; families are always kept together"
    )

    loss: str = _train(
        "crr",
        choices=("crr", "rc", "mse", "mae"),
        help="training loss: crr and rc combine the error with a term that separates participants (crr as "
        "published); mse and mae are the error alone",
    )
    alpha: float = _train(
        0.1, check=at_least(0), help="weight of the term of crr that separates participants"
    )
    margin: float = _train(
        1.0,
        check=at_least(0),
        help="margin of crr between the distance to other participants' maps and to the same participant's",
    )
    # Without affects_output: finished training may continue with more epochs.
    epochs: int = option(
        100,
        group="train",
        check=at_least(1),
        help="number of epochs; each uses one randomly chosen window per participant",
    )
    batch_size: int = _train(
        10,
        check=at_least(1),
        help="participants per training step, over all devices; crr and rc compare them",
    )
    learning_rate: float = _train(1e-3, check=greater_than(0), help="initial learning rate of Adam")
    schedule: str = _train(
        "plateau",
        choices=("plateau", "cosine", "constant"),
        help="learning-rate schedule: plateau divides it by 10 after 10 epochs without a lower validation "
        "loss, cosine decreases it to 0, constant keeps it",
    )
    seed: int = _train(
        42,
        check=in_range(0, 2**32 - 1),
        help="random seed of the split, the initial weights, and the order and windows of each epoch",
    )
    precision: str = _train(
        "fp32",
        choices=("fp32", "bf16"),
        help="bf16 needs about half the memory, and is faster on GPUs that support it",
    )

    weights: str = _model(
        "best",
        choices=("best", "last"),
        help="epoch whose weights the model uses: the one with the highest validation r, or the last",
    )
    calibration: bool = _model(
        default=True,
        help="estimate the weights between mean map and predicted map, pooled over contrasts with few "
        "participants (for --calibrated): on the validation participants, for a ridge model by "
        "cross-validation",
    )
    name: str | None = _model(
        None,
        parse=parse_name,
        expected="a name of letters, digits, -, _ and .",
        default_meaning="the name of OUT",
        help="name of the model",
    )
    description: str = _model(
        "",
        may_be_empty=True,
        metavar="TEXT",
        default_meaning="none",
        help="description of the model in one sentence",
    )
    licence: str | None = _model(
        None,
        metavar="TEXT",
        default_meaning="the licence of the parent, or not stated",
        help="licence of the weights",
    )

    device: str = _run(
        "auto",
        parse=parse_device,
        expected="auto, cpu, cuda or cuda:N",
        help="device of the training: auto, cpu, cuda or cuda:N; auto uses a GPU if available, and in a "
        "Slurm job only a GPU of the job",
    )
    n_devices: int = _run(1, check=at_least(1), help="GPUs (or CPU processes) per machine")
    n_nodes: int = _run(1, check=at_least(1), help="number of machines; with Slurm, as many as srun uses")
    work_dir: Path | None = _run(
        None,
        flags=("-w",),
        default_meaning="OUT.training",
        help="folder for the split, the log and the state after each epoch, from which training resumes "
        "after an interruption",
    )
    tensorboard: bool = _run(
        default=False, help="also write a TensorBoard log to the work folder (requires tensorboard)"
    )
    overwrite: bool = _run(
        default=False, help="replace an existing model and training, and start from the beginning"
    )

    @property
    def is_network(self) -> bool:
        """Return whether a network is trained, which needs torch and Lightning."""
        return True

    def _check_together(self) -> None:
        self._check_shares()
        if self.split is None and self.schedule == "plateau" and not self.validation_share:
            message = (
                "--validation-share 0 was given with --schedule plateau, which needs a validation loss. "
                "Use --schedule cosine or constant, or a larger --validation-share."
            )
            raise UserError(message)
        n_processes = self.n_devices * self.n_nodes
        if self.batch_size % n_processes:
            message = (
                f"--batch-size {self.batch_size} cannot be divided among {n_processes} devices "
                "(--n-devices times --n-nodes); it must be a multiple of their number."
            )
            raise UserError(message)

    def _check_shares(self) -> None:
        if self.split is None and self.validation_share + self.test_share >= 1:
            message = (
                f"--validation-share {self.validation_share:g} and --test-share {self.test_share:g} leave "
                "no training participants; their sum must be below 1."
            )
            raise UserError(message)


@dataclass(frozen=True, kw_only=True)
class TrainSettings(TrainingSettings, NetworkSettings):
    """Train a new network, or fit a ridge model, on connectomes and measured task maps."""

    out: Path = option(positional=True, help="folder of the new model bundle")
    model: str = _model(
        **_MODEL,
        help="model whose ROI maps and masks were used for the connectomes; its weights are not used",
    )
    contrasts: tuple[str, ...] = _train(
        (),
        metavar="CONTRAST",
        default_meaning="all with measured maps",
        expected="a contrast's label or published name, or a task",
        help="contrasts to predict: labels, published names or tasks",
    )

    @property
    def is_network(self) -> bool:
        """Return whether a network is trained, which needs torch and Lightning."""
        return self.architecture != RIDGE

    def _check_together(self) -> None:
        if self.is_network:
            super()._check_together()
            return
        self._check_shares()
        flags = [
            f"{spec.flag} {getattr(self, spec.name)}".removesuffix(" True")
            for spec in option_specs(self)
            if self._is_ignored(spec)
        ]
        if flags:
            message = (
                f"{', '.join(flags)}: given with --architecture {RIDGE}, which has no layers, epochs or "
                "devices: it is one regression, fitted on the CPU.\n"
                "Omit these options, or choose a network with --architecture."
            )
            raise UserError(message)

    def _is_ignored(self, spec: OptionSpec) -> bool:
        """Return whether an option of networks was set; ``--device cpu`` is what a ridge model uses."""
        value = getattr(self, spec.name)
        if spec.name == "device":
            return value not in ("auto", "cpu")
        return spec.name in _OF_NETWORKS and value != spec.default


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(TrainingSettings):
    """Fine-tune a model on other participants, or for other contrasts."""

    out: Path = option(positional=True, help="folder of the new model bundle")
    parent: str = _model(**_MODEL, help="model to fine-tune; the connectomes must be computed with it")
    strategy: str = _train(
        choices=("backbone", "batchnorm", "new-head"),
        help="layers to train: backbone trains all but the last layer, batchnorm only batch normalisation; "
        "both keep the last layer and all contrasts of the parent. new-head trains all layers, with a new "
        "last layer for new contrasts",
    )
    contrasts: tuple[str, ...] = _train(
        (),
        metavar="CONTRAST",
        default_meaning="all with measured maps (without new-head: that the parent predicts)",
        expected="a contrast's label or published name, or a task",
        help="contrasts to train on: labels, published names or tasks",
    )
    epochs: int = option(
        50,
        group="train",
        check=at_least(1),
        help="number of epochs; each uses one randomly chosen window per participant",
    )
