"""Laws of reading a cohort store that another process packs: what is read is whole."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import zarr.storage._local as zarr_files

from bids_deeptaskgen.cohort_store.store import check, shard_facts
from bids_deeptaskgen.cohort_store.store.check import check_store
from bids_deeptaskgen.cohort_store.store.layout import record_path, shard_path
from bids_deeptaskgen.cohort_store.store.pack import pack_shards
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows
from bids_deeptaskgen.cohort_store.store.summary import summarise
from bids_deeptaskgen.errors import InputError
from tests.cohort_store.store.outputs import make_store, row_content, row_table

N_ROWS = 2


def new_content(row):
    """Return maps that take fewer bytes than those of `row_content`, so that their chunks begin elsewhere."""
    content = row_content(row)
    return replace(content, maps=np.round(content.maps), source="run again")


@pytest.fixture
def folder(tmp_path):
    """Write a store of one shard."""
    return make_store(tmp_path / "store", n_rows=N_ROWS)


def pack_again(folder):
    pack_shards(folder, new_content, [0])


def interrupt(monkeypatch, module, name, action):
    """Call a function of a module and then, the first time, an action of another process."""
    function, calls = getattr(module, name), []

    def call(*arguments, **options):
        result = function(*arguments, **options)
        calls.append(arguments)
        if len(calls) == 1:
            action()
        return result

    monkeypatch.setattr(module, name, call)
    return calls


def test_a_shard_that_is_replaced_between_its_index_and_its_chunks_is_read_again(folder, monkeypatch):
    store = open_store(folder)
    assert store.arrays
    first_index = zarr_files._get

    def read(path, *arguments):
        content = first_index(path, *arguments)
        # Replaced once, after its index was read.
        if path == shard_path(folder, "maps", 0) and not replaced:
            replaced.append(True)
            pack_again(folder)
        return content

    replaced = []
    monkeypatch.setattr(zarr_files, "_get", read)
    values = store[0]
    assert replaced
    assert np.array_equal(values, new_content(0).maps)


def test_damage_is_still_found(folder):
    path = shard_path(folder, "maps", 0)
    content = bytearray(path.read_bytes())
    content[20] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match="some bytes of maps are damaged"):
        open_store(folder)[0]


def test_rows_that_are_added_while_a_store_is_opened_are_in_it(folder, monkeypatch):
    def add():
        add_rows(folder, row_table(3), "/out")
        pack_shards(folder, row_content, [0, 1])

    interrupt(monkeypatch, shard_facts, "read_rows", add)
    store = open_store(folder)
    assert len(store) == 3
    assert np.array_equal(store[2], row_content(2).maps)


def test_the_check_finds_no_damage_in_a_shard_that_is_packed_meanwhile(folder, monkeypatch):
    calls = interrupt(monkeypatch, check, "read_state", lambda: pack_again(folder))
    assert check_store(folder) == []
    assert len(calls) > 1


def test_the_check_lists_what_is_damaged_once(folder, tmp_path):
    other = make_store(tmp_path / "other", n_rows=N_ROWS, read_row=new_content)
    shutil.copy(record_path(other, 0), record_path(folder, 0))
    assert len(check_store(folder)) == 1


def test_a_temporary_file_that_vanishes_does_not_disturb_the_description(folder):
    (folder / "maps" / ".c.0.0.0.machine.1.tmp").symlink_to("vanished")
    assert "complete shards: " in summarise(folder)


def test_an_incomplete_store_may_be_packed_at_present(folder):
    add_rows(folder, row_table(3), "/out")
    with pytest.raises(InputError, match="another process packs the store, wait until it ends"):
        open_store(folder)
