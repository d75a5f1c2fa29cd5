"""Laws of the shards of a cohort store: what is packed is read, whatever fails or stops meanwhile."""

import json
from dataclasses import replace

import numpy as np
import pytest
import zarr

from bids_deeptaskgen.cohort_store.store.check import check_store
from bids_deeptaskgen.cohort_store.store.create import create_store, extend_arrays
from bids_deeptaskgen.cohort_store.store.description import read_description
from bids_deeptaskgen.cohort_store.store.layout import create_folder, record_path, shard_path
from bids_deeptaskgen.cohort_store.store.pack import RowContent, pack_shards
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows
from bids_deeptaskgen.cohort_store.store.shards import shards_of_task
from bids_deeptaskgen.errors import UserError
from tests.cohort_store.store.outputs import (
    CONTRASTS,
    N_VOXELS,
    description,
    make_store,
    row_content,
    row_table,
)
from tests.processes import results


def expected_maps(n_rows):
    return np.array([row_content(row).maps for row in range(n_rows)])


def all_maps(store):
    return np.stack([store.maps(label) for label in store.contrasts], axis=1)


def test_what_is_packed_is_read_bit_by_bit(tmp_path):
    store = open_store(make_store(tmp_path / "store"))
    assert np.array_equal(all_maps(store), expected_maps(5))
    assert np.array_equal(store[3], row_content(3).maps)
    assert np.array_equal(store[-1], row_content(4).maps)
    expected = np.array([row_content(row).roi_connectome for row in range(5)], np.float32)
    assert np.array_equal(store.roi_connectomes(), expected)
    assert not store.is_missing.any()
    assert not store.lacks_roi_connectome.any()


def test_rows_that_are_added_do_not_change_the_others(tmp_path):
    folder = make_store(tmp_path / "store", n_rows=3)
    first_shard = shard_path(folder, "maps", 0).read_bytes()
    tables = add_rows(folder, row_table(6), "/out")
    assert [row["participant_id"] for row in tables.rows] == [f"sub-{n:02d}" for n in range(1, 7)]
    assert [problem.text for problem in check_store(folder)][:2] == [
        "has 3 rows; the tables have 6",
        "has 3 rows; the tables have 6",
    ]
    # The rows before are in the store alone: their source is not selected.
    written = pack_shards(folder, lambda row: row_content(row) if row >= 3 else None, [1, 2])
    assert None not in written.values()
    assert np.array_equal(all_maps(open_store(folder)), expected_maps(6))
    assert shard_path(folder, "maps", 0).read_bytes() == first_shard
    assert check_store(folder) == []


def test_columns_of_added_rows_may_differ(tmp_path):
    folder = make_store(tmp_path / "store", n_rows=2)
    add_rows(folder, [{"participant_id": "sub-77", "site": "B"}], "/out")
    pack_shards(folder, row_content, [1])
    table = open_store(folder).participants
    assert list(table["age"].fillna(-1)) == [21, 22, -1]
    assert list(table["site"].fillna("")) == ["", "", "B"]


def test_rows_whose_maps_are_not_available_are_packed_later(tmp_path):
    folder = tmp_path / "store"
    create_store(folder, description())
    add_rows(folder, row_table(4), "/out")
    pack_shards(folder, lambda row: row_content(row) if row in (0, 2, 3) else None, [0, 1])
    assert [str(problem) for problem in check_store(folder)] == [
        f"{folder}, shard 0: lacks the maps of 1 row. Run `deeptaskgen store pack OUTPUT_DIR {folder}` again."
    ]
    store = open_store(folder, allow_incomplete=True)
    assert list(store.is_missing[:, 0]) == [False, True, False, False]
    assert np.array_equal(store[0], row_content(0).maps)
    assert np.isnan(store[1]).all()
    pack_shards(folder, lambda row: row_content(row) if row == 1 else None, [0])
    assert check_store(folder) == []
    assert np.array_equal(all_maps(open_store(folder)), expected_maps(4))


def test_a_shard_without_any_available_row_stays_as_it_is(tmp_path):
    folder = tmp_path / "store"
    create_store(folder, description())
    add_rows(folder, row_table(2), "/out")
    assert pack_shards(folder, lambda _row: None, [0]) == {0: None}
    assert not record_path(folder, 0).exists()


