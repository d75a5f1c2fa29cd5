"""Names of columns of participants, and the categories that sidecars declare."""

import json

import pytest

from bids_deeptaskgen.bids.column_names import are_same_column, column_levels, find_column, suggest_columns


@pytest.mark.parametrize(
    ("name", "names", "column"),
    [
        ("age", ["age", "Age"], "age"),
        ("Age", ["age"], None),
        ("mean_fd", ["mean_fd", "fd_mean_mm"], "fd_mean_mm"),
        ("mean_fd", ["mean_fd"], "mean_fd"),
        ("site", ["Site", "SITE_ID"], "SITE_ID"),
        ("site", ["site", "site_id"], "site"),
        ("scanner", ["site"], None),
    ],
)
def test_columns_are_found_by_name_and_short_name(name, names, column):
    assert find_column(name, names) == column


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("mean_fd", "fd_mean_mm", True),
        ("fd_mean_mm", "Mean_FD", True),
        ("trait", "Trait", True),
        ("site", "SITE_ID", True),
        ("trait", "trait2", False),
    ],
)
def test_a_column_is_the_same_in_another_case_and_under_its_short_name(name, column, expected):
    assert are_same_column(name, column) is expected


def test_short_names_are_suggested_too():
    assert suggest_columns("meanfd", ["fd_mean_mm"]) == " Did you mean mean_fd? Columns: fd_mean_mm, mean_fd."
    assert suggest_columns("x", []) == " Columns: none."


@pytest.mark.parametrize("levels", [{"1": "female", "2": "male"}, ["1", "2"], [1, 2]])
def test_codes_of_a_sidecar_are_text(tmp_path, levels):
    (tmp_path / "iq.json").write_text(json.dumps({"sex": {"Levels": levels}, "iq": {"Units": "a"}, "x": 3}))
    assert column_levels(tmp_path / "iq.tsv") == {"sex": ("1", "2")}


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"sex": {"Levels": {}}}'])
def test_a_sidecar_without_levels_declares_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / "iq.json").write_text(content)
    assert column_levels(tmp_path / "iq.tsv") == {}
