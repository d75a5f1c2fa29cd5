"""Tables that other programs wrote: the values are equal, or the table is refused by name and cause."""

import math
import re
import string

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.number_table import explain_cell, read_matrix, read_number_table
from tests.io.table_writers import WRITERS, from_spm

NAMES = st.lists(
    st.text(string.ascii_letters + "_", min_size=1, max_size=12).filter(
        lambda name: name.lower() not in ("nan", "inf", "infinity", "null", "none", "na")
    ),
    min_size=2,
    max_size=6,
    unique=True,
)
VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 6)) | st.floats(-1e-4, 1e-4) | st.just(math.nan)


@st.composite
def tables(draw):
    """Draw names of columns, and rows of numbers with a point in each, so that decimal commas show."""
    names = draw(NAMES)
    n_rows = draw(st.integers(3, 8))
    rows = draw(
        st.lists(st.lists(VALUES, min_size=len(names), max_size=len(names)), min_size=n_rows, max_size=n_rows)
    )
    return names, rows


def problem_of(table):
    return "; ".join(f"{name}: {problem}" for name, problem in table.problems.items())


@pytest.mark.parametrize("program", WRITERS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_values_are_those_that_were_written_or_the_table_is_refused(tmp_path, program, table):
    names, rows = table
    writer = WRITERS[program]
    path = tmp_path / "table.tsv"
    # A line without any value may be a missing one.
    rows = [
        [0.5 if column == 0 and math.isnan(value) else value for column, value in enumerate(row)]
        for row in rows
    ]
    if writer.has_complete_rows:
        rows = [[0.5 if math.isnan(value) else value for value in row] for row in rows]
    # These numbers would be the names that pandas gives to columns.
    assume(rows[0] != list(range(len(names))))
    assume("decimal comma" not in program or any("." in repr(value) for row in rows for value in row))
    path.write_bytes(writer.write(names, rows))
    if not writer.is_readable:
        try:
            problem = problem_of(read_number_table(path))
        except InputError as error:
            problem = str(error)
            assert problem.startswith(str(path))
        assert re.search(writer.cause, problem), problem
        return
    columns = read_number_table(path)
    assert columns.problems == {}
    assert list(columns.columns) == names
    tolerance = 0 if writer.has_exact_values else 1e-9
    for name, expected in zip(names, zip(*rows, strict=True), strict=True):
        np.testing.assert_allclose(columns.columns[name], expected, rtol=tolerance, atol=0)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("0,5", "a decimal comma"),
        ("-1,5e-3", "a decimal comma"),
        ("1,234", "a decimal comma or thousands separators"),
        ("1,234.5", "thousands separators"),
        ("1.234.567", "thousands separators"),
        ("1 234", "thousands separators"),
        ("1'234", "thousands separators"),
        ("inf", "not a finite number"),
        ("-Inf", "not a finite number"),
        ("1e999", "not a finite number"),
        ("1_000", "not a number"),
        ("0x1F", "not a number"),
        ("１２", "not a number"),
        ("1.0D-05", "not a number"),
        ("5%", "not a number"),
        (".", "not a number"),
        ("True", "a truth value instead of a number (write 1 and 0)"),
        ("#NUM!", "the error of a spreadsheet"),
    ],
)
def test_a_cell_that_is_no_number_is_never_a_value(tmp_path, cell, reason):
    assert explain_cell(cell) == reason
    path = tmp_path / "table.tsv"
    path.write_text(f"x\ty\n1\t2\n3\t{cell}\n", "utf-8")
    table = read_number_table(path)
    assert table.problems == {"y": f'row 1 (counted from 0) holds "{cell}": {reason}'}
    np.testing.assert_array_equal(table.columns["y"], [2, np.nan])
    np.testing.assert_array_equal(table.columns["x"], [1, 3])


@pytest.mark.parametrize(
    "cell", ["n/a", "N/A", "NA", "NaN", "nan", "-nan", "+NaN", "", "null", "NULL", "None", "#N/A", "<NA>"]
)
def test_missing_values_are_no_values_in_any_spelling(tmp_path, cell):
    path = tmp_path / "table.tsv"
    path.write_text(f"x\ty\n{cell}\t2\n3\t4\n", "utf-8")
    table = read_number_table(path)
    np.testing.assert_array_equal(table.columns["x"], [np.nan, 3])
    assert table.problems == {}


def test_motion_of_spm_is_read_as_a_matrix(tmp_path):
    rows = np.random.default_rng(0).standard_normal((5, 6))
    path = tmp_path / "rp_bold.txt"
    path.write_bytes(from_spm([], rows))
    np.testing.assert_allclose(read_matrix(path), rows, rtol=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2\n3\n", "line 2: has 1 numbers, but line 1 has 2"),
        ("1 2\n\n3 4\n", "line 2: has 0 numbers"),
        ("", "line 1: has 0 numbers"),
        ("1 nan\n", 'line 1: "nan" is not a number'),
        ("1,2\n", 'line 1: "1,2" is a decimal comma'),
        ("a b\n1 2\n", 'line 1: "a" is not a number'),
    ],
)
def test_a_matrix_with_holes_is_refused(tmp_path, content, message):
    path = tmp_path / "motion.par"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_matrix(path)
