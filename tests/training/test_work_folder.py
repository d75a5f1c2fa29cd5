"""The work folder of a training belongs to one process at a time."""

import os
import time
from dataclasses import replace

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.active_runs import RUNNING
from bids_deeptaskgen.settings.training import TrainSettings
from bids_deeptaskgen.training.work_folder import claim_work_folder, open_folder, work_folder


@pytest.fixture
def settings(tmp_path):
    data = {name: tmp_path / name for name in ("connectomes", "statmaps", "split")}
    return TrainSettings(out=tmp_path / "new", model="embedded", **data)


@pytest.fixture
def folder(settings):
    return work_folder(settings, settings.out)


def state(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*.*")}


def test_a_training_is_refused_while_another_one_uses_its_folder(settings, folder):
    with claim_work_folder(settings, settings.out):
        open_folder(settings, folder, {"data": "some"})
        initial_state = state(folder)
        with (
            pytest.raises(UserError, match=f"another training uses this folder .process {os.getpid()} of"),
            claim_work_folder(settings, settings.out),
        ):
            pass
        assert state(folder) == initial_state
    assert {path.name for path in folder.iterdir()} == {"training.json", "settings.toml"}
    with claim_work_folder(settings, settings.out):
        open_folder(settings, folder, {"data": "some"})


def test_a_training_that_replaces_its_folder_stays_registered(settings, folder):
    with claim_work_folder(settings, settings.out):
        open_folder(settings, folder, {"data": "some"})
        (folder / "targets").mkdir()
        (folder / "targets" / "values.npy").touch()
    settings = replace(settings, overwrite=True)
    with claim_work_folder(settings, settings.out):
        open_folder(settings, folder, {"data": "other"})
        assert len(list((folder / RUNNING).iterdir())) == 1
        assert not (folder / "targets").exists()


def test_a_training_that_was_killed_on_another_machine_is_continued(settings, folder):
    path = folder / RUNNING / ".training.another-machine.1.tmp"
    path.parent.mkdir(parents=True)
    path.touch()
    (folder / "training.json").write_text("{}")
    with pytest.raises(UserError, match="wait 10 minutes"), claim_work_folder(settings, settings.out):
        pass
    os.utime(path, (time.time() - 700,) * 2)
    with claim_work_folder(settings, settings.out):
        assert not path.exists()
    assert not path.parent.exists()


def test_a_training_that_is_refused_leaves_no_folder(settings, folder):
    with pytest.raises(ZeroDivisionError), claim_work_folder(settings, settings.out):
        raise ZeroDivisionError
    assert not folder.exists()


def test_a_folder_of_other_files_is_not_written_to(settings, folder):
    folder.mkdir()
    (folder / "notes.txt").touch()
    with claim_work_folder(settings, settings.out):
        assert [path.name for path in folder.iterdir()] == ["notes.txt"]
        with pytest.raises(UserError, match="is not empty and holds no training"):
            open_folder(settings, folder, {})


def test_the_first_process_of_a_training_registers_it_for_all(settings, folder, monkeypatch):
    with claim_work_folder(settings, settings.out):
        monkeypatch.setenv("LOCAL_RANK", "1")
        with claim_work_folder(settings, settings.out):
            assert len(list((folder / RUNNING).iterdir())) == 1
