"""Settings of ``deeptaskgen export``."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import label_option, option
from bids_deeptaskgen.settings.regions import atlas_option
from bids_deeptaskgen.settings.value_types import in_range


@dataclass(frozen=True, kw_only=True)
class ExportPcntoolkitSettings(Settings):
    """Write an ROI table as a table for normative models with PCNtoolkit."""

    roi_table: Path = option(
        positional=True, help="ROI table of the group level (*_desc-maps_rois.parquet or .tsv)"
    )
    out: Path = option(
        positional=True, help="table to write (.csv); files of the same name list variables and exclusions"
    )
    participants_tsv: Path | None = option(
        None,
        metavar="FILE",
        default_meaning="participants.tsv of the dataset of ROI_TABLE",
        help="table with the covariates and batch effects of each participant",
    )
    covariates: tuple[str, ...] = option(
        (),
        metavar="COLUMN",
        default_meaning="age",
        help="numeric columns of participants.tsv or of the group's quality table",
    )
    batch_effects: tuple[str, ...] = option(
        (),
        metavar="COLUMN",
        default_meaning="none",
        help="columns of categories, such as sex and site",
    )
    contrasts: tuple[str, ...] = option(
        (), metavar="LABEL", default_meaning="all contrasts of the table", help="contrasts by label"
    )
    regions: tuple[str, ...] = option(
        (), metavar="REGION", default_meaning="all regions of the table", help="regions by name or number"
    )
    value: str = option("mean", choices=("mean", "sd"), help="value of a region: mean or SD over its voxels")
    sessions: str = option(
        "mean",
        choices=("mean", "first", "all"),
        help="rows: the mean over the sessions of each participant, the first session, or all sessions, "
        "which are not independent; runs of a session are always averaged",
    )
    missing_values: str = option(
        "exclude",
        choices=("exclude", "drop"),
        help="exclude rows in which a region has no value, or drop regions without a value in some row",
    )
    min_coverage: float = option(
        0.0,
        check=in_range(0, 1),
        help="smallest coverage of a region; values of regions with less coverage are missing",
    )
    overwrite: bool = option(default=False, help="replace the files of OUT")

    def _check_together(self) -> None:
        names = [*(self.covariates or ("age",)), *self.batch_effects]
        duplicate = next((name for name in names if names.count(name) > 1), None)
        if duplicate:
            message = (
                f"{duplicate} is named twice in --covariates and --batch-effects. A column is one of both: "
                "a number is a covariate, a category a batch effect."
            )
            raise UserError(message)


@dataclass(frozen=True, kw_only=True)
class MapSelectionSettings(Settings):
    """Select predicted maps of an output dataset."""

    output_dir: Path = option(positional=True, help="output dataset of the participant level")
    task_id: str | None = label_option(
        None,
        "task",
        flags=("-t",),
        default_meaning="the only task",
        help="task of the resting-state runs, if the dataset has several",
    )
    contrasts: tuple[str, ...] = option(
        (), metavar="LABEL", default_meaning="all contrasts of the maps", help="contrasts by label"
    )


@dataclass(frozen=True, kw_only=True)
class ExportJuniferSettings(MapSelectionSettings):
    """Write a junifer pipeline that reads the predicted maps of an output dataset."""

    out: Path = option(positional=True, help="folder of the pipeline; its values are stored there, too")
    parcellation: str | None = option(
        None,
        metavar="NAME_OR_FILE",
        default_meaning="the parcels of the model's ROI maps in the dataset, else Schaefer100x7",
        help="parcellation of the example: a name of junifer, or an image of labels in MNI152NLin6Asym; a "
        "table (.tsv) of the same name has columns index and name",
    )
    overwrite: bool = option(default=False, help="replace the pipeline in OUT")


@dataclass(frozen=True, kw_only=True)
class ExportNipoppySettings(MapSelectionSettings):
    """Write imaging-derived phenotypes as Nipoppy stores them: a row for each participant and session."""

    out: Path = option(positional=True, help="folder of the tables (idp of the pipeline in a Nipoppy study)")
    atlas: tuple[str, ...] = atlas_option(
        "means of the maps", default_meaning="the parcels of the model's ROI maps in the dataset"
    )
    overwrite: bool = option(default=False, help="replace the tables in OUT")