@pytest.mark.parametrize("array", ["maps", "roi_connectomes"])
def test_packed_rows_that_are_lost_are_packed_later(tmp_path, array):
    folder = make_store(tmp_path / "store", n_rows=2)
    path = shard_path(folder, array, 0)
    for content in (path.read_bytes()[:-4], None):
        path.unlink() if content is None else path.write_bytes(content)
        pack_shards(folder, lambda row: row_content(row) if row else None, [0])
        assert "lacks the maps of 1 row" in check_store(folder)[0].text
        pack_shards(folder, lambda row: None if row else row_content(row), [0])
        assert check_store(folder) == []


def test_the_intact_rows_of_a_damaged_shard_are_kept(tmp_path):
    folder = make_store(tmp_path / "store", n_rows=2)
    path = shard_path(folder, "maps", 0)
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    assert "the values of 1 row are damaged (sub-01)" in check_store(folder)[0].text
    pack_shards(folder, lambda _row: None, [0])
    assert "lacks the maps of 1 row" in check_store(folder)[0].text
    assert np.array_equal(open_store(folder, allow_incomplete=True)[1], row_content(1).maps)


def test_maps_that_were_packed_outlive_their_images(tmp_path):
    folder = make_store(tmp_path / "store", n_rows=1)

    def read_row(_row, source="row 0"):
        faults = {"wm2bk": "damaged"}
        return RowContent(np.full((len(CONTRASTS), N_VOXELS), np.nan), source=source, faults=faults)

    pack_shards(folder, read_row, [0])
    assert np.array_equal(open_store(folder)[0], row_content(0).maps)
    # Those of a participant who was run again do not.
    pack_shards(folder, lambda row: read_row(row, "row 0 again"), [0])
    assert open_store(folder).is_missing.all()


def test_values_of_a_map_that_cannot_be_used_are_not_stored(tmp_path):
    faults = {"wm2bk": "damaged"}
    folder = make_store(
        tmp_path / "store", n_rows=1, read_row=lambda row: replace(row_content(row), faults=faults)
    )
    assert np.isnan(open_store(folder).maps("wm2bk")).all()
    assert [problem.text for problem in check_store(folder)] == ["damaged"]


def test_a_shard_that_loses_its_values_loses_its_file(tmp_path):
    folder = make_store(tmp_path / "store", n_rows=2)
    empty = np.full((len(CONTRASTS), N_VOXELS), np.nan)
    pack_shards(folder, lambda _row: RowContent(empty, absent_labels=CONTRASTS), [0])
    assert not shard_path(folder, "maps", 0).exists()
    assert check_store(folder) == []


def test_rows_that_another_process_adds_meanwhile_are_in_the_next_shards(tmp_path):
    folder = tmp_path / "store"
    create_store(folder, description())
    add_rows(folder, row_table(3), "/out")

    def read_row(row):
        if row == 0:
            add_rows(folder, row_table(4), "/out")
        return row_content(row)

    pack_shards(folder, read_row, [0, 1])
    assert check_store(folder) == []
    assert np.array_equal(all_maps(open_store(folder)), expected_maps(4))


def test_arrays_never_shrink(tmp_path):
    folder = make_store(tmp_path / "store")
    extend_arrays(folder, 2)
    assert zarr.open_array(folder / "maps", mode="r").shape[0] == 5


def test_a_number_of_rows_that_a_slow_process_has_written_is_corrected(tmp_path):
    folder = make_store(tmp_path / "store", n_rows=1)
    earlier = (folder / "maps" / "zarr.json").read_bytes()
    add_rows(folder, row_table(2), "/out")

    def read_row(row):
        (folder / "maps" / "zarr.json").write_bytes(earlier)
        return row_content(row)

    pack_shards(folder, read_row, [0])
    assert check_store(folder) == []


def test_the_tasks_divide_the_shards():
    for n_shards, n_tasks in ((0, 1), (7, 3), (2, 5)):
        shards = [s for task in range(1, n_tasks + 1) for s in shards_of_task(n_shards, (task, n_tasks))]
        assert sorted(shards) == list(range(n_shards))
    with pytest.raises(UserError, match="from 1/3 to 3/3"):
        shards_of_task(7, (4, 3))


