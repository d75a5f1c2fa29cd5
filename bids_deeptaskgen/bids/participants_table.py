"""Tables of participants: their rows, families and sites, joined to the labels of a dataset."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.bids.filenames import same_label
from bids_deeptaskgen.bids.participant_ids import bare_label, match_labels, warn_unmatched
from bids_deeptaskgen.errors import InputError, UserError, abbreviate
from bids_deeptaskgen.io.text_table import is_missing
from bids_deeptaskgen.io.tsv import read_tsv

logger = logging.getLogger("bids_deeptaskgen")

ID_COLUMN = "participant_id"
# Other names of that column, in any letter case, in order of precedence.
_ID_COLUMNS = (ID_COLUMN, "participant", "subject_id", "subject", "sub")
_FAMILY = ("family_id", "family")
_SITE = ("site_id", "site")


def participants_table(table: Path | None, statmaps: Path) -> Path | None:
    """Return the table of participants that belongs to measured maps.

    Parameters
    ----------
    table : Path or None
        Value of ``--participants-tsv``, which takes precedence.
    statmaps : Path
        Root of a dataset, or a table of paths, for which there is no default.

    Returns
    -------
    Path or None
        The default, ``participants.tsv`` of the dataset, may not exist.

    Raises
    ------
    UserError
        If `table` does not exist.
    """
    if table and not table.is_file():
        message = f"`participants_tsv` {table}: no such file. Correct the path or remove the option."
        raise UserError(message)
    if table or statmaps.is_file():
        return table
    return statmaps / "participants.tsv"


@dataclass(frozen=True)
class ParticipantRows:
    """Rows of a table of participants.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        Names of the columns apart from that of the ids.
    rows : dict of str to list of dict
        Rows of each participant, by the label in the table without ``sub-``; several for sessions.
    """

    path: Path
    columns: tuple[str, ...]
    rows: dict[str, list[dict[str, str]]]

    def find_column(self, names: Sequence[str]) -> str | None:
        """Return the first column that exists, in any letter case.

        Parameters
        ----------
        names : sequence of str
            In lower case.

        Returns
        -------
        str or None
            Its name in the table.
        """
        return _find_column(self.columns, names)

    def match(self, labels: Collection[str]) -> dict[str, list[dict[str, str]]]:
        """Return the rows of participants, see `participant_ids.match_labels`.

        Parameters
        ----------
        labels : collection of str
            Labels without ``sub-``.

        Returns
        -------
        dict of str to list of dict
            Only of participants with rows.
        """
        matches = match_labels(labels, self.rows, self.path)
        return {label: self.rows[candidate] for label, candidate in matches.items()}


def _find_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    for name in names:
        spellings = [column for column in columns if column.lower().replace(" ", "_") == name]
        # The exact spelling takes precedence.
        if spellings:
            return name if name in spellings else spellings[0]
    return None


def read_rows(table: Path) -> ParticipantRows:
    r"""Read a table of participants.

    Parameters
    ----------
    table : Path
        TSV with a column ``participant_id``, in any letter case, or ``participant``, ``subject_id``,
        ``subject`` or ``sub``.

    Returns
    -------
    ParticipantRows

    Raises
    ------
    InputError
        If the table cannot be read, has no such column, or a row has no id.

    Examples
    --------
    >>> path = folder / "participants.tsv"
    >>> _ = path.write_text("Participant_ID\tage\nsub-01\t20\n2\t30\n")
    >>> read_rows(path).match(["01", "02"])
    {'01': [{'age': '20'}], '02': [{'age': '30'}]}
    """
    rows: dict[str, list[dict[str, str]]] = {}
    columns: tuple[str, ...] = ()
    for line, cells in enumerate(read_tsv(table), 2):
        id_column = require_id_column(table, tuple(cells))
        columns = tuple(name for name in cells if name != id_column)
        label = require_label(table, line, id_column, cells.pop(id_column))
        rows.setdefault(label, []).append(cells)
    return ParticipantRows(table, columns, rows)


def require_id_column(table: Path, columns: Sequence[str]) -> str:
    """Return the column of a table that identifies participants.

    Parameters
    ----------
    table : Path
        For the message.
    columns : sequence of str
        Names of all columns.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If there is none.
    """
    column = _find_column(columns, _ID_COLUMNS)
    if column is None:
        message = (
            f"{table}: has no column {ID_COLUMN} (columns: {abbreviate(list(columns))}).\n"
            f"Name the column of the labels {ID_COLUMN}."
        )
        raise InputError(message)
    return column


def require_label(table: Path, line: int, id_column: str, cell: str) -> str:
    """Return the label of a row without ``sub-``.

    Parameters
    ----------
    table : Path
        For the message, as `line` and `id_column`.
    line : int
    id_column : str
    cell : str
        Cell of the column that identifies participants.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If it is missing.
    """
    label = bare_label(cell)
    if is_missing(label):
        message = f"{table}, line {line}: {id_column} is empty.\nAdd the label, or remove the row."
        raise InputError(message)
    return label


def columns_of_session(rows: Sequence[dict[str, str]], session: str | None, name: str) -> dict[str, str]:
    """Join the rows of a participant for one session.

    Rows of the session take precedence, then rows without a session. If neither exist, or there are several,
    only values in which the rows agree are certain; the log lists the others.

    Parameters
    ----------
    rows : sequence of dict
        Rows of the participant.
    session : str or None
        Label without ``ses-``.
    name : str
        Name of the participant, for the log.

    Returns
    -------
    dict of str to str
        Values by column, ``n/a`` where rows differ; empty without rows.

    Examples
    --------
    >>> rows = [{"session_id": "ses-1", "age": "20", "sex": "F"}]
    >>> rows += [{"session_id": "ses-2", "age": "21", "sex": "F"}]
    >>> columns_of_session(rows, "01", "sub-01")["age"]
    '20'
    >>> columns_of_session(rows, None, "sub-01")
    {'session_id': 'n/a', 'age': 'n/a', 'sex': 'F'}
    """
    sessions = [row.get("session_id", "").removeprefix("ses-") for row in rows]
    of_session = [row for row, label in zip(rows, sessions, strict=True) if same_label(label, session or "")]
    of_all = [row for row, label in zip(rows, sessions, strict=True) if is_missing(label)]
    candidates = of_session or of_all or rows
    values = {
        key: {row[key] for row in candidates if not is_missing(row[key])}
        for key in (candidates[0] if candidates else ())
    }
    differing = [key for key, cells in values.items() if len(cells) > 1 and key != "session_id"]
    if differing:
        logger.warning(
            "participants.tsv: the rows of %s differ in %s; n/a is used. Add a column session_id with the "
            "session of each row.",
            name, abbreviate(differing),
        )  # fmt: skip
    return {key: cells.pop() if len(cells) == 1 else "n/a" for key, cells in values.items()}


def read_values(
    table: Path | None, names: Sequence[str], labels: Collection[str], loss: str
) -> dict[str, str] | None:
    """Read one value of each participant, such as the family.

    Parameters
    ----------
    table : Path or None
        Table of participants; a table that does not exist has no columns.
    names : sequence of str
        Names of the column in lower case, in order of precedence.
    labels : collection of str
        Labels without ``sub-``.
    loss : str
        What participants without a row lack, for the warning about them.

    Returns
    -------
    dict of str to str or None
        Value of each participant, empty without one; None if there is no such column.

    Raises
    ------
    InputError
        If the table cannot be read or joined, has no row of any participant, or several values for one.
    """
    if table is None or not (table.exists() or table.is_symlink()):
        return None
    participants = read_rows(table)
    column = participants.find_column(names)
    if column is None:
        return None
    rows = participants.match(labels)
    warn_unmatched(rows, labels, table, loss)
    values: dict[str, str] = {}
    for label in labels:
        entries = {row[column].strip() for row in rows.get(label, []) if not is_missing(row[column])}
        if len(entries) > 1:
            message = (
                f"{table}: sub-{label} has several values of {column} ({abbreviate(sorted(entries))}).\n"
                "Correct its rows: they must agree, or have n/a."
            )
            raise InputError(message)
        values[label] = next(iter(entries), "")
    return values


def read_families(
    table: Path | None, labels: Collection[str], *, with_sites: bool = False
) -> dict[str, tuple[str, str]]:
    """Read family and site of each participant from a table.

    Parameters
    ----------
    table : Path or None
        Table of participants, see `participants_table`; a table that does not exist has no rows.
    labels : collection of str
        Labels without ``sub-``.
    with_sites : bool
        Read the sites, too; otherwise they are not needed, and may differ between sessions.

    Returns
    -------
    dict of str to (str, str)
        Family and site of each participant; an empty string where the table has no value.

    Raises
    ------
    InputError
        See `read_values`.
    """
    families = read_values(table, _FAMILY, labels, "they are treated as unrelated") or {}
    sites = with_sites and read_values(table, _SITE, labels, "their sites are unknown") or {}
    return {label: (families.get(label, ""), sites.get(label, "")) for label in labels}
