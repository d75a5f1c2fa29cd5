"""Laws of `deeptaskgen store`: the maps of an output dataset, and no others, are in the store."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.store import shard_files
from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.layout import shard_path
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.commands.store import info
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.group import pack_store
from bids_deeptaskgen.io.atomic import process_namespace
from bids_deeptaskgen.settings.store import StoreInfoSettings
from tests.cohort_store.store.outputs import block_mask, make_output
from tests.commands.store.packing import add_participants, refusal, run_check, run_pack
from tests.group.running import run as run_group

HASH_OF_OTHER = "e" * 64


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
    foreign = output.parent / f".other.new.{namespace}.999999999.tmp"
    foreign.mkdir()
    assert run_check(store) == 1
    assert run_pack(output) == 0
    assert run_check(store) == 0
    assert sorted(path.name for path in output.parent.iterdir()) == [foreign.name, "out", "store"]


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
    assert "has 1 contrast (motorLh); those to pack are wm2bk." in refusal(output, contrasts=("wm2bk",))
    assert "has float32 values, not float16" in refusal(output, precision="float16")


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"model": {"WeightsSha256": "d" * 64}}, "maps of the model small (weights bbbbbbbbbbbb); these"),
        ({"settings_hash": HASH_OF_OTHER, "settings": {"smoothing": 4.0}}, "smoothing: 0.0 in the store"),
        ({"entities": (("task", "movie"),)}, "holds maps of task-rest; these maps are of task-movie"),
        ({"mask": block_mask() | (np.arange(91) < 3)}, "its mask has 480 voxels"),
        ({"contrasts": ("wm2bk",)}, "has 2 contrasts (motorLh, wm2bk); those to pack are wm2bk."),
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
    assert run_pack(cohort.folder, tmp_path / "store") == 0
    assert run_pack(moved, tmp_path / "store") == 0
    path = next(iter(moved.glob("sub-02/func/*_desc-qc_metrics.json")))
    content = path.read_text()
    path.write_text(content.replace('"SeriesHashes": ["', '"SeriesHashes": ["9'))
    assert "(sub-02)" in refusal(moved, store=tmp_path / "store")


def test_without_hashes_another_dataset_at_the_same_path_is_refused(output, tmp_path):
    """The paths of containers are equal, and earlier versions wrote no hashes of the series."""

    def remove_hashes():
        for path in output.glob("sub-*/func/*_desc-qc_metrics.json"):
            content = json.loads(path.read_text())
            del content["SeriesHashes"]
            path.write_text(json.dumps(content))

    remove_hashes()
    assert run_pack(output, tmp_path / "store") == 0
    assert run_pack(output, tmp_path / "store") == 0
    shutil.rmtree(output)
    make_output(output, n=2, seed=99)
    remove_hashes()
    assert "2 sessions of" in refusal(output, store=tmp_path / "store")


def test_a_column_of_participants_does_not_replace_the_hash_of_the_data(output, tmp_path):
    path = output / "participants.tsv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]}\tdata_hash", *(f"{line}\tX" for line in lines[1:])]) + "\n")
    assert run_pack(output, tmp_path / "store") == 0
    assert open_store(tmp_path / "store").participants["data_hash"].nunique() == 3


@pytest.fixture
def other_creator(monkeypatch):
    """Let another process create the store first, with the given changes of the description."""

    def install(change):
        def create_late(store, description, version):
            create_store(store, change(description), version)
            return create_store(store, description, version)

        monkeypatch.setattr(pack_store, "create_store", create_late)

    return install


def test_a_store_that_is_created_meanwhile_keeps_its_order_of_contrasts(output, cohort, other_creator):
    other_creator(lambda planned: replace(planned, contrasts=planned.contrasts[::-1]))
    assert run_pack(output) == 0
    store = open_store(output.parent / "store")
    assert store.contrasts == ("wm2bk", "motorLh")
    for contrast in store.contrasts:
        values = cohort.maps["01", None, None, contrast].ravel().astype(np.float32)
        assert np.array_equal(store.maps(contrast)[0], values)


def test_a_store_of_other_maps_that_is_created_meanwhile_is_refused(output, other_creator):
    other_creator(lambda planned: replace(planned, settings_hash=HASH_OF_OTHER))
    assert "holds maps of other settings" in refusal(output)


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
    make_output(tmp_path / "second", n=1, seed=3)
    assert run_pack(tmp_path / "second", tmp_path / "another_store") == 0
    with pytest.raises(UserError, match="would be in the store twice"):
        run_group(output, store=tmp_path / "another_store")
    assert not (output / "group").exists()


def test_the_group_level_counts_maps_that_are_missing_in_the_store(output):
    (path,) = output.glob("sub-02/func/*_relmat.tsv")
    path.write_text("ROI1\tROI2\n1\t0\n0\t1\n")
    assert run_group(output, store=output.parent / "store") == 1
