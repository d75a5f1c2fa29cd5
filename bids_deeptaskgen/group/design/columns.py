"""Columns of the observations by their names in formulas and among the covariates."""

from collections.abc import Collection, Mapping, Sequence

from bids_deeptaskgen.bids.column_names import SITE_COLUMNS, find_column, suggest_columns
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.design.formula import FormulaFactor
from bids_deeptaskgen.group.design.observations import Observation
from bids_deeptaskgen.group.design.table import TableColumn, table_column


class AbsentColumnError(UserError):
    """Column that neither participants.tsv nor the quality metrics have."""


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
    message = (
        f"`{parameter}` names the column {name}, which neither participants.tsv nor the quality metrics "
        f"have.{suggest_columns(name, names)}"
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
