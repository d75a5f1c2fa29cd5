"""Tests of the benchmark of finished participants: all are finished, and the table has each measurement."""

import pytest

from benchmarks.finished.page import HANDWRITTEN, page, table
from benchmarks.finished.run import measure


@pytest.mark.slow
def test_runs_over_copies_of_a_finished_participant_are_measured(tmp_path):
    results = measure(tmp_path, [1, 3])
    assert [(row["n_participants"], row["way"]) for row in results["measurements"]] == [
        (number, way) for number in (1, 3) for way in ("run", "run without reports", "dry run")
    ]
    assert all(row["cpu_s"] > 0 for row in results["measurements"])
    assert not list(tmp_path.glob("*-maps/logs/*failed*.json"))
    assert (tmp_path / "results.json").exists()


def test_the_page_has_a_row_for_each_measurement_and_the_text():
    row = {
        "n_participants": 2000, "layout": "3d", "way": "run", "wall_s": 10.0, "cpu_s": 4.0, "peak_mib": 80.0
    }  # fmt: skip
    line = "| 2,000 | 3d | run | 10.0 s | 4.0 s | 2.0 ms | 80 MiB |"
    assert line in table([row])
    text = page({"machine": {"CPU": "x"}, "measurements": [row]}, "Words.")
    assert line in text
    assert text.endswith(f"{HANDWRITTEN}\nWords.\n")
