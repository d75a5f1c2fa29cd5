"""Figures of maps: sides, scales, units, and accepted images."""

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.report.figures import plot_glass_brain, plot_statmap, plot_statmaps, plot_surface
from bids_deeptaskgen.report.figures.images import as_nibabel, as_slices, robust_limit


def blob(x_mm, grid=OUTPUT_GRID, value=3.0):
    """Return a volume with a blob at (x, -20, 12) mm, from the middle of the brain to its surface."""
    volume = np.zeros(grid.shape, np.float32)
    inverse = np.linalg.inv(grid.matrix)
    i, j, k = np.rint(inverse @ (x_mm, -20, 12, 1))[:3].astype(int)
    volume[i - 8 : i + 9, j - 5 : j + 6, k - 5 : k + 6] = value
    return volume


def pixels_of(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def warm_column(figure):
    """Compute the mean column of pixels that are warm, left of the colour bar, as a share of the width."""
    pixels = pixels_of(figure)
    n_columns = pixels.shape[1]
    pixels = pixels[:, : int(0.85 * n_columns)]
    return np.flatnonzero((pixels[..., 0] > pixels[..., 2] + 80).any(axis=0)).mean() / n_columns


@pytest.mark.parametrize("grid", [OUTPUT_GRID, MODEL_GRID])
def test_a_blob_in_the_left_hemisphere_is_drawn_on_the_left(grid):
    left, right = (warm_column(plot_statmap(blob(x, grid), slices_mm=(12,), limit=6)) for x in (-45, 45))
    assert left < right - 0.02


def test_a_blob_in_the_left_hemisphere_is_drawn_on_the_left_surface():
    for x, marked, grey in (
        (-50, slice(0, 0.225), slice(0.69, 0.85)),
        (50, slice(0.69, 0.85), slice(0, 0.225)),
    ):
        figure = plot_surface(blob(x), limit=6)
        pixels = pixels_of(figure)
        warm = (pixels[..., 0] > pixels[..., 2] + 80).any(axis=0)
        n_columns = pixels.shape[1]
        counts = [
            warm[int(n_columns * part.start) : int(n_columns * part.stop)].sum() for part in (marked, grey)
        ]
        assert counts[0] > 5
        assert counts[1] == 0


def test_vertices_are_left_then_right():
    values = np.zeros(20484)
    values[:10242] = 2
    pixels = pixels_of(plot_surface(values, limit=3))
    warm = (pixels[..., 0] > pixels[..., 2] + 80).any(axis=0)
    half = int(0.46 * pixels.shape[1])
    assert warm[:half].any()
    assert not warm[half : 2 * half].any()


def test_the_colour_bar_is_symmetric_and_has_units():
    for draw in (plot_statmap, plot_glass_brain, plot_surface):
        figure = draw(blob(-45), units="percent", limit=4)
        bars = [axes for axes in figure.axes if axes.get_ylabel() == "value (percent)"]
        assert len(bars) == 1
        low, high = bars[0].get_ylim()
        assert (low, high) == pytest.approx((-4, 4))


def test_rows_share_the_limit_of_all_maps():
    figure = plot_statmaps([("weak", blob(-45, value=1.0)), ("strong", blob(-45, value=3.0))])
    limits = {axes.get_ylim()[1] for axes in figure.axes if axes.get_ylabel() == "value (z)"}
    assert limits == {3.0}
    assert [text.get_text() for text in figure.texts] == ["", "weak", "strong"]


def test_an_empty_map_is_drawn_without_a_warning(recwarn):
    plot_statmap(np.zeros(OUTPUT_GRID.shape), slices_mm=(12,))
    assert [str(warning.message) for warning in recwarn if "empty" in str(warning.message)] == []


def test_a_map_is_drawn_into_axes_of_the_caller():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3))
    axes = figure.subplots()
    assert plot_statmap(blob(-45), slices_mm=(12,), axes=axes) is figure


def test_files_images_and_arrays_are_the_same_image(tmp_path):
    volume = blob(-45)
    save_nifti(tmp_path / "map.nii.gz", volume, OUTPUT_GRID.matrix)
    image = nib.Nifti1Image(volume[..., None], OUTPUT_GRID.matrix)
    for source in (tmp_path / "map.nii.gz", str(tmp_path / "map.nii.gz"), image, volume):
        content = as_nibabel(source)
        np.testing.assert_array_equal(content.affine, OUTPUT_GRID.matrix)
        np.testing.assert_array_equal(content.get_fdata(), volume)


def test_images_that_cannot_be_placed_are_refused():
    with pytest.raises(ValueError, match=r"array of shape \(3, 3, 3\) is on neither"):
        as_nibabel(np.zeros((3, 3, 3)))
    with pytest.raises(ValueError, match=r"shape \(91, 109, 91, 2\). Select a volume"):
        as_nibabel(np.zeros((*OUTPUT_GRID.shape, 2)))


def test_slices_of_an_image_are_the_same_on_every_grid():
    left = np.arange(91) < 40
    for volume in (blob(-45), blob(-45, MODEL_GRID)):
        slices = as_slices(volume)
        assert slices.shape == (12, 109, 91)
        assert slices[:, :, left].any()
        assert not slices[:, :, ~left].any()
    np.testing.assert_array_equal(as_slices(as_slices(blob(-45))), as_slices(blob(-45)))


def test_the_limit_ignores_zeros_and_missing_values():
    values = np.concatenate([np.zeros(1000), np.full(10, -4.0), [np.nan, np.inf]])
    assert robust_limit(values) == 4
    assert robust_limit(np.zeros(3)) == 1


def test_maps_leave_the_settings_of_the_user_and_pyplot_alone():
    import matplotlib.pyplot as plt

    with plt.rc_context({"font.size": 17, "backend": "svg"}):
        before = dict(plt.rcParams)
        plot_statmap(np.zeros(OUTPUT_GRID.shape), slices_mm=(12,))
        plot_surface(np.zeros(20484))
        assert {key for key in before if before[key] != plt.rcParams[key]} == set()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("draw", [plot_statmap, plot_glass_brain])
def test_sides_are_marked_in_ink_without_boxes(draw):
    texts = [text for axes in draw(blob(-45)).axes for text in axes.texts]
    assert {"L", "R"} <= {text.get_text() for text in texts}
    assert [text.get_bbox_patch() for text in texts if text.get_bbox_patch()] == []
