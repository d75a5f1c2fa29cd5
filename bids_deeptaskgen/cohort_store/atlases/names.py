"""Names of the regions of an atlas, from the table beside its image."""

import logging
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.tsv import read_tsv

logger = logging.getLogger("bids_deeptaskgen")

# Columns of the BIDS table of labels, and those of TemplateFlow's tables of DiFuMo.
_INDEX_COLUMNS = ("index", "Component", "component")
_NAME_COLUMNS = ("name", "Difumo_names", "difumo_names")
_BACKGROUND = frozenset(("background", "unknown", "", "n/a", "???"))


def find_name_table(path: Path) -> Path | None:
    """Find the table of labels of an image, by the inheritance of BIDS.

    Parameters
    ----------
    path : Path
        Image.

    Returns
    -------
    Path or None
        TSV file in the same folder, with the same suffix (or ``dseg``, for ``probseg``) and some of the
        entities of the image: that with the most of them.
    """
    name = parse_name(path.name)
    suffixes = [name.suffix, *(["dseg"] if name.suffix == "probseg" else [])]
    tables = []
    for table in sorted(path.parent.glob("*.tsv")):
        table_name = parse_name(table.name)
        if table_name.suffix in suffixes and set(table_name.entities) <= set(name.entities):
            tables.append(((table_name.suffix == name.suffix, len(table_name.entities)), table))
    return max(tables, key=lambda pair: pair[0])[1] if tables else None


def read_region_names(path: Path, numbers: Sequence[int], *, is_probabilistic: bool) -> tuple[str, ...]:
    """Read the names of the regions of an atlas.

    Parameters
    ----------
    path : Path
        Image; see `find_name_table` for its table.
    numbers : sequence of int
        Labels, or numbers of volumes.
    is_probabilistic : bool

    Returns
    -------
    tuple of str
        ``label 7`` or ``volume 7`` for regions that the table does not name; a warning lists how many.

    Raises
    ------
    InputError
        If the table cannot be read, or has no columns ``index`` and ``name``.
    """
    noun = "volume" if is_probabilistic else "label"
    table = find_name_table(path)
    if table is None:
        logger.warning(
            "%s: no table with the names of its regions (%s.tsv with the columns index and name) was found, "
            "so they are named '%s 1' and so on.",
            path, path.name.partition(".")[0], noun,
        )  # fmt: skip
        return tuple(f"{noun} {number}" for number in numbers)
    names = _match_numbers(table, _read_table(table), numbers)
    unnamed = [number for number in numbers if number not in names]
    if unnamed:
        logger.warning(
            "%s: names %d of the %d regions; the others are named by their number, for example '%s %d'.",
            table, len(numbers) - len(unnamed), len(numbers), noun, unnamed[0],
        )  # fmt: skip
    return tuple(names.get(number, f"{noun} {number}") for number in numbers)


def _read_table(table: Path) -> dict[int, str]:
    rows = read_tsv(table)
    columns = list(rows[0]) if rows else []
    index = next((name for name in _INDEX_COLUMNS if name in columns), None)
    title = next((name for name in _NAME_COLUMNS if name in columns), None)
    if index is None or title is None:
        message = (
            f"{table}: has no rows, or no columns index and name (its columns: {', '.join(columns) or 'none'}"
            ").\nCorrect the table, or rename it to use the atlas without names."
        )
        raise InputError(message)
    names: dict[int, str] = {}
    for line, row in enumerate(rows, 2):
        cell = row[index].removesuffix(".0")
        if not cell.isascii() or not cell.isdigit() or int(cell) in names:
            problem = "occurs twice" if cell.isdigit() else "is not a whole number"
            message = f"{table}, line {line}: the index {row[index]} {problem}.\nCorrect the table."
            raise InputError(message)
        names[int(cell)] = row[title]
    return names


def _match_numbers(table: Path, names: dict[int, str], numbers: Sequence[int]) -> dict[int, str]:
    """Match a table to labels: some tables, as those of FSL, count the regions from 0.

    In TemplateFlow, the table of HOCPAL begins with ``0 Left Frontal Pole``, whose label is 1, but that of
    HOSPA with ``0 Background``.
    """
    if 0 not in names or names[0].strip().lower() in _BACKGROUND:
        return {number: name for number, name in names.items() if number}
    if max(numbers) == max(names) + 1:
        logger.info("%s: counts the regions from 0, so label 1 is %s.", table, names[0])
        return {number + 1: name for number, name in names.items()}
    logger.warning(
        "%s: names a region 0 (%s), but 0 is background in the image, and the largest number in the image is "
        "%d, not %d. The names are not used, since they may be shifted.",
        table, names[0], max(numbers), max(names) + 1,
    )  # fmt: skip
    return {}
