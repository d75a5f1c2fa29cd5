"""Figure of the coverage of ROI maps."""

import numpy as np
import pytest

from bids_deeptaskgen.connectome.data_checks.measurement import read_flag
from bids_deeptaskgen.report.figures import plot_coverage


def labels(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_rois_below_the_threshold_of_the_flag_are_labelled():
    threshold = read_flag("low_roi_coverage").threshold
    coverage = np.full(50, threshold + 0.3)
    coverage[[4, 30]] = threshold - 0.01, 0
    coverage[7] = threshold
    figure = plot_coverage(coverage, [f"name {number}" for number in range(50)])
    assert labels(figure) == ["name 4", "name 30"]
    assert threshold in [line.get_ydata()[0] for line in figure.axes[0].lines]
    legend = [text.get_text() for text in figure.legends[0].texts]
    assert "below the threshold: 2 of 50 ROIs" in legend
    assert "at or above the threshold: 48 of 50 ROIs" in legend


def test_labels_do_not_overlap_where_many_rois_are_low():
    figure = plot_coverage(np.linspace(0, 0.3, 400))
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in figure.axes[0].texts), key=lambda box: box.x0)
    assert len(boxes) > 20
    assert all(box.x1 <= right.x0 for box, right in zip(boxes, boxes[1:], strict=False))


def test_an_unknown_coverage_is_marked():
    assert labels(plot_coverage(np.array([0.9, np.nan]))) == ["?"]


def test_names_must_fit():
    with pytest.raises(ValueError, match="1 names for 2 ROIs"):
        plot_coverage(np.ones(2), ["a"])


@pytest.mark.parametrize("coverage", [0.49, 0.2, 0.0])
def test_long_names_end_below_the_legend(coverage):
    figure = plot_coverage(np.array([0.9, coverage]), ["a", "ROI 42 (-100, -102, -104 mm)"], threshold=0.5)
    figure.canvas.draw()
    [text] = figure.axes[0].texts
    assert text.get_window_extent().y1 <= figure.axes[0].bbox.y1
    assert figure.axes[0].bbox.y1 <= figure.legends[0].get_window_extent().y0
