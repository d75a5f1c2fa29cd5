"""Settings of ``deeptaskgen evaluate``."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import label_option, option
from bids_deeptaskgen.settings.regions import atlas_option
from bids_deeptaskgen.settings.value_types import (
    NamedPath,
    at_least,
    in_range,
    parse_model,
    parse_named_dataset,
)

FAMILY_COLUMN = "family_id"


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(Settings):
    """Score predicted maps of models and baselines against measured maps: tables, figures and a report."""

    out: Path = option(positional=True, help="folder for tables, figures and the report")
    predicted: tuple[NamedPath, ...] = option(
        (),
        default_meaning="none: only the baselines of --baseline-train or --retest",
        metavar="[NAME=]DATASET",
        parse=parse_named_dataset,
        expected="a dataset of predicted maps, or NAME=DATASET",
        help="datasets of predicted maps; several are compared with each other",
    )
    measured: Path = option(
        metavar="DATASET",
        help="dataset of measured maps of the same participants, or a table (TSV) of their paths",
    )
    measured_session: str | None = label_option(
        None,
        "ses",
        default_meaning="the mean over sessions",
        help="session of the measured maps",
    )
    retest: Path | None = option(
        None,
        metavar="DATASET",
        default_meaning="the dataset of --measured, if --retest-session is given",
        help="dataset of repeated measurements of the same participants, for the retest baseline",
    )
    retest_session: str | None = label_option(
        None,
        "ses",
        default_meaning="the mean over sessions",
        help="session of the retest maps",
    )
    halves: tuple[Path, ...] = option(
        (),
        metavar="DATASET",
        default_meaning="none: the reliability is that of the retest, if there is one",
        help="two datasets, or tables (TSV) of paths, with measured maps of the two halves of the data, such "
        "as those of each run; they give the reliability of the measured maps",
    )
    baseline_train: Path | None = option(
        None,
        metavar="DATASET",
        default_meaning="the model's mean maps, else the mean of all other tested participants",
        help="measured maps of other participants, preferably the model's training participants; they give "
        "the group average, and the linear and the ridge model are fitted to them",
    )
    connectomes: tuple[Path, ...] = option(
        (),
        metavar="DATASET",
        default_meaning="neither linear nor ridge model",
        help="datasets with connectomes (--save-connectome) of the tested participants and those of "
        "--baseline-train, for the linear model (Tavor et al. 2016) and the ridge model",
    )
    model: str | None = option(
        None,
        metavar="NAME_OR_FOLDER",
        parse=parse_model,
        expected="the name of a model or its folder",
        default_meaning="none",
        help="model whose output mask replaces grey matter as the scored voxels, whose ROI maps are the "
        "parcels of the linear and the ridge model, and whose calibrated predictions are scored as well",
    )
    atlas: tuple[str, ...] = atlas_option(
        "scores", default_meaning="the parcels of the ROI maps of --model, if it is given"
    )
    contrasts: tuple[str, ...] = option(
        (),
        metavar="CONTRAST",
        default_meaning="all with predicted and measured maps",
        expected="a contrast's label or published name, or a task",
        help="contrasts to score: labels, published names or tasks",
    )
    participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        from_file=True,
        default_meaning="all participants",
        help="participants to score, with or without sub-; @FILE reads one label per line from a file",
    )
    exclude_participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        from_file=True,
        default_meaning="none",
        help="participants to leave out, with or without sub-, also if --participant-label names them; @FILE "
        "reads one label per line from a file",
    )
    task_id: str | None = label_option(
        None,
        "task",
        flags=("-t",),
        default_meaning="the only task",
        help="task of the resting-state runs from which maps and connectomes were computed, if the datasets "
        "have several",
    )
    participants_tsv: Path | None = option(
        None,
        metavar="FILE",
        default_meaning="participants.tsv of the measured maps, if it exists",
        help="table with the family of each participant",
    )
    family_column: str = option(
        FAMILY_COLUMN,
        metavar="COLUMN",
        help="column of --participants-tsv with families, which are permuted and resampled as a whole; "
        "without it, participants are assumed to be unrelated",
    )
    n_permutations: int = option(10_000, check=at_least(1), help="number of sign flips per test")
    seed: int = option(
        0, check=in_range(0, 2**32 - 1), help="random seed of confidence intervals and p values"
    )
    overwrite: bool = option(default=False, help="replace the evaluation in OUT")

    def _check_together(self) -> None:
        if not self.predicted and not (self.baseline_train or self.retest or self.retest_session):
            message = (
                "Neither --predicted nor a baseline (--baseline-train, --retest or --retest-session) was "
                "given.\n"
                "Add predicted maps to score, or measured maps of other participants or of a repeated "
                "measurement to score the baselines alone."
            )
            raise UserError(message)
        names = [name for name, _ in self.predicted]
        duplicate = next((name for name in names if names.count(name) > 1), None)
        if duplicate:
            message = f"--predicted: two datasets are named {duplicate}; use NAME=DATASET to rename one."
            raise UserError(message)
        if self.halves and len(self.halves) != 2:
            message = (
                f"--halves: {len(self.halves)} different datasets were given. Name two, one for each half of "
                "the data of the measured maps."
            )
            raise UserError(message)
        has_one_dataset = self.retest in (None, self.measured)
        if has_one_dataset and self.retest_session and self.measured_session in (None, self.retest_session):
            message = (
                f"--retest-session {self.retest_session}: its maps are also among the measured maps. "
                "Select another session with --measured-session."
            )
            raise UserError(message)
        if self.connectomes and (self.model is None or self.baseline_train is None):
            message = (
                "--connectomes was given for the linear model, which also requires --model (its ROI maps are "
                "the parcels) and --baseline-train (the participants it is fitted to)."
            )
            raise UserError(message)
