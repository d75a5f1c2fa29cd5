"""The table of faults counts what each test has added."""

from tests.faults.fault_table import PASSED, summary_lines


def test_the_summary_counts_faults_by_command_and_kind():
    rows = [
        ["group", "SIGKILL", "10%", "-9", "0", "0", PASSED],
        ["group", "SIGTERM", "20%", "143", "0", "0", PASSED],
        ["train", "SIGKILL", "30%", "-9", "3", "2", "failed"],
    ]
    head, *lines = [line.split() for line in summary_lines(rows)]
    assert head == ["command", "SIGKILL", "SIGTERM", "faults", "failed", "lost", "files"]
    assert lines == [
        ["group", "1", "1", "2", "0", "0"],
        ["train", "1", "0", "1", "1", "2"],
        ["all", "2", "1", "3", "1", "2"],
    ]
