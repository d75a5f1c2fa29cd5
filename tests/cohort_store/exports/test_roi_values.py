"""Reading of tidy ROI tables."""

import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.exports import roi_values as module
from bids_deeptaskgen.cohort_store.exports.roi_values import Row, read_roi_values
from bids_deeptaskgen.cohort_store.tables import TidyTable
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.group.regions.roi_tables import COLUMNS
from tests.cohort_store.roi_tables import REGIONS, tidy_columns, write_roi_table

ROWS = (("sub-01", "ses-1", None), ("sub-01", "ses-2", None), ("sub-NA", None, "dir-AP run-1"))
CONTRASTS = ("wm2bk", "motorLh")


def value(row, contrast, index):
    """Return a different number for each cell, and one missing value."""
    number = 100 * ROWS.index(row) + 10 * CONTRASTS.index(contrast) + index
    return None if number == 217 else float(number)


@pytest.fixture(params=["parquet", "tsv"])
def path(request, tmp_path):
    return write_roi_table(tmp_path / f"rois.{request.param}", tidy_columns(ROWS, value=value))


def test_every_value_is_in_the_cell_of_its_row_and_variable(path):
    table = read_roi_values(path)
    assert table.rows == tuple(Row(*row) for row in ROWS)
    assert {(each.contrast, each.index, each.region) for each in table.variables} == {
        (contrast, index, name) for contrast in CONTRASTS for index, name in REGIONS.items()
    }
    expected = [
        [value(tuple(row), each.contrast, each.index) or np.nan for each in table.variables]
        for row in table.rows
    ]
    np.testing.assert_array_equal(table.values, np.array(expected, np.float32))


def test_the_tables_of_the_group_level_are_read(path, tmp_path):
    columns = tidy_columns(ROWS, value=value)
    with TidyTable(tmp_path / "group_rois.tsv", COLUMNS) as writer:
        writer.write(columns)
    expected = read_roi_values(path)
    table = read_roi_values(tmp_path / f"group_rois{path.suffix}")
    assert (table.rows, table.variables) == (expected.rows, expected.variables)
    np.testing.assert_array_equal(table.values, expected.values)


def test_names_that_look_like_missing_values_stay_names(tmp_path):
    columns = tidy_columns(ROWS, value=value, regions={1: "NA", 2: "null", 7: '"x"'})
    with TidyTable(tmp_path / "rois.tsv", COLUMNS) as writer:
        writer.write(columns)
    for ending in ("tsv", "parquet"):
        table = read_roi_values(tmp_path / f"rois.{ending}")
        assert [variable.region for variable in table.variables[:3]] == ["NA", "null", '"x"']


def test_the_size_of_batches_does_not_matter(path, monkeypatch):
    whole_table = read_roi_values(path)
    monkeypatch.setattr(module, "_N_ROWS_PER_BATCH", 5)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 200)
    table = read_roi_values(path)
    assert (table.rows, table.variables) == (whole_table.rows, whole_table.variables)
    np.testing.assert_array_equal(table.values, whole_table.values)


def test_contrasts_and_regions_are_chosen_by_label_name_or_number(path):
    table = read_roi_values(path, contrasts=["motorLh"], regions=["7", REGIONS[1]])
    assert [(each.contrast, each.index) for each in table.variables] == [("motorLh", 1), ("motorLh", 7)]
    assert table.values[0].tolist() == [11, 17]


@pytest.mark.parametrize(
    ("choice", "hint"), [({"contrasts": ["wm2back"]}, "wm2bk"), ({"regions": ["8"]}, "7")]
)
def test_an_unknown_contrast_or_region_is_refused_with_the_closest_names(path, choice, hint):
    with pytest.raises(UserError, match=rf"has no (contrast|region) .*\n?.*{hint}"):
        read_roi_values(path, **choice)


def test_values_of_regions_below_the_smallest_coverage_are_missing(tmp_path):
    columns = tidy_columns(ROWS, value=value, coverage=lambda row, contrast, index: index / 10)
    table = read_roi_values(write_roi_table(tmp_path / "rois.parquet", columns), min_coverage=0.7)
    for number, variable in enumerate(table.variables):
        assert np.isnan(table.values[0, number]) == (variable.index < 7)


