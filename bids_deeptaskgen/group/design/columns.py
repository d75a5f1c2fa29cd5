"""Columns of the observations by their names in formulas and among the covariates."""

import difflib
from collections.abc import Collection, Mapping, Sequence

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.design.formula import FormulaFactor
from bids_deeptaskgen.group.design.observations import METRICS_BY_COVARIATE, SITE_COLUMNS, Observation
from bids_deeptaskgen.group.design.table import TableColumn, table_column


class AbsentColumnError(UserError):
    """Column that neither participants.tsv nor the quality metrics have."""


def find_column(name: str, names: Collection[str]) -> str | None:
    """Find the column that a name of a formula or covariate stands for.

    Parameters
    ----------
    name : str
    names : collection of str
        Columns that exist.

    Returns
    -------
    str or None

    Examples
    --------
    >>> find_column("mean_fd", ["fd_mean_mm"]), find_column("site", ["Site_ID"]), find_column("age", ["Age"])
    ('fd_mean_mm', 'Site_ID', None)
    """
    if METRICS_BY_COVARIATE.get(name) in names:
        return METRICS_BY_COVARIATE[name]
    if name in names:
        return name
    if name == "site":
        by_lower = {existing.lower(): existing for existing in sorted(names, reverse=True)}
        return next((by_lower[column] for column in SITE_COLUMNS if column in by_lower), None)
    return None


def require_column(name: str, names: Collection[str], parameter: str) -> str:
    """Find a column as `find_column` does, and refuse a name that does not exist.

    Parameters
    ----------
    name : str
    names : collection of str
        Columns that exist.
    parameter : str
        Parameter that names it, for the message.

    Returns
    -------
    str

    Raises
    ------
    AbsentColumnError
        If there is no such column.
    """
    if column := find_column(name, names):
        return column
    aliases = [alias for alias in (*METRICS_BY_COVARIATE, "site") if find_column(alias, names)]
    existing = list(dict.fromkeys([*sorted(names), *aliases]))
    by_lower = {word.lower(): word for word in existing}
    close = [by_lower[word] for word in difflib.get_close_matches(name.lower(), by_lower)]
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    message = (
        f"`{parameter}` names the column {name}, which neither participants.tsv nor the quality metrics "
        f"have.{hint} Columns: {', '.join(existing) or 'none'}."
    )
    raise AbsentColumnError(message)


class ColumnReader:
    """Reads columns of the observations by their names in formulas.

    Parameters
    ----------
    observations : sequence of Observation
        All sessions, whose columns exist.
    sessions : dict of str to sequence of Observation
        Sessions of each participant in the design; the later and the earlier one of a difference.
    levels : collection of str
        Columns that are categorical even if their cells are numbers. Columns of sites always are.
    is_difference : bool
        Whether rows are differences of sessions.
    """

    def __init__(
        self,
        observations: Sequence[Observation],
        sessions: Mapping[str, Sequence[Observation]],
        levels: Collection[str],
        *,
        is_difference: bool,
    ) -> None:
        self.names = list(dict.fromkeys(name for row in observations for name in row.columns))
        self._sessions, self._levels, self._is_difference = sessions, levels, is_difference

    def read(self, name: str, parameter: str, *, is_categorical: bool = False) -> TableColumn:
        """Read a column, one value per participant.

        Parameters
        ----------
        name : str
            Name in the formula or among the covariates.
        parameter : str
            Parameter that has the name, for messages.
        is_categorical : bool
            Whether numbers are categories, too.

        Returns
        -------
        TableColumn

        Raises
        ------
        UserError
            If there is no such column; see also `table_column`.
        """
        source = require_column(name, self.names, parameter)
        return table_column(
            name,
            source,
            self._sessions,
            is_categorical=is_categorical or source in self._levels or source.lower() in SITE_COLUMNS,
            is_difference=self._is_difference,
        )

    def read_factor(self, factor: FormulaFactor) -> TableColumn:
        """Read the column of a factor of the formula."""
        return self.read(factor.column, "design", is_categorical=factor.function == "C")
