"""The settings of every command: one frozen dataclass each, whose existence means that it is valid."""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.option import declared, option
from bids_deeptaskgen.values import (
    AutoFloat,
    AutoInt,
    NamedPath,
    above,
    at_least,
    auto_or,
    between,
    plain_label,
    read_device,
    read_label,
    read_memory_gb,
    read_model,
    read_name,
)


def _label(default: object, entity: str, **more: Any) -> Any:  # noqa: ANN401
    words = f"a label of letters and digits, with or without {entity}-"
    return option(default, read=read_label(entity), metavar="LABEL", words=words, **more)


_data = partial(_label, group="choose data")
_model = partial(option, group="choose model")
_clean = partial(option, group="clean", science=True)
_run = partial(option, group="run")


@dataclass(frozen=True)
class Settings:
    """What all commands have.

    Values may be given as text, as on the command line; the fields then hold what the text says.

    Raises
    ------
    UserError
        If a value is not legal: what was given, and what is allowed.
    """

    verbose: int = option(
        0,
        kw_only=True,
        count=True,
        flags=("-v",),
        group="conventions",
        check=at_least(0),
        help="say more; -vv lets the libraries speak too",
    )

    def __post_init__(self) -> None:
        for one in declared(self):
            object.__setattr__(self, one.name, one.settle(getattr(self, one.name)))
        self._check_together()

    def _check_together(self) -> None:
        """Refuse values that are legal one by one and not together."""


