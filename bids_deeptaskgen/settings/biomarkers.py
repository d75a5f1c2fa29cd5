"""Settings of ``deeptaskgen biomarkers``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.evaluation import FAMILY_COLUMN
from bids_deeptaskgen.settings.option import label_option, option
from bids_deeptaskgen.settings.paths import parse_path
from bids_deeptaskgen.settings.value_types import at_least, in_range

# Part of a store or dataset that is the ROI x ROI connectome.
CONNECTOME = "connectome"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*")
_PART = re.compile(r"[0-9A-Za-z]+")


class FeatureSource(NamedTuple):
    """Features of participants: where they are, and which of them.

    Attributes
    ----------
    name : str
        Name of the features in all results.
    path : Path
        Cohort store, dataset of measured maps, or table.
    parts : tuple of str
        Contrasts of the maps, or ``connectome`` alone; empty for all contrasts, and for a table.
    """

    name: str
    path: Path
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Format the source as on the command line."""
        if self.parts:
            return f"{self.name}={self.path}:{','.join(self.parts)}"
        # A colon at the end shows that an earlier one belongs to the path.
        is_ambiguous = str(self.path).endswith(":") or _split_parts(str(self.path))[1]
        return f"{self.name}={self.path}{':' if is_ambiguous else ''}"


def parse_features(value: object) -> FeatureSource:
    """Parse ``NAME=SOURCE`` or ``NAME=SOURCE:PART,PART``.

    Parameters
    ----------
    value : str or sequence
        Text, or name, path and optionally parts.

    Returns
    -------
    FeatureSource
        With an absolute path. A colon is part of the path if a file of that whole name exists, or if another
        colon follows at the end.

    Raises
    ------
    ValueError
        If the value has another form.

    Examples
    --------
    >>> parse_features("wm=/data/store:wm2bk,wm0bk").parts
    ('wm2bk', 'wm0bk')
    >>> str(parse_features("idps=/data/idps.tsv"))
    'idps=/data/idps.tsv'
    >>> parse_features("wm=/data/cohort:wm2bk:").path.as_posix()
    '/data/cohort:wm2bk'
    """
    if isinstance(value, str):
        name, equals, source = value.partition("=")
        if not equals:
            raise ValueError(value)
        path_text, parts = (source, ()) if _exists(source) else _split_parts(source)
        return _feature_source(name, path_text, parts)
    if not isinstance(value, Sequence) or not 2 <= len(value) <= 3:
        raise ValueError(value)
    parts = value[2] if len(value) == 3 else ()
    if not isinstance(parts, (list, tuple)) or not all(_is_part(part) for part in parts):
        raise ValueError(value)
    return _feature_source(value[0], value[1], tuple(parts))


def _split_parts(source: str) -> tuple[str, tuple[str, ...]]:
    """Divide ``PATH:PART,PART``; ``PATH:`` has no parts, and neither has a path whose end is no name."""
    path_text, _, last = source.rpartition(":")
    if path_text and not last:
        return path_text, ()
    parts = tuple(part.strip() for part in last.split(","))
    return (path_text, parts) if path_text and all(map(_is_part, parts)) else (source, ())


def _is_part(part: object) -> bool:
    return isinstance(part, str) and _PART.fullmatch(part) is not None


