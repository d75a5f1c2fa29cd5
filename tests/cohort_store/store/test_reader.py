"""Laws of reading a cohort store: no damage is silent, and the rows keep their order and their types."""

import json
import pickle
import shutil

import numpy as np
import pytest
from torch.utils.data import DataLoader

from bids_deeptaskgen.cohort_store.store import reader
from bids_deeptaskgen.cohort_store.store.check import check_store
from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.layout import record_path, shard_path
from bids_deeptaskgen.cohort_store.store.pack import pack_shards
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows
from bids_deeptaskgen.errors import InputError, UserError
from tests.cohort_store.store.outputs import (
    MODEL,
    description,
    make_store,
    row_content,
    row_table,
)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Write a store of five rows in three shards."""
    return make_store(tmp_path_factory.mktemp("complete") / "store")


@pytest.fixture
def folder(complete, tmp_path):
    return shutil.copytree(complete, tmp_path / "store")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def remove(path):
    path.unlink()


def alter(path, place=20):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def alter_index(path):
    alter(path, place=-10)


def append(path):
    path.write_bytes(path.read_bytes() + b"0")


@pytest.mark.parametrize("array", ["maps", "roi_connectomes"])
@pytest.mark.parametrize("damage", [truncate, remove, append])
def test_a_file_of_another_size_is_refused_and_found(folder, array, damage):
    damage(shard_path(folder, array, 1))
    with pytest.raises(
        InputError, match=r"(?s)1 shard of 3 with 2 rows cannot be read: shard 1 the file .*pack"
    ):
        open_store(folder)
    for quick in (True, False):
        (problem,) = check_store(folder, quick=quick)
        assert str(problem).startswith(f"{folder}, shard 1: the file {shard_path(folder, array, 1)} ")


@pytest.mark.parametrize("damage", [alter, alter_index])
def test_a_damaged_byte_is_never_read(folder, damage):
    damage(shard_path(folder, "maps", 1))
    assert check_store(folder, quick=True) == []
    (problem,) = check_store(folder)
    path = shard_path(folder, "maps", 1)
    assert str(problem).startswith(f"{path}: the values of ")
    assert problem.remedy == f"Run `deeptaskgen store pack --verify /out {folder}`."
    store = open_store(folder)
    with pytest.raises(InputError, match=r"(?s)some bytes of maps are damaged.*store check"):
        store.maps("wm2bk")
    with pytest.raises(InputError, match="some bytes of maps are damaged"):
        store[2]
    assert np.array_equal(store[0], row_content(0).maps)


@pytest.mark.parametrize("damage", [truncate, remove, alter, alter_index])
def test_a_damaged_shard_is_packed_again(complete, folder, damage):
    damage(shard_path(folder, "maps", 1))
    pack_shards(folder, row_content, [1])
    content, expected = (shard_path(store, "maps", 1).read_bytes() for store in (folder, complete))
    assert content == expected
    assert check_store(folder) == []


def test_a_shard_that_is_removed_after_opening_is_not_read_as_nan(folder):
    store = open_store(folder)
    shard_path(folder, "maps", 1).unlink()
    with pytest.raises(InputError, match="maps that were packed are missing"):
        store.maps("wm2bk")
    with pytest.raises(InputError, match="maps that were packed are missing"):
        store[3]
    shard_path(folder, "roi_connectomes", 1).unlink()
    with pytest.raises(InputError, match="roi_connectomes that were packed are missing"):
        store.roi_connectomes()


def test_an_incomplete_store_is_read_on_request_without_its_incomplete_rows(folder, caplog):
    record_path(folder, 1).unlink()
    alter(shard_path(folder, "maps", 1))
    with pytest.raises(InputError, match=r"shard 1 is not packed(?s:.*)In Python, .*allow_incomplete=True"):
        open_store(folder)
    store = open_store(folder, allow_incomplete=True)
    assert "shard 1 is not packed" in caplog.text
    assert list(store.is_missing[:, 0]) == [False, False, True, True, False]
    assert list(store.lacks_roi_connectome) == [False, False, True, True, False]
    maps = store.maps("motorLh")
    assert np.isnan(maps[2:4]).all()
    assert np.array_equal(maps[4], row_content(4).maps[1])
    assert np.isnan(store[2]).all()
    assert np.isnan(store.roi_connectomes()[2:4]).all()


def test_the_rows_of_a_killed_pack_are_incomplete(folder):
    add_rows(folder, row_table(6), "/out")
    with pytest.raises(InputError, match="shard 2 lacks the maps of 1 row"):
        open_store(folder)


def test_all_problems_are_listed(folder):
    remove(shard_path(folder, "maps", 0))
    record_path(folder, 1).write_text("{}")
    alter(shard_path(folder, "roi_connectomes", 2))
    shutil.copy(shard_path(folder, "maps", 2), shard_path(folder, "maps", 7))
    (folder / "maps" / ".c.0.0.0.another-host.1.tmp").touch()
    texts = [str(problem) for problem in check_store(folder)]
    assert len(texts) == 4
    assert "c.0.0.0 does not exist" in texts[0]
    assert "shard 1: is not packed" in texts[1]
    assert "roi_connectomes/c.2.0.0: the values of 1 row are damaged (sub-05)" in texts[2]
    assert "maps/c.7.0.0: belongs to no row" in texts[3]
    assert len(check_store(folder, task=(1, 3))) == 2


def test_a_record_that_differs_from_the_maps_is_found(folder):
    path = record_path(folder, 1)
    content = json.loads(path.read_text())
    for changes in ({"Absent": ["motorLh"]}, {"RoiConnectome": False}, {"Source": "another"}):
        row = content["Rows"][0] | changes
        path.write_text(json.dumps(content | {"Rows": [row, content["Rows"][1]]}))
        (problem,) = check_store(folder)
        assert problem.text == "the values of 1 row are damaged (sub-03)"


def test_a_file_of_another_process_than_its_record_is_found(folder, tmp_path):
    other = make_store(tmp_path / "other", read_row=lambda row: row_content(row + 4))
    path, foreign = shard_path(folder, "maps", 1), shard_path(other, "maps", 1)
    path.write_bytes(foreign.read_bytes())
    # Files of equal size.
    record = json.loads(record_path(folder, 1).read_text())
    record["Bytes"]["maps"] = path.stat().st_size
    record_path(folder, 1).write_text(json.dumps(record))
    assert check_store(folder, quick=True) == []
    assert "values of 2 rows are damaged (sub-03, sub-04)" in check_store(folder)[0].text


def test_the_record_of_other_rows_does_not_count(folder):
    """As if a slow process wrote into a store that was packed again in another order."""
    for path in (record_path(folder, 1), shard_path(folder, "maps", 1)):
        shutil.copy(path, str(path).replace("c.1", "c.0").replace("000001", "000000"))
    problem = check_store(folder, quick=True)[0]
    assert str(problem).startswith(f"{folder}, shard 0: has a record of other rows.")
    assert open_store(folder, allow_incomplete=True).is_missing[:2].all()


def test_a_table_of_rows_that_is_missing_or_altered_is_refused(folder):
    add_rows(folder, row_table(6), "/out")
    table = folder / "tables" / "rows" / "0001" / "rows.tsv"
    content = table.read_text()
    table.write_text(content.rpartition("sub-05")[0])
    with pytest.raises(InputError, match="rows.tsv: this table or an earlier one was changed"):
        check_store(folder)
    lines = content.splitlines(keepends=True)
    table.write_text("".join([lines[0], lines[2], lines[1], *lines[3:]]))
    with pytest.raises(InputError, match=r"rows.tsv: this table or an earlier one was changed"):
        open_store(folder)
    shutil.rmtree(table.parent)
    with pytest.raises(InputError, match="0001: the table of rows does not exist"):
        check_store(folder)


def test_a_damaged_mask_or_description_is_refused(folder):
    path = folder / "mask" / "c" / "0" / "0" / "0"
    content = path.read_bytes()
    alter(path)
    with pytest.raises(InputError, match="its description is damaged"):
        open_store(folder)
    path.write_bytes(content)
    path = folder / "zarr.json"
    path.write_text(path.read_text().replace("RowsPerShard", "Rows"))
    with pytest.raises(InputError, match="its description is damaged"):
        open_store(folder)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("mask/c/0/0/0", None),
        ("tables/contrasts.tsv", lambda text: text.rpartition("motorLh")[0]),
        ("tables/contrasts.tsv", lambda text: "".join(text.splitlines(keepends=True)[i] for i in (0, 2, 1))),
        ("maps/zarr.json", None),
        ("maps/zarr.json", lambda text: text[:200]),
        ("maps/zarr.json", lambda _text: ""),
        ("roi_connectomes/zarr.json", None),
        ("roi_connectomes/zarr.json", lambda text: text.replace(" 3,", " 4,")),
        ("zarr.json", lambda _text: "[]"),
        ("zarr.json", lambda _text: "{}"),
        ("zarr.json", lambda text: text.replace('"float32"', '"float64"')),
        ("zarr.json", lambda text: text.replace('"RowsPerShard": 2', '"RowsPerShard": 3')),
        ("zarr.json", lambda text: text.replace('"NumberOfRois": 3', '"NumberOfRois": 0')),
    ],
)
def test_a_damaged_part_is_refused_by_all(folder, file, change):
    path = folder / file
    if change is None:
        path.unlink()
    else:
        content = path.read_text()
        path.write_text(change(content))
        assert path.read_text() != content
    for function in (open_store, check_store, lambda store: pack_shards(store, row_content, [0])):
        with pytest.raises(InputError):
            function(folder)


def test_an_array_with_fewer_rows_than_were_packed_is_refused(folder):
    for name in ("maps", "roi_connectomes"):
        path = folder / name / "zarr.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"shape": [2, *content["shape"][1:]]}))
        with pytest.raises(InputError, match=f"its array {name} has 2 rows, and its tables have 5"):
            open_store(folder)
        assert f"{name}/zarr.json: has 2 rows; the tables have 5" in str(check_store(folder)[0])
        path.write_text(json.dumps(content))


def test_a_store_without_rows_has_an_empty_table_and_a_problem(tmp_path):
    create_store(tmp_path / "store", description())
    assert list(open_store(tmp_path / "store").participants) == ["participant_id", "session_id", "run"]
    assert [problem.text for problem in check_store(tmp_path / "store")] == ["has no rows"]


def test_a_file_between_the_tables_of_rows_is_listed_alone(folder):
    (folder / "tables" / "rows" / "0001.bak").mkdir()
    assert open_store(folder).participants.shape[0] == 5
    assert [problem.text for problem in check_store(folder)] == ["is not a table of rows"]


def test_the_table_of_participants_has_types(complete):
    table = open_store(complete).participants
    assert list(table["participant_id"]) == [f"sub-{number:02d}" for number in range(1, 6)]
    assert list(table["age"]) == [21, 22, 23, 24, 25]
    assert table["session_id"].isna().all()


def test_a_store_describes_itself(complete):
    store = open_store(str(complete))
    assert repr(store) == f"CohortStore({str(complete)!r}: 5 rows, 2 contrasts, 40 voxels)"
    assert store.description.model == MODEL
    assert store.mask.sum() == 40
    assert store.affine[0, 3] == -90
    assert sorted(store.arrays.array_keys()) == ["maps", "mask", "roi_connectomes"]


def test_rows_and_contrasts_that_do_not_exist_are_refused(complete):
    store = open_store(complete)
    with pytest.raises(UserError, match=r"has no contrast faces. It has wm2bk, motorLh."):
        store.maps("faces")
    for row in (5, -6):
        with pytest.raises(IndexError, match="the store has 5 rows"):
            store[row]
    assert len(list(store)) == 5


def test_values_become_images(complete):
    store = open_store(complete)
    image = store.to_image(store.maps("wm2bk"))
    assert image.shape == (91, 109, 91, 5)
    volumes = np.asarray(image.dataobj)
    assert np.array_equal(volumes[store.mask].T, store.maps("wm2bk"))
    assert not volumes[~store.mask].any()
    values = store.maps("wm2bk")[0]
    values[3] = np.nan
    assert np.asarray(store.to_image(values).dataobj)[store.mask][3] == 0
    with pytest.raises(ValueError, match="have 40 voxels"):
        store.to_image(np.zeros(39))


def test_a_store_can_be_pickled_and_read_by_workers(complete):
    store = open_store(complete)
    expected = store[1]
    copy = pickle.loads(pickle.dumps(store))
    assert np.array_equal(copy[1], expected)
    batches = list(DataLoader(store, batch_size=2, num_workers=2))
    assert [tuple(batch.shape) for batch in batches] == [(2, 2, 40), (2, 2, 40), (1, 2, 40)]
    assert np.array_equal(batches[0][1].numpy(), expected)


def test_shards_of_float16_are_read_as_float32(tmp_path):
    folder = make_store(tmp_path / "store", precision="float16")
    store = open_store(folder)
    assert store[0].dtype == store.maps("wm2bk").dtype == np.float32
    assert store.arrays["maps"].dtype == np.float16
    assert description(precision="float16").map_bytes == 2 * 2 * 40


@pytest.mark.parametrize("rows", [[], [3], [0, 1, 2, 3, 4], [4, 0, 1, 1, 2], [2, 3]])
@pytest.mark.parametrize("rows_per_read", [1, 2, 64])
def test_some_rows_are_those_of_all_rows(complete, monkeypatch, rows, rows_per_read):
    monkeypatch.setattr(reader, "_ROWS_PER_READ", rows_per_read)
    store = open_store(complete)
    np.testing.assert_array_equal(store.maps("motorLh", rows), store.maps("motorLh")[rows])
    np.testing.assert_array_equal(store.roi_connectomes(rows), store.roi_connectomes()[rows])
    assert store.maps("motorLh", rows).dtype == np.float32


@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_that_does_not_exist_is_not_read(complete, row):
    with pytest.raises(IndexError, match=f"row {row} does not exist; the store has 5 rows"):
        open_store(complete).maps("motorLh", [0, row])


def test_some_rows_of_a_damaged_shard_are_refused(folder):
    alter(shard_path(folder, "maps", 1))
    store = open_store(folder)
    np.testing.assert_array_equal(store.maps("wm2bk", [0, 1, 4])[2], row_content(4).maps[0])
    with pytest.raises(InputError, match="some bytes of maps are damaged"):
        store.maps("wm2bk", [1, 2])


def test_the_labels_of_rows_are_those_of_the_table(complete):
    assert open_store(complete).row_labels[1:3] == (("sub-02", "", ""), ("sub-03", "", ""))
