"""The settings of the BIDS App: the participant level and the group level."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.bids_filter_file import FilterFile, read_filter_file
from bids_deeptaskgen.settings.methods import Sentences
from bids_deeptaskgen.settings.option import label_option, option
from bids_deeptaskgen.settings.prediction import PredictionSettings
from bids_deeptaskgen.settings.value_types import NamedPath, between

_data = partial(label_option, group="choose data")
_clean = partial(option, group="clean", science=True)
_run = partial(option, group="run")


@dataclass(frozen=True)
class ParticipantSettings(PredictionSettings):
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
    bids_filter_file: FilterFile | None = option(
        None,
        group="choose data",
        science=True,
        metavar="FILE",
        read=read_filter_file,
        words="a JSON file of queries",
        unset="none",
        help="JSON file as fMRIPrep takes it, whose query bold tells by entities which runs to use",
    )
    participants_tsv: Path | None = option(
        None,
        group="choose data",
        metavar="FILE",
        unset="that of the dataset",
        help="table of participants that is copied to OUTPUT_DIR, so that the group level has its design",
    )
    allow_template_warp: bool = _clean(
        default=False,
        help="warp series that are in MNI152NLin2009cAsym only, with TemplateFlow's transform between the "
        "templates (needs the extra bids-deeptaskgen[warp]); the sidecars say so, and maps lose sharpness",
    )
    combine_runs: bool = _clean(
        default=True,
        help="pool the runs of a session into one set of maps",
        methods=Sentences(
            "pooling",
            on="Runs of a session were cleaned one by one and pooled.",
            off="Each run was used by itself.",
        ),
    )

    dry_run: bool = _run(default=False, help="show who would be done and how, and write nothing")
    use_plugin: Path | None = _run(
        None,
        metavar="FILE",
        unset="chosen from --nprocs",
        help="YAML file with a nipype plugin and its arguments",
    )
    stop_on_first_crash: bool = _run(
        default=False, help="stop when somebody fails, in place of doing the others"
    )
    chunk_size: int = _run(64, check=between(1, 64), help="people whose maps are predicted together")

    def _check_together(self) -> None:
        super()._check_together()
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
