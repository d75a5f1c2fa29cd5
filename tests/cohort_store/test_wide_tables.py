"""Laws of wide tables: every number is read, and nothing else is taken for a number."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bids_deeptaskgen.cohort_store.wide_tables import SEPARATORS, column_names, read_wide_table
from bids_deeptaskgen.errors import InputError

SUFFIXES = (".tsv", ".csv", ".parquet")


def write(path, columns):
    """Write columns in the format of the ending."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        separator = SEPARATORS[path.suffix]
        rows = [list(columns), *zip(*columns.values(), strict=True)]
        cells = (["n/a" if cell is None else str(cell) for cell in row] for row in rows)
        path.write_text("".join(separator.join(row) + "\n" for row in cells))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_labels_and_missing_values_are_read(tmp_path, suffix):
    columns = {
        "participant_id": ["sub-01", "sub-02", "03"],
        "session_id": ["ses-1", None, "ses-1"],
        "volume": [1, None, -3],
        "thickness": [2.5, 1e-3, None],
        "run": ["1", "2", None],
    }
    table = read_wide_table(write(tmp_path / f"idps{suffix}", columns))
    assert table.columns == ("volume", "thickness")
    assert table.row_labels == (("sub-01", "ses-1", "1"), ("sub-02", None, "2"), ("03", "ses-1", None))
    np.testing.assert_array_equal(table.values, [[1, 2.5], [np.nan, 1e-3], [-3, np.nan]])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truth_values_are_1_and_0(tmp_path, suffix):
    columns = {"participant_id": ["a", "b", "c"], "is_left": [True, False, None]}
    assert read_wide_table(write(tmp_path / f"t{suffix}", columns)).values.tolist()[:2] == [[1], [0]]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("high", "not a number"),
        ("1.5.2", "not a number"),
        ("inf", "not a finite number"),
        ("#NUM!", "the error of a spreadsheet"),
        ("2014-05-02", "not a number"),
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_text_is_refused_with_column_row_and_cell(tmp_path, suffix, cell, problem):
    columns = {"participant_id": ["sub-01", "sub-02", "sub-03"], "x": ["1", cell, "2"]}
    with pytest.raises(InputError, match=rf'the column x holds "{cell}" in the row of sub-02: {problem}'):
        read_wide_table(write(tmp_path / f"t{suffix}", columns))


def test_a_decimal_comma_is_named(tmp_path):
    columns = {"participant_id": ["1", "2"], "x": ["1,5", "2,5"]}
    with pytest.raises(InputError, match='x holds "1,5" in the row of 1: a decimal comma'):
        read_wide_table(write(tmp_path / "t.tsv", columns))


def test_dates_of_a_parquet_file_are_no_numbers(tmp_path):
    columns = {"participant_id": ["1"], "day": [datetime.date(2014, 5, 2)]}
    with pytest.raises(InputError, match='day holds "2014-05-02"'):
        read_wide_table(write(tmp_path / "t.parquet", columns))


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "NaN", "nan", "null", "None", "N/a", "#N/A", "<NA>"])
@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_every_spelling_of_a_missing_value_is_known(tmp_path, suffix, cell):
    columns = {"participant_id": ["1", "2"], "x": ["1", cell], "y": [cell, cell]}
    values = read_wide_table(write(tmp_path / f"t{suffix}", columns)).values
    np.testing.assert_array_equal(values, [[1, np.nan], [np.nan, np.nan]])


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_labels_of_digits_keep_their_zeros(tmp_path, suffix):
    columns = {"Participant_ID": ["001", "02"], "session_id": ["01", "02"], "run": ["01", "1"], "x": [1, 2]}
    table = read_wide_table(write(tmp_path / f"t{suffix}", columns))
    assert table.row_labels == (("001", "01", "01"), ("02", "02", "1"))


def test_whole_numbers_of_a_parquet_file_are_labels(tmp_path):
    table = read_wide_table(write(tmp_path / "t.parquet", {"participant_id": [1, 22], "x": [2**60 + 1, 2]}))
    assert table.row_labels == (("1", None, None), ("22", None, None))
    assert table.values[0, 0] == 2.0**60


def test_the_index_of_pandas_is_no_measure(tmp_path):
    frame = pd.DataFrame({"participant_id": ["1", "2", "3"], "x": [1.0, 2.0, 3.0]})
    frame.to_csv(tmp_path / "t.csv")
    frame.to_csv(tmp_path / "t.tsv", sep="\t")
    frame.iloc[[2, 0, 1]].to_parquet(tmp_path / "t.parquet")
    assert "__index_level_0__" in column_names(tmp_path / "t.parquet")
    for suffix in SUFFIXES:
        assert read_wide_table(tmp_path / f"t{suffix}").columns == ("x",)
    frame.set_index("participant_id").to_parquet(tmp_path / "t.parquet")
    assert read_wide_table(tmp_path / "t.parquet").row_labels[1][0] == "2"


@pytest.mark.parametrize("text", ["participant_id,,x\n1,5,2\n", ",participant_id,x\n7,1,2\n9,2,2\n"])
def test_another_column_without_name_is_refused(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match="of 3 has no name"):
        read_wide_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("t.csv", "", "the file is empty"),
        ("t.csv", "participant_id,x\n", "has no rows"),
        ("t.csv", "participant_id,session_id\n1,2\n", "has no column of numbers"),
        ("t.csv", "id,x\n1,2\n", "has no column participant_id"),
        ("t.csv", "participant_id,x,x\n1,2,3\n", "several columns have the same name"),
        ("t.csv", "participant_id,x\n1,2,3\n", "cannot be read as a table"),
        ("t.csv", "participant_id,x\n1,2\n,3\n", "row 2 has no participant_id"),
        ("t.csv", "participant_id;x\n1;2,5\n", "separated by semicolons"),
        ("t.tsv", "participant_id,x\n1,2\n", "separated by commas"),
        ("t.csv", "participant_id\tx\n1\t2\n", "separated by tabs"),
        ("t.parquet", "participant_id,x\n1,2\n", "cannot be read as a table"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path, name, text, problem):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=problem) as caught:
        read_wide_table(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"participant_id,x\n\xff,2\n")
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_wide_table(tmp_path / "t.csv")


def test_line_ends_quotes_and_byte_order_marks_of_spreadsheets_are_read(tmp_path):
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbf"participant_id","a, b"\r\n"sub-01","2.5"\r\n')
    table = read_wide_table(tmp_path / "t.csv")
    assert (table.columns, table.row_labels[0][0], table.values.tolist()) == (("a, b",), "sub-01", [[2.5]])
