"""The settings of the workbench's verbs."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import label_option, option
from bids_deeptaskgen.settings.value_types import (
    NamedPath,
    at_least,
    between,
    read_model,
    read_named_dataset,
)

FAMILY_COLUMN = "family_id"


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(Settings):
    """Score predicted maps against measured ones, models and baselines alike: tables, figures, a page."""

    out: Path = option(positional=True, help="where tables, figures and the page are written")
    predicted: tuple[NamedPath, ...] = option(
        (),
        unset="none: the baselines alone, of --baseline-train",
        metavar="[NAME=]DATASET",
        read=read_named_dataset,
        words="a dataset of predicted maps, or NAME=DATASET",
        help="dataset of predicted maps; several are compared with each other",
    )
    measured: Path = option(
        metavar="DATASET", help="dataset of the same people's measured maps, or a table (TSV) of their paths"
    )
    measured_session: str | None = label_option(
        None,
        "ses",
        unset="the mean over sessions",
        help="session of the measured maps",
    )
    retest: Path | None = option(
        None,
        metavar="DATASET",
        unset="that of --measured, if --retest-session is given",
        help="dataset of maps that were measured once more: how well the same person's brain predicts itself",
    )
    retest_session: str | None = label_option(
        None,
        "ses",
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
    participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
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
        if not self.predicted and self.baseline_train is None:
            message = (
                "Neither --predicted nor --baseline-train was given: name predicted maps to score, or "
                "measured maps of other people to score the baselines alone."
            )
            raise UserError(message)
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
