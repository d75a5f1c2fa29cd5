"""Mask of the maps at the root of a dataset."""

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.output_mask import output_mask_path, read_output_mask, save_output_mask
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.sidecars import describe_model
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, model_to_output
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.models.bundle import load_bundle


@pytest.fixture(scope="module")
def bundle(model):
    return load_bundle(model)


@pytest.fixture
def saved(tmp_path, bundle):
    return save_output_mask(tmp_path, bundle)


def provenance(bundle):
    return {"Model": describe_model(bundle.card)}


def test_the_mask_is_that_of_the_model(tmp_path, bundle, saved):
    mask = read_output_mask(tmp_path, provenance(bundle))
    assert np.array_equal(mask, model_to_output(bundle.output_mask))


def test_maps_of_an_earlier_version_have_the_only_mask_of_the_dataset(tmp_path, saved):
    assert read_output_mask(tmp_path, {}).any()
    save_nifti(output_mask_path(tmp_path, "1" * 64), np.ones(OUTPUT_GRID.shape), OUTPUT_GRID.matrix)
    with pytest.raises(InputError, match="stands for 2 files"):
        read_output_mask(tmp_path, {})


def test_the_mask_of_another_model_is_not_used(tmp_path, saved):
    with pytest.raises(InputError, match=r"label-22222222.*does not exist.\nRepeat the participant level"):
        read_output_mask(tmp_path, {"Model": {"OutputMaskSha256": "2" * 64}})


@pytest.mark.parametrize(
    ("values", "grid", "text"),
    [
        (np.ones(MODEL_GRID.shape), MODEL_GRID, "not the grid of the maps"),
        (np.zeros(OUTPUT_GRID.shape), OUTPUT_GRID, "has no voxels"),
        (np.ones((*OUTPUT_GRID.shape, 2)), OUTPUT_GRID, "is not a mask"),
    ],
)
def test_another_image_is_refused(tmp_path, bundle, saved, values, grid, text):
    save_nifti(saved, values, grid.matrix, dtype=np.uint8)
    with pytest.raises(InputError, match=text):
        read_output_mask(tmp_path, provenance(bundle))


def test_an_existing_mask_is_kept_and_an_incomplete_one_completed(tmp_path, bundle, saved):
    before = saved.stat().st_mtime_ns
    save_output_mask(tmp_path, bundle)
    assert saved.stat().st_mtime_ns == before
    sidecar_path(saved).unlink()
    save_output_mask(tmp_path, bundle)
    assert sidecar_path(saved).is_file()
