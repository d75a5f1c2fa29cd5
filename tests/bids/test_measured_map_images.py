"""Values of measured task maps at the model's voxels."""

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
from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.evaluation.map_reader import read_participant
from bids_deeptaskgen.grid import FULL_MODEL_GRID, MODEL_GRID, OUTPUT_GRID, Grid
from bids_deeptaskgen.io.nifti_writer import save_maps, save_nifti
from tests.bids.trees import isotropic, touch
from tests.bundles import ellipsoid
from tests.io.headers import alter

NAME = "sub-01_space-MNI152NLin6Asym_contrast-a_stat-z_statmap.nii.gz"
MASK = ellipsoid(0.8)
# Grid of the template of fMRIPrep's default output.
COUSIN = Grid.from_image(
    (97, 115, 97), np.array([[2, 0, 0, -96.0], [0, 2, 0, -132], [0, 0, 2, -78], [0, 0, 0, 1]])
)


def ramp(grid, mask=None):
    """Compute x + 2 y + 3 z in mm plus a constant, which linear interpolation reproduces."""
    included = np.ones(grid.shape, bool) if mask is None else mask
    points = np.argwhere(included) @ grid.matrix[:3, :3].T + grid.matrix[:3, 3]
    return (points @ [1, 2, 3] + 1000).astype(np.float32)


def save_statmap(path, grid, values=None):
    save_nifti(path, (ramp(grid) if values is None else values).reshape(grid.shape), grid.matrix)
    return StatmapFile("01", None, "a", path)


@pytest.mark.parametrize("grid", [OUTPUT_GRID, FULL_MODEL_GRID, MODEL_GRID])
def test_values_are_copied_on_equal_points_in_any_order_of_axes(tmp_path, grid, caplog):
    values = read_statmap(save_statmap(tmp_path / NAME, grid), MASK)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, ramp(MODEL_GRID, MASK))
    assert "resampled" not in caplog.text


def test_other_grids_are_resampled_and_logged_once(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "bids_deeptaskgen")
    _cached_sampler.cache_clear()
    file = save_statmap(tmp_path / NAME, isotropic(3))
    for _ in range(2):
        values = read_statmap(file, MASK)
    np.testing.assert_allclose(values, ramp(MODEL_GRID, MASK), atol=1e-3)
    assert caplog.text.count("resampled to the model's (linear)") == 1


def test_mask_selects_voxels_on_a_cached_grid(tmp_path):
    file = save_statmap(tmp_path / NAME, OUTPUT_GRID)
    for mask in (MASK, ellipsoid(0.5)):
        np.testing.assert_array_equal(read_statmap(file, mask), ramp(MODEL_GRID, mask))


def test_invalid_and_uncovered_voxels_are_nan(tmp_path):
    values = ramp(OUTPUT_GRID).reshape(OUTPUT_GRID.shape)
    values[45, 54, 45], values[45, 54, 46] = np.nan, np.inf
    values_read = read_statmap(save_statmap(tmp_path / NAME, OUTPUT_GRID, values), MASK)
    assert np.isnan(values_read).sum() == 2
    partial_grid = Grid.from_image((91, 109, 40), OUTPUT_GRID.matrix)
    values_read = read_statmap(save_statmap(tmp_path / NAME, partial_grid), MASK)
    is_uncovered = np.argwhere(MASK)[:, 2] >= 40
    np.testing.assert_array_equal(np.isnan(values_read), is_uncovered)


def test_requested_volumes_are_read_in_their_order(tmp_path):
    path = tmp_path / "sub-01_space-MNI152NLin6Asym_stat-z_desc-predicted_statmap.nii.gz"
    volumes = [ramp(OUTPUT_GRID).reshape(OUTPUT_GRID.shape) * factor for factor in (1, 2, 3)]
    save_maps(path, volumes, 3, OUTPUT_GRID)
    files = [StatmapFile("01", None, f"c{number}", path, number) for number in (2, 1)]
    other_file = save_statmap(tmp_path / NAME, OUTPUT_GRID)
    values = read_statmaps([*files, other_file], MASK)
    expected_values = ramp(MODEL_GRID, MASK)
    np.testing.assert_array_equal(values, [3 * expected_values, 2 * expected_values, expected_values])
    with pytest.raises(InputError, match=r"has the shape 91x109x91x3.*volume 3"):
        read_statmap(StatmapFile("01", None, "c", path, 3), MASK)
    with pytest.raises(InputError, match=r"has the shape 91x109x91x3.*one volume"):
        read_statmap(StatmapFile("01", None, "c", path), MASK)


