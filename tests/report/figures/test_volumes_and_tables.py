"""Figures of the series on slices, of matrices and of agreement."""

import numpy as np
import pytest

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.report.figures import (
    plot_agreement,
    plot_connectome_matrix,
    plot_mask_outline,
    plot_tsnr,
)

N_SLICES = 12


def left_half():
    volume = np.zeros(OUTPUT_GRID.shape, np.float32)
    volume[20:45, 20:90, 5:80] = 100
    return volume


def test_the_outline_of_the_mask_is_at_its_border():
    mean, mask = left_half(), left_half() > 0
    mask = np.roll(mask, 10, axis=0)
    figure = plot_mask_outline(mean, mask)
    for axes in figure.axes:
        (contours,) = axes.collections
        x = np.concatenate([path.vertices[:, 0] for path in contours.get_paths()])
        assert (x.min(), x.max()) == pytest.approx((29.5, 54.5))


def test_slices_of_the_page_are_accepted_and_an_empty_mask_has_no_outline():
    mean = np.zeros((N_SLICES, 109, 91), np.uint8)
    figure = plot_mask_outline(mean, np.zeros((N_SLICES, 109, 91), bool))
    assert [len(axes.collections) for axes in figure.axes] == [0] * N_SLICES


def test_left_is_on_the_left_and_marked():
    figure = plot_tsnr(left_half(), limit=200)
    *panels, bar = figure.axes
    for axes in panels:
        pixels = axes.images[0].get_array()
        assert not axes.xaxis_inverted()
        assert pixels[:, 20:45].max() == 100
        assert not pixels[:, 45:].any()
        left, right = ([text for text in axes.texts if text.get_text() == side][0] for side in "LR")
        assert left.get_position()[0] < right.get_position()[0]
    assert bar.get_ylabel() == "tSNR (ratio)"
    assert bar.get_ylim() == (0, 200)


def test_the_matrix_is_drawn_with_its_names_and_a_symmetric_scale():
    matrix = np.array([[1, -0.3, np.nan], [-0.3, 1, 0.2], [np.nan, 0.2, 1]])
    axes = plot_connectome_matrix(matrix, ["a", "b", "c"], title="sub-01").axes[0]
    (picture,) = axes.images
    np.testing.assert_array_equal(np.ma.filled(picture.get_array(), np.nan), matrix)
    assert picture.get_clim() == (-1, 1)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]


def test_names_of_a_large_matrix_are_omitted_at_equal_steps():
    axes = plot_connectome_matrix(np.eye(400)).axes[0]
    steps = set(np.diff(axes.get_yticks()))
    assert len(steps) == 1
    assert steps.pop() > 1


def test_a_matrix_must_be_square_and_have_a_name_per_roi():
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        plot_connectome_matrix(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="has 1 names"):
        plot_connectome_matrix(np.eye(2), ["a"])


def test_agreement_has_a_dot_per_contrast_and_measure():
    agreement = {"wm2bk": {"window_r": 0.6, "run_r": 0.5}, "faces": {"window_r": np.nan, "run_r": -0.1}}
    axes = plot_agreement(agreement, measures={"run_r": "runs", "window_r": "windows"}).axes[0]
    dots = {line.get_label(): line.get_xdata() for line in axes.lines if line.get_label()[0] != "_"}
    np.testing.assert_array_equal(dots["runs"], [0.5, -0.1])
    np.testing.assert_array_equal(dots["windows"], [0.6, np.nan])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["wm2bk", "faces"]
    assert axes.yaxis_inverted()
    assert axes.get_xlabel() == "spatial correlation r"


def test_a_measure_that_a_contrast_lacks_is_omitted():
    axes = plot_agreement({"a": {"x": 0.1}, "b": {"y": 0.2}}).axes[0]
    dots = [line for line in axes.lines if line.get_label() in ("x", "y")]
    assert [np.isfinite(line.get_xdata()).sum() for line in dots] == [1, 1]
