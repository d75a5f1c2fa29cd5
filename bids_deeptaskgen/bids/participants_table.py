"""Families and sites of participants, from participants.tsv."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.tsv import read_tsv

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


def read_families(table: Path | None) -> dict[str, tuple[str, str]]:
    """Read family and site of each participant from a table.

    Parameters
    ----------
    table : Path or None
        Table of participants, see `participants_table`; a table that does not exist has no rows.

    Returns
    -------
    dict of str to (str, str)
        Label without ``sub-`` to family and site; an empty string where the table has no value.
    """
    by_subject: dict[str, tuple[str, str]] = {}
    for row in read_tsv(table, missing_ok=True) if table else []:
        values = {str(key).lower(): (value or "").strip() for key, value in row.items() if key}
        subject = values.get("participant_id", "").removeprefix("sub-")
        family, site = by_subject.get(subject, ("", ""))
        by_subject[subject] = (family or _first_value(values, _FAMILY), site or _first_value(values, _SITE))
    return by_subject


def _first_value(row: Mapping[str, str], columns: Sequence[str]) -> str:
    values = [row[name] for name in columns if row.get(name, "n/a").lower() not in ("", "n/a", "nan")]
    return values[0] if values else ""
