"""Values of a tidy ROI table as one array: rows are sessions or runs, columns are contrasts and regions."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.exports.names import require_names
from bids_deeptaskgen.cohort_store.tables import NO_VALUE
from bids_deeptaskgen.errors import InputError, abbreviate, raise_disk_error
from bids_deeptaskgen.io.text import read_text

_TEXT_COLUMNS = ("participant_id", "session_id", "run", "contrast", "name")
_N_ROWS_PER_BATCH = 1_000_000
_BLOCK_BYTES = 1 << 24
_REMEDY = "Export the table that the group level writes with --atlas (*_desc-maps_rois.tsv or .parquet)."


class Row(NamedTuple):
    """Session or run of a table; None for labels that it lacks."""

    participant_id: str
    session_id: str | None
    run: str | None


@dataclass(frozen=True, slots=True)
class Variable:
    """Contrast in a region.

    Attributes
    ----------
    contrast : str
    index : int
        Number of the region in the atlas.
    region : str
    """

    contrast: str
    index: int
    region: str


@dataclass(frozen=True)
class RoiValues:
    """Values of an ROI table.

    Attributes
    ----------
    rows : tuple of Row
    variables : tuple of Variable
    values : float32 array of shape (n_rows, n_variables)
        NaN where the table has no value.
    """

    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    values: NDArray[np.float32]


def require_roi_table(path: Path) -> None:
    """Require that an ROI table exists.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
    """
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "no such file"
        message = f"{path}: {problem}.\n{_REMEDY}"
        raise InputError(message)


def read_roi_values(
    path: Path,
    value: str = "mean",
    *,
    contrasts: Sequence[str] = (),
    regions: Sequence[str] = (),
    min_coverage: float = 0.0,
) -> RoiValues:
    """Read one column of a tidy ROI table.

    The table is read twice in batches, first its labels and then its values, so that only the array of the
    result is in memory.

    Parameters
    ----------
    path : Path
        Parquet, or TSV: columns ``participant_id``, ``session_id``, ``run``, ``contrast``, ``index``,
        ``name``, and those of the values.
    value : str
        Column to read.
    contrasts : sequence of str
        Labels of contrasts; empty for all.
    regions : sequence of str
        Regions by name or number; empty for all.
    min_coverage : float
        Values of regions with a smaller ``coverage`` (0 to 1) are missing.

    Returns
    -------
    RoiValues
        Rows and variables in the order of the table.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, has a row twice, or has two names for a region.
    UserError
        If a contrast or region does not exist.
    """
    require_roi_table(path)
    try:
        return _read_roi_values(path, value, contrasts, regions, min_coverage)
    except UnicodeDecodeError as error:
        if path.suffix != ".parquet":
            # Names the encoding.
            read_text(path)
        message = f"{path}: has text that is not UTF-8.\n{_REMEDY}"
        raise InputError(message) from error


def _read_roi_values(
    path: Path, value: str, contrasts: Sequence[str], regions: Sequence[str], min_coverage: float
) -> RoiValues:
    rows: dict[Row, int] = {}
    variables: dict[Variable, int] = {}
    labels = (*_TEXT_COLUMNS, "index")
    for batch in _batches(path, labels):
        for key in _keys(batch, ("participant_id", "session_id", "run"))[0]:
            rows.setdefault(_row(path, key), len(rows))
        for key in _keys(batch, ("contrast", "index", "name"))[0]:
            variables.setdefault(_variable(path, key), len(variables))
    if not rows:
        message = f"{path}: has no rows.\n{_REMEDY}"
        raise InputError(message)
    _check_regions(path, variables)
    selected = _select(path, variables, contrasts, regions)
    columns = (*labels, value, *(("coverage",) if min_coverage > 0 else ()))
    values = np.full((len(rows), len(selected)), np.nan, np.float32)
    is_read = np.zeros(values.shape, bool)
    for batch in _batches(path, columns):
        _fill(path, batch, value, min_coverage, rows, selected, values, is_read)
    return RoiValues(tuple(rows), tuple(selected), values)


def _batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield batches of some columns of a Parquet file or TSV."""
    try:
        if path.suffix == ".parquet":
            yield from _parquet_batches(path, columns)
        else:
            yield from _tsv_batches(path, columns)
    except (pa.ArrowException, OSError) as error:
        raise_disk_error(error, path)
        message = f"{path}: cannot be read as a table of regions: {str(error).rstrip('.')}.\n{_REMEDY}"
        raise InputError(message) from error


def _parquet_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    schema = pq.read_schema(path)
    _check_columns(path, schema.names, columns)
    texts = [name for name in columns if pa.types.is_string(schema.field(name).type)]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        yield from file.iter_batches(_N_ROWS_PER_BATCH, columns=list(columns))


def _tsv_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline().rstrip("\r\n").split("\t")
    _check_columns(path, header, columns)
    text = pa.dictionary(pa.int32(), pa.string())
    types = {name: text if name in _TEXT_COLUMNS else pa.float64() for name in columns}
    reader = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(delimiter="\t"),
        convert_options=pa_csv.ConvertOptions(
            column_types=types | {"index": pa.int64()},
            include_columns=list(columns),
            null_values=[NO_VALUE],
            strings_can_be_null=True,
        ),
    )
    yield from reader


