"""The settings of the workbench's verbs."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.option import option
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.prediction import PredictionSettings
from bids_deeptaskgen.values import (
    NamedPath,
    above,
    at_least,
    between,
    read_label,
    read_model,
    read_name,
    read_named_dataset,
)

FAMILY_COLUMN = "family_id"


@dataclass(frozen=True)
class SimulateSettings(Settings):
    """Write a simulated fMRIPrep dataset of people whose task maps follow from their resting state."""

    out: Path = option(positional=True, help="where the dataset is written")
    n_participants: int = option(4, check=at_least(1), help="people")
    n_volumes: int = option(240, check=at_least(10), help="volumes of a run, dummies included")
    t_r: float = option(2.0, unit="s", check=above(0), help="repetition time")
    n_runs: int = option(1, check=at_least(1), help="runs of a session")
    n_sessions: int = option(1, check=at_least(1), help="sessions of a person")
    n_dummies: int = option(0, check=at_least(0), help="volumes at the start that are not in steady state")
    motion: float = option(1.0, check=at_least(0), help="strength of head movement, 0 = none")
    drift: float = option(1.0, check=at_least(0), help="strength of slow drifts, 0 = none")
    statmaps: bool = option(default=True, help="write the measured task maps of each person too")
    dtype: str = option("float32", choices=("float32", "int16"), help="how the BOLD values are stored")
    seed: int = option(0, check=between(0, 2**32 - 1), help="the same seed gives the same bytes")

    def _check_together(self) -> None:
        if self.n_dummies >= self.n_volumes:
            message = (
                f"--n-dummies {self.n_dummies} was given with --n-volumes {self.n_volumes}; "
                "a run must have volumes that are no dummies."
            )
            raise UserError(message)


@dataclass(frozen=True)
class PredictSettings(PredictionSettings):
    """Predict the maps of one resting-state image, wherever it lies and whatever it is called."""

    bold: Path = option(positional=True, help="4-D image in MNI152NLin6Asym (FSL's MNI152) space")
    out: Path = option(positional=True, help="where the maps are written, as a dataset of one person")
    mask: Path | None = option(
        None,
        metavar="FILE",
        unset="what is not 0 in the first volume",
        help="brain mask on the image's grid",
    )
    confounds: Path | None = option(
        None,
        metavar="FILE",
        unset="none: the image counts as cleaned",
        help="fMRIPrep's table of confounds, HCP's Movement_Regressors.txt or FSL's .par",
    )
    t_r: float | None = option(
        None,
        unit="s",
        check=above(0),
        unset="what the JSON beside the image says, else its header",
        help="repetition time",
    )
    label: str | None = option(
        None,
        read=read_label("sub"),
        words="a label of letters and digits, with or without sub-",
        unset="sub- of the image's name, or the letters and digits of that name",
        help="what the person is called in the names of the maps",
    )


@dataclass(frozen=True)
class DemoSettings(Settings):
    """Simulate a few people, predict their maps with the embedded model, and draw one of them."""

    out: Path = option(positional=True, help="where the data, the maps and the picture are written")
    n_participants: int = option(3, check=at_least(1), help="people to simulate")
    n_volumes: int = option(150, check=at_least(2), help="volumes of each person's run")
    nprocs: int | None = option(
        None, check=at_least(1), unset="all that this process may use", help="CPU cores to use"
    )
    seed: int = option(0, check=between(0, 2**32 - 1), help="seed of the simulation")


@dataclass(frozen=True)
class ModelsInfoSettings(Settings):
    """Say what a model is: its card, in words, after checking its files."""

    folder: str = option(
        positional=True,
        metavar="NAME_OR_FOLDER",
        read=read_model,
        words="the name of a model or its folder",
        help="model: a name, or the folder of a bundle",
    )


@dataclass(frozen=True)
class ModelsListSettings(Settings):
    """List the models that are here, and the published ones that can be fetched."""


@dataclass(frozen=True)
class ModelsFetchSettings(Settings):
    """Fetch a published model's files and make a model of them that can be named."""

    name: str = option(
        positional=True,
        read=read_name,
        words="the name of a published model",
        help="published model: hcp-ya, hcp-d or ukb",
    )
    from_folder: Path | None = option(
        None,
        flags=("--from",),
        metavar="FOLDER",
        unset="the internet",
        help="take the files from this folder, or folders in it, to which they were brought by hand",
    )
    overwrite: bool = option(default=False, help="replace a model of this name that is there")


