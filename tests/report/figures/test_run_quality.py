"""Figure of a run: one time axis, spans of removed volumes, optional inputs."""

import numpy as np
import pytest

from bids_deeptaskgen.report.figures import plot_run_quality

N_VOLUMES, T_R = 60, 0.8
GROUPS = [("cortex", 20), ("white matter", 8), ("CSF", 2)]


@pytest.fixture
def run():
    rng = np.random.default_rng(0)
    fd = rng.uniform(0.05, 0.3, N_VOLUMES)
    fd[[0, 20, 21, 40, 59]] = np.nan, 0.9, 1.2, 0.8, 0.7
    is_kept = ~(fd > 0.5)
    is_kept[:3] = False
    carpet = rng.integers(0, 256, (30, N_VOLUMES), np.uint8)
    return {
        "fd_mm": fd, "dvars": 1 + fd, "is_kept": is_kept, "t_r": T_R, "fd_threshold_mm": 0.5,
        "carpet": carpet, "carpet_groups": GROUPS,
    }  # fmt: skip


def panels(figure):
    """Return the axes that have time on x."""
    return [axes for axes in figure.axes if axes.get_xlim()[1] > 1]


def marked_volumes(axes, kind):
    """Return the volumes whose middle is in a patch, and whether no patch ends within a volume."""
    (patch,) = [patch for patch in [*axes.artists, *axes.patches] if patch.get_label().startswith(kind)]
    boxes = [polygon[:, 0] for polygon in patch.get_path().to_polygons(closed_only=False)]
    middles = (np.arange(N_VOLUMES) + 0.5) * T_R
    inside = np.any([(middles > box.min()) & (middles < box.max()) for box in boxes], axis=0)
    ends = np.array([[box.min(), box.max()] for box in boxes]) / T_R
    np.testing.assert_allclose(ends, np.rint(ends), atol=1e-9)
    return inside


def test_traces_and_carpet_share_the_time_axis_and_its_place(run):
    figure = plot_run_quality(**run)
    fd, dvars, carpet = panels(figure)
    for axes in (dvars, carpet):
        assert axes.get_xlim() == fd.get_xlim() == (0, N_VOLUMES * T_R)
        assert axes.get_position().x0 == fd.get_position().x0
        assert axes.get_position().x1 == fd.get_position().x1
    assert carpet.images[0].get_extent()[:2] == [0, N_VOLUMES * T_R]


def test_a_column_of_the_carpet_is_below_the_value_of_its_volume(run):
    run["carpet"][:], run["carpet"][:, 20] = 0, 255
    figure = plot_run_quality(**run)
    fd, _, carpet = panels(figure)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    box = carpet.get_window_extent()
    row = pixels[len(pixels) - int((box.y0 + box.y1) / 2), int(box.x0) + 2 : int(box.x1) - 2]
    bright = np.flatnonzero(row.min(axis=-1) > 200) + int(box.x0) + 2.5
    trace = fd.lines[0].get_xydata()[20]
    assert abs(bright.mean() - fd.transData.transform(trace)[0]) <= 1


@pytest.mark.parametrize("panel", [0, 1])
def test_spans_cover_exactly_the_removed_volumes(run, panel):
    axes = panels(plot_run_quality(**run))[panel]
    is_first = np.arange(N_VOLUMES) < 3
    np.testing.assert_array_equal(marked_volumes(axes, "removed at the start"), is_first)
    np.testing.assert_array_equal(marked_volumes(axes, "censored"), ~run["is_kept"] & ~is_first)


def test_dummy_scans_differ_from_censored_volumes_if_their_number_is_known(run):
    axes = panels(plot_run_quality(**run, n_dummies=2))[0]
    np.testing.assert_array_equal(marked_volumes(axes, "dummy scans"), np.arange(N_VOLUMES) < 2)
    assert marked_volumes(axes, "censored")[2]
    patches = [
        patch
        for patch in (*axes.artists, *axes.patches)
        if patch.get_label().startswith(("dummy", "censored"))
    ]
    assert len({patch.get_hatch() for patch in patches}) == 2


def test_the_threshold_is_within_the_axes_also_if_no_volume_reaches_it(run):
    run["fd_mm"][:] = 0.1
    axes = panels(plot_run_quality(**run))[0]
    (line,) = [line for line in axes.lines if line.get_label() == "FD threshold 0.5 mm"]
    assert line.get_ydata()[0] == 0.5
    assert axes.get_ylim()[1] > 0.5


@pytest.mark.parametrize("name", ["fd_mm", "dvars", "is_kept", "carpet"])
def test_each_input_may_be_omitted(run, name):
    figure = plot_run_quality(**run | {name: None})
    assert len(panels(figure)) == 3 - (name != "is_kept")
    alone = plot_run_quality(**{name: run[name]}, t_r=T_R)
    assert panels(alone)[0].get_xlim() == (0, N_VOLUMES * T_R)
    assert plot_run_quality().axes


def test_a_series_without_finite_values_or_kept_volumes_is_drawn(run):
    nothing = np.full(N_VOLUMES, np.nan)
    figure = plot_run_quality(nothing, nothing, np.zeros(N_VOLUMES, bool), T_R, 0.5)
    figure.canvas.draw()


def test_a_carpet_with_fewer_columns_than_volumes_spans_the_series(run):
    carpet = panels(plot_run_quality(**run | {"carpet": run["carpet"][:, ::2]}))[-1]
    assert carpet.images[0].get_extent()[:2] == [0, N_VOLUMES * T_R]


def test_the_strip_has_the_rows_of_each_tissue(run):
    figure = plot_run_quality(**run)
    (strip,) = [axes for axes in figure.axes if axes.get_xlim() == (0, 1)]
    assert [bar.get_height() for bar in strip.patches] == [20, 8, 2]
    assert [text.get_text() for text in strip.texts] == ["cortex", "white matter", "CSF"]
    assert strip.get_position().x1 < panels(figure)[-1].get_position().x0


def test_names_of_tissues_are_inside_the_figure(run):
    groups = [("grey matter", len(run["carpet"]) - 1), ("rest of the brain", 1)]
    figure = plot_run_quality(**{**run, "carpet_groups": groups})
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[-1].texts]
    assert len(boxes) == 2
    # Browsers draw text with fonts of other widths.
    assert all(box.x0 >= 0.15 * box.width for box in boxes)


def test_inputs_that_disagree_are_refused(run):
    with pytest.raises(ValueError, match=r"differ in their number of volumes: \[59, 60\]"):
        plot_run_quality(**run | {"dvars": run["dvars"][1:]})
    with pytest.raises(ValueError, match="`carpet` has 30 rows, but `carpet_groups` has 20"):
        plot_run_quality(**run | {"carpet_groups": GROUPS[:1]})
