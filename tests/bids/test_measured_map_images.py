"""Measured task maps are read at the model's points of space, or refused."""

import json
import logging

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.measured_map_images import (
    _cached_sampler,
    read_statmap,
    read_statmaps,
)
from bids_deeptaskgen.bids.measured_maps import StatmapFile
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import FULL_MODEL_GRID, MODEL_GRID, OUTPUT_GRID, Grid
from bids_deeptaskgen.io.nifti_writer import save_maps, save_nifti
from tests.bids.trees import isotropic, touch
from tests.bundles import ellipsoid

NAME = "sub-01_space-MNI152NLin6Asym_contrast-a_stat-z_statmap.nii.gz"
MASK = ellipsoid(0.8)
# What the template of fMRIPrep's default output is sampled on.
COUSIN = Grid.of((97, 115, 97), np.array([[2, 0, 0, -96.0], [0, 2, 0, -132], [0, 0, 2, -78], [0, 0, 0, 1]]))


def ramp(grid, mask=None):
    """x + 2 y + 3 z in mm, plus a constant: linear, so that resampling keeps it."""
    wanted = np.ones(grid.shape, bool) if mask is None else mask
    points = np.argwhere(wanted) @ grid.matrix[:3, :3].T + grid.matrix[:3, 3]
    return (points @ [1, 2, 3] + 1000).astype(np.float32)


def saved(path, grid, values=None):
    save_nifti(path, (ramp(grid) if values is None else values).reshape(grid.shape), grid.matrix)
    return StatmapFile("01", None, "a", path)


@pytest.mark.parametrize("grid", [OUTPUT_GRID, FULL_MODEL_GRID, MODEL_GRID])
def test_values_are_copied_where_the_points_are_the_same_whatever_the_order_of_axes(tmp_path, grid, caplog):
    values = read_statmap(saved(tmp_path / NAME, grid), MASK)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, ramp(MODEL_GRID, MASK))
    assert "resampled" not in caplog.text


def test_other_grids_are_resampled_and_the_log_says_so_once(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "bids_deeptaskgen")
    _cached_sampler.cache_clear()
    file = saved(tmp_path / NAME, isotropic(3))
    for _ in range(2):
        values = read_statmap(file, MASK)
    np.testing.assert_allclose(values, ramp(MODEL_GRID, MASK), atol=1e-3)
    assert caplog.text.count("resampled to the model's (linear)") == 1


def test_another_mask_on_the_same_grid_is_another_choice_of_voxels(tmp_path):
    file = saved(tmp_path / NAME, OUTPUT_GRID)
    for mask in (MASK, ellipsoid(0.5)):
        np.testing.assert_array_equal(read_statmap(file, mask), ramp(MODEL_GRID, mask))


def test_what_is_not_a_number_stays_so_and_what_the_image_does_not_reach_is_none_either(tmp_path):
    values = ramp(OUTPUT_GRID).reshape(OUTPUT_GRID.shape)
    values[45, 54, 45], values[45, 54, 46] = np.nan, np.inf
    read = read_statmap(saved(tmp_path / NAME, OUTPUT_GRID, values), MASK)
    assert np.isnan(read).sum() == 2
    part = Grid.of((91, 109, 40), OUTPUT_GRID.matrix)
    read = read_statmap(saved(tmp_path / NAME, part), MASK)
    beyond = np.argwhere(MASK)[:, 2] >= 40
    np.testing.assert_array_equal(np.isnan(read), beyond)


