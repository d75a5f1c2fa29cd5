"""The table of faults counts what each test has added."""

import types

import pytest

from tests.faults.fault_table import (
    CONDITION,
    FAULT,
    NOTHING_WRITTEN,
    PASSED,
    FaultRecorder,
    summary_lines,
)


def test_the_summary_counts_faults_by_command_and_kind():
    rows = [
        ["group", "SIGKILL", "10%", "-9", "0", "0", FAULT, PASSED],
        ["group", "SIGTERM", "20%", "143", "0", "0", FAULT, PASSED],
        ["train", "SIGKILL", "30%", "-9", "3", "2", FAULT, "failed"],
    ]
    head, *lines = [line.split() for line in summary_lines(rows)]
    assert head == ["command", "SIGKILL", "SIGTERM", "all", "failed", "lost", "files"]
    assert lines == [
        ["group", "1", "1", "2", "0", "0"],
        ["train", "1", "0", "1", "1", "2"],
        ["all", "2", "1", "3", "1", "2"],
    ]


def test_conditions_and_kills_that_came_too_early_are_told_apart_from_faults():
    item = types.SimpleNamespace(user_properties=[])
    recorder = FaultRecorder(item)
    recorder.add("group", "SIGKILL")
    recorder.add("group", "SIGKILL", has_written=False)
    recorder.add("group", "umask_077", category=CONDITION)
    assert [cells[6] for _, cells in item.user_properties] == [FAULT, NOTHING_WRITTEN, CONDITION]


def test_a_lost_file_fails_the_test_and_is_recorded():
    item = types.SimpleNamespace(user_properties=[])
    with pytest.raises(AssertionError, match="2 complete files are lost"):
        FaultRecorder(item).add("group", "SIGKILL", n_lost=2)
    assert item.user_properties[0][1][5] == "2"
