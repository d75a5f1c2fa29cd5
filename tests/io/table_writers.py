"""Writers of tables as R, pandas, Excel, MATLAB and SPM write them, without these programs.

Each writer takes names and rows of numbers, with NaN for missing values, and returns the bytes of the file.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Writer:
    """Program or function that writes tables.

    Attributes
    ----------
    write : callable
        Returns the bytes of a file.
    is_readable : bool
        Whether each value has a certain column, so that the table is read; otherwise it is refused.
    cause : str
        Part of the message that refuses the table.
    has_exact_values : bool
        Whether all digits are written.
    has_complete_rows : bool
        Whether the program writes no missing values.
    """

    write: Callable[[Sequence[str], Rows], bytes]
    is_readable: bool = True
    cause: str = ""
    has_exact_values: bool = True
    has_complete_rows: bool = False


def text_of(value: float, missing: str = "n/a", digits: str = "") -> str:
    """Format a number as most programs do."""
    if math.isnan(value):
        return missing
    return format(value, digits) if digits else repr(float(value))


def join(lines: Sequence[Sequence[str]], separator: str = "\t", end: str = "\n") -> bytes:
    return "".join(separator.join(line) + end for line in lines).encode()


def from_r(names, rows, *, row_names=True, col_names: object = True, quote=True, separator="\t", na="NA"):
    """Write as ``write.table(x, file)`` with its arguments."""

    def mark(text):
        return f'"{text}"' if quote else text

    header = [mark(name) for name in names]
    if row_names and col_names is None:
        header = [mark(""), *header]
    lines = [header] if col_names is not False else []
    for number, row in enumerate(rows, 1):
        # R writes 15 significant digits.
        cells = [text_of(value, na, ".15g") for value in row]
        lines.append([mark(str(number)), *cells] if row_names else cells)
    return join(lines, separator)


def from_pandas(names, rows, **options):
    """Write as ``DataFrame.to_csv(path, **options)``."""
    return pd.DataFrame(list(rows), columns=list(names)).to_csv(**{"sep": "\t", **options}).encode()


def from_csv(names, rows, **options):
    """Write with Python's csv module."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", **options)
    writer.writerows([names, *([text_of(value) for value in row] for row in rows)])
    return stream.getvalue().encode()


def from_excel(names, rows, *, separator="\t", decimal=".", encoding="utf-8", missing=""):
    """Write as Excel's text formats, with Windows' line ends."""
    cells = [[text_of(value, missing).replace(".", decimal) for value in row] for row in rows]
    return join([list(names), *cells], separator, "\r\n").decode().encode(encoding)


def from_matlab(names, rows, *, separator="\t", has_names=True, digits=".15g"):
    """Write as ``writetable`` (with names) or ``dlmwrite`` and ``writematrix`` (without)."""
    cells = [[text_of(value, "NaN", digits) for value in row] for row in rows]
    return join([list(names), *cells] if has_names else cells, separator)


def from_spm(names, rows):
    """Write as ``spm_realign`` writes ``rp_*.txt``: ``%10.10e`` in columns of 16 characters."""
    return join([[f"{value: 16.10e}" for value in row] for row in rows], "  ")


def with_tab_at_ends(names, rows, *, also_header):
    """Write a tab after each row, as scripts do that print ``cell\\t`` in a loop."""
    content = [[text_of(value) for value in row] + [""] for row in rows]
    return join([[*names, ""] if also_header else list(names), *content])


def _options(function, **options):
    return lambda names, rows: function(names, rows, **options)


WRITERS: dict[str, Writer] = {
    "BIDS": Writer(_options(from_pandas, index=False, na_rep="n/a")),
    "R write.table(sep)": Writer(_options(from_r), has_exact_values=False),
    "R write.table(sep, col.names=NA)": Writer(_options(from_r, col_names=None), has_exact_values=False),
    "R write.table(sep, row.names=F)": Writer(_options(from_r, row_names=False), has_exact_values=False),
    "R write.table(sep, row.names=F, quote=F)": Writer(
        _options(from_r, row_names=False, quote=False), has_exact_values=False
    ),
    "R write.table(sep, quote=F)": Writer(
        _options(from_r, quote=False), is_readable=False, cause="but the header names"
    ),
    "R write.table()": Writer(
        _options(from_r, separator=" "), is_readable=False, cause="not tab-separated|header names"
    ),
    "R write.table(col.names=F)": Writer(
        _options(from_r, row_names=False, col_names=False),
        is_readable=False,
        cause="no column names",
        has_complete_rows=True,
    ),
    "R write.csv": Writer(
        _options(from_r, separator=",", col_names=None), is_readable=False, cause="separated by commas"
    ),
    "pandas index=False": Writer(_options(from_pandas, index=False, na_rep="NaN")),
    "pandas with index": Writer(_options(from_pandas, na_rep="n/a")),
    "pandas, empty cells": Writer(_options(from_pandas, index=False)),
    "pandas, quoted": Writer(_options(from_pandas, index=False, quoting=csv.QUOTE_ALL, na_rep="NA")),
    "pandas, float_format": Writer(
        _options(from_pandas, index=False, float_format="%.9e", na_rep="nan"), has_exact_values=False
    ),
    "pandas, comma": Writer(
        _options(from_pandas, index=False, sep=","), is_readable=False, cause="separated by commas"
    ),
    "csv module": Writer(from_csv),
    "csv module, quoted": Writer(_options(from_csv, quoting=csv.QUOTE_ALL)),
    "Excel text": Writer(from_excel),
    "Excel text, UTF-8 with mark": Writer(_options(from_excel, encoding="utf-8-sig")),
    "Excel Unicode text": Writer(
        _options(from_excel, encoding="utf-16"), is_readable=False, cause="is UTF-16 text"
    ),
    "Excel CSV": Writer(_options(from_excel, separator=","), is_readable=False, cause="separated by commas"),
    "Excel CSV, decimal comma": Writer(
        _options(from_excel, separator=";", decimal=","), is_readable=False, cause="separated by semicolons"
    ),
    "Excel text, decimal comma": Writer(
        _options(from_excel, decimal=","), is_readable=False, cause="a decimal comma"
    ),
    "MATLAB writetable": Writer(from_matlab, has_exact_values=False),
    "MATLAB writetable, comma": Writer(
        _options(from_matlab, separator=","), is_readable=False, cause="separated by commas"
    ),
    "MATLAB dlmwrite": Writer(
        _options(from_matlab, has_names=False, digits=".5g"),
        is_readable=False,
        cause="no column names|tab-separated",
        has_complete_rows=True,
    ),
    "SPM rp_*.txt": Writer(
        from_spm, is_readable=False, cause="not tab-separated|no column names", has_complete_rows=True
    ),
    "tab after each line": Writer(_options(with_tab_at_ends, also_header=True)),
    "tab after each row": Writer(
        _options(with_tab_at_ends, also_header=False), is_readable=False, cause="ends with a tab too many"
    ),
}
