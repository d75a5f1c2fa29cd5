"""Laws of `deeptaskgen store pack` on a store that exists: it packs what changed or was lost, and no more."""

import shutil

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.roi_connectome import read_roi_matrix
from bids_deeptaskgen.cohort_store.store.layout import record_path, shard_path
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.store_source import StoreSource
from bids_deeptaskgen.io.nifti_writer import save_nifti
from tests.cohort_store.store.outputs import describe_maps, make_output
from tests.commands.store.packing import add_participants, only_map, refusal, run_check, run_pack
from tests.group.dataset import Plan, add_session


def test_rows_of_participants_who_are_not_selected_are_listed(output, capsys):
    store = output.parent / "store"
    assert run_pack(output) == 0
    shard_path(store, "maps", 0).unlink()
    assert run_pack(output, participant_label=("02", "03")) == 1
    text = capsys.readouterr().out
    assert f"Without maps: 1 row (sub-01). Run `deeptaskgen store pack {output}" in text
    assert run_pack(output, participant_label=("01", "02")) == 0


def test_two_datasets_complete_a_shard_that_they_share(output, tmp_path, capsys):
    store, second = tmp_path / "store", tmp_path / "second"
    second.mkdir()
    add_participants(second, ["11", "12"])
    assert run_pack(output) == 0
    assert run_pack(second) == 0
    # The shard of sub-03 and sub-11.
    for path in (shard_path(store, "maps", 1), shard_path(store, "roi_connectomes", 1)):
        path.unlink(missing_ok=True)
    record_path(store, 1).unlink()
    assert run_pack(output) == 1
    command = f"deeptaskgen store pack {second} {store}"
    assert f"Without maps: 1 row (sub-11). Run `{command}`" in capsys.readouterr().out
    assert run_pack(second) == 0
    assert run_check(store) == 0


def test_damaged_rows_are_packed_again_and_the_others_are_kept(output, tmp_path):
    store, path = tmp_path / "store", shard_path(tmp_path / "store", "maps", 0)
    assert run_pack(output) == 0
    expected = path.read_bytes()
    # The first chunk belongs to sub-01.
    path.write_bytes(expected[:20] + bytes([expected[20] ^ 1]) + expected[21:])
    shutil.rmtree(output / "sub-02")
    assert run_pack(output) == 0
    assert run_check(store) == 1
    assert run_pack(output, verify=True) == 0
    assert path.read_bytes() == expected
    assert run_check(store) == 0


def test_a_participant_who_is_lost_does_not_block_the_others(output, tmp_path):
    store = tmp_path / "store"
    assert run_pack(output) == 0
    shutil.rmtree(output / "sub-02")
    shard_path(store, "maps", 0).unlink()
    assert run_pack(output) == 1
    opened = open_store(store, allow_incomplete=True)
    assert list(opened.is_missing[:, 0]) == [False, True, False]


def test_a_participant_who_is_being_run_again_keeps_the_packed_maps(output, monkeypatch, capsys):
    store = output.parent / "store"
    assert run_pack(output) == 0
    (record,) = output.glob("sub-02/func/*_desc-qc_metrics.json")
    content = record.read_text()
    read = StoreSource.read

    def start_again(source, result):
        record.unlink(missing_ok=True)
        return read(source, result)

    monkeypatch.setattr(StoreSource, "read", start_again)
    (other,) = output.glob("sub-01/func/*_desc-qc_metrics.json")
    other.write_text(other.read_text() + "\n")
    assert run_pack(output) == 1
    assert "Changed meanwhile: 1 row (sub-02). Run this command again." in capsys.readouterr().out
    assert not open_store(store).is_missing.any()
    record.write_text(content)
    monkeypatch.undo()
    assert run_pack(output) == 0


@pytest.mark.parametrize("damage", ["truncated", "grid", "empty"])
def test_a_map_that_cannot_be_used_is_listed_and_tried_again(output, cohort, damage, capsys):
    path, store = only_map(output, "02", "wm2bk"), output.parent / "store"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "grid":
        save_nifti(path, np.ones(OUTPUT_GRID.shape, np.float32), np.diag([3, 3, 3, 1.0]))
    else:
        save_nifti(path, np.zeros(OUTPUT_GRID.shape, np.float32), OUTPUT_GRID.matrix)
    assert run_pack(output) == 1
    assert f"Missing map: {path}: " in capsys.readouterr().out
    column = open_store(store).contrasts.index("wm2bk")
    expected = np.zeros((3, 2), bool)
    expected[1, column] = True
    assert np.array_equal(open_store(store).is_missing, expected)
    assert run_check(store, quick=True) == 1
    assert str(path) in capsys.readouterr().out
    shutil.copy(only_map(cohort.folder, "02", "wm2bk"), path)
    assert run_pack(output) == 0
    assert not open_store(store).is_missing.any()


