"""Tables with one row per volume, of several origins; their errors name the table and fitting advice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.motion_files import is_motion_file, read_motion_file
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.io.number_table import read_number_table

Numbers = NDArray[np.float64]

# Advice on a damaged table, by its origin.
CONFOUNDS_ADVICE = "Copy the table again from its source, or re-run the preprocessing of this run."
LENGTH_ADVICE = "Put the confounds of this run there, or re-run the preprocessing of this run."
CUSTOM_ADVICE = "Correct this table of your own regressors, or remove `custom_confounds`."
AROMA_ADVICE = "Copy the table again from its source, or re-run fMRIPost-AROMA on this run."
OUTLIERS_ADVICE = "Copy the table again from its source, or re-run XCP-D on this run."
# XCP-D writes one column for each of its censoring criteria; this one marks the volumes that it interpolated.
_OUTLIER_COLUMN = "framewise_displacement"


class TableError(InputError):
    """Unusable table of a run; unlike other errors of confounds, its message names the file."""


@dataclass(frozen=True)
class Column:
    """Column of a table with one row per volume.

    Attributes
    ----------
    name : str
        In the file.
    values : array of shape (n_volumes,)
        NaN for n/a.
    path : Path
        The table.
    advice : str
        What to do if the column cannot be used.
    problem : str
        First cell that is not a finite number; empty if all are.
    holds_truth : bool
        Whether the file holds True and False, which `values` has as 1 and 0.
    """

    name: str
    values: Numbers
    path: Path
    advice: str
    problem: str = ""
    holds_truth: bool = False


def read_columns(path: Path, advice: str) -> dict[str, Column]:
    """Read a table with one row per volume.

    Parameters
    ----------
    path : Path
        TSV; or motion parameters of HCP or MCFLIRT without column names, see `motion_files`.
    advice : str
        What to do if the table cannot be used.

    Returns
    -------
    dict of str to Column
        In the order of the file.

    Raises
    ------
    TableError
        If the file cannot be read.
    """
    try:
        if is_motion_file(path):
            motion = read_motion_file(path)
            return {name: Column(name, values, path, advice) for name, values in motion.items()}
    except InputError as error:
        raise TableError(str(error)) from error
    try:
        table = read_number_table(path)
    except InputError as error:
        # The content of a link is missing, not damaged.
        message = str(error) if "its content is not here" in str(error) else f"{error} {advice}"
        raise TableError(message) from error
    return {
        name: Column(name, values, path, advice, table.problems.get(name, ""), name in table.truth_values)
        for name, values in table.columns.items()
    }


def n_rows_of(columns: Mapping[str, Column]) -> int:
    """Return the number of rows of a table.

    Parameters
    ----------
    columns : dict of str to Column
        Columns of one table.

    Returns
    -------
    int
    """
    return max((len(column.values) for column in columns.values()), default=0)


def select_rows(columns: Mapping[str, Column], is_selected: NDArray[np.bool_]) -> dict[str, Column]:
    """Select rows of all columns.

    Parameters
    ----------
    columns : dict of str to Column
    is_selected : boolean array of shape (n_rows,)

    Returns
    -------
    dict of str to Column
    """
    return {name: replace(column, values=column.values[is_selected]) for name, column in columns.items()}


def require_rows(path: Path, n_rows: int, n_volumes: int, advice: str) -> None:
    """Refuse a table with another number of rows than volumes.

    Parameters
    ----------
    path : Path
    n_rows, n_volumes : int
    advice : str
        What to do with a table of this origin.

    Raises
    ------
    TableError
    """
    if n_rows != n_volumes:
        message = f"{path}: has {n_rows} rows, but the BOLD run has {n_volumes} volumes.\n{advice}"
        raise TableError(message)


def require_numbers(columns: Iterable[Column]) -> None:
    """Refuse columns with cells that are not finite numbers, or with n/a only.

    Parameters
    ----------
    columns : iterable of Column

    Raises
    ------
    TableError
        If a column cannot be used; the message names all such columns of its table.
    """
    columns = list(columns)
    invalid = [column for column in columns if column.problem]
    if invalid:
        first = invalid[0]
        names = [column.name for column in invalid if column.path == first.path]
        message = (
            f"{first.path}: contains values other than finite numbers and n/a in {abbreviate(names)}: "
            f"{first.problem}.\n{first.advice}"
        )
        raise TableError(message)
    empty = [column for column in columns if np.isnan(column.values).all()]
    if empty:
        first = empty[0]
        names = [column.name for column in empty if column.path == first.path]
        message = f"{first.path}: {abbreviate(names)} {_verb(names)} only n/a.\n{first.advice}"
        raise TableError(message)


def require_later_values(columns: Iterable[Column]) -> None:
    """Refuse columns with n/a after the first volume, which alone has no predecessor.

    Parameters
    ----------
    columns : iterable of Column

    Raises
    ------
    TableError
        If there is such a column; the message names all of its table.
    """
    incomplete = [column for column in columns if np.isnan(column.values[1:]).any()]
    if not incomplete:
        return
    first = incomplete[0]
    of_table = [column for column in incomplete if column.path == first.path]
    is_missing = np.any([np.isnan(column.values) for column in of_table], axis=0)
    is_missing[0] = False
    volumes = ", ".join(map(str, np.flatnonzero(is_missing)[:5]))
    names = ", ".join(column.name for column in of_table)
    message = (
        f"{first.path}: {names} hold n/a after the first volume (volumes {volumes}, counted from 0).\n"
        f"{first.advice}"
    )
    raise TableError(message)


def read_outliers(path: Path) -> NDArray[np.bool_]:
    """Read the volumes that XCP-D marked as outliers.

    Parameters
    ----------
    path : Path
        ``*_outliers.tsv``; its column ``framewise_displacement``, or its first one.

    Returns
    -------
    boolean array of shape (n_rows,)

    Raises
    ------
    TableError
        If the file cannot be read, or contains values other than 0 and 1.
    """
    columns = read_columns(path, OUTLIERS_ADVICE)
    column = columns.get(_OUTLIER_COLUMN) or next(iter(columns.values()))
    require_marks([column])
    return np.asarray(column.values == 1)


def require_marks(columns: Iterable[Column]) -> None:
    """Refuse columns that mark volumes, if they contain values other than 0 and 1, or False and True.

    Parameters
    ----------
    columns : iterable of Column

    Raises
    ------
    TableError
    """
    columns = [replace(column, problem="") if column.holds_truth else column for column in columns]
    require_numbers(columns)
    for column in columns:
        if not np.isin(column.values, (0, 1)).all():
            message = (
                f"{column.path}: {column.name} marks volumes, but contains values other than 0 and 1.\n"
                f"{column.advice}"
            )
            raise TableError(message)


def _verb(names: list[str]) -> str:
    return "hold" if len(names) > 1 else "holds"
