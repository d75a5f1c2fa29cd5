"""Laws of the preflight with several tasks, from file names alone."""

import pytest

from bids_deeptaskgen.bids.input.preflight import preflight
from bids_deeptaskgen.bids.input.query import Query
from tests.bids.trees import describe, touch

SPACE = "space-MNI152NLin6Asym_res-2"


@pytest.fixture
def root(tmp_path):
    """Create empty BOLD files and masks of two participants; the second one lacks a task in one session."""
    for subject, session, task in (
        ("01", "1", "rest1"),
        ("01", "1", "rest2"),
        ("02", "1", "rest1"),
        ("02", "2", "rest1"),
        ("02", "2", "rest2"),
    ):
        for file in ("desc-preproc_bold", "desc-brain_mask"):
            name = f"sub-{subject}_ses-{session}_task-{task}_{SPACE}_{file}.nii.gz"
            touch(tmp_path / f"sub-{subject}" / f"ses-{session}" / "func" / name)
    return describe(tmp_path)


def rows_of(root, **changes):
    return {row.name: row for row in preflight(root, Query(**changes))}


def test_each_task_of_each_session_has_a_row(root):
    rows = rows_of(root, tasks=("rest1", "rest2"))
    assert {name: len(row.bold_names) for name, row in rows.items()} == {
        "sub-01 ses-1 task-rest1": 1,
        "sub-01 ses-1 task-rest2": 1,
        "sub-02 ses-1 task-rest1": 1,
        "sub-02 ses-1 task-rest2": 0,
        "sub-02 ses-2 task-rest1": 1,
        "sub-02 ses-2 task-rest2": 1,
    }
    reason = rows["sub-02 ses-1 task-rest2"].reason
    assert "no task-rest2 (tasks found: rest1)" in reason
    assert "omit that task from `task_id`" in reason
    assert rows["sub-01 ses-1 task-rest2"].series(combine_runs=True) == {(("task", "rest2"),)}


def test_a_single_task_is_not_named_in_the_rows(root):
    assert set(rows_of(root, tasks=("rest1",))) == {"sub-01 ses-1", "sub-02 ses-1", "sub-02 ses-2"}


def test_combined_tasks_are_one_row_and_need_all_tasks(root):
    rows = rows_of(root, tasks=("rest2", "rest1"), combine_tasks=True)
    assert {name: len(row.bold_names) for name, row in rows.items()} == {
        "sub-01 ses-1 task-rest1+rest2": 2,
        "sub-02 ses-1 task-rest1+rest2": 0,
        "sub-02 ses-2 task-rest1+rest2": 2,
    }
    assert "no task-rest2" in rows["sub-02 ses-1 task-rest1+rest2"].reason
    row = rows["sub-01 ses-1 task-rest1+rest2"]
    assert row.series(combine_runs=True) == {(("task", "rest1+rest2"),)}


def test_a_task_that_nobody_has_is_a_row_with_the_usual_advice(root):
    rows = rows_of(root, tasks=("movie",))
    assert all("name the resting state's task with `task_id`" in row.reason for row in rows.values())
