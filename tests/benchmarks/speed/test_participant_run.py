"""Tests of timing a whole run: its parts add up, and a failed run is an error."""

import pytest

from benchmarks.speed import participant_run as benchmark_run
from benchmarks.speed.participant_run import app, logged_parts
from benchmarks.speed.startup import APP, dry_run, time_command


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    (result,) = benchmark_run.measure(tmp_path_factory.mktemp("work"), 1, n_volumes=30, fdim=2)
    return result


def test_the_parts_of_a_run_add_up_to_its_wall_time(comparison):
    assert [*comparison.facts] == [
        f"{part} (s)"
        for part in (
            "start-up",
            "libraries",
            "preflight",
            "finished participants",
            "pages of finished participants",
            "headers",
            "torch and model",
            "nipype",
            "files",
            "connectome",
            "model",
            "prediction",
            "maps written",
            "page",
            "other",
            "end",
        )
    ]
    (timing,) = comparison.timings[comparison.reference]
    assert sum(comparison.facts.values()) == pytest.approx(timing.wall_s)
    assert all(seconds >= 0 for seconds in comparison.facts.values())
    # Each of these parts takes measurable time.
    assert all(
        comparison.facts[f"{part} (s)"] > 0.02 for part in ("start-up", "libraries", "torch and model")
    )


def test_memory_includes_the_libraries(comparison):
    (timing,) = comparison.timings[comparison.reference]
    assert 0.3 < timing.peak_gib < 3


def test_parts_with_the_same_name_are_summed_over_participants():
    lines = [
        "12:00:00 DEBUG libraries: 1.25 s",
        "12:00:01 INFO sub-01: connectome made of 30 volumes: 9.00 s",
        "12:00:01 DEBUG sub-01: connectome: 2.50 s",
        "12:00:02 DEBUG sub-02 ses-1: connectome: 0.50 s",
        "12:00:02 DEBUG nipype plugin Linear {}",
    ]
    assert logged_parts(lines) == {"libraries": 1.25, "connectome": 3.0}


def test_a_failed_run_raises_an_error_with_its_exit_code_and_output(tmp_path):
    with pytest.raises(RuntimeError, match=r"exit code 3[\s\S]*empty"):
        app(str(tmp_path), str(tmp_path / "out"), "participant", "--model", "embedded")


def test_the_dry_run_writes_nothing(tmp_path):
    assert time_command(0, (*APP, *dry_run(tmp_path))).wall_s > 0
    assert not (tmp_path / "not-written").exists()
    with pytest.raises(RuntimeError, match="exit code 0, not 2"):
        time_command(2, (*APP, "--version"))