def test_a_row_without_maps_is_listed_with_its_reason(tmp_path):
    def read_row(row):
        content = row_content(row)
        if row == 1:
            faults = dict.fromkeys(CONTRASTS, "damaged")
            return RowContent(np.full_like(content.maps, np.nan), faults=faults)
        if row == 2:
            maps = content.maps.copy()
            maps[1] = np.nan
            return RowContent(maps, content.roi_connectome, absent_labels=("motorLh",))
        return content

    folder = make_store(tmp_path / "store", read_row=read_row)
    store = open_store(folder)
    expected = np.zeros((5, 2), bool)
    expected[1], expected[2, 1] = True, True
    assert np.array_equal(store.is_missing, expected)
    assert np.array_equal(np.isnan(all_maps(store)).all(axis=2), expected)
    assert list(store.lacks_roi_connectome) == [False, True, False, False, False]
    assert [str(problem) for problem in check_store(folder)] == [
        f"sub-02: damaged. Run `deeptaskgen store pack OUTPUT_DIR {folder}` again."
    ]


def test_a_map_without_a_value_in_the_mask_is_a_fault(tmp_path):
    def read_row(row):
        maps = row_content(row).maps
        maps[0] = np.nan
        return RowContent(maps)

    folder = make_store(tmp_path / "store", n_rows=1, read_row=read_row)
    assert "no value in the mask" in check_store(folder)[0].text


def test_a_shard_without_any_value_needs_no_file(tmp_path):
    empty = np.full((len(CONTRASTS), N_VOXELS), np.nan)
    folder = make_store(
        tmp_path / "store", n_rows=2, read_row=lambda _row: RowContent(empty, absent_labels=CONTRASTS)
    )
    assert not shard_path(folder, "maps", 0).exists()
    assert check_store(folder) == []
    assert open_store(folder).is_missing.all()


def test_voxels_without_a_value_are_nan(tmp_path):
    def read_row(row):
        maps = row_content(row).maps
        maps[:, 0] = np.nan
        return RowContent(maps)

    store = open_store(make_store(tmp_path / "store", read_row=read_row, n_rois=0))
    assert np.isnan(store.maps("wm2bk")[:, 0]).all()
    assert not store.is_missing.any()
    with pytest.raises(UserError, match="has no ROI connectomes"):
        store.roi_connectomes()


def test_float16_rounds_by_half_a_thousandth_at_most(tmp_path):
    folder = make_store(tmp_path / "store", precision="float16")
    values, expected = all_maps(open_store(folder)), expected_maps(5)
    assert values.dtype == np.float32
    is_normal = np.abs(expected) > np.finfo(np.float16).tiny
    error = np.abs(values - expected)[is_normal] / np.abs(expected)[is_normal]
    assert 0 < error.max() <= 2.0**-11
    assert check_store(folder) == []


def test_a_value_beyond_float16_is_refused(tmp_path):
    def read_row(row):
        maps = row_content(row).maps
        maps[1, 3] = 1e5
        return RowContent(maps)

    with pytest.raises(UserError, match=r"sub-01, motorLh: the value 100000 exceeds .* \(65504\)"):
        make_store(tmp_path / "store", read_row=read_row, precision="float16")


def test_maps_of_another_size_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"maps of sub-01: has the shape \(2, 39\)"):
        make_store(tmp_path / "store", read_row=lambda _row: RowContent(np.zeros((2, N_VOXELS - 1))))


def test_a_shard_has_at_most_256_mib_and_at_least_a_row():
    mask = np.ones((60, 70, 48), bool)
    contrasts = tuple({"label": f"c{number}"} for number in range(47))
    assert description(contrasts=contrasts, mask=mask, rows_per_shard=0).rows_per_shard == 7
    assert description(contrasts=contrasts * 10, mask=mask, rows_per_shard=0).rows_per_shard == 1
    assert description(rows_per_shard=0).rows_per_shard == 256
    # The ROI connectomes count, too: 47 x 201,600 values and 4,000 x 4,000.
    assert description(contrasts=contrasts, mask=mask, rows_per_shard=0, n_rois=4000).rows_per_shard == 2


