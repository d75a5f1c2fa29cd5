"""Covariates and batch effects of observations."""

import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.exports.observations import Observation
from bids_deeptaskgen.cohort_store.exports.participant_columns import (
    find_participants_table,
    find_quality_table,
    read_columns,
    read_tables,
)
from bids_deeptaskgen.errors import InputError, UserError


@pytest.fixture
def read(tmp_path):
    """Read columns of observations from tables, each a list of lines with cells separated by spaces."""

    def read_from(observations, *tables, covariates=(), batch_effects=()):
        paths = []
        for number, lines in enumerate(tables):
            path = tmp_path / f"{number}.tsv"
            path.write_text("".join("\t".join(line.split()) + "\n" for line in lines), "utf-8")
            paths.append(path)
        rows = [Observation(name, tuple(sessions)) for name, *sessions in observations]
        sources = read_tables(paths, covariates, batch_effects)
        return read_columns(rows, sources, covariates, batch_effects)

    return read_from


def test_labels_match_with_and_without_prefix_and_zeros(read):
    table = ["participant_id age sex", "1 20 F", "sub-02 30 M"]
    columns = read([("sub-01", None), ("sub-02", None)], table, covariates=["age"], batch_effects=["sex"])
    assert columns.covariates == {"age": [20.0, 30.0]}
    assert columns.batch_effects == {"sex": ["F", "M"]}
    assert columns.reasons == {}


def test_a_covariate_is_the_mean_over_the_sessions_behind_a_row(read):
    table = ["participant_id session_id age", "sub-1 ses-1 20", "sub-1 ses-2 22", "sub-1 ses-3 90"]
    rows = [("sub-1", "ses-1", "ses-2"), ("sub-1", "ses-3")]
    assert read(rows, table, covariates=["age"]).covariates["age"] == [21.0, 90.0]


def test_a_quality_metric_is_the_mean_over_runs_and_then_over_sessions(read):
    participants = ["participant_id age", "sub-1 20"]
    quality = [
        "participant_id session_id run fd",
        "sub-1 ses-1 1 0.1",
        "sub-1 ses-1 2 0.3",
        "sub-1 ses-2 1 0.6",
    ]
    columns = read([("sub-1", "ses-1", "ses-2")], participants, quality, covariates=["age", "fd"])
    assert columns.covariates["age"] == [20.0]
    assert columns.covariates["fd"] == [pytest.approx(0.4)]


def test_runs_without_sessions_are_averaged_too(read):
    quality = ["participant_id session_id run fd", "sub-1 n/a 1 0.1", "sub-1 n/a 2 0.3"]
    assert read([("sub-1", None)], quality, covariates=["fd"]).covariates["fd"] == [pytest.approx(0.2)]


def test_the_table_of_participants_takes_precedence(read):
    tables = [["participant_id age", "sub-1 20"], ["participant_id age", "sub-1 99"]]
    assert read([("sub-1", None)], *tables, covariates=["age"]).covariates["age"] == [20.0]


def test_missing_values_have_a_reason(read):
    table = ["participant_id age sex", "sub-1 n/a F", "sub-2 30 n/a", "sub-4 30 F"]
    rows = [(f"sub-{number}", None) for number in (1, 2, 3, 4)]
    columns = read(rows, table, covariates=["age"], batch_effects=["sex"])
    assert columns.reasons == {0: "no value of age", 1: "no value of sex", 2: "no row in 0.tsv"}
    np.testing.assert_array_equal(columns.covariates["age"], [np.nan, 30, np.nan, 30])


def test_a_batch_effect_that_differs_between_the_sessions_of_a_row_is_missing(read):
    table = ["participant_id session_id site", "sub-1 ses-1 A", "sub-1 ses-2 B"]
    columns = read([("sub-1", "ses-1", "ses-2"), ("sub-1", "ses-2")], table, batch_effects=["site"])
    assert columns.reasons == {0: "site differs between its sessions: A, B"}
    assert columns.batch_effects["site"] == ["", "B"]


def test_rows_of_one_participant_that_contradict_each_other_are_missing(read):
    table = ["participant_id age", "sub-1 20", "sub-1 50", "sub-2 30"]
    columns = read([("sub-1", None), ("sub-2", None)], table, covariates=["age"])
    assert columns.reasons == {0: "no value of age"}


@pytest.mark.parametrize(
    ("lines", "error", "problem"),
    [
        (["participant_id age", "sub-1 1e400"], InputError, "covariate age is '1e400' for sub-1"),
        (
            ["participant_id age", "sub-1 old"],
            InputError,
            "covariate age is 'old' for sub-1, not a finite number",
        ),
        (["participant_id Age", "sub-1 3"], UserError, "no column age. The closest names are Age"),
        (["participant_id age", "sub-9 3"], InputError, "has no row of any participant"),
    ],
)
def test_columns_that_cannot_be_covariates_are_refused(read, lines, error, problem):
    with pytest.raises(error, match=problem):
        read([("sub-1", None)], lines, covariates=["age"])


def test_categories_that_differ_in_letter_case_alone_are_refused(read):
    table = ["participant_id sex", "sub-1 F", "sub-2 f"]
    with pytest.raises(InputError, match="'F' and 'f', which differ in letter case alone"):
        read([("sub-1", None), ("sub-2", None)], table, batch_effects=["sex"])


def test_without_any_table_the_option_is_named(read):
    with pytest.raises(UserError, match="`participants_tsv`"):
        read([("sub-1", None)], covariates=["age"])


@pytest.mark.parametrize("folder", ["group", "group/settings-1a2b3c4d"])
def test_tables_are_found_by_the_path_of_the_roi_table(tmp_path, folder):
    roi_table = tmp_path / folder / "task-rest_seg-x_desc-maps_rois.parquet"
    roi_table.parent.mkdir(parents=True)
    assert (find_participants_table(roi_table, None), find_quality_table(roi_table)) == (None, None)
    (tmp_path / "participants.tsv").touch()
    quality = roi_table.with_name("task-rest_desc-qc_metrics.tsv")
    quality.touch()
    assert find_participants_table(roi_table, None) == tmp_path / "participants.tsv"
    assert find_quality_table(roi_table) == quality
    with pytest.raises(UserError, match="is a folder"):
        find_participants_table(tmp_path / "rois.tsv", tmp_path)
    with pytest.raises(UserError, match="no such file"):
        find_participants_table(roi_table, tmp_path / "none.tsv")