def test_image_of_undeclared_space_is_read_on_a_model_grid(tmp_path):
    values = read_statmap(save_statmap(tmp_path / "zstat1.nii.gz", OUTPUT_GRID), MASK)
    np.testing.assert_array_equal(values, ramp(MODEL_GRID, MASK))


@pytest.mark.parametrize("grid", [COUSIN, isotropic(3)])
def test_image_of_undeclared_space_is_refused_on_other_grids(tmp_path, grid):
    # The points of COUSIN are on the lattice of the model: a test of the points alone would accept it.
    with pytest.raises(
        InputError, match=r"neither the name nor the JSON .*\nFound: .*\nExpected: .*\n.*add space-"
    ):
        read_statmap(save_statmap(tmp_path / "zstat1.nii.gz", grid), MASK)


def test_space_is_read_from_the_sidecar_if_the_name_lacks_it(tmp_path):
    path = tmp_path / "zstat1.nii.gz"
    file = save_statmap(path, isotropic(3))
    touch(sidecar_path(path), json.dumps({"SpatialReference": "tpl-MNI152NLin6Asym_res-03_T1w.nii.gz"}))
    assert len(read_statmap(file, MASK)) == MASK.sum()
    touch(sidecar_path(path), json.dumps({"Space": "MNI152NLin2009cAsym"}))
    with pytest.raises(InputError, match=r"is in MNI152NLin2009cAsym.*MNI152NLin6Asym"):
        read_statmap(file, MASK)


def test_other_space_is_refused_on_the_model_grid(tmp_path):
    file = save_statmap(tmp_path / NAME.replace("6Asym", "2009cAsym"), OUTPUT_GRID)
    with pytest.raises(InputError, match=r"the task map is in MNI152NLin2009cAsym"):
        read_statmap(file, MASK)


def test_ambiguous_orientation_is_refused(tmp_path):
    file = save_statmap(tmp_path / NAME, OUTPUT_GRID)
    image = nib.load(file.path)
    image.set_qform(FULL_MODEL_GRID.matrix, code=4)
    nib.save(image, file.path)
    with pytest.raises(InputError, match="qform and sform disagree"):
        read_statmap(file, MASK)


def test_messages_on_unusable_images(tmp_path):
    file = save_statmap(tmp_path / NAME, OUTPUT_GRID, np.zeros(OUTPUT_GRID.shape))
    with pytest.raises(InputError, match=r"sub-01 a: the task map is 0 or NaN in all"):
        read_statmap(file, MASK)
    partial_grid = Grid.from_image((91, 109, 20), OUTPUT_GRID.matrix)
    with pytest.raises(InputError, match=r"covers \d+% of the model's voxels; at least 50%"):
        read_statmap(save_statmap(tmp_path / NAME, partial_grid), MASK)
    path = save_statmap(tmp_path / NAME, OUTPUT_GRID).path
    path.write_bytes(path.read_bytes()[:10000])
    with pytest.raises(InputError, match="the file is truncated"):
        read_statmap(file, MASK)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="the file is empty"):
        read_statmap(file, MASK)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        read_statmap(file, MASK)


@pytest.mark.parametrize(
    "fields",
    [
        {"vox_offset": 0},
        {"quatern_c": 1.0002},
        {"quatern_b": 1.5},
        {"srow_x": 0, "srow_y": 0, "srow_z": 0},
        {"srow_y": np.nan},
    ],
    ids=str,
)
def test_header_fields_that_other_readers_refuse_do_not_change_values(tmp_path, fields):
    file = save_statmap(tmp_path / NAME, FULL_MODEL_GRID)
    alter(file.path, **fields)
    np.testing.assert_array_equal(read_statmap(file, MASK), ramp(MODEL_GRID, MASK))


def test_a_map_with_an_unusable_header_leaves_the_other_maps(tmp_path, caplog):
    files = []
    for label, fields in (("a", {}), ("b", {"srow_x": 0, "qform_code": 0}), ("c", {"datatype": 77})):
        path = tmp_path / NAME.replace("contrast-a", f"contrast-{label}")
        files.append([StatmapFile("01", None, label, save_statmap(path, OUTPUT_GRID).path)])
        alter(path, **fields)
    maps = read_participant(files, MASK)
    np.testing.assert_array_equal(maps[0], ramp(MODEL_GRID, MASK))
    assert np.isnan(maps[1:]).all()
    assert "the sform (code 4) is singular" in caplog.text
    assert "values of type code 77" in caplog.text
