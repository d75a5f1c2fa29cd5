"""Custom regressors of a run, found by file name in a folder."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from bids_deeptaskgen.bids.filenames import parse_name, plain_value
from bids_deeptaskgen.bids.input.layout import File, of_kind
from bids_deeptaskgen.bids.input.matching import match_table, require_single
from bids_deeptaskgen.errors import InputError

# Of the tables, for advice.
_PLACE = "in the folder of `custom_confounds`"


def find_custom(folder: Path, bold: File, root: Path, series: Sequence[File]) -> Path:
    """Find the table of custom regressors of a run, by the rules for all tables.

    Parameters
    ----------
    folder : Path
        Folder of the tables; either all in it, or in the same subfolders as the BOLD series in `root`.
        Tables are named like the run's confounds, or like its BOLD series with ``.tsv``.
    bold : File
        BOLD series of the run.
    root : Path
        Dataset of the BOLD series.
    series : sequence of File
        All BOLD series of the participant.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If no table exists, two fit equally well, or `folder` is a file.
    """
    _refuse_file(folder)
    reason = ""
    # BIDS names are unique for each participant; file names of archives are the same for all participants.
    folders = [folder / bold.path.parent.relative_to(root), *([folder] if bold.name.get("sub") else [])]
    for place in dict.fromkeys(folders):
        tables = _tables_of(place, bold)
        match = match_table(bold, of_kind(tables, "confounds"), series, "custom regressors", _PLACE)
        if match.file:
            return match.file.path
        reason = reason or match.reason
        same_name = [table for table in tables if _names_series(table, bold)]
        if same_name:
            problem = f"fit equally well as the custom regressors of {bold.path}"
            return require_single(same_name, problem, _PLACE).path
    names = f"{_like_confounds(bold)}, {bold.path.name.partition('.nii')[0]}.tsv"
    details = f"; {reason}" if reason else ""
    message = (
        f"{folder}: no table of custom regressors for {bold.path} (searched for {names} in "
        f"{' and '.join(map(str, folders))}{details}).\nAdd the table, or remove `custom_confounds`."
    )
    raise InputError(message)


def _refuse_file(folder: Path) -> None:
    if folder.is_file():
        message = (
            f"{folder}: is a file, but `custom_confounds` expects a folder with one table for each run; one "
            "file would clean all runs with the same regressors.\nName its folder, and name each table like "
            "the run's confounds."
        )
        raise InputError(message)


def _tables_of(folder: Path, bold: File) -> list[File]:
    """List the tables of the participant and session of a series in a folder."""
    try:
        by_participant = _list_tables(folder, folder.stat().st_mtime_ns)
    except OSError:
        return []
    key = (bold.name.get("sub"), bold.name.get("ses"))
    return [File(file.path, file.name, bold.session) for file in by_participant.get(key, ())]


@lru_cache(maxsize=16)
def _list_tables(folder: Path, _modified: int) -> dict[tuple[str | None, str | None], list[File]]:
    """List the tables in a folder by participant and session; a folder may hold those of a cohort."""
    tables: dict[tuple[str | None, str | None], list[File]] = {}
    for path in sorted(folder.glob("*.tsv")):
        name = parse_name(path.name)
        tables.setdefault((name.get("sub"), name.get("ses")), []).append(File(path, name, name.get("ses")))
    return tables


def _names_series(table: File, bold: File) -> bool:
    """Return whether a table has the name of a series, but for leading zeros of indices."""
    if not bold.name.get("sub"):
        return table.path.name == bold.path.name.partition(".nii")[0] + ".tsv"
    return table.name.suffix == bold.name.suffix and _entities_of(table) == _entities_of(bold)


def _entities_of(file: File) -> set[tuple[str, str]]:
    return {(key, plain_value(key, value)) for key, value in file.name.entities}


def _like_confounds(bold: File) -> str:
    entities = "_".join(
        f"{key}-{value}" for key, value in bold.name.entities_without(("space", "res", "desc", "hash"))
    )
    return f"{entities}_desc-confounds_timeseries.tsv"
