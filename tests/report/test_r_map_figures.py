"""Figures of r across participants and of data quality."""

import numpy as np

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.report.figures.images import as_slices
from bids_deeptaskgen.report.quality_figures import draw_quality
from bids_deeptaskgen.report.r_map_figures import _montage, draw_r_maps
from bids_deeptaskgen.report.underlay import underlay_slices


def volume_on_the_left(value=0.5):
    """Return r in a box of the left hemisphere, in front."""
    x_mm, y_mm, _ = (OUTPUT_GRID.matrix[i, i] * np.arange(n) + OUTPUT_GRID.matrix[i, 3]
                     for i, n in enumerate(OUTPUT_GRID.shape))  # fmt: skip
    volume = np.zeros(OUTPUT_GRID.shape, np.float32)
    volume[np.ix_((x_mm < -10) & (x_mm > -40), (y_mm > 10) & (y_mm < 40), np.arange(91))] = value
    return volume


def test_the_left_hemisphere_is_on_the_left_of_each_slice_and_the_front_at_the_top():
    picture = _montage(as_slices(volume_on_the_left()), 1.0)
    n_slices, n_rows, n_columns = underlay_slices().shape
    assert picture.shape == (n_rows, n_slices * n_columns, 3)
    is_coloured = np.ptp(picture.astype(int), axis=2) > 20
    for tile in np.split(is_coloured, len(SLICES_MM), axis=1):
        rows, columns = np.nonzero(tile)
        assert columns.max() < n_columns / 2
        assert rows.max() < n_rows / 2
    red, _, blue = picture[is_coloured].astype(int).T
    assert (red > blue).all()


def test_negative_r_is_blue_and_voxels_without_a_value_are_grey():
    picture = _montage(as_slices(volume_on_the_left(-0.9)), 1.0)
    is_coloured = np.ptp(picture.astype(int), axis=2) > 20
    red, _, blue = picture[is_coloured].astype(int).T
    assert (blue > red).all()
    assert is_coloured.mean() < 0.1


def test_maps_of_predictors_and_scores_against_quality_are_png_images(tmp_path):
    maps = {name: volume_on_the_left(value) for name, value in (("first", 0.2), ("second", -0.4))}
    assert draw_r_maps(maps, "heading").startswith(b"\x89PNG")
    row = {"role": "model", "predictor": "mine", "mean_fd": 0.2}
    rows = [row | {"difference": value, "minutes": value} for value in (0.1, 0.2, float("nan"))]
    picture = draw_quality(rows, ["difference"], ["minutes", "mean_fd"])
    assert picture.startswith(b"\x89PNG")
    # Scores and measures that nobody has are left out.
    unknown = [row | {"residual_r": float("nan"), "tsnr": float("nan")} for row in rows]
    assert draw_quality(unknown, ["difference", "residual_r"], ["minutes", "tsnr", "mean_fd"]) == picture
