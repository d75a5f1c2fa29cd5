"""Table for normative models: a row for each participant, without missing values."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.exports.names import safe_names
from bids_deeptaskgen.cohort_store.exports.observations import Observation, make_observations
from bids_deeptaskgen.cohort_store.exports.participant_columns import (
    Columns,
    find_participants_table,
    find_quality_table,
    read_columns,
    read_tables,
)
from bids_deeptaskgen.cohort_store.exports.roi_values import (
    RoiValues,
    Variable,
    read_roi_values,
    require_roi_table,
)
from bids_deeptaskgen.errors import InputError, abbreviate, quantity
from bids_deeptaskgen.settings.export import ExportPcntoolkitSettings

logger = logging.getLogger("bids_deeptaskgen")

SUBJECT_COLUMN, SESSION_COLUMN = "participant_id", "session_id"


class Exclusion(NamedTuple):
    """Observation without a row in the table."""

    observation: Observation
    reason: str


@dataclass(frozen=True)
class NormativeTable:
    """Table for normative models.

    Attributes
    ----------
    observations : tuple of Observation
    has_sessions : bool
        Whether rows are sessions, so that a participant may have several.
    covariates : dict of str to float64 array of shape (n_observations,)
    batch_effects : dict of str to list of str
    variables : tuple of Variable
    names : tuple of str
        Name of the column of each variable.
    values : float32 array of shape (n_observations, n_variables)
        Without NaN.
    exclusions : tuple of Exclusion
    variables_left_out : tuple of (Variable, str)
        Variables without a column, and the reason.
    """

    observations: tuple[Observation, ...]
    has_sessions: bool
    covariates: dict[str, NDArray[np.float64]]
    batch_effects: dict[str, list[str]]
    variables: tuple[Variable, ...]
    names: tuple[str, ...]
    values: NDArray[np.float32]
    exclusions: tuple[Exclusion, ...]
    variables_left_out: tuple[tuple[Variable, str], ...]


def make_normative_table(settings: ExportPcntoolkitSettings) -> NormativeTable:
    """Join an ROI table with covariates and batch effects.

    Parameters
    ----------
    settings : ExportPcntoolkitSettings

    Returns
    -------
    NormativeTable

    Raises
    ------
    InputError
        If a table cannot be read or joined, or no row or variable remains.
    UserError
        If a column, contrast or region does not exist.
    """
    require_roi_table(settings.roi_table)
    participants = find_participants_table(settings.roi_table, settings.participants_tsv)
    quality = find_quality_table(settings.roi_table)
    tables = [table for table in (participants, quality) if table]
    covariates = settings.covariates or ("age",)
    # Before the ROI table, which takes minutes for large cohorts.
    sources = read_tables(tables, covariates, settings.batch_effects)
    roi_values = read_roi_values(
        settings.roi_table,
        settings.value,
        contrasts=settings.contrasts,
        regions=settings.regions,
        min_coverage=settings.min_coverage,
    )
    observations, values = make_observations(roi_values.rows, roi_values.values, settings.sessions)
    columns = read_columns(observations, sources, covariates, settings.batch_effects)
    table = _without_missing(
        observations, columns, roi_values, values, drops_variables=settings.missing_values == "drop"
    )
    if not table.observations or not table.variables:
        raise InputError(_explain_nothing(settings.roi_table, table))
    return table


def _without_missing(
    observations: Sequence[Observation],
    columns: Columns,
    roi_values: RoiValues,
    values: NDArray[np.float32],
    *,
    drops_variables: bool,
) -> NormativeTable:
    """Drop observations and variables with missing values, and constant variables."""
    left_out = _incomplete_variables(values, columns.reasons, drops_variables=drops_variables)
    reasons = columns.reasons | _incomplete_rows(values, roi_values.variables, columns.reasons, left_out)
    rows = np.array([number for number in range(len(observations)) if number not in reasons], int)
    left_out |= _constant_variables(values, rows, left_out)
    numbers = np.array([number for number in range(len(roi_values.variables)) if number not in left_out], int)
    variables = tuple(roi_values.variables[number] for number in numbers)
    reserved = (SUBJECT_COLUMN, SESSION_COLUMN, *columns.covariates, *columns.batch_effects)
    is_complete = len(numbers) == values.shape[1] and len(rows) == len(values)
    return NormativeTable(
        observations=tuple(observations[number] for number in rows),
        has_sessions=len({observation.participant_id for observation in observations}) < len(observations),
        covariates={name: np.array(cells)[rows] for name, cells in columns.covariates.items()},
        batch_effects={
            name: [cells[number] for number in rows] for name, cells in columns.batch_effects.items()
        },
        variables=variables,
        names=tuple(
            safe_names((f"{variable.contrast}_{variable.region}" for variable in variables), reserved)
        ),
        # A copy of the whole array would double the memory.
        values=values if is_complete else values[np.ix_(rows, numbers)],
        exclusions=tuple(
            Exclusion(observations[number], reason) for number, reason in sorted(reasons.items())
        ),
        variables_left_out=tuple(
            (roi_values.variables[number], reason) for number, reason in sorted(left_out.items())
        ),
    )


def _incomplete_variables(
    values: NDArray[np.float32], reasons: Mapping[int, str], *, drops_variables: bool
) -> dict[int, str]:
    """Return the variables without a value in all rows that have covariates, or in some of them."""
    n_missing, n_rows = np.zeros(values.shape[1], int), 0
    for number, row in enumerate(values):
        if number not in reasons:
            n_missing += np.isnan(row)
            n_rows += 1
    limit = 1 if drops_variables else max(n_rows, 1)
    return {
        number: f"no value in {quantity(int(n_missing[number]), 'row')}"
        for number in np.flatnonzero(n_missing >= limit).tolist()
    }


def _incomplete_rows(
    values: NDArray[np.float32],
    variables: Sequence[Variable],
    reasons: Mapping[int, str],
    left_out: Collection[int],
) -> dict[int, str]:
    """Return the rows without a value of some variable that is kept."""
    is_kept = np.array([number not in left_out for number in range(len(variables))])
    rows = {}
    for number, row in enumerate(values):
        gaps = np.flatnonzero(np.isnan(row) & is_kept)
        if number not in reasons and len(gaps):
            variable = variables[gaps[0]]
            rows[number] = (
                f"no value of {quantity(len(gaps), 'variable')}, for example {variable.contrast} in "
                f"{variable.region}"
            )
    return rows


def _constant_variables(
    values: NDArray[np.float32], rows: NDArray[np.intp], left_out: Collection[int]
) -> dict[int, str]:
    """Return the variables with one value in all rows, whose SD of 0 gives a model of NaN."""
    if len(rows) < 2:
        return {}
    is_constant = np.ones(values.shape[1], bool)
    for number in rows[1:]:
        is_constant &= values[number] == values[rows[0]]
    return {
        number: "the same value in all rows"
        for number in np.flatnonzero(is_constant).tolist()
        if number not in left_out
    }


def _explain_nothing(path: Path, table: NormativeTable) -> str:
    if not table.variables:
        return (
            f"{path}: no variable has values in all rows.\nChoose other regions, or `missing_values` exclude."
        )
    reasons = Counter(exclusion.reason for exclusion in table.exclusions)
    reason, count = reasons.most_common(1)[0]
    return (
        f"{path}: no row remains; {quantity(count, 'row')} of {len(table.exclusions)}: {reason}.\n"
        "Complete participants.tsv, choose other columns or regions, or leave out variables with "
        "`missing_values` drop."
    )


def warn_of_limits(table: NormativeTable) -> None:
    """Log what a normative model of the table cannot estimate, and what is left out of it.

    Parameters
    ----------
    table : NormativeTable
    """
    for name, numbers in table.covariates.items():
        if np.ptp(numbers) == 0:
            logger.warning("The covariate %s is %g in all rows; a model cannot use it.", name, numbers[0])
    for name, levels in table.batch_effects.items():
        if len(set(levels)) == 1:
            logger.warning("The batch effect %s is %s in all rows.", name, levels[0])
    groups = Counter(zip(*table.batch_effects.values(), strict=True))
    single_groups = [" ".join(group) for group, count in groups.items() if count == 1]
    if single_groups:
        logger.warning(
            "One row alone has the batch effects %s; train_test_split of PCNtoolkit needs two of each "
            "combination.",
            "; ".join(single_groups[:3]),
        )
    if table.exclusions:
        labels = [exclusion.observation.participant_id for exclusion in table.exclusions]
        logger.warning(
            "%s left out for missing values: %s.", quantity(len(labels), "row"), abbreviate(labels)
        )
    if table.variables_left_out:
        texts = [
            f"{variable.contrast} in {variable.region} ({reason})"
            for variable, reason in table.variables_left_out
        ]
        logger.warning("%s left out: %s.", quantity(len(texts), "variable"), abbreviate(texts))
    if table.has_sessions:
        logger.warning("Some participants have several rows, which are not independent.")
