from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bids_deeptaskgen.report.biomarkers_figures import (
    MAX_POINTS,
    draw_learning_curves,
    draw_permutations,
    draw_predictions,
    draw_roc,
)
from bids_deeptaskgen.report.biomarkers_layout import (
    PANELS_PER_ROW,
    label_panels,
    style_features,
    titled_panels,
    wrap_name,
)
from bids_deeptaskgen.report.biomarkers_score_figure import (
    ScoreMarks,
    ScorePanel,
    draw_scores,
    find_limits,
)

RNG = np.random.default_rng(0)
NAMES = ["wm", "connectome", "a_very_long_name_of_a_feature_set_without_any_space", "x", "y", "z", "u"]
STYLES = style_features(NAMES)
LINE = np.linspace(0, 1, 5)


def size_of(picture):
    """Return width and height of a PNG image."""
    return Image.open(BytesIO(picture)).size


def marks(value, width=0.1, n_folds=5):
    """Create the marks of a score."""
    return ScoreMarks(value, value - width, value + width, value + np.linspace(-0.05, 0.05, n_folds))


def figures_of(names):
    """Draw all figures of feature sets."""
    panel = ScorePanel("r", {name: marks(0.1) for name in names}, {"mean": 0.0, "confounds": 0.3})
    points = [(20, 0.1, 0.0, 0.2), (40, 0.2, 0.1, 0.3)]
    curves = {"f": (LINE, LINE), "m": (LINE, LINE**0.5)}
    return {
        "scores": draw_scores([panel, panel], STYLES),
        "predictions": draw_predictions(dict.fromkeys(names, (LINE, LINE)), "age", STYLES),
        "roc": draw_roc(dict.fromkeys(names, curves), curves, STYLES),
        "permutations": draw_permutations(dict.fromkeys(names, (0.2, LINE)), "r", STYLES),
        "curves": draw_learning_curves({"age": dict.fromkeys(names, points)}, {"age": "partial r"}, STYLES),
    }


@pytest.mark.parametrize("n", [1, 3, 7])
def test_figures_have_one_width_whatever_the_number_of_feature_sets(n):
    sizes = [size_of(picture) for picture in figures_of(NAMES[:n]).values()]
    assert len({width for width, _ in sizes}) == 1


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_labels_are_in_the_middle_below_the_panels_and_not_beyond_them(n):
    figure, panels = titled_panels(NAMES[:n], 1.9)
    label_panels(
        figure, panels, "mean correlation of the residual target and its prediction in the test folds"
    )
    figure.draw_without_rendering()
    first, last = panels[0].get_window_extent(), panels[min(n, PANELS_PER_ROW) - 1].get_window_extent()
    (label,) = figure.texts
    box = label.get_window_extent()
    assert (box.x0 + box.x1) / 2 == pytest.approx((first.x0 + last.x1) / 2, abs=2)
    assert first.x0 <= box.x0 < box.x1 <= last.x1


def test_permutation_tests_of_two_feature_sets_leave_the_third_column_empty():
    label = "mean correlation of the residual target and its prediction in the test folds"
    picture = draw_permutations(dict.fromkeys(NAMES[:2], (0.2, LINE)), label, STYLES)
    pixels = np.asarray(Image.open(BytesIO(picture)).convert("L"))
    marked = np.flatnonzero((pixels < 200).any(axis=0))
    assert marked.max() < 0.68 * pixels.shape[1]


def test_more_panels_need_more_rows():
    few, many = (figures_of(NAMES[:n])["predictions"] for n in (PANELS_PER_ROW, PANELS_PER_ROW + 1))
    assert size_of(many)[1] > 1.5 * size_of(few)[1]


def test_equal_data_give_equal_images_and_other_data_give_others():
    first, second = ({"wm": marks(value)} for value in (0.1, 0.2))
    pictures = [draw_scores([ScorePanel("r", item, {})], STYLES) for item in (first, first, second)]
    assert pictures[0] == pictures[1] != pictures[2]


def test_values_that_are_all_equal_can_be_drawn():
    zeros = np.zeros(5)
    draw_predictions({"wm": (zeros, zeros)}, "age", STYLES)
    draw_permutations({"wm": (0.0, zeros)}, "r", STYLES)
    draw_scores([ScorePanel("r", {"wm": ScoreMarks(0, 0, 0, zeros)}, {})], STYLES)


def test_undefined_scores_and_intervals_can_be_drawn():
    nan = float("nan")
    panel = ScorePanel("r", {"wm": ScoreMarks(0.5, nan, nan, np.array([0.5, nan]))}, {"mean": nan})
    lower, upper = find_limits(panel)
    assert lower < 0.5 < upper
    draw_scores([panel], STYLES)


def test_many_participants_are_drawn_as_a_density():
    values = RNG.normal(size=MAX_POINTS + 1)
    image = Image.open(BytesIO(draw_predictions({"wm": (values, values)}, "age", STYLES))).convert("RGB")
    pixels = np.asarray(image).reshape(-1, 3).astype(int)
    assert (np.ptp(pixels, axis=1) < 40).all(), "the density is grey"


def test_a_long_interval_does_not_compress_the_scores():
    panel = ScorePanel("r", {"wm": marks(0.5, width=9), "x": marks(0.4)}, {"mean": 0.0})
    lower, upper = find_limits(panel)
    assert (lower, upper) == pytest.approx((0 - 0.55 - 0.066, 0.55 + 0.55 + 0.066))
    assert draw_scores([panel], STYLES) != draw_scores(
        [panel._replace(marks={"wm": marks(0.5, 0.6)})], STYLES
    )


def test_usual_intervals_are_complete():
    lower, upper = find_limits(ScorePanel("r", {"wm": marks(0.5, width=0.12)}, {}))
    assert lower < 0.38
    assert upper > 0.62


def test_long_names_are_divided_and_complete():
    for name in [*NAMES, "x" * 70, "two words " * 9]:
        lines = wrap_name(name, 22).split("\n")
        assert max(map(len, lines)) <= 22
        assert "".join(lines).replace(" ", "") == name.replace(" ", "")