@pytest.mark.parametrize("limit", [0.1, 0.7, 0.9])
def test_a_coverage_equal_to_the_smallest_is_enough_in_both_files(tmp_path, limit):
    columns = tidy_columns(ROWS, value=lambda *_: 1.0, coverage=lambda *_: limit)
    with TidyTable(tmp_path / "rois.tsv", COLUMNS) as writer:
        writer.write(columns)
    for ending in ("tsv", "parquet"):
        table = read_roi_values(tmp_path / f"rois.{ending}", min_coverage=limit)
        assert not np.isnan(table.values).any()


def test_infinite_values_are_missing(tmp_path):
    columns = tidy_columns(ROWS[:1], value=lambda *_: float("inf"))
    assert np.isnan(read_roi_values(write_roi_table(tmp_path / "rois.parquet", columns)).values).all()


@pytest.mark.parametrize("ending", ["parquet", "tsv"])
@pytest.mark.parametrize("n_rows_per_batch", [1, 1_000])
def test_a_value_that_stands_twice_is_refused(tmp_path, ending, n_rows_per_batch, monkeypatch):
    monkeypatch.setattr(module, "_N_ROWS_PER_BATCH", n_rows_per_batch)
    path = tmp_path / f"rois.{ending}"
    write_roi_table(path, tidy_columns((*ROWS[:2], ROWS[0]), value=value))
    with pytest.raises(InputError, match="wm2bk in region .* of sub-01 ses-1 twice"):
        read_roi_values(path)


def test_a_region_with_two_names_is_refused(tmp_path):
    columns = tidy_columns(ROWS, value=value)
    columns["name"][-1] = "Amygdala"
    with pytest.raises(InputError, match="region 7 has two names, Left Amygdala and Amygdala"):
        read_roi_values(write_roi_table(tmp_path / "rois.tsv", columns))


@pytest.mark.parametrize("ending", ["parquet", "tsv"])
def test_other_tables_are_refused(tmp_path, ending):
    path = write_roi_table(tmp_path / f"rois.{ending}", {"participant_id": ["sub-01"], "age": [3.0]})
    with pytest.raises(InputError, match="lacks the columns session_id, run, contrast, name, index"):
        read_roi_values(path)
    with pytest.raises(InputError, match="no such file"):
        read_roi_values(tmp_path / f"none.{ending}")
    path.write_bytes(b"PAR1 no table")
    with pytest.raises(InputError):
        read_roi_values(path)


@pytest.mark.parametrize("ending", ["parquet", "tsv"])
def test_a_region_without_a_name_is_named_by_its_number(tmp_path, ending):
    columns = tidy_columns(ROWS, value=value, regions={1: "", 2: "n/a", 7: "seven"})
    table = read_roi_values(write_roi_table(tmp_path / f"rois.{ending}", columns))
    assert [variable.region for variable in table.variables[:3]] == ["1", "2", "seven"]


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        read_roi_values(tmp_path)


@pytest.mark.parametrize(("encoding", "problem"), [("utf-16", "is UTF-16 text"), ("latin-1", "not UTF-8")])
def test_text_that_is_not_utf_8_is_refused_with_its_encoding(tmp_path, encoding, problem):
    path = write_roi_table(
        tmp_path / "rois.tsv", tidy_columns((("sub-é", None, None),), value=lambda *_: 1.0)
    )
    path.write_bytes(path.read_text("utf-8").encode(encoding))
    with pytest.raises(InputError, match=problem):
        read_roi_values(path)


def test_a_parquet_file_with_text_that_is_not_utf_8_is_refused(tmp_path):
    path = write_roi_table(tmp_path / "rois.parquet", tidy_columns(ROWS, value=value))
    path.write_bytes(path.read_bytes().replace(b"Left Amygdala", b"Left \xe9mygdala"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_roi_values(path)
