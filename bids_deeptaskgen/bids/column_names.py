"""Names of columns of participants: quality metrics and sites by their short names, and close matches."""

import difflib
from collections.abc import Collection
from pathlib import Path

from bids_deeptaskgen.errors import InputError, raise_disk_error
from bids_deeptaskgen.io.json_file import read_json

# Quality metric (data/qc_metrics.json) of each covariate that has a name of its own.
METRICS_BY_COVARIATE = {"mean_fd": "fd_mean_mm", "minutes": "minutes_kept", "tsnr": "tsnr_median"}
# Metrics that add up over the runs and sessions behind a map; others are averaged.
SUMMED_METRICS = frozenset({"minutes_kept"})
# Columns of participants.tsv that may hold the site, in any case; the first that exists is used.
SITE_COLUMNS = ("site_id", "site")


def find_column(name: str, names: Collection[str]) -> str | None:
    """Find the column that a name of a formula, covariate or confound stands for.

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


def are_same_column(name: str, column: str) -> bool:
    """Return whether two names may stand for one column, in any case and under short names.

    Parameters
    ----------
    name, column : str

    Returns
    -------
    bool

    Examples
    --------
    >>> are_same_column("mean_fd", "fd_mean_mm"), are_same_column("IQ", "iq"), are_same_column("iq", "age")
    (True, True, False)
    """
    return _resolve(name) == _resolve(column)


def _resolve(name: str) -> str:
    """Return the lower-case name of the metric or of the site that a name stands for, or the name."""
    lower = name.casefold()
    return SITE_COLUMNS[0] if lower in SITE_COLUMNS else METRICS_BY_COVARIATE.get(lower, lower)


def suggest_columns(name: str, names: Collection[str]) -> str:
    """Suggest columns in place of a name that does not exist.

    Parameters
    ----------
    name : str
    names : collection of str
        Columns that exist.

    Returns
    -------
    str
        Sentences for a message, which begin with a space if there is a close match.

    Examples
    --------
    >>> suggest_columns("agge", ["age", "fd_mean_mm"])
    ' Did you mean age? Columns: age, fd_mean_mm. Short names of these: mean_fd.'
    """
    aliases = [alias for alias in (*METRICS_BY_COVARIATE, "site") if find_column(alias, names)]
    existing = list(dict.fromkeys([*sorted(names), *aliases]))
    short_names = [alias for alias in aliases if alias not in names]
    by_lower = {word.lower(): word for word in existing}
    close = [by_lower[word] for word in difflib.get_close_matches(name.lower(), by_lower)]
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    short_text = f" Short names of these: {', '.join(short_names)}." if short_names else ""
    return f"{hint} Columns: {', '.join(sorted(names)) or 'none'}.{short_text}"


def column_levels(table: Path) -> dict[str, tuple[str, ...]]:
    """Read the codes of the categories (`Levels`) that the sidecar of a table declares.

    Parameters
    ----------
    table : Path
        Table with a sidecar of the same name and the extension ``.json``; without one, nothing is declared.

    Returns
    -------
    dict of str to tuple of str
        Codes by column, of columns with levels.
    """
    try:
        content = read_json(table.with_suffix(".json"))
    except (InputError, OSError) as error:
        raise_disk_error(error, table.with_suffix(".json"))
        return {}
    levels = {name: entry.get("Levels") for name, entry in content.items() if isinstance(entry, dict)}
    return {
        name: tuple(map(str, codes))
        for name, codes in levels.items()
        if codes and isinstance(codes, dict | list)
    }