def _check_columns(path: Path, names: Collection[str], columns: Sequence[str]) -> None:
    missing_columns = [name for name in columns if name not in names]
    if missing_columns:
        message = f"{path}: lacks the columns {abbreviate(missing_columns)}.\n{_REMEDY}"
        raise InputError(message)


def _keys(batch: pa.RecordBatch, names: Sequence[str]) -> tuple[list[tuple[Any, ...]], NDArray[np.intp]]:
    """Return the different combinations of some columns in order, and the number of that of each row."""
    codes = np.zeros(batch.num_rows, np.int64)
    levels = []
    for name in names:
        column = batch.column(name)
        if not pa.types.is_dictionary(column.type):
            column = (column.cast(pa.string()) if name != "index" else column).dictionary_encode()
        levels.append([*column.dictionary.to_pylist(), None])
        indices = pc.fill_null(column.indices.cast(pa.int64()), len(levels[-1]) - 1)
        codes = codes * len(levels[-1]) + indices.to_numpy(zero_copy_only=False)
    unique_codes, first_rows, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first_rows)
    keys = []
    for code in unique_codes[order].tolist():
        key = []
        for values in reversed(levels):
            code, position = divmod(code, len(values))
            key.append(values[position])
        keys.append(tuple(reversed(key)))
    return keys, np.argsort(order)[inverse]


def _row(path: Path, key: tuple[Any, ...]) -> Row:
    if key[0] is None:
        message = f"{path}: a row has no participant_id.\n{_REMEDY}"
        raise InputError(message)
    return Row(*key)


def _variable(path: Path, key: tuple[Any, ...]) -> Variable:
    contrast, index, name = key
    if contrast is None or index is None:
        message = f"{path}: a row has no contrast or no index.\n{_REMEDY}"
        raise InputError(message)
    return Variable(contrast, int(index), str(index) if name in (None, "", NO_VALUE) else name)


def _check_regions(path: Path, variables: Collection[Variable]) -> None:
    names: dict[int, str] = {}
    for variable in variables:
        if names.setdefault(variable.index, variable.region) != variable.region:
            message = (
                f"{path}: region {variable.index} has two names, {names[variable.index]} and "
                f"{variable.region}. The table joins two atlases.\nExport the table of one atlas."
            )
            raise InputError(message)


def _select(
    path: Path, variables: Collection[Variable], contrasts: Sequence[str], regions: Sequence[str]
) -> dict[Variable, int]:
    """Return the requested variables and their numbers."""
    all_contrasts = dict.fromkeys(variable.contrast for variable in variables)
    require_names(contrasts, all_contrasts, f"{path}: has no contrast", "contrasts")
    names = {variable.region for variable in variables}
    names |= {str(variable.index) for variable in variables}
    require_names(regions, names, f"{path}: has no region", "regions")
    selection = [
        variable
        for variable in variables
        if (not contrasts or variable.contrast in contrasts)
        and (not regions or variable.region in regions or str(variable.index) in regions)
    ]
    return {variable: number for number, variable in enumerate(selection)}


def _fill(
    path: Path,
    batch: pa.RecordBatch,
    value: str,
    min_coverage: float,
    rows: dict[Row, int],
    variables: dict[Variable, int],
    values: NDArray[np.float32],
    is_read: NDArray[np.bool_],
) -> None:
    """Write the values of a batch into the array."""
    row_keys, row_codes = _keys(batch, ("participant_id", "session_id", "run"))
    keys, codes = _keys(batch, ("contrast", "index", "name"))
    row_numbers = np.array([rows[_row(path, key)] for key in row_keys])[row_codes]
    numbers = np.array([variables.get(_variable(path, key), -1) for key in keys])[codes]
    numbers_read = _floats(batch, value)
    if min_coverage > 0:
        coverage = _floats(batch, "coverage")
        # The group level stores float32: 0.9 in the Parquet file is less than the 0.9 of a TSV in 64 bits.
        numbers_read[~(coverage.astype(np.float32) >= np.float32(min_coverage))] = np.nan
    is_selected = numbers >= 0
    positions = (row_numbers * len(variables) + numbers)[is_selected]
    is_repeated = is_read.flat[positions]
    unique_positions, counts = np.unique(positions, return_counts=True)
    if is_repeated.any() or (counts > 1).any():
        position = positions[is_repeated][0] if is_repeated.any() else unique_positions[counts > 1][0]
        row, variable = list(rows)[position // len(variables)], list(variables)[position % len(variables)]
        labels = " ".join(label for label in row if label)
        message = (
            f"{path}: has contrast {variable.contrast} in region {variable.region} of {labels} twice.\n"
            "Write the table again with the group level."
        )
        raise InputError(message)
    is_read.flat[positions] = True
    numbers_read[~np.isfinite(numbers_read)] = np.nan
    values.flat[positions] = numbers_read[is_selected]


def _floats(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    column = pc.fill_null(batch.column(name).cast(pa.float64()), float("nan"))
    return np.array(column.to_numpy(zero_copy_only=False))
