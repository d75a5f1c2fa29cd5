"""Prediction problems: target, confounds, families and folds of the participants that have all of them."""

import logging
from collections.abc import Sequence

import numpy as np

from bids_deeptaskgen.biomarkers.cohort.columns import Column, declared_categories, read_column
from bids_deeptaskgen.biomarkers.cohort.confounds import build_design
from bids_deeptaskgen.biomarkers.cohort.exclusions import Exclusion, exclude, summarise_exclusions
from bids_deeptaskgen.biomarkers.cohort.selection import Cohort
from bids_deeptaskgen.biomarkers.cohort.targets import read_target
from bids_deeptaskgen.biomarkers.cohort.values import normalise, order_levels, read_categories
from bids_deeptaskgen.biomarkers.models.combat import MIN_SITE_PARTICIPANTS
from bids_deeptaskgen.biomarkers.permuted_targets import warn_of_few_permutations
from bids_deeptaskgen.biomarkers.problem import MIN_PARTICIPANTS, Folds, Problem, Target
from bids_deeptaskgen.biomarkers.splits import (
    check_folds,
    number_families,
    random_folds,
    read_folds,
    site_folds,
)
from bids_deeptaskgen.errors import InputError, abbreviate, quantity
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings
from bids_deeptaskgen.settings.evaluation import FAMILY_COLUMN

logger = logging.getLogger("bids_deeptaskgen")


def make_problem(
    settings: BiomarkersSettings, cohort: Cohort, name: str
) -> tuple[Problem, tuple[Exclusion, ...]]:
    """Build the prediction problem of a target.

    Participants without a value of the target, of a confound or of a site column in use are excluded.

    Parameters
    ----------
    settings : BiomarkersSettings
    cohort : Cohort
        From `selection.gather_cohort`. Its method `feature_rows` selects the rows of features for
        ``problem.participants``.
    name : str
        Target, of ``settings.target``.

    Returns
    -------
    problem : Problem
    exclusions : tuple of Exclusion
        Excluded participants: those of all targets, then those of this target.

    Raises
    ------
    UserError
        If a column does not exist.
    InputError
        If fewer than 20 participants remain, or the target, a confound, the sites or the folds are unusable.

    Examples
    --------
    ::

        cohort = gather_cohort(settings, {features.name: features.participants for features in all_features},
                               tables, reasons)
        for name in settings.target:
            problem, exclusions = make_problem(settings, cohort, name)
            rows = {features.name: cohort.feature_rows(features.name, problem.participants) ...}
    """
    target_column = cohort.column(name, "target", "target")
    confounds = [
        cohort.column(confound, "confounds", "confound") for confound in dict.fromkeys(settings.confounds)
    ]
    _refuse_both(target_column, confounds)
    site_columns = {"leave_one_site_out": settings.leave_one_site_out, "combat": settings.combat}
    sites = {
        parameter: cohort.column(column, parameter, "column of sites")
        for parameter, column in site_columns.items()
        if column
    }
    participants, exclusions = _complete(cohort, target_column, confounds, list(sites.values()))
    categories = declared_categories(settings, cohort.tables)
    is_declared = (target_column.path, target_column.source) in categories
    target = read_target(target_column, participants, is_declared=is_declared)
    # Columns of sites are categories wherever they are used, also if their values are numbers.
    categories |= {(column.path, column.source) for column in sites.values()}
    categorical = [column.name for column in confounds if (column.path, column.source) in categories]
    design = build_design(confounds, participants, target, categorical)
    families = read_families(settings, cohort, participants)
    site_names = {parameter: _site_names(column, participants) for parameter, column in sites.items()}
    folds = _make_folds(settings, target, participants, families, site_names.get("leave_one_site_out"))
    if "combat" in sites:
        _check_combat(sites["combat"], site_names["combat"], folds)
    logger.info("Target %s: %s", name, summarise_exclusions(exclusions, len(participants)))
    problem = Problem(
        target=target,
        participants=participants,
        families=number_families(families),
        design=design.values,
        confounds=tuple(column.source for column in confounds),
        folds=folds,
        sites=site_names.get("combat"),
        family_column=find_family_column(settings, cohort),
    )
    warn_of_few_permutations(problem, settings.n_permutations)
    return problem, exclusions


def find_family_column(settings: BiomarkersSettings, cohort: Cohort) -> str:
    """Find the column of families in the tables.

    Parameters
    ----------
    settings : BiomarkersSettings
    cohort : Cohort

    Returns
    -------
    str
        Name in the table, whatever its letter case. If no table has it, the name of the settings; empty if
        that is the default, which tables need not have.
    """
    name = settings.family_column
    columns = [column for table in cohort.tables for column in table.columns]
    default = "" if name == FAMILY_COLUMN else name
    return next((column for column in columns if column.lower() == name.lower()), default)


