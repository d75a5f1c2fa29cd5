"""The settings of the BIDS App: the participant level and the group level."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.option import option
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.values import (
    AutoFloat,
    AutoInt,
    NamedPath,
    at_least,
    auto_or,
    between,
    read_device,
    read_label,
    read_memory_gb,
    read_model,
)

# Presets of cleaning, called as in XCP-D; what they hold stands in core.regressors.
NUISANCE_PRESETS = ("none", "24P", "27P", "36P", "acompcor", "acompcor_gsr", "aroma", "gsr_only")


def _label(default: object, entity: str, **more: Any) -> Any:  # noqa: ANN401
    words = f"a label of letters and digits, with or without {entity}-"
    return option(default, read=read_label(entity), metavar="LABEL", words=words, **more)


_data = partial(_label, group="choose data")
_model = partial(option, group="choose model")
_clean = partial(option, group="clean", science=True)
_run = partial(option, group="run")


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
        help="where derivatives lie: fmriprep=PATH, xcp_d=PATH, aroma=PATH (of fMRIPost-AROMA)",
    )
    desc: str = _data(
        "preproc",
        "desc",
        science=True,
        help="desc- of the BOLD images to use: preproc of fMRIPrep, denoised of XCP-D, nonaggrDenoised of "
        "fMRIPost-AROMA",
    )
    input_type: str = option(
        "auto",
        group="choose data",
        choices=("auto", "fmriprep", "hcp", "ukb"),
        help="how the data are arranged: derivatives of fMRIPrep and those that follow it, folders of the "
        "Human Connectome Project, or of UK Biobank; auto looks",
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
        "auto",
        choices=("auto", *NUISANCE_PRESETS),
        help="what is regressed out (XCP-D's names): acompcor is 6 motion parameters, their derivatives "
        "and up to 5 + 5 components; none is for data that are cleaned already; auto is acompcor for "
        "fMRIPrep's output and none for cleaned input",
    )
    custom_confounds: Path | None = _clean(
        None,
        metavar="FOLDER",
        unset="none",
        help="regress out the columns of the user's own tables, too: for each run a TSV with one row a "
        "volume, called as the run's table of confounds (or as the BOLD, with .tsv), at the same place "
        "below FOLDER or in FOLDER itself",
    )
    high_pass: AutoFloat = _clean(
        "auto",
        unit="Hz",
        check=auto_or(between(0, 0.25)),
        help="cut-off of the high-pass filter, 0 = off; auto takes fMRIPrep's cosines (1/128 Hz), makes them "
        "where the table lacks them, and filters nothing with --nuisance-regressors none",
    )
    smoothing: float = _clean(
        0.0,
        unit="mm",
        check=between(0, 20),
        help="full width at half maximum of the kernel that each volume is smoothed with inside the brain, "
        "0 = off; the models were trained on data that were not smoothed",
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
