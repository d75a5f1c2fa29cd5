"""Laws of timing many people: they are who they are said to be, and are done when they are said to be."""

import pytest

from benchmarks.speed import cohort
from benchmarks.speed.cohort import finish_all, measure_chunk, measure_growth, measure_windows
from benchmarks.speed.datasets import multiplied
from tests.inprocess import call, outcomes


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def test_many_people_have_the_files_of_a_few_under_their_own_names(participants, tmp_path):
    many = multiplied(participants, tmp_path / "many", 6)
    folders = sorted(many.glob("sub-*"))
    assert [folder.name for folder in folders] == [f"sub-{number:05d}" for number in range(1, 7)]
    for number, folder in enumerate(folders):
        original = participants / f"sub-{number % 4 + 1:02d}" / "func"
        found = {path.name: path.read_bytes() for path in (folder / "func").iterdir()}
        assert found == {
            path.name.replace(original.parent.name, folder.name): path.read_bytes()
            for path in original.iterdir()
        }
    again = multiplied(participants, tmp_path / "many", 7)
    assert len(list(again.glob("sub-*"))) == 7


def test_people_who_are_said_to_be_done_are_not_done_again(participants, model, tmp_path):
    out = tmp_path / "out"
    finish_all(participants, out, model)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    ended = call(participants, out, "participant", "--model", model, "--map-format", "4d", "--nprocs", "1")
    assert ended.code == 0
    assert {row["status"] for row in outcomes(out).values()} == {"present"}
    assert len(outcomes(out)) == 4
    assert all(path.read_bytes() == content for path, content in before.items())
    assert list(out.rglob("*.nii.gz")) == []


def test_the_cost_of_a_person_is_what_more_people_cost_more(work):
    found = measure_growth(work, (1, 3), ("--nprocs", "1"))
    walls = {name: timing.wall_s for name, (timing,) in found.timings.items()}
    assert [*walls] == ["1 people", "3 people"]
    assert found.facts["s a person from 1 to 3"] == pytest.approx((walls["3 people"] - walls["1 people"]) / 2)
    assert len(list((work / "3-people-done").glob("logs/*_participants.tsv"))) == 1


def test_a_chunk_is_timed_whole_and_step_by_step(work, model, monkeypatch):
    monkeypatch.setattr(cohort, "N_DISTINCT", 1)
    found = measure_chunk(work, n_participants=3, n_volumes=30, model=str(model), options=("--nprocs", "1"))
    seconds = {name: timing.wall_s for name, (timing,) in found.timings.items()}
    assert [*seconds] == ["whole run", "connectomes alone", "maps alone"]
    assert found.facts["people an hour"] == pytest.approx(3 * 3600 / seconds["whole run"])
    alone = seconds["connectomes alone"] + seconds["maps alone"]
    assert found.facts["share of that"] == pytest.approx(alone / seconds["whole run"])
    assert all(timing.peak_gib > 0.3 for (timing,) in found.timings.values())
    # What the steps alone have made: everybody's maps, and no connectome that still waits.
    out = work / "chunk-maps"
    assert len(list(out.glob("sub-*/func/*_desc-qc_metrics.json"))) == 3
    assert list(out.glob("work/connectomes/*")) == []


def test_a_person_in_windows_is_timed_beside_one_window(work):
    found = measure_windows(work, 1, n_windows=2, n_volumes=40, fdim=2)
    assert [*found.timings] == ["1 window", "2 windows"]
    assert all(timing.wall_s > 0 and timing.peak_gib > 0.3 for (timing,) in found.timings.values())
    # Those of the last run, which had two; only several windows have a spread.
    assert len(list((work / "windows-maps").rglob("*_stat-sd_*.nii.gz"))) == 47
