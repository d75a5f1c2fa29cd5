"""Laws of a cohort store that several processes write at once, or whose writer is killed."""

import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.store import pack
from bids_deeptaskgen.cohort_store.store.check import check_store
from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.layout import shard_path
from bids_deeptaskgen.cohort_store.store.pack import pack_shards
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows, read_rows
from bids_deeptaskgen.cohort_store.store.shards import read_states, shards_of_task
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.atomic import remove_stale_files
from tests.cohort_store.store.outputs import description, make_store, row_content, row_table
from tests.processes import PATIENCE_S, results

# Forked processes start at once; the library would take a second to load in each new one.
PROCESSES = multiprocessing.get_context("fork")
N_ROWS = 16


def pack_task(folder, task, start):
    """Create the store, add its rows and write the shards of a task, as each task of an array does."""
    start.wait(PATIENCE_S)
    create_store(folder, description())
    add_rows(folder, row_table(N_ROWS), "/out")
    pack_shards(folder, row_content, shards_of_task(N_ROWS // 2, task))


@pytest.mark.parametrize("n_tasks", [4, 1])
def test_four_writers_at_once_make_the_store_of_one(tmp_path, n_tasks):
    """With one task, all of the writers write all of the shards."""
    start = PROCESSES.Barrier(4)
    tasks = [(1 + number % n_tasks, n_tasks) for number in range(4)]
    writers = [PROCESSES.Process(target=pack_task, args=(tmp_path / "store", task, start)) for task in tasks]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PATIENCE_S)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert check_store(tmp_path / "store") == []
    assert results(tmp_path / "store") == results(make_store(tmp_path / "single", n_rows=N_ROWS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["single", "store"]


def new_content(row):
    return replace(row_content(row + 10), source="run again")


@pytest.mark.parametrize("moment", ["reading", "renaming", "recording", "end"])
def test_no_update_of_two_writers_of_a_shard_is_lost(tmp_path, monkeypatch, moment):
    """One writer packs the first row of a shard, and the other the second, in the middle of its work."""
    folder = make_store(tmp_path / "store", n_rows=2)
    is_started = []

    def start_other():
        if not is_started:
            is_started.append(True)
            pack_shards(folder, lambda row: new_content(row) if row == 1 else None, [0])

    def interrupt(name, *, before):
        function = getattr(pack, name)

        def call(*arguments):
            if before:
                start_other()
            result = function(*arguments)
            if not before:
                start_other()
            return result

        monkeypatch.setattr(pack, name, call)

    def read_row(row):
        if row == 1 and moment == "reading":
            start_other()
        return new_content(row) if row == 0 else None

    if moment != "reading":
        name, before = {
            "renaming": ("write_shard_files", True),
            "recording": ("write_record", True),
            "end": ("write_record", False),
        }[moment]
        interrupt(name, before=before)
    pack_shards(folder, read_row, [0])
    monkeypatch.undo()
    assert is_started
    if moment == "recording":
        # Files of the one and the record of the other: the row is packed again, and is not lost silently.
        assert "lacks the maps of 1 row" in check_store(folder)[0].text
        pack_shards(folder, lambda row: new_content(row) if row == 1 else None, [0])
    assert check_store(folder) == []
    for row in range(2):
        assert np.array_equal(open_store(folder)[row], new_content(row).maps)


def test_a_shard_that_others_write_all_the_time_is_left_to_them(tmp_path, caplog):
    folder = make_store(tmp_path / "store", n_rows=2)

    def read_row(row):
        if row == 0:
            pack_shards(folder, row_content, [0])
        return new_content(row)

    assert pack_shards(folder, read_row, [0]) == {0: None}
    assert "other processes write shard 0 all the time" in caplog.text
    assert check_store(folder) == []


def test_rows_that_another_writer_adds_meanwhile_are_not_lost(tmp_path):
    folder = tmp_path / "store"
    create_store(folder, description())
    add_rows(folder, row_table(1), "/out")
    is_started = []

    def read_row(row):
        if not is_started:
            is_started.append(True)
            add_rows(folder, row_table(2), "/out")
            pack_shards(folder, lambda number: row_content(number) if number else None, [0])
        return row_content(row) if row == 0 else None

    pack_shards(folder, read_row, [0])
    assert check_store(folder) == []
    assert np.array_equal(open_store(folder)[1], row_content(1).maps)


def test_a_store_that_is_packed_again_in_another_order_keeps_its_maps(tmp_path):
    folder = make_store(tmp_path / "store", n_rows=2)

    def read_row(row):
        if row == 1:
            shutil.rmtree(folder)
            create_store(folder, description())
            add_rows(folder, row_table(2)[::-1], "/out")
            pack_shards(folder, lambda number: row_content(1 - number), [0])
        return row_content(row)

    with pytest.raises(InputError, match="another store has taken its place"):
        pack_shards(folder, read_row, [0])
    assert check_store(folder) == []
    assert np.array_equal(open_store(folder)[0], row_content(1).maps)


def stop(sign):
    """Stop at a place of the work, until the process is killed."""
    sign.touch()
    time.sleep(PATIENCE_S)
    os._exit(1)


def stop_reading(sign, _store):
    def read_row(row):
        return stop(sign) if row == 3 else row_content(row)

    return read_row


def stop_writing(sign, store):
    write_bytes = Path.write_bytes

    def write_half(path, content):
        if path.name.startswith(f".{shard_path(store, 'maps', 1).name}."):
            write_bytes(path, bytes(content)[: len(content) // 2])
            stop(sign)
        return write_bytes(path, content)

    Path.write_bytes = write_half
    return row_content


def stop_recording(sign, _store):
    write_record = pack.write_record

    def write_record_late(store, shard, record):
        if shard == 1:
            stop(sign)
        write_record(store, shard, record)

    pack.write_record = write_record_late
    return row_content


def test_a_writer_who_is_killed_before_its_record_keeps_the_rows_of_others(tmp_path, monkeypatch):
    folder = make_store(tmp_path / "store", n_rows=2)

    def kill(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(pack, "write_record", kill)
    with pytest.raises(KeyboardInterrupt):
        pack_shards(folder, lambda row: new_content(row) if row == 0 else None, [0])
    monkeypatch.undo()
    assert read_states(folder, description(), read_rows(folder)).incomplete == [0]
    pack_shards(folder, lambda row: new_content(row) if row == 0 else None, [0])
    assert check_store(folder) == []
    assert np.array_equal(open_store(folder)[1], row_content(1).maps)


def pack_until(folder, prepare, sign):
    pack_shards(folder, prepare(sign, folder), range(3))


@pytest.mark.parametrize("prepare", [stop_reading, stop_writing, stop_recording])
def test_a_killed_writer_loses_its_shard_alone(tmp_path, prepare):
    folder, sign = tmp_path / "store", tmp_path / "sign"
    planned = description()
    create_store(folder, planned)
    add_rows(folder, row_table(5), "/out")
    writer = PROCESSES.Process(target=pack_until, args=(folder, prepare, sign))
    writer.start()
    end = time.monotonic() + PATIENCE_S
    while not sign.exists():
        assert writer.is_alive()
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join(PATIENCE_S)

    places = [problem.place for problem in check_store(folder)]
    assert places[:2] == [f"{folder}, shard 1", f"{folder}, shard 2"]
    assert len(places) == (3 if prepare is stop_writing else 2)
    assert read_states(folder, planned, read_rows(folder)).incomplete == [1, 2]
    times = shard_path(folder, "maps", 0).stat().st_mtime_ns
    assert len(remove_stale_files(folder)) == (prepare is stop_writing)
    pack_shards(folder, row_content, read_states(folder, planned, read_rows(folder)).incomplete)
    assert check_store(folder) == []
    assert results(folder) == results(make_store(tmp_path / "single"))
    assert shard_path(folder, "maps", 0).stat().st_mtime_ns == times
