"""Work folders: each run has one of its own, and none is left or taken from anybody."""

import os
import shutil

import pytest

from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.marked_folder import MARK
from bids_deeptaskgen.workflow import run
from bids_deeptaskgen.workflow.work_folder import private_folder


def test_an_earlier_process_of_the_same_number_leaves_no_records(tmp_path):
    with private_folder(tmp_path / "work", keep=False) as folder:
        pass
    assert not (tmp_path / "work").exists()
    (folder / "records").mkdir(parents=True)
    (folder / "records" / "sub-01.json").write_text("{}")
    with private_folder(tmp_path / "work", keep=False) as repetition:
        assert repetition == folder
        assert [path.name for path in repetition.iterdir()] == [MARK]


def test_a_work_folder_is_kept_while_another_run_or_a_connectome_is_in_it(tmp_path):
    work = tmp_path / "work"
    with private_folder(work, keep=False) as folder:
        counterpart = folder.with_name(folder.name.rpartition("-")[0] + "-1")
        (work / "connectomes").mkdir()
        counterpart.mkdir()
    assert {path.name for path in work.iterdir()} == {"connectomes", counterpart.name}
    counterpart.rmdir()
    (work / "connectomes" / "sub-01.npy").touch()
    with private_folder(work, keep=False):
        pass
    assert [path.name for path in work.rglob("*")] == ["connectomes", "sub-01.npy"]
    (work / "connectomes" / "sub-01.npy").unlink()
    with private_folder(work, keep=False):
        pass
    assert not work.exists()


def test_a_work_folder_of_the_user_is_kept_even_if_it_is_empty(simulated, settings_of, tmp_path):
    work = tmp_path / "scratch"
    work.mkdir()
    assert participant.run(settings_of(simulated, participant_label=("01",), work_dir=work)) == 0
    assert list(work.iterdir()) == []


def test_work_folders_of_other_machines_are_removed_after_a_day_without_writes(tmp_path):
    fresh, old, busy = (tmp_path / f"run-node{number}-1-77" for number in range(3))
    for folder in (fresh, old, busy):
        (folder / "records").mkdir(parents=True)
    for path in (old / "records", old, busy):
        os.utime(path, (0, 0))
    with private_folder(tmp_path, keep=False):
        assert fresh.exists()
        assert busy.exists()
        assert not old.exists()


def test_work_folders_of_dead_processes_are_removed_and_of_live_ones_are_not(tmp_path):
    with private_folder(tmp_path, keep=False) as folder:
        dead = folder.with_name(folder.name.rpartition("-")[0] + "-999999999")
        alive = folder.with_name(folder.name.rpartition("-")[0] + "-1")
        dead.mkdir()
        alive.mkdir()
        assert folder.stat().st_mode & 0o077 == 0
    with private_folder(tmp_path, keep=False):
        assert alive.exists()
        assert not dead.exists()
    assert not folder.exists()


def test_a_work_folder_that_is_deleted_during_the_run_is_named(tmp_path):
    with (  # noqa: PT012
        pytest.raises(UserError, match="was deleted during the run"),
        private_folder(tmp_path / "work", keep=False) as folder,
    ):
        shutil.rmtree(folder)
        (folder / "attempt0").mkdir()


def test_participants_whose_records_were_deleted_are_not_those_of_a_killed_process(tmp_path):
    with (  # noqa: PT012
        pytest.raises(UserError, match="was deleted during the run"),
        private_folder(tmp_path / "work", keep=False) as folder,
    ):
        shutil.rmtree(folder)
        # nipype and records create their folders again.
        (folder / "records").mkdir(parents=True)
        run._add_lost([], ["01"], folder, "", stops=False)


def test_the_pages_of_a_deleted_work_folder_are_not_those_of_a_killed_process(tmp_path):
    with (  # noqa: PT012
        pytest.raises(UserError, match="was deleted during the run"),
        private_folder(tmp_path / "work", keep=False) as folder,
    ):
        shutil.rmtree(folder)
        folder.mkdir(parents=True)
        run._add_lost_pages(["01"], folder)
