"""Measured maps at the voxels of predicted maps."""

import numpy as np

from bids_deeptaskgen.bids.measured_sessions import find_measured_sessions, match_session
from bids_deeptaskgen.grid import FULL_MODEL_GRID, OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.models.contrasts import Contrast

CONTRASTS = [Contrast("wm2bk", "WM 2BK", "WM")]


def test_values_are_those_of_the_same_point_of_space_in_either_orientation(tmp_path):
    rng = np.random.default_rng(0)
    volume = rng.standard_normal(OUTPUT_GRID.shape).astype(np.float32)
    volume[50, 50, 40] = 0
    mask = np.zeros(OUTPUT_GRID.shape, bool)
    mask[30:60, 40:60, 30:50] = True
    # The model's box does not contain this voxel.
    mask[0, 0, 0] = True
    expected = volume[mask].copy()
    expected[0] = np.nan
    expected[expected == 0] = np.nan
    for label, data, grid in (("01", volume, OUTPUT_GRID), ("02", volume[::-1], FULL_MODEL_GRID)):
        name = f"sub-{label}_space-MNI152NLin6Asym_contrast-wm2bk_stat-z_statmap.nii.gz"
        save_nifti(tmp_path / f"sub-{label}" / name, data, grid.matrix)
    measured = find_measured_sessions(tmp_path, CONTRASTS, ["001", "2", "3"], mask)
    assert list(measured.files) == ["001", "2"]
    for label in ("001", "2"):
        np.testing.assert_array_equal(measured.read(label, ["wm2bk"])["wm2bk"][None], expected)
    assert measured.read("3", ["wm2bk"]) == measured.read("2", ["motorLh"]) == {}


def test_sessions_are_averaged_unless_one_has_the_label():
    maps = {"pre": np.array([1.0, np.nan]), "post": np.array([3.0, 4.0])}
    assert match_session(maps, "post") is maps["post"]
    for session in ("later", None):
        np.testing.assert_array_equal(match_session(maps, session), [2, np.nan])
    assert match_session({}, "pre") is None
