"""ROI tables of the group level."""

import json
import shutil
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest

from bids_deeptaskgen.bids.output.output_mask import output_mask_path
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.cohort_store.tables import parquet_path
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group import run_set
from bids_deeptaskgen.group.regions.plan import plan_regions, table_bytes
from bids_deeptaskgen.group.regions.roi_tables import COLUMNS
from bids_deeptaskgen.group.selection import select_maps
from bids_deeptaskgen.io.checksum import file_sha256
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.settings.group import GroupSettings
from tests.group.dataset import BLOCK, HASH, make_dataset
from tests.group.running import group_path, run, state

# Parts of the block of voxels with values: region 1 is in the mask of the maps, region 2 is half in it, and
# region 3 is not; the mask has voxels without values, too.
PARTS = {1: np.s_[:3], 2: np.s_[6:10], 3: np.s_[9:9]}
LABELS = {1: "left", 2: "right", 3: "outside"}


def label_volume():
    labels = np.zeros(OUTPUT_GRID.shape, np.uint8)
    for number, part in PARTS.items():
        labels[BLOCK][part] = number
    labels[0, 0, :5] = 3
    return labels


def add_atlas(folder, name="atlas-Parts_dseg"):
    path = folder / f"{name}.nii.gz"
    save_nifti(path, label_volume(), OUTPUT_GRID.matrix, dtype=np.uint8)
    rows = "".join(f"{number}\t{label}\n" for number, label in LABELS.items())
    path.with_name(f"{name}.tsv").write_text(f"index\tname\n{rows}")
    return path


def add_mask(output):
    mask = np.zeros(OUTPUT_GRID.shape, bool)
    mask[BLOCK][:8] = True
    mask[BLOCK[0], BLOCK[1], 40:44] = True
    save_nifti(output_mask_path(output, "1" * 64), mask, OUTPUT_GRID.matrix, dtype=np.uint8)
    return mask


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regions")
    cohort = make_dataset(folder / "out", n=3, runs=("1", "2"))
    add_mask(cohort.folder)
    atlas = add_atlas(folder)
    assert run(cohort.folder, atlas=(str(atlas),)) == 0
    return cohort


def roi_path(output, seg="Parts"):
    return group_path(output, "group_roi_values", seg=seg)


def read_table(path):
    return pd.read_csv(
        path, sep="\t", na_values="n/a", dtype={"coverage": "float32", "mean": "float32", "sd": "float32"}
    )


def test_each_session_contrast_and_region_has_a_row(cohort):
    table = read_table(roi_path(cohort.folder))
    assert list(table.columns) == list(COLUMNS)
    keys = table[["participant_id", "session_id", "run", "contrast", "index"]]
    assert len(table) == len(keys.drop_duplicates()) == 3 * 2 * 2 * 2 * 3
    assert list(table["name"][:3]) == list(LABELS.values())


def test_values_are_those_of_the_voxels_in_the_mask(cohort):
    table = read_table(roi_path(cohort.folder)).set_index(
        ["participant_id", "session_id", "run", "contrast", "name"]
    )
    for (label, session, run_label, contrast), block in cohort.maps.items():
        rows = table.loc[f"sub-{label}", f"ses-{session}", f"run-{run_label}", contrast]
        for name, values in (("left", block[:3]), ("right", block[6:8])):
            assert rows.loc[name, "mean"] == pytest.approx(values.mean(), rel=1e-6)
            assert rows.loc[name, "sd"] == pytest.approx(values.std(), rel=1e-6)
            assert rows.loc[name, "n_voxels"] == values.size
        assert list(rows["coverage"]) == [1, 0.5, 0]
        assert np.isnan(rows.loc["outside", "mean"])


def test_both_files_have_the_same_rows(cohort):
    path = roi_path(cohort.folder)
    text, binary = read_table(path), pd.read_parquet(parquet_path(path))
    for name in COLUMNS:
        assert text[name].equals(binary[name].astype(text[name].dtype)), name


def test_the_sidecar_names_the_atlas_the_settings_and_the_units(cohort):
    content = json.loads(sidecar_path(roi_path(cohort.folder)).read_text("utf-8"))
    atlas = cohort.folder.parent / "atlas-Parts_dseg.nii.gz"
    assert set(COLUMNS) < set(content)
    assert content["mean"]["Units"] == content["sd"]["Units"] == "z"
    assert content["DeepTaskGen"]["SettingsHash"] == HASH
    assert content["DeepTaskGen"]["Atlas"] == {
        "Source": str(atlas), "Sha256": file_sha256(atlas), "Type": "labels", "NumberOfRegions": 3,
    }  # fmt: skip


