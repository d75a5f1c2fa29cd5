"""Settings of the group level."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import label_option, option
from bids_deeptaskgen.settings.regions import atlas_option
from bids_deeptaskgen.settings.value_types import at_least, in_range

# Quality metrics and column that may explain differences between participants, see METRICS_BY_COVARIATE.
COVARIATES = ("mean_fd", "minutes", "tsnr", "site")


@dataclass(frozen=True)
class GroupSettings(Settings):
    """Compute statistics over the participants of an output dataset: maps, tables, and a page."""

    bids_dir: Path = option(positional=True, help="any folder; the group level does not read it")
    output_dir: Path = option(positional=True, help="output dataset of the participant level")

    participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        group="choose data",
        from_file=True,
        default_meaning="all participants",
        help="participants to average, with or without sub-; @FILE reads one label per line from a file",
    )
    exclude_participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        group="choose data",
        from_file=True,
        default_meaning="none",
        help="participants to leave out, with or without sub-, also if --participant-label names them; @FILE "
        "reads one label per line from a file",
    )
    overwrite: bool = option(
        default=False,
        group="run",
        help="also replace group files that include other participants, and remove tests with permutations "
        "that this run does not repeat",
    )
    reports: str = option(
        "full",
        group="report",
        choices=("full", "none"),
        help="write the page group.html, or none",
    )
    contrasts: tuple[str, ...] = option(
        (),
        group="choose data",
        default_meaning="all contrasts of the maps",
        help="contrasts by label, published name or task",
    )
    design: str | None = option(
        None,
        group="differences between participants",
        metavar="FORMULA",
        default_meaning="no tests",
        help="formula over columns of participants.tsv and quality metrics, for example 'age + sex'; each "
        "term is tested. C(NAME) makes a column categorical",
    )
    covariates: tuple[str, ...] = option(
        (),
        group="differences between participants",
        default_meaning=", ".join(COVARIATES),
        help="nuisance columns of the design, which are not tested: mean_fd, minutes, tsnr, site, quality "
        "metrics or columns of participants.tsv; none for no covariates",
    )
    missing_covariates: str = option(
        "exclude",
        group="differences between participants",
        choices=("exclude", "drop"),
        help="exclude participants without a value of a covariate (for example FD) from the tests, or drop "
        "that covariate for all participants",
    )
    session_difference: str | None = option(
        None,
        group="differences between participants",
        metavar="LATER-EARLIER",
        default_meaning="the mean over sessions of each participant",
        help="test the difference of two sessions of each participant, for example post-pre",
    )
    one_per_family: bool = option(
        default=False,
        group="differences between participants",
        help="keep one participant, chosen at random, of each family (column family_id) in the tests; "
        "required for permutations if participants are related",
    )
    n_permutations: int = option(
        0,
        group="differences between participants",
        check=at_least(0),
        help="permutations of participants for p values corrected over the voxels (max-T); 0 for none",
    )
    tfce: bool = option(
        default=False,
        group="differences between participants",
        help="also correct with threshold-free cluster enhancement; needs --n-permutations, and takes long",
    )
    atlas: tuple[str, ...] = atlas_option(
        "tables of the maps", group="regions and cohort store", default_meaning="no tables"
    )
    froi: str | None = option(
        None,
        group="regions and cohort store",
        metavar="NAME_OR_FILE",
        default_meaning="no functional ROIs",
        help="functional ROIs of each participant in the regions of an atlas (as for --atlas) or in a mask",
    )
    froi_labels: tuple[str, ...] = option(
        (),
        group="regions and cohort store",
        metavar="LABEL",
        default_meaning="all regions",
        help="regions of --froi by number or name",
    )
    froi_percent: float = option(
        10.0,
        group="regions and cohort store",
        unit="percent",
        check=in_range(0.1, 100),
        help="share of the voxels of a region, those with the largest values, in a functional ROI",
    )
    measured: Path | None = option(
        None,
        group="regions and cohort store",
        metavar="DATASET",
        default_meaning="no comparison",
        help="dataset of measured maps of the same participants, or a table (TSV) of their paths, whose "
        "functional ROIs are compared with the predicted ones",
    )
    store: Path | None = option(
        None,
        group="regions and cohort store",
        metavar="FOLDER",
        default_meaning="no store",
        help="cohort store (Zarr) to create, or to extend by the participants that it lacks",
    )
    random_seed: int = option(
        0, group="run", check=at_least(0), help="seed of permutations and random samples"
    )
    nprocs: int | None = option(
        None,
        group="run",
        check=at_least(1),
        default_meaning="the CPU cores available to this process or to its Slurm job",
        help="number of processes for permutations",
    )
    work_dir: Path | None = option(
        None,
        group="run",
        flags=("-w",),
        default_meaning="OUTPUT_DIR/work",
        help="folder for temporary files; needs 1 MB for each participant, session and run, and up to 8 "
        "times as much for 4-D images",
    )
