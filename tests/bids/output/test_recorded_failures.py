"""Failures of sessions stay in the output dataset until the sessions are processed."""

import threading

from bids_deeptaskgen.bids.output.recorded_failures import (
    failed_participants,
    failures_path,
    read_failures,
    update_failures,
)


def test_failures_of_several_runs_are_kept_until_their_sessions_are_processed(tmp_path):
    assert update_failures(tmp_path, "01", {}, ["sub-01"]) == {}
    assert not (tmp_path / "logs").exists()
    update_failures(tmp_path, "01", {"sub-01 ses-2": "b"}, ["sub-01 ses-2"])
    update_failures(tmp_path, "01", {"sub-01 ses-1": "a"}, ["sub-01 ses-1"])
    assert read_failures(tmp_path, "01") == {"sub-01 ses-1": "a", "sub-01 ses-2": "b"}
    assert failed_participants(tmp_path) == failed_participants(tmp_path, ["01", "02"]) == {"01"}
    assert failed_participants(tmp_path, ["02"]) == set()
    update_failures(tmp_path, "01", {}, ["sub-01 ses-1"])
    assert read_failures(tmp_path, "01") == {"sub-01 ses-2": "b"}
    update_failures(tmp_path, "01", {}, ["sub-01 ses-2 task-rest"])
    assert not failures_path(tmp_path, "01").exists()


def test_a_failure_of_all_sessions_ends_with_the_first_session(tmp_path):
    update_failures(tmp_path, "01", {"sub-01": "no run"}, ["sub-01"])
    update_failures(tmp_path, "01", {}, ["sub-01 ses-1 task-rest"])
    assert read_failures(tmp_path, "01") == {}


def test_processes_that_record_at_the_same_time_lose_no_failure(tmp_path):
    names = [f"sub-01 ses-{number}" for number in range(12)]

    def record(name):
        update_failures(tmp_path, "01", {name: "bad"}, [name])

    threads = [threading.Thread(target=record, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_failures(tmp_path, "01")) == sorted(names)
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["failed-sub-01.json"]


def test_a_damaged_or_unwritable_file_is_reported_only(tmp_path, caplog):
    path = failures_path(tmp_path, "01")
    path.parent.mkdir()
    path.write_text("{", "utf-8")
    assert read_failures(tmp_path, "01") == {}
    assert str(path) in caplog.text
    path.unlink()
    path.mkdir()
    assert update_failures(tmp_path, "01", {"sub-01": "bad"}, ["sub-01"]) == {"sub-01": "bad"}
    assert "cannot be recorded" in caplog.text
