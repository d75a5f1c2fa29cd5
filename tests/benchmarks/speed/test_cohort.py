"""Tests of the cohort benchmarks: datasets, completion records and reported numbers are correct."""

import pytest

from benchmarks.speed import cohort
from benchmarks.speed.cohort import finish_all, measure_chunk, measure_growth, measure_windows
from benchmarks.speed.datasets import multiply_participants
from tests.inprocess import call, outcomes


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def test_multiplied_participants_have_the_original_files_with_renamed_labels(participants, tmp_path):
    dataset = multiply_participants(participants, tmp_path / "many", 6)
    folders = sorted(dataset.glob("sub-*"))
    assert [folder.name for folder in folders] == [f"sub-{number:05d}" for number in range(1, 7)]
    for number, folder in enumerate(folders):
        original = participants / f"sub-{number % 4 + 1:02d}" / "func"
        contents = {path.name: path.read_bytes() for path in (folder / "func").iterdir()}
        assert contents == {
            path.name.replace(original.parent.name, folder.name): path.read_bytes()
            for path in original.iterdir()
        }
    extended = multiply_participants(participants, tmp_path / "many", 7)
    assert len(list(extended.glob("sub-*"))) == 7


def test_participants_with_completion_records_are_not_processed(participants, model, tmp_path):
    out = tmp_path / "out"
    finish_all(participants, out, model)
    contents = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    result = call(participants, out, "participant", "--model", model, "--map-format", "4d", "--nprocs", "1")
    assert result.code == 0
    assert {row["status"] for row in outcomes(out).values()} == {"present"}
    assert len(outcomes(out)) == 4
    assert all(path.read_bytes() == content for path, content in contents.items())
    assert list(out.glob("sub-*/**/*.nii.gz")) == []


def test_the_cost_per_participant_is_the_slope_between_two_sizes(work):
    comparison = measure_growth(work, (1, 3), ("--nprocs", "1"))
    walls = {name: timing.wall_s for name, (timing,) in comparison.timings.items()}
    assert [*walls] == ["1 participants", "3 participants"]
    slope = (walls["3 participants"] - walls["1 participants"]) / 2
    assert comparison.facts["s per participant from 1 to 3"] == pytest.approx(slope)
    assert len(list((work / "3-participants-done").glob("logs/*_participants.tsv"))) == 1


def test_a_chunk_has_timings_of_the_whole_run_and_of_each_step(work, model, monkeypatch):
    monkeypatch.setattr(cohort, "N_DISTINCT", 1)
    options = ("--nprocs", "1")
    comparison = measure_chunk(work, n_participants=3, n_volumes=30, model=str(model), options=options)
    seconds = {name: timing.wall_s for name, (timing,) in comparison.timings.items()}
    assert [*seconds] == ["whole run", "connectomes only", "maps only"]
    assert comparison.facts["participants per hour"] == pytest.approx(3 * 3600 / seconds["whole run"])
    total = seconds["connectomes only"] + seconds["maps only"]
    assert comparison.facts["ratio of the two"] == pytest.approx(total / seconds["whole run"])
    assert all(timing.peak_gib > 0.3 for (timing,) in comparison.timings.values())
    # The steps wrote the maps of all participants, and no connectome still waits.
    out = work / "chunk-maps"
    assert len(list(out.glob("sub-*/func/*_desc-qc_metrics.json"))) == 3
    assert list(out.glob("work/connectomes/*")) == []


def test_several_windows_are_compared_with_one_window(work):
    comparison = measure_windows(work, 1, n_windows=2, n_volumes=40, fdim=2)
    assert [*comparison.timings] == ["1 window", "2 windows"]
    assert all(timing.wall_s > 0 and timing.peak_gib > 0.3 for (timing,) in comparison.timings.values())
    # Maps of the last run, which had two windows; one window has no SD.
    assert len(list((work / "windows-maps").rglob("*_stat-sd_*.nii.gz"))) == 47
