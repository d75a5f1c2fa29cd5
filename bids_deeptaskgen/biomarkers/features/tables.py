"""Tables as features: one row for each participant, one column for each feature, no missing values.

Columns that many participants lack are dropped first, and then the participants who lack a value in any
other column. Nothing is imputed: a value that is estimated from other participants would have to be
estimated again in each training fold.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.column_names import are_same_column
from bids_deeptaskgen.biomarkers.features.reader import FeatureReader, Selection, require_participants
from bids_deeptaskgen.biomarkers.features.row_groups import (
    average_participants,
    group_rows,
    parse_labels,
    remove_repeats,
)
from bids_deeptaskgen.biomarkers.features.store_maps import choose_contrasts
from bids_deeptaskgen.biomarkers.problem import TableFeatures
from bids_deeptaskgen.cohort_store.exports.roi_values import read_roi_values
from bids_deeptaskgen.cohort_store.wide_tables import WideTable, read_wide_table
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, quantity
from bids_deeptaskgen.settings.biomarkers import FeatureSource

# Columns that a larger share of the participants lack are dropped.
MAX_MISSING = 0.1
# Rounding to float32 may change a value by at most this share of the standard deviation of its column.
_MAX_ROUNDING = 1e-3


@dataclass(frozen=True, kw_only=True)
class TableReader(FeatureReader):
    """Table of participants without missing values.

    Attributes
    ----------
    values : float32 array of shape (n_participants, n_columns)
        Rows of `participants`.
    description : str
        For facts of the page.
    """

    values: NDArray[np.float32]
    description: str

    def read(self, labels: Sequence[str], *, is_published: bool = False) -> TableFeatures:  # noqa: ARG002
        """Return the rows of participants.

        Parameters
        ----------
        labels, is_published
            See `FeatureReader.read`.

        Returns
        -------
        TableFeatures
        """
        numbers = {label: number for number, label in enumerate(self.participants)}
        values = self.values[[numbers[label] for label in labels]]
        return TableFeatures(self.name, tuple(labels), self.columns, values, self.description)


def make_table_reader(
    source: FeatureSource,
    participants: Sequence[str],
    columns: Sequence[str],
    values: NDArray[np.floating],
    *,
    reasons: Mapping[str, str],
    notes: Sequence[str],
    description: str,
    is_predicted: bool = False,
) -> TableReader:
    """Drop columns that many participants lack, then participants who lack a value.

    Parameters
    ----------
    source : FeatureSource
    participants : sequence of str
        Labels without ``sub-``, different.
    columns : sequence of str
    values : array of shape (n_participants, n_columns)
        NaN for missing values.
    reasons : dict of str to str
        Why other participants have no row.
    notes : sequence of str
        Facts on the rows.
    description : str
        For facts of the page.
    is_predicted : bool
        Whether the values are those of predicted maps.

    Returns
    -------
    TableReader

    Raises
    ------
    InputError
        If no participant or no column remains.
    """
    require_participants(source, participants, reasons)
    is_missing = ~np.isfinite(values)
    is_column = is_missing.mean(axis=0) <= MAX_MISSING
    notes = list(notes)
    dropped = [name for name, is_kept in zip(columns, is_column, strict=True) if not is_kept]
    if dropped:
        notes.append(
            f"{quantity(len(dropped), 'column')} of {len(columns):,} dropped, which more than "
            f"{MAX_MISSING:.0%} of the participants lack: {abbreviate(dropped)}"
        )
    if not is_column.any():
        raise _no_column(source, len(columns))
    n_missing = is_missing[:, is_column].sum(axis=1)
    n_columns = int(is_column.sum())
    all_reasons = dict(reasons) | {
        label: f"missing values in {n:,} of {n_columns:,} columns"
        for label, n in zip(participants, n_missing.tolist(), strict=True)
        if n
    }
    order = sorted(range(len(participants)), key=lambda number: participants[number])
    rows = [number for number in order if not n_missing[number]]
    if not rows:
        raise _no_participant(source, n_missing, n_columns)
    return TableReader(
        name=source.name,
        participants=tuple(participants[row] for row in rows),
        reasons=all_reasons,
        notes=tuple(notes),
        columns=tuple(name for name, is_kept in zip(columns, is_column, strict=True) if is_kept),
        is_predicted=is_predicted,
        values=_to_float32(values[np.ix_(rows, is_column)]),
        description=description,
    )


def _no_column(source: FeatureSource, n_columns: int) -> InputError:
    return InputError(
        f"`features` {source.name}: more than {MAX_MISSING:.0%} of the participants lack each of the "
        f"{quantity(n_columns, 'column')} of {source.path}.\nName a table with values."
    )


def _no_participant(source: FeatureSource, n_missing: NDArray[np.intp], n_columns: int) -> InputError:
    """Explain that all participants lack a value in some column, as is usual in wide tables."""
    return InputError(
        f"`features` {source.name}: each of the {quantity(len(n_missing), 'participant')} of "
        f"{source.path} lacks a value in some of {quantity(n_columns, 'column')} (median: "
        f"{np.median(n_missing):g}), and only participants with all values are used.\nRemove columns "
        "that many lack, or impute the values with a program of your choice; it should not use the "
        "target."
    )


def _to_float32(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Convert to float32, after subtracting a constant from columns whose digits would be lost.

    Models of the columns have an intercept, so a constant does not change them.
    """
    if values.dtype == np.float32:
        return np.ascontiguousarray(values, np.float32)
    spacing = np.spacing(np.abs(values).max(axis=0).astype(np.float32)).astype(np.float64)
    sd = values.std(axis=0)
    is_coarse = (sd > 0) & (spacing > _MAX_ROUNDING * sd)
    return (values - np.where(is_coarse, values.mean(axis=0), 0)).astype(np.float32)