def test_the_estimate_of_the_size_is_an_upper_bound(cohort):
    atlas = cohort.folder.parent / "atlas-Parts_dseg.nii.gz"
    settings = GroupSettings(cohort.folder, cohort.folder, atlas=(str(atlas),))
    group_set = select_maps(settings).sets[0]
    n_bytes = table_bytes(plan_regions(settings, group_set, ()), group_set, ())
    assert roi_path(cohort.folder).stat().st_size < n_bytes
    assert table_bytes(None, group_set, ()) == 0
    # Longer labels and twice as many contrasts need more.
    assert table_bytes(plan_regions(settings, group_set, ()), group_set, ("wm2bk",)) < 0.6 * n_bytes


@pytest.fixture
def output(cohort, tmp_path):
    """Copy the dataset without its group files."""
    return shutil.copytree(cohort.folder, tmp_path / "out", ignore=shutil.ignore_patterns("group"))


def refuse(output, *sources, match, error=InputError):
    """Check that atlases are refused before anything is written."""
    with pytest.raises(error, match=match):
        run(output, atlas=tuple(map(str, sources)))
    assert state(output) == {}
    assert not (output / "work").exists()


def test_atlases_are_refused_before_anything_is_computed(cohort, output, tmp_path):
    atlas = cohort.folder.parent / "atlas-Parts_dseg.nii.gz"
    other_space = shutil.copy(atlas, tmp_path / "atlas-Parts_space-MNI152NLin2009cAsym_dseg.nii.gz")
    refuse(output, atlas, other_space, match="is in MNI152NLin2009cAsym")
    equal_label = shutil.copy(atlas, tmp_path / "atlas-parts_dseg.nii.gz")
    refuse(output, atlas, equal_label, match="have the same label, parts, in the names", error=UserError)
    output_mask_path(output, "1" * 64).unlink()
    refuse(output, atlas, match="the mask of the maps does not exist")


@pytest.mark.parametrize("option", ["atlas", "froi"])
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("---", "has no letter or digit"),
        ("图", "has no letter or digit"),
        ("A" * 160, "makes names of files too long, by [0-9]+ characters"),
    ],
)
def test_labels_that_no_file_name_can_have_are_refused(
    cohort, output, tmp_path, monkeypatch, option, name, problem
):
    atlas = shutil.copy(cohort.folder.parent / "atlas-Parts_dseg.nii.gz", tmp_path / f"{name}.nii.gz")
    monkeypatch.setattr("bids_deeptaskgen.commands.group.run_set", pytest.fail)
    with pytest.raises(UserError, match=problem):
        run(output, **{option: str(atlas) if option == "froi" else (str(atlas),)})
    assert state(output) == {}


def test_a_disk_that_the_tables_would_fill_is_refused(cohort, output, monkeypatch):
    usage = namedtuple("usage", "total used free")
    # The maps of a contrast need 12 MB.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 20_000_000))
    monkeypatch.setattr("bids_deeptaskgen.commands.group.table_bytes", lambda *args: 10_000_000)
    atlas = cohort.folder.parent / "atlas-Parts_dseg.nii.gz"
    refuse(output, atlas, match="0.0 GB of them for ROI tables", error=UserError)


def test_a_damaged_map_has_rows_without_values(cohort, output):
    path = next(output.glob("sub-02/ses-1/func/*run-1*contrast-wm2bk*statmap.nii.gz"))
    path.write_bytes(path.read_bytes()[:500])
    assert run(output, atlas=(str(cohort.folder.parent / "atlas-Parts_dseg.nii.gz"),)) == 1
    table = read_table(roi_path(output))
    lost = (
        table[["participant_id", "session_id", "run", "contrast"]] == ["sub-02", "ses-1", "run-1", "wm2bk"]
    ).all(axis=1)
    assert lost.sum() == 3
    assert (table["n_voxels"][lost] == 0).all()
    assert table["mean"][lost].isna().all()
    assert table["mean"][~lost & (table["name"] != "outside")].notna().all()


def test_a_map_that_is_damaged_after_the_statistics_stops_the_run(cohort, output, monkeypatch):
    path = next(output.glob("sub-02/ses-1/func/*run-1*contrast-wm2bk*statmap.nii.gz"))
    atlas = str(cohort.folder.parent / "atlas-Parts_dseg.nii.gz")
    write = run_set.write_session_outputs

    def damage(*args):
        path.write_bytes(path.read_bytes()[:500])
        write(*args)

    monkeypatch.setattr(run_set, "write_session_outputs", damage)
    with pytest.raises(InputError, match=r"A map changed during the run.*sub-02"):
        run(output, atlas=(atlas,))
    assert state(output) == {}
