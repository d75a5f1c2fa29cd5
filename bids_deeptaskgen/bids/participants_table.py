"""Families and sites of participants, from participants.tsv."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.tsv import read_tsv

_FAMILY = ("family_id", "family")
_SITE = ("site_id", "site")


def participants_table(named: Path | None, statmaps: Path) -> Path | None:
    """Say which table of participants goes with measured maps.

    Parameters
    ----------
    named : Path or None
        What ``--participants-tsv`` names.
    statmaps : Path
        Root of a dataset, or a table of paths, which has none beside it.

    Returns
    -------
    Path or None
        That of a dataset need not be there.

    Raises
    ------
    UserError
        If a table is named that is not there.
    """
    if named and not named.is_file():
        message = f"--participants-tsv {named}: no such file."
        raise UserError(message)
    if named or statmaps.is_file():
        return named
    return statmaps / "participants.tsv"


def read_families(table: Path | None) -> dict[str, tuple[str, str]]:
    """Read family and site of each participant from a table; empty where it does not say.

    Parameters
    ----------
    table : Path or None
        See `make_pairs`; a table that is not there says nothing.

    Returns
    -------
    dict of str to (str, str)
        Label without ``sub-`` to family and site.
    """
    participants: dict[str, tuple[str, str]] = {}
    for row in read_tsv(table) if table else []:
        told = {str(key).lower(): (value or "").strip() for key, value in row.items() if key}
        subject = told.get("participant_id", "").removeprefix("sub-")
        before = participants.get(subject, ("", ""))
        participants[subject] = (before[0] or _value(told, _FAMILY), before[1] or _value(told, _SITE))
    return participants


def _value(row: Mapping[str, str], names: Sequence[str]) -> str:
    values = [row[name] for name in names if row.get(name, "n/a").lower() not in ("", "n/a", "nan")]
    return values[0] if values else ""
