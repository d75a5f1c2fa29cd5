"""Progress lines."""

import logging
import time
from pathlib import Path

import pytest

from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.pipeline.progress import ProgressReporter
from bids_deeptaskgen.pipeline.records import CONNECTED, Record

FACTS = {"metrics": {"n_volumes": 110, "n_volumes_kept": 108, "minutes_kept": 3.6, "n_residual_dof": 82}}


def write(folder, subject, status, session=None):
    record = Record(subject, session, status=status, facts=FACTS)
    write_json(folder / f"{record.name.replace(' ', '_')}.json", record.as_json())


@pytest.fixture
def new_lines(tmp_path, caplog):
    """Return a function that reads the records and returns the new lines."""
    watcher = ProgressReporter(tmp_path, 2)

    def look():
        caplog.clear()
        with caplog.at_level(logging.INFO, "bids_deeptaskgen"):
            watcher._log()
        return [record.getMessage() for record in caplog.records]

    return look


def test_a_participant_is_finished_when_all_sessions_are(tmp_path, new_lines):
    write(tmp_path, "01", CONNECTED, "a")
    write(tmp_path, "01", CONNECTED, "b")
    words = "connectome made of 108 of 110 volumes (3.6 minutes); the cleaning leaves 82 degrees of freedom"
    assert new_lines() == [f"sub-01 ses-{label}: {words} (1 of 2 participants)" for label in "ab"]
    write(tmp_path, "01", "done", "a")
    write(tmp_path, "02", "failed")
    assert new_lines() == [
        "sub-01 ses-a: 0 maps written (0 of 2 participants)",
        "sub-02: failed:  (1 of 2 participants)",
    ]
    write(tmp_path, "01", "done", "b")
    assert new_lines() == ["sub-01 ses-b: 0 maps written (2 of 2 participants)"]
    assert new_lines() == []


def test_the_time_of_a_count_does_not_grow_with_the_number_of_participants(tmp_path, caplog):
    caplog.set_level(logging.ERROR, "bids_deeptaskgen")
    watcher = ProgressReporter(tmp_path, 20_000)
    start = time.perf_counter()
    for status in (CONNECTED, "done"):
        for number in range(20_000):
            record = Record(f"{number}", status=status, facts=FACTS)
            watcher._count(Path(f"sub-{number}.json"), status)
            watcher._say(record)
    assert time.perf_counter() - start < 10
    assert watcher._n_over == 20_000
