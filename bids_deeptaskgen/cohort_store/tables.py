"""Tidy tables of a cohort, written batch by batch as TSV and as Parquet, so that memory does not grow."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, Self

from bids_deeptaskgen.io.atomic import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa

ColumnKind = Literal["text", "integer", "number"]

NO_VALUE = "n/a"
# Rows of a row group of the Parquet file: a few MB, so that readers skip most of a large table.
ROWS_PER_GROUP = 131_072


def parquet_path(path: Path) -> Path:
    """Return the path of the Parquet file beside a TSV.

    Parameters
    ----------
    path : Path
        Of the TSV.

    Returns
    -------
    Path

    Examples
    --------
    >>> parquet_path(Path("task-rest_desc-maps_rois.tsv")).name
    'task-rest_desc-maps_rois.parquet'
    """
    return path.with_suffix(".parquet")


class TidyTable:
    r"""Table that is written batch by batch, as TSV and as Parquet with the same values.

    Numbers are float32. In the TSV they have the fewest digits from which a reader gets the same float32
    (up to 9). Missing values are ``n/a`` in the TSV and null in Parquet. Text columns are dictionaries in
    Parquet: factors or categories for readers. Both files appear under their names at the end of the block,
    and not at all after an exception.

    Parameters
    ----------
    path : Path
        Of the TSV; the Parquet file has the extension ``.parquet``.
    columns : dict of str to {"text", "integer", "number"}
        Names of the columns, in order.

    Examples
    --------
    >>> with TidyTable(folder / "rois.tsv", {"participant_id": "text", "mean": "number"}) as table:
    ...     table.write({"participant_id": "sub-01", "mean": [0.1, float("nan")]})
    >>> (folder / "rois.tsv").read_text()
    'participant_id\tmean\nsub-01\t0.1\nsub-01\tn/a\n'
    """

    def __init__(self, path: Path, columns: Mapping[str, ColumnKind]) -> None:
        self.path = path
        self._kinds = dict(columns)
        self._batches: list[pa.RecordBatch] = []
        self._files = ExitStack()
        self._text: IO[bytes]
        self._parquet: Any

    def __enter__(self) -> Self:
        """Open both files."""
        from pyarrow.parquet import ParquetWriter

        with ExitStack() as files:
            self._text = files.enter_context(
                files.enter_context(atomic_path(self.path)).open("wb", buffering=1 << 20)
            )
            self._text.write(("\t".join(self._kinds) + "\n").encode())
            temporary = files.enter_context(atomic_path(parquet_path(self.path)))
            self._parquet = files.enter_context(
                ParquetWriter(temporary, self._schema(), compression="zstd", use_dictionary=True)
            )
            self._files = files.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish both files; remove them after an exception."""
        with self._files:
            if error is not None:
                raise error
            self._write_group()

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write rows.

        Parameters
        ----------
        columns : dict of str to value or sequence
            All columns of the table; sequences of equal length, at least one of them. A single text, number
            or None stands in all rows. None and NaN are missing values.

        Raises
        ------
        ValueError
            If columns are missing, unknown, or of different lengths.
        """
        import pyarrow as pa

        if columns.keys() != self._kinds.keys():
            message = f"columns are {', '.join(columns)}, not {', '.join(self._kinds)}"
            raise ValueError(message)
        lengths = {len(values) for values in columns.values() if _is_sequence(values)}
        if len(lengths) != 1:
            message = f"columns have {sorted(lengths)} rows"
            raise ValueError(message)
        n_rows = lengths.pop()
        arrays = [_to_array(kind, columns[name], n_rows) for name, kind in self._kinds.items()]
        batch = pa.record_batch(arrays, schema=self._schema())
        self._write_text(batch)
        self._batches.append(batch)
        if sum(len(item) for item in self._batches) >= ROWS_PER_GROUP:
            self._write_group()

    def _schema(self) -> "pa.Schema":
        import pyarrow as pa

        types = {
            "text": pa.dictionary(pa.int32(), pa.string()),
            "integer": pa.int32(),
            "number": pa.float32(),
        }
        return pa.schema([(name, types[kind]) for name, kind in self._kinds.items()])

    def _write_text(self, batch: "pa.RecordBatch") -> None:
        from pyarrow import compute

        cells = [compute.fill_null(_to_text(column), NO_VALUE) for column in batch.columns]
        for line in compute.binary_join_element_wise(*cells, "\t").to_pylist():
            self._text.write(line.encode() + b"\n")

    def _write_group(self) -> None:
        import pyarrow as pa

        if self._batches:
            table = pa.Table.from_batches(self._batches).unify_dictionaries()
            self._parquet.write_table(table, row_group_size=len(table))
            self._batches.clear()


def _is_sequence(values: Any) -> bool:
    return hasattr(values, "__len__") and not isinstance(values, str)


def _to_array(kind: ColumnKind, values: Any, n_rows: int) -> "pa.Array":
    """Convert a column, or the value of all rows."""
    import numpy as np
    import pyarrow as pa

    if not _is_sequence(values):
        values = [values] * n_rows
    if kind == "text":
        # Cells without a line end or tab; nothing else changes.
        texts = [None if value is None else " ".join(str(value).split()) or None for value in values]
        return pa.array(texts, pa.string()).dictionary_encode()
    if kind == "integer":
        return pa.array(values, pa.int32(), from_pandas=True)
    numbers = np.asarray([np.nan if value is None else value for value in values], np.float32)
    return pa.array(numbers, pa.float32(), from_pandas=True)


def _to_text(column: "pa.Array") -> "pa.Array":
    """Convert a column to the cells of a TSV: numbers to the fewest digits that give the same float32."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    # A reader takes a quote at the beginning of a cell for that of a quoted cell.
    words = [_quote(word) for word in column.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(column.indices)


def _quote(word: str) -> str:
    return '"' + word.replace('"', '""') + '"' if word.startswith('"') else word
