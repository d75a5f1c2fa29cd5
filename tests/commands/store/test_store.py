"""Laws of `deeptaskgen store`: the maps of an output dataset, and no others, are in the store."""

import json
import shutil

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.roi_connectome import read_roi_matrix
from bids_deeptaskgen.cohort_store.store import shard_files
from bids_deeptaskgen.cohort_store.store.layout import record_path, shard_path
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.commands.store import check, info, pack
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.store_source import StoreSource
from bids_deeptaskgen.io.atomic import process_namespace
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.settings.store import StoreCheckSettings, StoreInfoSettings, StorePackSettings
from tests.cohort_store.store.outputs import block_mask, describe_maps, make_output
from tests.group.dataset import Plan, add_session
from tests.group.running import run as run_group

HASH_OF_OTHER = "e" * 64


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Write three participants."""
    return make_output(tmp_path_factory.mktemp("cohort") / "out")


@pytest.fixture
def output(cohort, tmp_path):
    """Copy the dataset."""
    return shutil.copytree(cohort.folder, tmp_path / "out")


@pytest.fixture(autouse=True)
def _two_rows_per_shard(monkeypatch):
    monkeypatch.setattr("bids_deeptaskgen.cohort_store.store.description.MAX_SHARD_ROWS", 2)


def run_pack(output, store=None, **changes):
    return pack.run(StorePackSettings(output, store or output.parent / "store", **changes))


def run_check(store, **changes):
    return check.run(StoreCheckSettings(store, **changes))


def only_map(output, label, contrast):
    (path,) = output.glob(f"sub-{label}/func/*contrast-{contrast}_*statmap.nii.gz")
    return path


def refusal(output, **changes):
    with pytest.raises(UserError) as caught:
        run_pack(output, **changes)
    assert not isinstance(caught.value, InputError)
    return str(caught.value)


def add_participants(output, labels, *, settings_hash=Plan.settings_hash, seed=5):
    """Add participants with random maps to a dataset."""
    plan = Plan(settings_hash=settings_hash)
    rng = np.random.default_rng(seed)
    for label in labels:
        maps = {contrast: 1 + rng.random((10, 8, 6)) for contrast in plan.contrasts}
        add_session(output, label, None, maps, metrics={"series": seed}, plan=plan)
    describe_maps(output)


@pytest.mark.parametrize("changes", [{}, {"is_4d": True, "sessions": ("1", "2"), "runs": ("1", "2"), "n": 2}])
def test_the_store_has_the_maps_of_the_dataset(tmp_path, cohort, changes, capsys):
    if changes:
        cohort = make_output(tmp_path / "out", **changes)
    assert run_pack(cohort.folder, tmp_path / "store") == 0
    n_rows = len(cohort.plan.labels) * len(cohort.plan.sessions) * len(cohort.plan.runs)
    assert (
        f"shards written; {(n_rows + 1) // 2} of {(n_rows + 1) // 2} complete, {n_rows} rows"
        in capsys.readouterr().out
    )
    store = open_store(tmp_path / "store")
    assert set(store.contrasts) == set(cohort.plan.contrasts)
    assert np.array_equal(store.mask, block_mask())
    for row, labels in store.participants.iterrows():
        session, run = (str(labels[name]).partition("-")[2] or None for name in ("session_id", "run"))
        key = labels["participant_id"].removeprefix("sub-"), session, run
        for contrast, values in zip(store.contrasts, store[row], strict=True):
            assert np.array_equal(values, cohort.maps[*key, contrast].ravel().astype(np.float32))
        np.testing.assert_allclose(store.roi_connectomes()[row], cohort.connectomes[key], atol=1e-5)
    assert list(store.participants["sex"])[0] == "F"
    assert store.participants["fd_mean_mm"].between(0.05, 0.4).all()
    assert run_check(tmp_path / "store") == 0


def test_packing_again_writes_nothing(output, capsys):
    assert run_pack(output) == 0
    times = {path: path.stat().st_mtime_ns for path in (output.parent / "store").rglob("*")}
    capsys.readouterr()
    assert run_pack(output) == 0
    assert "0 shards written; 2 of 2 complete, 3 rows." in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (output.parent / "store").rglob("*")} == times


def test_packing_removes_the_temporary_files_of_killed_processes(output):
    store = output.parent / "store"
    assert run_pack(output) == 0
    namespace = process_namespace()
    (store / "maps" / f".c.0.0.0.{namespace}.999999999.tmp").touch()
    (output.parent / f".store.new.{namespace}.999999999.tmp").mkdir()
    assert run_check(store) == 1
    assert run_pack(output) == 0
    assert run_check(store) == 0
    assert sorted(path.name for path in output.parent.iterdir()) == ["out", "store"]


def test_participants_are_added_after_the_others(output):
    assert run_pack(output) == 0
    before = open_store(output.parent / "store").maps("wm2bk")
    add_participants(output, ["00", "07"])
    assert run_pack(output) == 0
    store = open_store(output.parent / "store")
    assert list(store.participants["participant_id"]) == ["sub-01", "sub-02", "sub-03", "sub-00", "sub-07"]
    assert np.array_equal(store.maps("wm2bk")[:3], before)
    assert not store.is_missing.any()


def test_participants_of_two_datasets_share_a_store(output, tmp_path):
    assert run_pack(output) == 0
    make_output(tmp_path / "second", n=1)
    shutil.rmtree(tmp_path / "second" / "sub-01")
    add_participants(tmp_path / "second", ["11", "12"])
    assert run_pack(tmp_path / "second", tmp_path / "store") == 0
    store = open_store(tmp_path / "store")
    assert list(store.participants["participant_id"]) == ["sub-01", "sub-02", "sub-03", "sub-11", "sub-12"]
    assert not store.is_missing.any()


def test_tasks_pack_their_shards_alone(output, capsys):
    store = output.parent / "store"
    assert run_pack(output, task="2/2") == 0
    assert not shard_path(store, "maps", 0).exists()
    assert "Incomplete: shards 0." in capsys.readouterr().out
    assert run_check(store, task="2/2") == 0
    assert run_check(store, task="1/2") == 1
    assert run_pack(output, task="1/2") == 0
    assert run_check(store) == 0


def test_participants_and_contrasts_are_chosen(output):
    store = output.parent / "store"
    assert run_pack(output, contrasts=("motorLh",), participant_label=("01", "03")) == 0
    assert open_store(store).contrasts == ("motorLh",)
    assert list(open_store(store).participants["participant_id"]) == ["sub-01", "sub-03"]
    # The contrasts of a store are kept.
    assert run_pack(output, exclude_participant_label=("01",)) == 0
    assert list(open_store(store).participants["participant_id"]) == ["sub-01", "sub-03", "sub-02"]
    assert "has 1 contrasts (motorLh)" in refusal(output, contrasts=("wm2bk",))
    assert "has float32 values, not float16" in refusal(output, precision="float16")


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


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"model": {"WeightsSha256": "d" * 64}}, "maps of the model small (weights bbbbbbbbbbbb); these"),
        ({"settings_hash": HASH_OF_OTHER, "settings": {"smoothing": 4.0}}, "smoothing: 0.0 in the store"),
        ({"entities": (("task", "movie"),)}, "holds maps of task-rest; these maps are of task-movie"),
        ({"mask": block_mask() | (np.arange(91) < 3)}, "its mask has 480 voxels"),
        ({"contrasts": ("wm2bk",)}, "has 2 contrasts (motorLh, wm2bk), not the 1 requested ones (wm2bk)"),
    ],
)  # fmt: skip
def test_other_maps_are_refused(cohort, tmp_path, changes, pattern):
    assert run_pack(cohort.folder, tmp_path / "store") == 0
    make_output(tmp_path / "out", n=1, seed=3, **changes)
    sentence = refusal(tmp_path / "out")
    assert pattern in sentence
    assert sentence.startswith(str(tmp_path / "store"))


def test_a_participant_of_another_dataset_is_refused(cohort, tmp_path):
    assert run_pack(cohort.folder, tmp_path / "store") == 0
    other = make_output(tmp_path / "other", n=4, seed=3).folder
    sentence = refusal(other, store=tmp_path / "store")
    assert f"3 sessions of {other} would be in the store twice" in sentence
    assert f"(sub-01, sub-02, sub-03), packed from {cohort.folder}" in sentence
    excluded = ("01", "02", "03")
    assert run_pack(other, tmp_path / "store", exclude_participant_label=excluded) == 0


def test_equal_series_are_recognised_in_a_moved_dataset(tmp_path, cohort):
    moved = shutil.copytree(cohort.folder, tmp_path / "moved")
    for folder in (cohort.folder, moved):
        for number, path in enumerate(sorted(folder.glob("sub-*/func/*_desc-qc_metrics.json"))):
            content = json.loads(path.read_text())
            path.write_text(json.dumps({"SeriesHashes": [f"{number}"]} | content))
    assert run_pack(cohort.folder, tmp_path / "store") == 0
    assert run_pack(moved, tmp_path / "store") == 0
    path = next(iter(moved.glob("sub-02/func/*_desc-qc_metrics.json")))
    path.write_text(path.read_text().replace('["1"]', '["9"]'))
    assert "(sub-02)" in refusal(moved, store=tmp_path / "store")


def test_one_of_several_sets_is_chosen_by_name(output):
    add_participants(output, ["08"], settings_hash=HASH_OF_OTHER)
    sentence = refusal(output)
    names = ("task-rest settings-aaaaaaaa", "task-rest settings-eeeeeeee")
    assert all(name in sentence for name in names)
    assert "has no set mine" in refusal(output, set_name="mine")
    assert run_pack(output, set_name=names[1]) == 0
    assert list(open_store(output.parent / "store").participants["participant_id"]) == ["sub-08"]


def test_a_small_disk_and_a_folder_of_other_files_are_refused_beforehand(output, monkeypatch):
    assert "exists and is not a cohort store" in refusal(output, store=output)

    class Usage:
        free = 10

    monkeypatch.setattr(shard_files.shutil, "disk_usage", lambda _folder: Usage)
    assert "Free some space" in refusal(output)
    assert not (output.parent / "store").exists()


def test_a_dataset_without_a_mask_is_refused(output):
    for path in output.glob("*_mask.nii.gz"):
        path.unlink()
    with pytest.raises(InputError, match="the mask of the maps does not exist"):
        run_pack(output)


def test_a_store_is_described(output, capsys):
    assert run_pack(output, precision="float16") == 0
    capsys.readouterr()
    assert info.run(StoreInfoSettings(output.parent / "store")) == 0
    text = capsys.readouterr().out
    for words in (
        "model:           small (weights bbbbbbbbbbbb)",
        "participants:    3, with 3 rows",
        "contrasts:       2: motorLh, wm2bk",
        "voxels:          480 of 91 x 109 x 91",
        "values:          float16",
        "ROI connectomes: 6 ROIs, of 3 rows",
        "complete shards: 2 of 2, 2 rows each",
        "missing maps:    0 of 6",
    ):
        assert words in text


def test_the_group_level_packs_its_maps(output, capsys):
    store = output.parent / "store"
    assert run_group(output, store=store) == 0
    assert "2 shards written; 2 of 2 complete" in capsys.readouterr().out
    assert "cohort_typicality" not in open_store(store).participants
    by_hand = output.parent / "by_hand"
    assert run_pack(output, by_hand) == 0
    names = [path.relative_to(store) for path in store.rglob("*") if path.is_file()]
    assert [name for name in names if (store / name).read_bytes() != (by_hand / name).read_bytes()] == []


def test_the_group_level_refuses_another_store_before_anything_is_computed(output, tmp_path):
    make_output(tmp_path / "other", n=1, model={"WeightsSha256": "d" * 64})
    assert run_pack(tmp_path / "other", tmp_path / "store") == 0
    with pytest.raises(UserError, match="holds maps of the model"):
        run_group(output, store=tmp_path / "store")
    make_output(tmp_path / "second", n=1)
    assert run_pack(tmp_path / "second", tmp_path / "another_store") == 0
    with pytest.raises(UserError, match="would be in the store twice"):
        run_group(output, store=tmp_path / "another_store")
    assert not (output / "group").exists()


def test_the_group_level_counts_maps_that_are_missing_in_the_store(output):
    (path,) = output.glob("sub-02/func/*_relmat.tsv")
    path.write_text("ROI1\tROI2\n1\t0\n0\t1\n")
    assert run_group(output, store=output.parent / "store") == 1