def test_a_damaged_roi_connectome_is_listed_and_tried_again(output, cohort):
    (path,) = output.glob("sub-02/func/*_relmat.tsv")
    content = path.read_text()
    path.write_text("ROI1\tROI2\n1\t0\n0\t1\n")
    store = output.parent / "store"
    assert run_pack(output) == 1
    assert list(open_store(store).lacks_roi_connectome) == [False, True, False]
    assert not open_store(store).is_missing.any()
    path.write_text(content)
    assert run_pack(output) == 0
    stored = open_store(store).roi_connectomes()[1]
    np.testing.assert_allclose(stored, read_roi_matrix(path), rtol=1e-6)


def test_a_map_that_is_a_link_without_content_is_listed_and_tried_again(output, cohort, capsys):
    path, store = only_map(output, "02", "wm2bk"), output.parent / "store"
    path.unlink()
    path.symlink_to("/nonexistent/annex")
    assert run_pack(output) == 1
    capsys.readouterr()
    assert run_check(store) == 1
    assert f"sub-02: {path}: is a link whose target does not exist" in capsys.readouterr().out
    path.unlink()
    shutil.copy(only_map(cohort.folder, "02", "wm2bk"), path)
    assert run_pack(output) == 0
    assert not open_store(store).is_missing.any()


@pytest.mark.parametrize("is_link", [True, False])
def test_a_lost_roi_connectome_is_listed_and_tried_again(output, is_link, capsys):
    (path,) = output.glob("sub-02/func/*_relmat.tsv")
    content = path.read_text()
    path.unlink()
    if is_link:
        path.symlink_to("/nonexistent/annex")
    store = output.parent / "store"
    assert run_pack(output) == 1
    assert f"Missing map: {path}: " in capsys.readouterr().out
    path.unlink(missing_ok=True)
    path.write_text(content)
    assert run_pack(output) == 0
    assert not open_store(store).lacks_roi_connectome.any()


def test_a_damaged_roi_connectome_does_not_decide_the_number_of_rois(output):
    (path,) = output.glob("sub-01/func/*_relmat.tsv")
    path.write_text("ROI1\tROI2\n1\t0\n0\t1\n")
    assert run_pack(output) == 1
    assert list(open_store(output.parent / "store").lacks_roi_connectome) == [True, False, False]


def test_roi_connectomes_are_never_dropped(output, tmp_path):
    bare = make_output(tmp_path / "bare", n=1, has_connectomes=False, seed=3).folder
    assert run_pack(bare, tmp_path / "store") == 0
    assert "has no ROI connectomes, not of 6" in refusal(output, store=tmp_path / "store")
    # The reverse is a row without one.
    assert run_pack(output, tmp_path / "another", exclude_participant_label=("01",)) == 0
    assert run_pack(bare, tmp_path / "another") == 0
    assert list(open_store(tmp_path / "another").lacks_roi_connectome) == [False, False, True]


def test_sessions_without_maps_are_listed(output, capsys):
    only_map(output, "02", "wm2bk").unlink()
    assert run_pack(output) == 1
    assert "Missing map: " in capsys.readouterr().out
    assert list(open_store(output.parent / "store").participants["participant_id"]) == ["sub-01", "sub-03"]


def test_a_participant_who_was_run_again_is_packed_again(output):
    store = output.parent / "store"
    assert run_pack(output) == 0
    times = [shard_path(store, "maps", shard).stat().st_mtime_ns for shard in (0, 1)]
    rng = np.random.default_rng(9)
    maps = {contrast: 1 + rng.random((10, 8, 6)) for contrast in Plan.contrasts}
    add_session(output, "03", None, maps, metrics={"minutes_kept": 5.0})
    describe_maps(output)
    assert run_pack(output) == 0
    table = open_store(store).participants
    assert list(table["participant_id"]) == ["sub-01", "sub-02", "sub-03"]
    assert table["minutes_kept"][2] == 5
    assert np.array_equal(open_store(store).maps("wm2bk")[2], maps["wm2bk"].ravel().astype(np.float32))
    assert shard_path(store, "maps", 0).stat().st_mtime_ns == times[0]
    assert shard_path(store, "maps", 1).stat().st_mtime_ns != times[1]


def test_corrected_participants_replace_the_cells_of_their_rows(output, capsys):
    store = output.parent / "store"
    assert run_pack(output) == 0
    before = open_store(store).participants
    path = output / "participants.tsv"
    lines = path.read_text().splitlines()
    cells = lines[2].split("\t")
    lines[2] = "\t".join([cells[0], "99", *cells[2:]])
    path.write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    assert run_pack(output) == 0
    assert "0 shards written" in capsys.readouterr().out
    after = open_store(store).participants
    assert list(after["age"]) == [before["age"][0], 99, before["age"][2]]
    assert after.drop(columns="age").equals(before.drop(columns="age"))
    (table,) = store.glob("tables/rows/0002/rows.tsv")
    assert len(table.read_text().splitlines()) == 2
    assert run_pack(output) == 0
    assert not (store / "tables" / "rows" / "0003").exists()
