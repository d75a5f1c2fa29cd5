"""Parcels of the ROI maps at the root of a dataset."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.roi_parcels import read_roi_parcels, roi_parcels_path, save_roi_parcels
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.models.bundle import load_bundle


@pytest.fixture(scope="module")
def bundle(model):
    return load_bundle(model)


@pytest.fixture
def saved(tmp_path, bundle):
    return save_roi_parcels(tmp_path, bundle)


def table_of(image):
    return image.with_name(image.name.removesuffix(".nii.gz") + ".tsv")


def hash_of(bundle):
    return bundle.card.sha256["rois.nii.gz"]


def test_each_voxel_of_the_maps_belongs_to_the_roi_with_the_largest_weight(tmp_path, bundle, saved):
    labels, names = read_roi_parcels(tmp_path, hash_of(bundle))
    assert labels.shape == OUTPUT_GRID.shape
    assert names == tuple(f"ROI{i + 1}" for i in range(len(bundle.roi_weights)))
    assert not labels[~model_to_output(bundle.output_mask)].any()
    rois = bundle.rois()
    for roi, values in enumerate(rois):
        volume = np.full(bundle.brain_mask.shape, -np.inf)
        volume[bundle.brain_mask] = values
        others = np.full(bundle.brain_mask.shape, -np.inf)
        others[bundle.brain_mask] = np.delete(rois, roi, axis=0).max(axis=0)
        wins = model_to_output(bundle.output_mask & (volume > np.maximum(others, 0)))
        assert (labels[wins] == roi + 1).all()


def test_the_table_has_the_peaks(bundle, saved):
    rows = read_tsv(table_of(saved))
    assert list(rows[0]) == ["index", "name", "x", "y", "z"]
    assert len(rows) == len(bundle.roi_weights)
    assert {"index", "name", "x", "y", "z"} <= set(
        json.loads(saved.with_name(saved.name[:-7] + ".json").read_text())
    )


def test_existing_files_are_kept_and_incomplete_ones_are_completed(tmp_path, bundle, saved):
    before = saved.stat().st_mtime_ns
    save_roi_parcels(tmp_path, bundle)
    assert saved.stat().st_mtime_ns == before
    table_of(saved).unlink()
    save_roi_parcels(tmp_path, bundle)
    assert table_of(saved).is_file()


def test_sets_of_two_models_have_different_names(tmp_path, bundle, saved):
    assert roi_parcels_path(tmp_path, hash_of(bundle)) == saved
    assert roi_parcels_path(tmp_path, "f" * 64) != saved
    assert read_roi_parcels(tmp_path, "f" * 64) is None


def test_a_dataset_holds_the_parcels_of_two_models(tmp_path, bundle, saved):
    first = read_roi_parcels(tmp_path, hash_of(bundle))
    card = replace(bundle.card, sha256={**bundle.card.sha256, "rois.nii.gz": "f" * 64})
    other = replace(bundle, card=card)
    assert save_roi_parcels(tmp_path, other) != saved
    assert len(list(tmp_path.glob("*_dseg.nii.gz"))) == 2
    np.testing.assert_array_equal(read_roi_parcels(tmp_path, hash_of(bundle)).labels, first.labels)
    assert read_roi_parcels(tmp_path, "f" * 64).names == first.names


@pytest.mark.parametrize(
    "damage",
    ["truncated", "dropped", "json", "no json", "hash", "table", "no table", "index", "grid", "negative"],
)
def test_damaged_files_are_refused_with_a_remedy(tmp_path, bundle, saved, damage):
    sidecar = saved.with_name(saved.name[:-7] + ".json")
    if damage == "truncated":
        saved.write_bytes(saved.read_bytes()[:2000])
    elif damage == "dropped":
        saved.unlink()
        saved.symlink_to(tmp_path / "absent")
    elif damage.startswith("no "):
        (sidecar if damage == "no json" else table_of(saved)).unlink()
    elif damage == "json":
        sidecar.write_text("{}")
    elif damage == "hash":
        sidecar.write_text(sidecar.read_text().replace(hash_of(bundle), hash_of(bundle)[:8] + "0" * 56))
    elif damage == "table":
        table_of(saved).write_text("\n".join(table_of(saved).read_text().splitlines()[:2]) + "\n")
    elif damage == "index":
        table_of(saved).write_text(table_of(saved).read_text().replace("\n1\t", "\n7\t"))
    else:
        shape = (5, 5, 5) if damage == "grid" else OUTPUT_GRID.shape
        save_nifti(saved, np.full(shape, -1), OUTPUT_GRID.matrix, dtype=np.int16)
    with pytest.raises(InputError, match="dseg") as caught:
        read_roi_parcels(tmp_path, hash_of(bundle))
    assert str(caught.value).count(f"Delete {saved.name}") == 1
    saved.unlink()
    assert read_roi_parcels(tmp_path, hash_of(bundle)) is None
    save_roi_parcels(tmp_path, bundle)
    assert read_roi_parcels(tmp_path, hash_of(bundle)) is not None
