"""Settings of the participant level."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.bids_filter_file import FilterFile, read_filter_file
from bids_deeptaskgen.settings.methods import Sentences
from bids_deeptaskgen.settings.option import label_option, option
from bids_deeptaskgen.settings.prediction import PredictionSettings
from bids_deeptaskgen.settings.value_types import NamedPath, in_range

_data = partial(label_option, group="choose data")
_clean = partial(option, group="clean", affects_output=True)
_run = partial(option, group="run")


@dataclass(frozen=True)
class ParticipantSettings(PredictionSettings):
    """Predict task-contrast maps of each participant from resting-state fMRI."""

    bids_dir: Path = option(
        positional=True,
        help="fMRIPrep derivatives, or a raw dataset with derivatives in derivatives/fmriprep or given by -d",
    )
    output_dir: Path = option(positional=True, help="folder of the output dataset; created if needed")

    participant_label: tuple[str, ...] = _data(
        (),
        "sub",
        from_file=True,
        default_meaning="all participants",
        help="participants to process, with or without sub-; @FILE reads one label per line from a file",
    )
    exclude_participant_label: tuple[str, ...] = _data(
        (),
        "sub",
        from_file=True,
        default_meaning="none",
        help="participants to leave out, with or without sub-, also if --participant-label names them; @FILE "
        "reads one label per line from a file",
    )
    session_label: tuple[str, ...] = _data(
        (),
        "ses",
        flags=("--session-id",),
        default_meaning="all",
        help="sessions to process, with or without ses-",
    )
    task_id: tuple[str, ...] = _data(
        ("rest",),
        "task",
        flags=("-t",),
        help="task labels of the resting-state runs, with or without task-; each task has its own maps",
    )
    combine_tasks: bool = option(
        default=False,
        group="choose data",
        help="pool the runs of all tasks of --task-id within a session into one set of maps, whose task- "
        "label joins theirs with + (task-rest1+rest2)",
    )
    run_id: tuple[str, ...] = _data(
        (),
        "run",
        affects_output=True,
        default_meaning="all",
        help="runs to use, with or without run-",
    )
    derivatives: tuple[NamedPath, ...] = option(
        (),
        group="choose data",
        flags=("-d",),
        metavar="NAME=PATH",
        default_meaning="detected in BIDS_DIR",
        help="folders of derivatives: fmriprep=PATH, xcp_d=PATH, aroma=PATH (of fMRIPost-AROMA)",
    )
    desc: str = _data(
        "preproc",
        "desc",
        affects_output=True,
        help="desc- of the BOLD images to use: preproc of fMRIPrep, denoised of XCP-D, nonaggrDenoised of "
        "fMRIPost-AROMA",
    )
    input_type: str = option(
        "auto",
        group="choose data",
        choices=("auto", "fmriprep", "hcp", "ukb"),
        help="layout of the input: fMRIPrep-style derivatives, or folders of the Human Connectome Project or "
        "UK Biobank; auto detects it",
    )
    bids_filter_file: FilterFile | None = option(
        None,
        group="choose data",
        affects_output=True,
        metavar="FILE",
        parse=read_filter_file,
        expected="a JSON file of queries",
        default_meaning="none",
        help="JSON file as for fMRIPrep; its query bold selects runs by their entities",
    )
    participants_tsv: Path | None = option(
        None,
        group="choose data",
        metavar="FILE",
        default_meaning="the file of the dataset",
        help="table whose participants are added to participants.tsv of OUTPUT_DIR, for the group level",
    )
    allow_template_warp: bool = _clean(
        default=False,
        help="warp BOLD series that exist in MNI152NLin2009cAsym only, with TemplateFlow's transform between "
        "the templates (requires bids-deeptaskgen[warp]); maps are less sharp, and their sidecars record it",
    )
    combine_runs: bool = _clean(
        default=True,
        help="pool the runs of a session into one set of maps",
        methods=Sentences(
            "pooling",
            sentence="Runs of a session were cleaned separately and pooled.",
            off_sentence="Each run was used separately.",
        ),
    )

    reports_only: bool = option(
        default=False,
        group="report",
        help="make the pages again from the files in OUTPUT_DIR, without reading series or predicting maps",
    )

    dry_run: bool = _run(
        default=False, help="show which participants would be processed and how; write nothing"
    )
    use_plugin: Path | None = _run(
        None,
        metavar="FILE",
        default_meaning="chosen from --nprocs",
        help="YAML file with a nipype plugin and its arguments",
    )
    stop_on_first_crash: bool = _run(
        default=False, help="stop at the first participant that fails, instead of processing the others"
    )
    chunk_size: int = _run(
        64, check=in_range(1, 64), help="number of participants whose maps are predicted together"
    )

    def science_values(self) -> dict[str, Any]:
        """Return the values that affect the maps, by field name.

        Sessions and tasks of a filter file only select which maps are made, as do ``session_label`` and
        ``task_id``, so they are omitted: jobs for single sessions share a dataset. Tasks count if tasks are
        combined, because maps of the same name are then made of fewer runs.
        """
        values = super().science_values()
        if self.bids_filter_file:
            selection = ("ses",) if self.combine_tasks else ("ses", "task")
            values["bids_filter_file"] = self.bids_filter_file.omit(selection)
        return values

    def _check_together(self) -> None:
        super()._check_together()
        if not self.task_id:
            message = "--task-id: no task was given; it must be at least one label."
            raise UserError(message)
        if self.combine_tasks and not self.combine_runs:
            message = (
                "--combine-tasks was given with --no-combine-runs; runs cannot be pooled and kept apart. "
                "Omit one of the two."
            )
            raise UserError(message)
        names = [name for name, _ in self.derivatives]
        duplicate = next((name for name in names if names.count(name) > 1), None)
        if duplicate:
            paths = " and ".join(str(path) for name, path in self.derivatives if name == duplicate)
            message = f"--derivatives: {duplicate} was given as {paths}; give one path per name."
            raise UserError(message)
        if self.output_dir == self.bids_dir:
            message = (
                f"OUTPUT_DIR and BIDS_DIR are both {self.bids_dir}; choose another folder for the output."
            )
            raise UserError(message)
        if self.work_dir is not None and self.work_dir in (self.bids_dir, self.output_dir):
            message = f"--work-dir is {self.work_dir}, a folder of data; choose another folder."
            raise UserError(message)