@dataclass(frozen=True)
class ModelsImportSettings(Settings):
    """Make a bundle of a published Lightning checkpoint."""

    checkpoint: Path = option(positional=True, help="checkpoint to import")
    out: Path = option(positional=True, help="folder of the bundle that is made")
    rois: Path = option(
        metavar="FILE", help="4-D image of the ROI maps, on the 91x109x91 or the cropped grid"
    )
    name: str = option(
        read=read_name, words="a name of letters, digits, -, _ and .", help="name of the model"
    )
    output_mask: Path | None = option(
        None, metavar="FILE", unset="grey matter", help="image of the voxels where maps are written"
    )
    contrasts: str = option(
        "hcp-ya",
        metavar="SET",
        help="contrasts of the outputs in order: a set of the package, a JSON file like it, or numbered",
    )
    input_mask: str = option(
        "brain", choices=("brain", "gm"), help="where the network saw the connectome in training"
    )
    window_minutes: float | None = option(
        None,
        unit="minutes",
        check=above(0),
        unset="not known",
        help="length of the windows that the network was trained on",
    )
    licence: str = option("not stated", metavar="TEXT", help="licence of the weights")
    citation: str = option("", metavar="TEXT", unset="none", help="what to cite")
    description: str = option("", metavar="TEXT", unset="none", help="what the model is, in a sentence")


@dataclass(frozen=True)
class EvaluateSettings(Settings):
    """Score predicted maps against measured ones, models and baselines alike: tables, figures, a page."""

    out: Path = option(positional=True, help="where tables, figures and the page are written")
    predicted: tuple[NamedPath, ...] = option(
        metavar="[NAME=]DATASET",
        read=read_named_dataset,
        words="a dataset of predicted maps, or NAME=DATASET",
        help="dataset of predicted maps; several are compared with each other",
    )
    measured: Path = option(
        metavar="DATASET", help="dataset of the same people's measured maps, or a table (TSV) of their paths"
    )
    measured_session: str | None = option(
        None,
        metavar="LABEL",
        read=read_label("ses"),
        words="a label of letters and digits, with or without ses-",
        unset="the mean over sessions",
        help="session of the measured maps",
    )
    retest: Path | None = option(
        None,
        metavar="DATASET",
        unset="that of --measured, if --retest-session is given",
        help="dataset of maps that were measured once more: how well the same person's brain predicts itself",
    )
    retest_session: str | None = option(
        None,
        metavar="LABEL",
        read=read_label("ses"),
        words="a label of letters and digits, with or without ses-",
        unset="the mean over sessions",
        help="session of the maps that were measured once more",
    )
    baseline_train: Path | None = option(
        None,
        metavar="DATASET",
        unset="the model's mean maps, else the mean of all tested people but the one at hand",
        help="measured maps of other people, best those that the model was trained on: the group average is "
        "theirs, and the linear model is fitted to them",
    )
    connectomes: tuple[Path, ...] = option(
        (),
        metavar="DATASET",
        unset="no linear model",
        help="datasets with connectomes (--save-connectome) of the tested people and of those of "
        "--baseline-train, for the linear model (Tavor et al. 2016)",
    )
    model: str | None = option(
        None,
        metavar="NAME_OR_FOLDER",
        read=read_model,
        words="the name of a model or its folder",
        unset="none",
        help="model whose output mask is scored in, in place of grey matter, whose ROI maps are the parcels "
        "of the linear model, and whose calibration is shown beside the plain predictions",
    )
    contrasts: tuple[str, ...] = option(
        (),
        metavar="CONTRAST",
        unset="all that are both predicted and measured",
        words="a contrast's label or published name, or a task",
        help="contrasts to score: labels, published names or tasks",
    )
    participant_label: tuple[str, ...] = option(
        (),
        metavar="LABEL",
        read=read_label("sub"),
        words="a label of letters and digits, with or without sub-",
        from_file=True,
        unset="everybody",
        help="people to score, with or without sub-; @FILE takes them from a file, one a line",
    )
    participants_tsv: Path | None = option(
        None,
        metavar="FILE",
        unset="participants.tsv of the measured maps, if it is there",
        help="table that says which family each person is of",
    )
    family_column: str = option(
        FAMILY_COLUMN,
        metavar="COLUMN",
        help="its column of families, which are permuted and resampled as a whole; without it people count "
        "as not related",
    )
    n_permutations: int = option(10_000, check=at_least(1), help="sign flips of each test")
    seed: int = option(0, check=between(0, 2**32 - 1), help="the same seed gives the same intervals and p")
    overwrite: bool = option(default=False, help="replace the evaluation that OUT holds")

    def _check_together(self) -> None:
        names = [name for name, _ in self.predicted]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            message = f"--predicted: two datasets are called {twice}; give each a name (NAME=DATASET)."
            raise UserError(message)
        again = self.retest in (None, self.measured) and self.retest_session
        if again and self.measured_session in (None, self.retest_session):
            message = (
                f"--retest-session {again}: the same maps would be among the measured ones; "
                "say with --measured-session which other session those are."
            )
            raise UserError(message)
        if self.connectomes and (self.model is None or self.baseline_train is None):
            message = (
                "--connectomes was given for the linear model, which also needs --model (its ROI maps are "
                "the parcels) and --baseline-train (the people it is fitted to)."
            )
            raise UserError(message)