def test_a_description_is_read_as_it_was_written(tmp_path):
    planned = description(settings={"smoothing": 4.0}, settings_hash="d", entities=(("task", "rest"),))
    create_store(tmp_path / "store", planned)
    stored = read_description(tmp_path / "store")
    for name in ("contrasts", "grid", "model", "settings", "settings_hash", "entities", "mask_sha256"):
        assert getattr(stored, name) == getattr(planned, name), name
    assert (stored.n_rois, stored.rows_per_shard, stored.precision) == (3, 2, "float32")


def test_the_second_of_two_creators_takes_the_store_of_the_first(tmp_path):
    assert create_store(tmp_path / "store", description())
    assert not create_store(tmp_path / "store", description(settings_hash="other"))
    assert read_description(tmp_path / "store").settings_hash == ""


def test_the_loser_of_a_race_of_creators_leaves_nothing(tmp_path):
    def fill(folder):
        (folder / "mine").touch()
        # Another process ends first.
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "theirs").touch()

    assert not create_folder(tmp_path / "folder", fill)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "theirs"]


def test_the_loser_of_a_race_of_rows_adds_the_rows_that_are_missing(tmp_path, monkeypatch):
    create_store(tmp_path / "store", description())
    is_first = [True]

    def create_late(folder, fill):
        if is_first.pop() if is_first else False:
            add_rows(tmp_path / "store", row_table(2), "/theirs")
        return create_folder(folder, fill)

    monkeypatch.setattr("bids_deeptaskgen.cohort_store.store.row_tables.create_folder", create_late)
    tables = add_rows(tmp_path / "store", [*row_table(1, first=9), *row_table(1)], "/theirs")
    assert [row["participant_id"] for row in tables.rows] == ["sub-01", "sub-02", "sub-09"]


def test_another_folder_is_no_store(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="exists and is not a cohort store"):
        create_store(tmp_path, description())
    with pytest.raises(UserError, match="is not a cohort store"):
        open_store(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        open_store(tmp_path / "none")


def test_a_store_of_a_later_version_is_refused(tmp_path):
    folder = make_store(tmp_path / "store", n_rows=1)
    path = folder / "zarr.json"
    content = json.loads(path.read_text())
    content["attributes"]["deeptaskgen"]["FormatVersion"] = 2
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="format version 2"):
        open_store(folder)


def test_a_participant_twice_is_refused(tmp_path):
    folder = tmp_path / "store"
    create_store(folder, description())
    with pytest.raises(UserError, match=r"several sessions have the same labels \(sub-01\)"):
        add_rows(folder, row_table(2) + row_table(1), "/first")
    add_rows(folder, [row | {"data_hash": "a"} for row in row_table(2)], "/first")
    # A moved dataset holds the same data.
    assert len(add_rows(folder, [row | {"data_hash": "a"} for row in row_table(3)], "/moved")) == 3
    with pytest.raises(UserError, match=r"(?s)2 sessions of /second .*sub-01, sub-02.* packed from /first"):
        add_rows(folder, [row | {"data_hash": "b"} for row in row_table(2)], "/second")
    # Maps of earlier versions have no hashes of their data.
    with pytest.raises(UserError, match="packed from /first"):
        add_rows(folder, row_table(1), "/second")


def test_the_same_data_under_other_labels_are_named(tmp_path, caplog):
    create_store(tmp_path / "store", description())
    add_rows(tmp_path / "store", [row | {"data_hash": "a"} for row in row_table(1)], "/first")
    add_rows(tmp_path / "store", [row | {"data_hash": "a"} for row in row_table(1, first=9)], "/second")
    assert "1 row has the data of another row: sub-09 = sub-01." in caplog.text


def test_packing_again_gives_the_same_bytes(tmp_path):
    folder = make_store(tmp_path / "store")
    before = results(folder)
    pack_shards(folder, row_content, range(3))
    assert results(folder) == before
    record_path(folder, 1).unlink()
    pack_shards(folder, row_content, [1])
    assert results(folder) == before