@dataclass(frozen=True)
class ParticipantSettings(Settings):
    """Predict the task-contrast maps of each person from their resting-state fMRI."""

    bids_dir: Path = option(
        positional=True,
        help="fMRIPrep derivatives, or the raw dataset that has them in derivatives/fmriprep or by -d",
    )
    output_dir: Path = option(positional=True, help="where the dataset of maps is written; made if needed")

    participant_label: tuple[str, ...] = _data(
        (),
        "sub",
        from_file=True,
        unset="everybody",
        help="people to do, with or without sub-; @FILE takes them from a file, one a line",
    )
    session_label: tuple[str, ...] = _data(
        (),
        "ses",
        flags=("--session-id",),
        unset="all",
        help="sessions to do, with or without ses-",
    )
    task_id: str = _data(
        "rest",
        "task",
        flags=("-t",),
        help="name that the resting state has in the dataset, with or without task-",
    )
    run_id: tuple[str, ...] = _data(
        (),
        "run",
        science=True,
        unset="all",
        help="runs to use, with or without run-",
    )
    derivatives: tuple[NamedPath, ...] = option(
        (),
        group="choose data",
        flags=("-d",),
        metavar="NAME=PATH",
        unset="found from BIDS_DIR",
        help="where derivatives lie, e.g. fmriprep=/data/derivatives/fmriprep",
    )
    desc: str = _data(
        "preproc",
        "desc",
        science=True,
        help="desc- of the BOLD images to use",
    )

    # Not `science`: a model may have any name and lie anywhere; the hash of its weights enters instead.
    model: str = _model(
        "hcp-ya",
        metavar="NAME_OR_FOLDER",
        read=read_model,
        words="the name of a model or its folder",
        help="name of a model, or the folder of a bundle",
    )
    n_windows: AutoInt = _model(
        1,
        science=True,
        check=auto_or(at_least(1)),
        help="parts into which each run is cut, with one prediction each and their mean written; auto comes "
        "nearest to the length that the model was trained on",
    )

    nuisance_regressors: str = _clean(
        "acompcor",
        choices=("none", "acompcor"),
        help="what is regressed out: acompcor is 6 motion parameters, their derivatives, up to 5 + 5 "
        "components and slow drifts; none is for data that are cleaned already",
    )
    high_pass: AutoFloat = _clean(
        "auto",
        unit="Hz",
        check=auto_or(between(0, 0.25)),
        help="cut-off of the high-pass filter, 0 = off; auto takes fMRIPrep's cosines (1/128 Hz), makes them "
        "where the table lacks them, and filters nothing with --nuisance-regressors none",
    )
    fd_threshold: float = _clean(
        0.0,
        unit="mm",
        check=at_least(0),
        help="leave out volumes whose framewise displacement is above this, 0 = off",
    )
    dummy_scans: AutoInt = _clean(
        "auto",
        check=auto_or(at_least(0)),
        help="volumes to leave out at the start of each run; auto takes those that fMRIPrep marked",
    )
    min_minutes: float = _clean(
        4.0, unit="minutes", check=at_least(0), help="refuse a session with less kept time than this"
    )
    min_dof: int = _clean(
        60,
        check=at_least(1),
        help="refuse a session where the cleaning leaves fewer degrees of freedom than this",
    )
    combine_runs: bool = _clean(default=True, help="pool the runs of a session into one set of maps")
    input_mask: str = _clean(
        "card",
        choices=("card", "brain", "gm"),
        help="where the network sees the connectome: all of the brain, grey matter only, or as the card says",
    )

    work_dir: Path | None = _run(
        None, flags=("-w",), unset="OUTPUT_DIR/work", help="folder for what is needed only while it runs"
    )
    dry_run: bool = _run(default=False, help="show who would be done and how, and write nothing")
    nprocs: int | None = _run(
        None,
        flags=("--nthreads", "--n-cpus"),
        check=at_least(1),
        unset="all that this process may use",
        help="CPU cores to use",
    )
    omp_nthreads: int | None = _run(
        None,
        check=at_least(1),
        unset="all, at most 8",
        help="threads of the network; maps made with other numbers of them "
        "differ in their last digits, so it does not follow from --nprocs",
    )
    mem: float | None = _run(
        None,
        unit="GB",
        metavar="AMOUNT",
        read=read_memory_gb,
        show=lambda gigabytes: f"{gigabytes!r}G",
        check=at_least(0.5, "GB"),
        words="an amount of memory such as 16G, 1.5G, 512M or 16000 (MB)",
        unset="90% of what is there",
        help="memory to use: 16G, 1.5G, 512M; a bare number is MB",
    )
    device: str = _run(
        "auto",
        read=read_device,
        words="auto, cpu, cuda or cuda:N",
        help="where the network runs: auto, cpu, cuda or cuda:N; auto is a GPU if there is one",
    )
    use_plugin: Path | None = _run(
        None,
        metavar="FILE",
        unset="chosen from --nprocs",
        help="YAML file with a nipype plugin and its arguments",
    )
    stop_on_first_crash: bool = _run(
        default=False, help="stop when somebody fails, in place of doing the others"
    )
    overwrite: bool = _run(
        default=False,
        help="replace the maps of another run that had other settings; at the group level, files that are of "
        "others than --participant-label names",
    )
    chunk_size: int = _run(64, check=between(1, 64), help="people whose maps are predicted together")

    def _check_together(self) -> None:
        names = [name for name, _ in self.derivatives]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            paths = " and ".join(str(path) for name, path in self.derivatives if name == twice)
            message = f"--derivatives: {twice} was given as {paths}; give each name one path."
            raise UserError(message)
        if self.output_dir == self.bids_dir:
            message = (
                f"OUTPUT_DIR and BIDS_DIR are both {self.bids_dir}; choose another folder for the output."
            )
            raise UserError(message)
        if self.work_dir is not None and self.work_dir in (self.bids_dir, self.output_dir):
            message = f"--work-dir is {self.work_dir}, where data lie; choose another folder for it."
            raise UserError(message)
        if self.omp_nthreads and self.nprocs and self.omp_nthreads > self.nprocs:
            message = (
                f"--omp-nthreads {self.omp_nthreads} was given with --nprocs {self.nprocs}; "
                "one process can't use more cores than all together."
            )
            raise UserError(message)


@dataclass(frozen=True)
class GroupSettings(Settings):
    """Join the people of an output dataset: mean, SD and count maps, and the table of quality figures."""

    bids_dir: Path = option(positional=True, help="any folder; the group level does not read it")
    output_dir: Path = option(positional=True, help="dataset that the participant level wrote")

    participant_label: tuple[str, ...] = _data(
        (),
        "sub",
        from_file=True,
        unset="everybody",
        help="people to join, with or without sub-; @FILE takes them from a file, one a line",
    )
    overwrite: bool = _run(default=False, help="replace files of the group that are of other people, too")


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


def science_settings(settings: Settings) -> dict[str, Any]:
    """List the settings that decide what is in the maps.

    Processes, devices and folders are left out, and so is the model's name: its weights decide. Labels are
    a choice among what is there, so neither their order nor their spelling counts.

    Returns
    -------
    dict
        Field name to a value that JSON can hold.
    """
    values = {one.name: getattr(settings, one.name) for one in declared(settings) if one.option.science}
    return {
        name: sorted({plain_label(label) for label in value}) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def settings_hash(settings: Settings, model_sha256: str) -> str:
    """Tell whether two runs would make the same maps of the same images.

    Parameters
    ----------
    settings : Settings
    model_sha256 : str
        Hash of what the model computes; see `Bundle.science_sha256`.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    content = {"settings": science_settings(settings), "model_sha256": model_sha256}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
