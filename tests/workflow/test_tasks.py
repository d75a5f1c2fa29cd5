"""Laws of several tasks: each has its own maps, those of its runs alone, unless they are combined."""

import json
import shutil

import pytest

from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.commands import group, participant
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.workflow.conftest import DEMANDS

ONE = {"contrasts": ("contrast1",), "nprocs": 1, **DEMANDS}


def rename_runs(simulated, root, names):
    """Copy participants' runs under other names: (source participant, target participant, task and run)."""
    for source, target, name in names:
        func = root / f"sub-{target}" / "func"
        func.mkdir(parents=True, exist_ok=True)
        for path in (simulated / f"sub-{source}" / "func").iterdir():
            new_name = path.name.replace(f"sub-{source}", f"sub-{target}").replace("task-rest", name)
            shutil.copyfile(path, func / new_name)
    shutil.copyfile(simulated / "dataset_description.json", root / "dataset_description.json")
    return root


@pytest.fixture(scope="module")
def tasks(simulated, tmp_path_factory):
    """Create sub-01 with two tasks, and sub-02 with the first task only."""
    runs = [("01", "01", "task-rest1"), ("02", "01", "task-rest2"), ("03", "02", "task-rest1")]
    return rename_runs(simulated, tmp_path_factory.mktemp("tasks"), runs)


@pytest.fixture(scope="module")
def runs(simulated, tmp_path_factory):
    """Create sub-01 with the same data as two runs of one task."""
    names = [("01", "01", "task-rest_run-1"), ("02", "01", "task-rest_run-2")]
    return rename_runs(simulated, tmp_path_factory.mktemp("runs"), names)


@pytest.fixture(scope="module")
def separate(tasks, model, tmp_path_factory):
    """Run both tasks; return the output, the exit code and the printed tables."""
    settings = ParticipantSettings(
        tasks,
        tmp_path_factory.mktemp("separate") / "out",
        model=str(model),
        task_id=("rest1", "rest2"),
        **ONE,
    )
    return settings, participant.run(settings)


def map_bytes(output, subject="01"):
    """Return the predicted maps of a participant by their task and run."""
    folder = output / f"sub-{subject}" / "func"
    return {
        path.name.partition("_space-")[0].partition("_")[2]: path.read_bytes()
        for path in sorted(folder.glob("*_desc-predicted_statmap.nii.gz"))
    }


def test_each_task_has_the_maps_of_its_runs_alone(separate, runs, model, tmp_path):
    settings, code = separate
    assert code == 1  # sub-02 lacks a task
    alone = ParticipantSettings(runs, tmp_path / "out", model=str(model), combine_runs=False, **ONE)
    assert participant.run(alone) == 0
    expected = map_bytes(alone.output_dir)
    assert map_bytes(settings.output_dir) == {
        "task-rest1": expected["task-rest_run-1"],
        "task-rest2": expected["task-rest_run-2"],
    }
    assert {result.entities for result in read_results(settings.output_dir, ["01"])} == {
        (("task", "rest1"),),
        (("task", "rest2"),),
    }
    for sidecar in settings.output_dir.glob("sub-01/func/*_desc-predicted_statmap.json"):
        content = json.loads(sidecar.read_text("utf-8"))
        assert f"task-{content['TaskName']}_" in sidecar.name
        assert all(f"task-{content['TaskName']}_" in source for source in content["Sources"])


def test_a_task_that_a_participant_lacks_is_a_row_with_its_reason(separate):
    settings, _ = separate
    (table,) = (settings.output_dir / "logs").glob("*_participants.tsv")
    rows = {(row["participant_id"], row["task_id"]): row for row in read_tsv(table)}
    assert {key: row["status"] for key, row in rows.items()} == {
        ("sub-01", "task-rest1"): "done",
        ("sub-01", "task-rest2"): "done",
        ("sub-02", "task-rest1"): "done",
        ("sub-02", "task-rest2"): "failed",
    }
    reason = rows["sub-02", "task-rest2"]["reason"]
    assert "no task-rest2 (tasks found: rest1)" in reason
    assert "omit that task from --task-id" in reason
    assert set(map_bytes(settings.output_dir, "02")) == {"task-rest1"}