def _exists(path_text: str) -> bool:
    try:
        return Path(path_text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, no path, or the home of an unknown user
        return False


def _feature_source(name: object, path: object, parts: tuple[str, ...]) -> FeatureSource:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(name)
    return FeatureSource(name, parse_path(path), tuple(dict.fromkeys(parts)))


@dataclass(frozen=True, kw_only=True)
class BiomarkersSettings(Settings):
    """Predict traits of participants from their maps, connectomes and tables, with cross-validation."""

    out: Path = option(positional=True, help="folder for tables, figures and the report")
    features: tuple[FeatureSource, ...] = option(
        metavar="NAME=SOURCE[:PART,PART]",
        group="choose data",
        parse=parse_features,
        format=str,
        expected="NAME=SOURCE or NAME=SOURCE:PART,PART",
        help="features to compare: a cohort store or a dataset of measured maps, with contrasts as parts "
        "(all by default) or the part connectome of a store, or a table (TSV, CSV or Parquet) with a column "
        "participant_id",
    )
    target: tuple[str, ...] = option(
        metavar="COLUMN", group="choose data", help="traits to predict: columns of the tables of participants"
    )
    confounds: tuple[str, ...] = option(
        (),
        metavar="COLUMN",
        group="choose data",
        default_meaning="none, and the report says that nothing was removed",
        help="columns whose linear effects are removed from features and target within the training folds, "
        "such as age, sex, site and fd_mean_mm",
    )
    categorical: tuple[str, ...] = option(
        (),
        metavar="COLUMN",
        group="choose data",
        default_meaning="columns of text, and targets with two values",
        help="targets and confounds whose numbers are categories",
    )
    participants_tsv: Path | None = option(
        None,
        metavar="FILE",
        group="choose data",
        default_meaning="the table of participants in the first store or dataset of the features",
        help="table with targets, confounds, families and sites of each participant",
    )
    phenotype: tuple[Path, ...] = option(
        (),
        metavar="FILE",
        group="choose data",
        default_meaning="none",
        help="further tables with targets and confounds, such as those of the folder phenotype; they take "
        "precedence over --participants-tsv",
    )
    session_label: str | None = label_option(
        None,
        "ses",
        group="choose data",
        default_meaning="the mean over sessions",
        help="session of the features, and of rows of tables with a column session_id",
    )
    participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        from_file=True,
        group="choose data",
        default_meaning="all participants",
        help="participants, with or without sub-; @FILE reads one label per line from a file",
    )
    exclude_participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        from_file=True,
        group="choose data",
        default_meaning="none",
        help="participants to leave out, also if --participant-label names them; @FILE reads one label per "
        "line from a file",
    )
    family_column: str = option(
        FAMILY_COLUMN,
        metavar="COLUMN",
        group="choose data",
        help="column with families, which are never divided between folds and are permuted as a whole; "
        "without it, participants are assumed to be unrelated",
    )
    n_folds: int = option(5, check=in_range(2, 100), group="cross-validate", help="number of folds")
    n_repeats: int = option(
        5, check=at_least(1), group="cross-validate", help="number of random divisions into folds"
    )
    leave_one_site_out: str | None = option(
        None,
        metavar="COLUMN",
        group="cross-validate",
        default_meaning="random folds",
        help="column of sites, each of which is a fold",
    )
    splits: Path | None = option(
        None,
        metavar="FILE",
        group="cross-validate",
        default_meaning="random folds",
        help="table of stored folds: participant_id, and a column of fold numbers for each repeat, as in "
        "*_folds.tsv of an earlier result",
    )
    classifier: str = option(
        "auto",
        choices=("auto", "logistic", "ridge"),
        group="cross-validate",
        help="model of categorical targets: logistic regression, or ridge regression of the categories; auto "
        "is logistic up to 2000 participants",
    )
    n_components: int = option(
        0,
        check=at_least(0),
        group="cross-validate",
        help="number of principal components to which tables are reduced within the training folds; 0 keeps "
        "all columns, and maps are never reduced",
    )
    combat: str | None = option(
        None,
        metavar="COLUMN",
        group="cross-validate",
        default_meaning="none",
        help="column of sites that ComBat harmonises within the training folds, for tables and connectomes, "
        "not for maps",
    )
    preset: str | None = option(
        None,
        choices=("deeptaskgen-2025",),
        group="cross-validate",
        default_meaning="none",
        help="published set-up to report beside this one: no scaling, no confounds, a fixed penalty, five "
        "folds",
    )
    n_permutations: int = option(
        1000,
        check=at_least(0),
        group="cross-validate",
        help="number of permutations per test; 0 skips the tests",
    )
    learning_curve: bool = option(
        default=True, group="cross-validate", help="score smaller training samples, too (first repeat)"
    )
    seed: int = option(
        0, check=in_range(0, 2**32 - 1), group="cross-validate", help="random seed of folds and permutations"
    )
    overwrite: bool = option(default=False, help="replace the results in OUT")

    def _check_together(self) -> None:
        empty = next((flag for flag in ("features", "target") if not getattr(self, flag)), None)
        if empty:
            message = f"--{empty}: the list is empty. Give at least one value."
            raise UserError(message)
        names = [source.name for source in self.features]
        duplicate = next((name for name in names if names.count(name) > 1), None)
        if duplicate:
            message = f"--features: two sources are named {duplicate}. Give each NAME once."
            raise UserError(message)
        reserved = next((name for name in names if name in ("mean", "confounds")), None)
        if reserved:
            message = f"--features: {reserved} is the name of a baseline. Choose another NAME."
            raise UserError(message)
        is_both = next((name for name in self.target if name in self.confounds), None)
        if is_both:
            message = f"{is_both} is both a target and a confound. Remove it from --target or --confounds."
            raise UserError(message)
        if self.splits and self.leave_one_site_out:
            message = "--splits and --leave-one-site-out both determine the folds. Remove one of them."
            raise UserError(message)
        if self.combat and self.combat == self.leave_one_site_out:
            message = (
                f"--combat {self.combat}: the site of a fold of --leave-one-site-out is not in its training "
                "participants, so ComBat cannot estimate its effect. Remove --combat or --leave-one-site-out."
            )
            raise UserError(message)