def read_families(
    settings: BiomarkersSettings, cohort: Cohort, participants: Sequence[str]
) -> tuple[str, ...]:
    """Read the family of each participant.

    Parameters
    ----------
    settings : BiomarkersSettings
    cohort : Cohort
    participants : sequence of str

    Returns
    -------
    tuple of str
        ``family X``, or the participant for unrelated ones: without the default column of families all are,
        and those without an entry.

    Raises
    ------
    UserError
        If a column that is not the default does not exist.
    InputError
        If the rows of a participant differ.
    """
    name = find_family_column(settings, cohort)
    if not name:
        return tuple(f"sub-{participant}" for participant in participants)
    # Relatives are relatives in all sessions.
    column = read_column(name, cohort.tables, None, "family_column", "column of families")
    families, unrelated = [], []
    for participant in participants:
        values = {normalise(cell) for _, cell in column.pairs([participant])}
        if len(values) > 1:
            message = (
                f"{column} has several families for sub-{participant} ({abbreviate(order_levels(values))}).\n"
                "Correct its rows: they must agree, or have n/a."
            )
            raise InputError(message)
        families.append(f"family {values.pop()}" if values else f"sub-{participant}")
        if participant not in column.cells:
            unrelated.append(families[-1])
    if unrelated:
        logger.warning(
            "%s has no value for %d of %d participants, which are treated as unrelated: %s.",
            column, len(unrelated), len(participants), abbreviate(unrelated),
        )  # fmt: skip
    return tuple(families)


def _refuse_both(target: Column, confounds: Sequence[Column]) -> None:
    """Refuse a target that is a confound under a short name, such as mean_fd for fd_mean_mm."""
    for column in confounds:
        if (column.path, column.source) == (target.path, target.source):
            message = f"{target} is also the confound {column.name}.\nRemove it from `target` or `confounds`."
            raise InputError(message)


def _complete(
    cohort: Cohort, target: Column, confounds: Sequence[Column], sites: Sequence[Column]
) -> tuple[tuple[str, ...], tuple[Exclusion, ...]]:
    """Exclude participants without a value, and require enough of them."""
    participants = cohort.participants
    exclusions = list(cohort.exclusions)
    steps = [f"{quantity(len(participants), 'participant')} with all features"]
    for column in (target, *confounds, *sites):
        reasons = {name: column.absence(name) for name in participants if name not in column.cells}
        participants, excluded = exclude(target.name, participants, f"without {column.name}", reasons.get)
        exclusions += excluded
        if excluded:
            steps.append(f"{len(participants)} with {column.name}")
    if len(participants) < MIN_PARTICIPANTS:
        message = (
            f"{target} can be analysed in {quantity(len(participants), 'participant')}, and at least "
            f"{MIN_PARTICIPANTS} are needed: {', of these '.join(steps)}.\nAdd participants, or remove what "
            "many of them lack from `features`, `target` or `confounds`."
        )
        raise InputError(message)
    return participants, tuple(exclusions)


def _site_names(column: Column, participants: Sequence[str]) -> tuple[str, ...]:
    codes, levels = read_categories(column, participants)
    return tuple(levels[code] for code in codes)


def _make_folds(
    settings: BiomarkersSettings,
    target: Target,
    participants: Sequence[str],
    families: Sequence[str],
    sites: Sequence[str] | None,
) -> Folds:
    """Return stored folds, one fold per site, or random folds."""
    if settings.splits:
        folds = read_folds(settings.splits, participants, families, seed=settings.seed)
        advice = "Correct the table of `splits`, or exclude participants (`exclude_participant_label`)."
    elif sites and settings.leave_one_site_out:
        folds = site_folds(
            sites, families, participants, column=settings.leave_one_site_out, seed=settings.seed
        )
        advice = "Merge sites in a new column, or use random folds without `leave_one_site_out`."
    else:
        folds = random_folds(
            target, families, n_folds=settings.n_folds, n_repeats=settings.n_repeats, seed=settings.seed
        )
        advice = "Reduce `n_folds`, or add participants."
    check_folds(folds, target, advice)
    return folds


def _check_combat(column: Column, sites: Sequence[str], folds: Folds) -> None:
    """Refuse one site, and sites that training participants of inner folds may lack."""
    names, codes, counts = np.unique(np.asarray(sites), return_inverse=True, return_counts=True)
    if len(names) == 1:
        message = (
            f"{column} has one site, {names[0]}, in all {len(sites)} participants of the analysis, so ComBat "
            "has nothing to harmonise.\nRemove `combat`, or include participants of other sites."
        )
        raise InputError(message)
    small = []
    # The training participants of an inner fold lack two folds.
    n_absent = 2 if folds.n_folds > 2 else 1
    for code, name in enumerate(names):
        per_fold = [np.bincount(numbers[codes == code], minlength=folds.n_folds) for numbers in folds.numbers]
        n_training = counts[code] - max(int(np.sort(row)[-n_absent:].sum()) for row in per_fold)
        if n_training < MIN_SITE_PARTICIPANTS:
            small.append(f"{name} ({quantity(int(counts[code]), 'participant')})")
    if small:
        message = (
            f"{column} has sites of which some training participants of the folds have fewer than "
            f"{MIN_SITE_PARTICIPANTS}, so ComBat cannot estimate their effect: {abbreviate(small)}.\nMerge "
            "sites in a new column, exclude their participants (`exclude_participant_label`), or remove "
            "`combat`."
        )
        raise InputError(message)