def open_wide_table(
    source: FeatureSource, selection: Selection, targets: Collection[str] = (), table: WideTable | None = None
) -> TableReader:
    """Read a table with one row for each participant or session, and a numeric column for each feature.

    Parameters
    ----------
    source : FeatureSource
        TSV, CSV or Parquet; without parts.
    selection : Selection
    targets : collection of str
        Columns of tables of participants that are predicted, and confounds, which must not be features, also
        not in another case or under another name of a metric.
    table : WideTable, optional
        Content of the table, if it was read before.

    Returns
    -------
    TableReader
        Means over runs and sessions.

    Raises
    ------
    UserError
        If the source has parts, a column has the name of a target or a confound, or the selection leaves no
        participant.
    InputError
        If the table cannot be read, a cell is text, rows of a participant, session and run differ, or no
        participant remains.
    """
    if source.parts:
        message = (
            f"`features` {source.name}: {source.path} is a table, whose columns are all used; it has no part "
            f"{', '.join(source.parts)}. Remove the part."
        )
        raise UserError(message)
    table = table or read_wide_table(source.path)
    common = [name for name in table.columns if any(are_same_column(name, target) for target in targets)]
    if common:
        message = (
            f"`features` {source.name}: {source.path} has the column {abbreviate(common)}, which is also a "
            "target or a confound, or has sites or families. Remove it from the features."
        )
        raise UserError(message)
    labels = [parse_labels(*cells) for cells in table.row_labels]
    groups = group_rows(labels, selection.session)
    groups = groups.restrict(selection.select(groups.participants, source))
    groups = remove_repeats(groups, labels, table.values, source.path)
    rows = [row for sessions in groups.sessions.values() for numbers in sessions for row in numbers]
    return make_table_reader(
        source,
        list(groups.sessions),
        table.columns,
        average_participants(table.values[rows], groups.sessions.values()),
        reasons=groups.reasons,
        notes=groups.notes(selection.session),
        description=f"table of {quantity(len(table.columns), 'column')}, {source.path}",
    )


def open_roi_table(source: FeatureSource, selection: Selection) -> TableReader:
    """Read the means of regions from the tidy ROI table of the group level.

    Parameters
    ----------
    source : FeatureSource
        Table ``*_desc-maps_rois.tsv`` or ``.parquet``. Its parts are contrasts; empty for all.
    selection : Selection

    Returns
    -------
    TableReader
        A column such as ``wm2bk_7Networks_LH_Vis_1`` for each contrast and region; means over runs and
        sessions.

    Raises
    ------
    UserError
        If the table lacks a contrast, or the selection leaves no participant.
    InputError
        If the table cannot be read, or no participant remains.
    """
    table = read_roi_values(source.path)
    labels = choose_contrasts(list(dict.fromkeys(item.contrast for item in table.variables)), source)
    variables = [number for number, item in enumerate(table.variables) if item.contrast in labels]
    groups = group_rows([parse_labels(*row) for row in table.rows], selection.session)
    groups = groups.restrict(selection.select(groups.participants, source))
    rows = [row for sessions in groups.sessions.values() for numbers in sessions for row in numbers]
    return make_table_reader(
        source,
        list(groups.sessions),
        [f"{table.variables[i].contrast}_{table.variables[i].region}" for i in variables],
        average_participants(table.values[np.ix_(rows, variables)], groups.sessions.values()),
        reasons=groups.reasons,
        notes=groups.notes(selection.session),
        description=f"means of {quantity(len(variables), 'region')} of {abbreviate(labels)}, {source.path}",
        # The group level writes such tables of predicted maps only.
        is_predicted=True,
    )