def test_volumes_of_one_image_are_those_that_are_asked_for_in_that_order(tmp_path):
    path = tmp_path / "sub-01_space-MNI152NLin6Asym_stat-z_desc-predicted_statmap.nii.gz"
    volumes = [ramp(OUTPUT_GRID).reshape(OUTPUT_GRID.shape) * factor for factor in (1, 2, 3)]
    save_maps(path, volumes, 3, OUTPUT_GRID)
    files = [StatmapFile("01", None, f"c{number}", path, number) for number in (2, 1)]
    single = saved(tmp_path / NAME, OUTPUT_GRID)
    read = read_statmaps([*files, single], MASK)
    wanted = ramp(MODEL_GRID, MASK)
    np.testing.assert_array_equal(read, [3 * wanted, 2 * wanted, wanted])
    with pytest.raises(InputError, match=r"has the shape 91x109x91x3; volume 3 is wanted"):
        read_statmap(StatmapFile("01", None, "c", path, 3), MASK)
    with pytest.raises(InputError, match=r"has the shape 91x109x91x3; one volume is wanted"):
        read_statmap(StatmapFile("01", None, "c", path), MASK)


def test_an_image_that_says_nothing_is_taken_if_it_has_a_grid_of_the_model(tmp_path):
    values = read_statmap(saved(tmp_path / "zstat1.nii.gz", OUTPUT_GRID), MASK)
    np.testing.assert_array_equal(values, ramp(MODEL_GRID, MASK))


@pytest.mark.parametrize("grid", [COUSIN, isotropic(3)])
def test_an_image_that_says_nothing_on_another_grid_is_refused(tmp_path, grid):
    # The points of COUSIN are among those of the model's lattice, so that points alone would let it pass.
    with pytest.raises(
        InputError, match=r"neither the name nor the JSON .*\nFound: .*\nWanted: .*\n.*put space-"
    ):
        read_statmap(saved(tmp_path / "zstat1.nii.gz", grid), MASK)


def test_the_json_beside_an_image_says_its_space_where_the_name_does_not(tmp_path):
    path = tmp_path / "zstat1.nii.gz"
    file = saved(path, isotropic(3))
    touch(sidecar_path(path), json.dumps({"SpatialReference": "tpl-MNI152NLin6Asym_res-03_T1w.nii.gz"}))
    assert len(read_statmap(file, MASK)) == MASK.sum()
    touch(sidecar_path(path), json.dumps({"Space": "MNI152NLin2009cAsym"}))
    with pytest.raises(InputError, match=r"is in MNI152NLin2009cAsym; MNI152NLin6Asym is wanted"):
        read_statmap(file, MASK)


def test_another_space_is_refused_even_on_the_models_grid(tmp_path):
    file = saved(tmp_path / NAME.replace("6Asym", "2009cAsym"), OUTPUT_GRID)
    with pytest.raises(InputError, match=r"the task map is in MNI152NLin2009cAsym; "):
        read_statmap(file, MASK)


def test_left_and_right_that_cannot_be_told_are_refused(tmp_path):
    file = saved(tmp_path / NAME, OUTPUT_GRID)
    image = nib.load(file.path)
    image.set_qform(FULL_MODEL_GRID.matrix, code=4)
    nib.save(image, file.path)
    with pytest.raises(InputError, match="qform and sform disagree"):
        read_statmap(file, MASK)


def test_images_that_are_no_use_are_refused_by_a_sentence_each(tmp_path):
    file = saved(tmp_path / NAME, OUTPUT_GRID, np.zeros(OUTPUT_GRID.shape))
    with pytest.raises(InputError, match=r"sub-01 a: the task map is 0 or NaN in all"):
        read_statmap(file, MASK)
    far = Grid.of((91, 109, 20), OUTPUT_GRID.matrix)
    with pytest.raises(InputError, match=r"covers \d+% of the model's voxels; at least 50%"):
        read_statmap(saved(tmp_path / NAME, far), MASK)
    whole = saved(tmp_path / NAME, OUTPUT_GRID).path
    whole.write_bytes(whole.read_bytes()[:10000])
    with pytest.raises(InputError, match="the task map cannot be read"):
        read_statmap(file, MASK)
    whole.write_bytes(b"")
    with pytest.raises(InputError, match="the file is empty"):
        read_statmap(file, MASK)
    whole.unlink()
    with pytest.raises(InputError, match="no such file"):
        read_statmap(file, MASK)
