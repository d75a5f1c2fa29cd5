"""Names of the regions of an atlas, from the table beside its image."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.tsv import read_tsv

logger = logging.getLogger("bids_deeptaskgen")

# Columns of the BIDS table of labels, and those of TemplateFlow's tables of DiFuMo.
_INDEX_COLUMNS = ("index", "Component", "component")
_NAME_COLUMNS = ("name", "Difumo_names", "difumo_names")
# Row 0 of tables whose regions begin with 1; in Yeo's, it is Background+FreeSurfer_Defined_Medial_Wall.
_BACKGROUND = re.compile(r"(?i)(background|unknown|medial[ _-]?wall).*|n/a|\?\?\?|")
_UNNAMED = frozenset(("", "n/a"))
# Suffixes whose tables are inherited: those of BIDS derivatives.
_SUFFIXES = {"dseg": ("dseg",), "probseg": ("probseg", "dseg")}


def find_name_table(path: Path) -> Path | None:
    """Find the table of labels of an image: that of the same name, or by the inheritance of BIDS.

    Parameters
    ----------
    path : Path
        Image.

    Returns
    -------
    Path or None
        TSV file of the same name in the same folder. Otherwise, if the name of the image is one of BIDS
        (entities and the suffix ``dseg`` or ``probseg``): that with the same suffix (or ``dseg``, for
        ``probseg``) and the most of the entities of the image, and no others.

    Raises
    ------
    InputError
        If several tables have equally many of its entities.
    """
    table = path.with_name(f"{image_stem(path.name)}.tsv")
    if table.exists() or table.is_symlink():
        return table
    entities, suffix = _bids_parts(image_stem(path.name)) or (frozenset(), "")
    suffixes = _SUFFIXES.get(suffix, ())
    candidates: dict[tuple[int, int], list[Path]] = {}
    for table in sorted(path.parent.glob("*.tsv")):
        parts = _bids_parts(table.stem)
        if parts and parts[1] in suffixes and parts[0] <= entities:
            candidates.setdefault((-suffixes.index(parts[1]), len(parts[0])), []).append(table)
    if not candidates:
        return None
    first_table, *further_tables = candidates[max(candidates)]
    if further_tables:
        message = (
            f"{path}: {first_table.name} and {further_tables[0].name} fit it equally well as tables of its "
            f"regions.\nName the right one {image_stem(path.name)}.tsv."
        )
        raise InputError(message)
    return first_table


def image_stem(file_name: str) -> str:
    """Return the name of an image without its extension; other dots are part of the name.

    Parameters
    ----------
    file_name : str

    Returns
    -------
    str

    Examples
    --------
    >>> image_stem("atlas.v1_dseg.nii.gz")
    'atlas.v1_dseg'
    """
    return file_name.removesuffix(".gz").removesuffix(".nii")


def _bids_parts(stem: str) -> tuple[frozenset[str], str] | None:
    """Divide a name into its entities and suffix; None if another part is not an entity."""
    *parts, suffix = stem.split("_")
    is_bids = all(re.fullmatch("[A-Za-z0-9]+-[^-]+", part) for part in parts)
    return (frozenset(parts), suffix) if is_bids else None


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
        If the table cannot be read, has no columns ``index`` and ``name``, or is one of several.
    """
    noun = "volume" if is_probabilistic else "label"
    table = find_name_table(path)
    if table is None:
        logger.warning(
            "%s: no table with the names of its regions (%s.tsv with the columns index and name) was found, "
            "so they are named '%s 1' and so on.",
            path, image_stem(path.name), noun,
        )  # fmt: skip
        return tuple(f"{noun} {number}" for number in numbers)
    match = _match_volumes if is_probabilistic else _match_labels
    names = match(table, _read_table(table), numbers)
    names = {number: name for number, name in names.items() if name.lower() not in _UNNAMED}
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
            problem = (
                "occurs twice" if cell.isascii() and cell.isdigit() else "is not a whole number from 0 on"
            )
            message = f"{table}, line {line}: the index {row[index]} {problem}.\nCorrect the table."
            raise InputError(message)
        names[int(cell)] = row[title]
    return names


def _match_labels(table: Path, names: dict[int, str], numbers: Sequence[int]) -> dict[int, str]:
    """Match a table to labels: some tables, as those of FSL, count the regions from 0.

    In TemplateFlow, the table of HOCPAL begins with ``0 Left Frontal Pole``, whose label is 1, but that of
    HOSPA with ``0 Background``.
    """
    if 0 not in names or _is_background(names[0]):
        return _without_0(names)
    if max(numbers) == max(names) + 1:
        logger.info("%s: counts the regions from 0, so label 1 is %s.", table, names[0])
        return {number + 1: name for number, name in names.items()}
    logger.warning(
        "%s: names a region 0 (%s), but 0 is background in the image, and the largest number in the image is "
        "%d, not %d. The names are not used, since they may be shifted.",
        table, names[0], max(numbers), max(names) + 1,
    )  # fmt: skip
    return {}


def _match_volumes(table: Path, names: dict[int, str], numbers: Sequence[int]) -> dict[int, str]:
    """Match a table to volumes: only one that counts all of them tells which row is which volume."""
    regions = _without_0(names) if _is_background(names.get(0, "")) else names
    if regions.keys() == set(numbers):
        return regions
    # A volume may hold the background.
    if names.keys() == {number - 1 for number in numbers}:
        logger.info("%s: counts the volumes from 0, so volume 1 is %s.", table, names[0])
        return {number + 1: name for number, name in names.items()}
    logger.warning(
        "%s: its index does not count the %d volumes of the image (from 1 or from 0), so nothing tells which "
        "row belongs to which volume. The names are not used.",
        table, len(numbers),
    )  # fmt: skip
    return {}


def _is_background(name: str) -> bool:
    return _BACKGROUND.fullmatch(name.strip()) is not None


def _without_0(names: dict[int, str]) -> dict[int, str]:
    return {number: name for number, name in names.items() if number}