def test_combined_tasks_have_the_maps_of_pooled_runs(tasks, runs, model, tmp_path, capsys):
    pooled = ParticipantSettings(runs, tmp_path / "pooled", model=str(model), **ONE)
    assert participant.run(pooled) == 0
    settings = ParticipantSettings(
        tasks, tmp_path / "out", model=str(model), task_id=("rest2", "rest1"), combine_tasks=True, **ONE
    )
    capsys.readouterr()
    assert participant.run(settings) == 1
    assert "sub-01 task-rest1+rest2" in capsys.readouterr().out
    maps = map_bytes(settings.output_dir)
    assert maps == {"task-rest1+rest2": map_bytes(pooled.output_dir)["task-rest"]}
    # Maps of one task alone would have a wrong label.
    assert map_bytes(settings.output_dir, "02") == {}
    (sidecar,) = settings.output_dir.glob("sub-01/func/*_desc-predicted_statmap.json")
    content = json.loads(sidecar.read_text("utf-8"))
    assert content["TaskName"] == "rest1+rest2"
    assert sum("_bold.nii.gz" in source for source in content["Sources"]) == 2
    # The dataset takes maps of single tasks as well: they have other names.
    settings = ParticipantSettings(
        tasks, settings.output_dir, model=str(model), task_id=("rest1",), participant_label=("01",), **ONE
    )
    assert participant.run(settings) == 0
    assert set(map_bytes(settings.output_dir)) == {"task-rest1", "task-rest1+rest2"}
    assert map_bytes(settings.output_dir)["task-rest1+rest2"] == maps["task-rest1+rest2"]


def test_a_later_run_adds_a_task_and_the_dry_run_knows_what_is_left(tasks, model, tmp_path, capsys):
    common = {"participant_label": ("01",), "model": str(model), **ONE}
    first = ParticipantSettings(tasks, tmp_path / "out", task_id=("rest1",), **common)
    assert participant.run(first) == 0
    both = ParticipantSettings(tasks, tmp_path / "out", task_id=("rest1", "rest2"), **common)
    dry = ParticipantSettings(tasks, tmp_path / "out", task_id=("rest1", "rest2"), dry_run=True, **common)
    capsys.readouterr()
    assert participant.run(dry) == 0
    assert "To do: 1 participants (sub-01)" in capsys.readouterr().out
    before = map_bytes(both.output_dir)
    assert participant.run(both) == 0
    assert "present" in capsys.readouterr().out
    after = map_bytes(both.output_dir)
    assert set(after) == {"task-rest1", "task-rest2"}
    assert after["task-rest1"] == before["task-rest1"]
    assert participant.run(dry) == 0
    assert "To do: 0 participants" in capsys.readouterr().out


def test_the_group_level_keeps_tasks_apart_and_leaves_out_excluded_participants(separate, tmp_path):
    output = shutil.copytree(separate[0].output_dir, tmp_path / "out")
    assert group.run(GroupSettings(output, output)) == 0
    counts = {path.name.partition("_")[0] for path in (output / "group").glob("*stat-count*.nii.gz")}
    assert counts == {"task-rest1", "task-rest2"}
    assert len(read_tsv(output / "group" / "task-rest1_desc-qc_metrics.tsv")) == 2
    settings = GroupSettings(output, output, exclude_participant_label=("02",), overwrite=True)
    assert group.run(settings) == 0
    rows = read_tsv(output / "group" / "task-rest1_desc-qc_metrics.tsv")
    assert [row["participant_id"] for row in rows] == ["sub-01"]
    with pytest.raises(UserError, match="leaves none"):
        group.run(GroupSettings(output, output, exclude_participant_label=("01", "02"), overwrite=True))


def test_excluded_participants_are_left_out_even_if_requested(tasks, settings_of, capsys, caplog):
    settings = settings_of(
        tasks,
        task_id=("rest1",),
        participant_label=("01", "02"),
        exclude_participant_label=("sub-02", "99"),
        dry_run=True,
    )
    assert participant.run(settings) == 0
    table = capsys.readouterr().out
    assert "sub-01" in table
    assert "sub-02" not in table
    assert "sub-99 is not among the 2 participants" in caplog.text
    with pytest.raises(UserError, match="leaves none of the 2 participants"):
        participant.run(settings_of(tasks, exclude_participant_label=("01", "02"), dry_run=True))


def test_two_tasks_of_one_participant_differ(separate):
    first, second = map_bytes(separate[0].output_dir).values()
    assert first != second
