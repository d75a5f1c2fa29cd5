"""Laws of timing a whole run: its parts are all of it, and a run that fails is no result."""

import pytest

from benchmarks.speed import participant_run as benchmark_run
from benchmarks.speed.participant_run import app, parts_told
from benchmarks.speed.startup import APP, dry_run, ends_with


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    (comparison,) = benchmark_run.measure(tmp_path_factory.mktemp("work"), 1, n_volumes=30, fdim=2)
    return comparison


def test_a_run_is_timed_and_told_part_by_part(found):
    assert [*found.facts] == [
        f"{part} (s)"
        for part in (
            "start-up",
            "libraries",
            "preflight",
            "torch and model",
            "nipype",
            "files",
            "connectome",
            "network",
            "prediction",
            "maps written",
            "the rest",
            "end",
        )
    ]
    (timing,) = found.timings[found.reference]
    assert sum(found.facts.values()) == pytest.approx(timing.wall_s)
    assert all(seconds >= 0 for seconds in found.facts.values())
    # Each of these is real work; that of nothing would be zero.
    assert all(found.facts[f"{part} (s)"] > 0.02 for part in ("start-up", "libraries", "torch and model"))


def test_memory_is_that_of_a_process_with_its_libraries(found):
    (timing,) = found.timings[found.reference]
    assert 0.3 < timing.peak_gib < 3


def test_parts_of_the_same_name_are_added_up_whoever_they_are_of():
    lines = [
        "12:00:00 DEBUG libraries: 1.25 s",
        "12:00:01 INFO sub-01: connectome made of 30 volumes: 9.00 s",
        "12:00:01 DEBUG sub-01: connectome: 2.50 s",
        "12:00:02 DEBUG sub-02 ses-1: connectome: 0.50 s",
        "12:00:02 DEBUG nipype plugin Linear {}",
    ]
    assert parts_told(lines) == {"libraries": 1.25, "connectome": 3.0}


def test_a_run_that_fails_is_not_timed_but_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"exit code 3:\n(.*\n)*.*the folder is empty"):
        app(str(tmp_path), str(tmp_path / "out"), "participant", "--model", "embedded")


def test_a_dry_run_of_the_start_up_writes_nothing(tmp_path):
    assert ends_with(0, (*APP, *dry_run(tmp_path))).wall_s > 0
    assert not (tmp_path / "not-written").exists()
    with pytest.raises(RuntimeError, match="exit code 0, not 2"):
        ends_with(2, (*APP, "--version"))
