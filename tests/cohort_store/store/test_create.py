"""Laws of the creation of a cohort store: it is complete or not there, wherever it is."""

import errno
import itertools
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.store import create
from bids_deeptaskgen.cohort_store.store.create import create_store, refuse_other_content
from bids_deeptaskgen.cohort_store.store.description import is_store, read_description, refuse_difference
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import OUTPUT_GRID, Grid
from tests.cohort_store.store.outputs import description, make_store, row_content
from tests.processes import PATIENCE_S

PROCESSES = multiprocessing.get_context("fork")


def make_folder(path):
    path.mkdir()


def make_link(path):
    path.with_name("target").mkdir()
    path.symlink_to(path.with_name("target"))


def make_empty_link(path):
    path.symlink_to(path.with_name("target"))


@pytest.mark.parametrize("prepare", [make_folder, make_link, make_empty_link])
def test_a_store_is_created_in_an_empty_folder_and_behind_a_link(tmp_path, prepare):
    path = tmp_path / "store"
    prepare(path)
    identity = path.stat().st_ino if path.exists() else None
    make_store(path)
    assert np.array_equal(open_store(path)[0], row_content(0).maps)
    # A mount point cannot be replaced.
    assert identity in (None, path.stat().st_ino)
    assert path.is_symlink() == (prepare is not make_folder)
    assert not list(tmp_path.rglob("*.tmp"))


def create_late(path, start, is_created):
    start.wait(PATIENCE_S)
    is_created.put(create_store(path, description()))


@pytest.mark.parametrize("exists", [True, False])
def test_one_of_several_creators_creates_the_store(tmp_path, exists):
    path, start, is_created = tmp_path / "store", PROCESSES.Barrier(4), PROCESSES.SimpleQueue()
    if exists:
        path.mkdir()
    creators = [PROCESSES.Process(target=create_late, args=(path, start, is_created)) for _ in range(4)]
    for creator in creators:
        creator.start()
    for creator in creators:
        creator.join(PATIENCE_S)
    assert [creator.exitcode for creator in creators] == [0] * 4
    assert sorted(is_created.get() for _ in creators) == [False, False, False, True]
    assert read_description(path).labels == description().labels
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_store_that_appears_meanwhile_is_not_refused(tmp_path, monkeypatch):
    def look_late(folder):
        monkeypatch.undo()
        create_store(folder, description())
        return False

    monkeypatch.setattr(create, "is_store", look_late)
    assert not create_store(tmp_path / "store", description())
    assert is_store(tmp_path / "store")


def test_a_folder_that_gets_other_files_meanwhile_is_refused(tmp_path, monkeypatch):
    def fill_late(folder, _fill):
        (folder / "file.txt").touch()
        return False

    (tmp_path / "store").mkdir()
    monkeypatch.setattr(create, "fill_folder", fill_late)
    with pytest.raises(UserError, match="exists and is not a cohort store"):
        create_store(tmp_path / "store", description())


@pytest.mark.parametrize("n_written", range(5))
@pytest.mark.parametrize("has_folder", [True, False])
def test_a_disk_that_is_full_leaves_nothing_of_a_store(tmp_path, monkeypatch, n_written, has_folder):
    store, write, count = tmp_path / "store", Path.write_bytes, itertools.count()
    if has_folder:
        store.mkdir()

    def write_or_fail(path, content):
        if next(count) >= n_written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_or_fail)
    with pytest.raises(OSError, match="No space left"):
        create_store(store, description())
    assert list(tmp_path.rglob("*")) == ([store] if has_folder else [])
    monkeypatch.undo()
    assert create_store(store, description())


def test_maps_on_another_grid_are_refused(tmp_path):
    affine = OUTPUT_GRID.matrix.copy()
    affine[0, 3] += 1
    other = description(grid=Grid.from_image(OUTPUT_GRID.shape, affine))
    with pytest.raises(UserError, match="its maps have"):
        refuse_difference(tmp_path, description(), other)


@pytest.mark.parametrize("name", ["maps", "file.txt", ".hidden"])
def test_a_folder_of_other_files_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(create, "_PAUSE_S", 0)
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="exists and is not a cohort store"):
        refuse_other_content(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
