"""Outliers, and the table of sessions on the page."""

import json

import numpy as np
import pytest

from bids_deeptaskgen.data import read_data
from bids_deeptaskgen.group import quality
from bids_deeptaskgen.group.participant_table import average_metric, warn_of_equal_series
from bids_deeptaskgen.group.quality import (
    MIN_SESSIONS,
    find_outliers,
    page_links,
    row_name,
    table_columns,
    table_rows,
)
from bids_deeptaskgen.stats.robust_outliers import OUTLIER_LIMIT
from tests.group.dataset import make_dataset
from tests.group.running import run, table


def rows(values, name="fd_mean_mm"):
    return [
        {"participant_id": f"sub-{number:02d}", "session_id": None, name: value}
        for number, value in enumerate(values)
    ]


def test_an_unusual_value_is_an_outlier_and_the_largest_comes_first():
    values = [0.1 + 0.01 * (number % 5) for number in range(20)]
    values[3], values[7] = 0.9, 2.0
    outliers = find_outliers(rows(values))
    assert [(item.participant, item.value) for item in outliers] == [("sub-07", 2.0), ("sub-03", 0.9)]
    assert outliers[0].robust_z > outliers[1].robust_z > 3


def test_few_sessions_have_no_outliers():
    assert find_outliers(rows([0.1] * 8 + [9.0])) == []
    assert find_outliers(rows([0.1] * 9 + [None, float("nan"), 9.0][:2])) == []


def test_equal_values_have_no_outliers():
    assert find_outliers(rows([0.1] * 30)) == []


@pytest.mark.parametrize(("n", "n_outliers"), [(49, 0), (50, 1)])
def test_typicality_is_judged_from_fifty_participants_on(n, n_outliers):
    values = list(0.8 + 0.02 * np.random.default_rng(0).standard_normal(n))
    values[5] = 0.1
    outliers = find_outliers(rows(values, "cohort_typicality"))
    assert len([item for item in outliers if item.participant == "sub-05"]) == n_outliers


def test_text_and_missing_values_of_metrics_are_no_numbers():
    values = ["n/a", None, float("nan"), *[0.1 + 0.01 * (number % 5) for number in range(10)]]
    assert find_outliers(rows(values)) == []


def test_sessions_and_runs_have_names():
    row = {"participant_id": "sub-01", "session_id": "ses-1", "dir": "AP", "run": "2"}
    assert row_name(row) == "sub-01 ses-1 dir-AP run-2"
    assert row_name({"participant_id": "sub-01", "session_id": None}) == "sub-01"


def test_the_table_of_the_page_has_columns_with_values_and_links_to_pages(tmp_path):
    (tmp_path / "sub-01.html").write_text("")
    data = [
        {"participant_id": "sub-01", "age": "30", "arm": "x", "empty": None, "fd_mean_mm": 0.2},
        {"participant_id": "sub-02", "age": "n/a", "arm": "7", "empty": "n/a", "fd_mean_mm": None},
    ]
    columns = table_columns({name: [row[name] for row in data] for name in data[0]})
    assert [(column.name, column.is_number, column.is_metric) for column in columns] == [
        ("age", True, False), ("arm", False, False), ("fd_mean_mm", True, True),
    ]  # fmt: skip
    first, second = table_rows(data, columns, tmp_path)
    assert (first.page, second.page) == ("sub-01.html", "")
    assert first.cells == [30.0, "x", 0.2]
    assert second.cells == [None, "7", None]


class Session:
    def __init__(self, subject, session, fd, hashes=(), run=None):
        self.subject, self.session, self.metrics = subject, session, {"fd_mean_mm": fd}
        self.series_hashes = hashes
        self.entities = (("run", run),) if run else ()


def test_metrics_are_averaged_over_runs_then_sessions_without_missing_values():
    sessions = [
        Session("01", "a", 1.0), Session("01", "a", 3.0), Session("01", "b", 6.0),
        Session("02", "a", None), Session("02", "b", 5.0),
        Session("03", "a", float("nan")), Session("03", "b", 7.0),
        Session("04", None, None),
    ]  # fmt: skip
    averages = average_metric(sessions, "fd_mean_mm")
    assert averages["01"] == 4.0
    assert averages["02"] == 5.0
    assert averages["03"] == 7.0
    assert np.isnan(averages["04"])


def test_sessions_with_the_same_data_are_named(caplog):
    sessions = [
        Session("01", "a", 1, ("x",)),
        Session("02", None, 1, ("y", "x"), run="2"),
        Session("03", "a", 1, ("z",)),
    ]
    assert warn_of_equal_series(sessions) == [["sub-01 ses-a", "sub-02 run-2"]]
    assert "sub-01 ses-a and sub-02 run-2" in caplog.text
    assert warn_of_equal_series(sessions[2:]) == []


def test_outliers_are_searched_once(output, monkeypatch):
    searched = []
    monkeypatch.setattr(quality, "robust_z", lambda values: searched.append(values.tobytes()) or values * 0)
    run(output)
    assert len(searched) == len(set(searched)) > 0


def test_the_page_links_to_the_pages_of_participants(tmp_path):
    for name in ("sub-01.html", "sub-02.svg", "group.html"):
        (tmp_path / name).write_text("")
    assert page_links(tmp_path) == {"sub-01": "sub-01.html"}


def test_a_planted_outlier_is_in_the_table(tmp_path):
    folder = tmp_path / "out"
    make_dataset(folder, n=12, sessions=(None,), contrasts=("wm2bk",), has_connectomes=False)
    path = next(folder.glob("sub-05/func/*_desc-qc_metrics.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fd_mean_mm": 5.0}))
    assert run(folder) == 0
    found = [row for row in table(folder, "group_outliers") if row["participant_id"] == "sub-05"]
    assert [float(row["value"]) for row in found] == [5.0]
    idps = table(folder, "group_idps")
    assert idps[4]["participant_id"] == "05"
    assert float(idps[4]["deeptaskgen_rest_fd_mean_mm"]) == 5.0


def test_the_page_states_the_limits_where_there_are_no_outliers():
    script = read_data("report/group_participants.js")
    assert f"beyond {OUTLIER_LIMIT}. Metrics of fewer than {MIN_SESSIONS} sessions are not judged" in script
