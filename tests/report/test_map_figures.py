"""Figures of maps: content and orientation."""

import nibabel as nib
import numpy as np
from matplotlib.image import imread

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.report.map_figures import draw_statmaps


def warm_column(path):
    """Compute the mean column of the warm pixels of the slices, without the colour bar; None without any."""
    pixels = imread(path)[:, :-150, :3]
    columns = np.flatnonzero((pixels[..., 0] > pixels[..., 2] + 0.3).any(axis=0))
    return columns.mean() if len(columns) else None


def test_a_figure_shows_left_on_the_left_and_no_colour_for_zeros(tmp_path):
    centres = []
    for x in (-40, 40):
        volume = np.zeros(OUTPUT_GRID.shape, np.float32)
        i, j, k = np.rint(np.linalg.inv(OUTPUT_GRID.matrix) @ (x, -20, 12, 1))[:3].astype(int)
        volume[i - 4 : i + 5, j - 4 : j + 5, k - 1 : k + 2] = 2
        volume[i - 1 : i + 2, j - 1 : j + 2, k] = 4
        save_nifti(tmp_path / "map.nii.gz", volume, OUTPUT_GRID.matrix)
        draw_statmaps(tmp_path / "map.png", [("map", tmp_path / "map.nii.gz")])
        centres.append(warm_column(tmp_path / "map.png"))
    assert centres[0] < centres[1]
    save_nifti(tmp_path / "map.nii.gz", np.zeros(OUTPUT_GRID.shape), OUTPUT_GRID.matrix)
    draw_statmaps(tmp_path / "none.png", [("map", tmp_path / "map.nii.gz")], heading="nothing")
    assert warm_column(tmp_path / "none.png") is None
    assert nib.load(tmp_path / "map.nii.gz").shape == OUTPUT_GRID.shape
