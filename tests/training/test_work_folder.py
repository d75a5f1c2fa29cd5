"""The work folder of a training belongs to one process at a time."""

import errno
import os
import shutil
import time
from dataclasses import replace

import pytest

from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.active_runs import RUNNING
from bids_deeptaskgen.io.atomic import write_text
from bids_deeptaskgen.io.marked_folder import MARK
from bids_deeptaskgen.settings.training import TrainSettings
from bids_deeptaskgen.training import work_folder as module
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


def test_what_is_written_to_a_training_folder_after_its_deletion_does_not_refuse_the_next_training(
    settings, folder
):
    def delete():
        with claim_work_folder(settings, settings.out):
            open_folder(settings, folder, {"data": "some"})
            shutil.rmtree(folder)
            write_text(folder / "log.csv", "epoch")
            message = f"{folder / 'state.pt'}: no such file"
            raise InputError(message)

    with pytest.raises(UserError, match="was deleted during the run"):
        delete()
    assert not folder.exists()
    with claim_work_folder(settings, settings.out):
        open_folder(settings, folder, {"data": "some"})
    assert {path.name for path in folder.iterdir()} == {"training.json", "settings.toml"}


def test_hidden_files_of_users_stay_when_a_training_folder_cannot_be_used(settings, folder, monkeypatch):
    folder.mkdir(parents=True)
    (folder / ".profile").touch()

    def fill_disk(_folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "mark_folder", fill_disk)
    with pytest.raises(OSError, match="No space"), claim_work_folder(settings, settings.out):
        pass
    monkeypatch.undo()
    with pytest.raises(UserError, match="was deleted"), claim_work_folder(settings, settings.out):  # noqa: PT012
        (folder / MARK).unlink()
        (folder / "log.csv").touch()
        raise FileNotFoundError
    assert [path.name for path in folder.iterdir()] == [".profile"]


@pytest.fixture
def foreign(folder, monkeypatch):
    """Write the file of a training on another machine, and look for its end often."""
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)
    path = folder / RUNNING / ".training.another-machine.1.tmp"
    path.parent.mkdir(parents=True)
    path.touch()
    (folder / "training.json").write_text("{}")
    return path


@pytest.mark.parametrize("age_s", [700.0, 599.5])
def test_a_training_that_was_killed_on_another_machine_is_continued_when_it_has_ended(
    settings, folder, foreign, age_s, caplog
):
    caplog.set_level("INFO")
    os.utime(foreign, (time.time() - age_s,) * 2)
    with claim_work_folder(settings, settings.out):
        assert not foreign.exists()
    assert not foreign.parent.exists()
    assert ("waiting for up to 10 minutes: another training (process 1 of" in caplog.text) == (age_s < 600)


def test_a_training_is_refused_as_soon_as_one_on_another_machine_shows_life(settings, foreign, monkeypatch):
    dates = iter(range(1, 1000))

    def renew(_seconds):
        os.utime(foreign, (time.time() + next(dates),) * 2)

    monkeypatch.setattr(module.time, "sleep", renew)
    with (
        pytest.raises(UserError, match="another training uses this folder .process 1 of another-machine"),
        claim_work_folder(settings, settings.out),
    ):
        pass
    assert next(dates) == 2
    assert foreign.exists()


def test_a_training_whose_file_has_a_date_in_the_future_is_not_awaited_for_ever(
    settings, foreign, monkeypatch
):
    monkeypatch.setattr(module, "ENDED_AFTER_S", 0.1)
    os.utime(foreign, (time.time() + 10**6,) * 2)
    with pytest.raises(UserError, match="If it was killed, delete that file"):
        claim_work_folder(settings, settings.out).__enter__()


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
