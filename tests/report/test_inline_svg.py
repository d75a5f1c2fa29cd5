"""SVG elements of a page: ink, ids, escaped text, determinism, no traces in matplotlib's settings."""

import base64
import re
import subprocess
import sys
from io import BytesIO
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pytest
from PIL import Image

from bids_deeptaskgen.report.figures import plot_coverage, plot_run_quality
from bids_deeptaskgen.report.inline_svg import inline_svg

HOSTILE = '</title></svg><script>alert(1)</script>" onload="x" & \x00\ud800'
CARPET = np.random.default_rng(0).integers(0, 256, (20, 50), np.uint8)


def run_figure(seed=0):
    fd = np.random.default_rng(seed).uniform(0, 0.8, 50)
    return plot_run_quality(fd, 1 + fd, fd < 0.5, 2.0, 0.5, CARPET, [("<b>&", 20)])


def ids(svg):
    return re.findall(r'\bid="([^"]+)"', svg)


def test_ink_is_that_of_the_page_and_the_background_transparent():
    svg = inline_svg(run_figure(), "Run", "Motion")
    root = ElementTree.fromstring(svg)
    assert root.get("fill") == "currentColor"
    colours = re.findall(r"#[0-9a-f]{6}\b|\b(?:black|white)\b|rgb\(", svg, re.IGNORECASE)
    assert not {"#000000", "#ffffff", "black", "white", "rgb("} & set(colours)
    assert "stroke:currentColor" in svg


def test_the_element_has_the_form_that_a_page_needs():
    svg = inline_svg(run_figure(), "Run", "Motion of the run")
    assert svg.startswith("<svg ")
    assert not re.search(r"<\?xml|<!DOCTYPE|<metadata|<style|xlink|Matplotlib|\d{4}-\d\d-\d\d", svg)
    root = ElementTree.fromstring(svg)
    assert (root.get("role"), root.get("width"), root.get("height")) == ("img", "100%", None)
    title, description = root[0], root[1]
    assert (title.text, description.text) == ("Run", "Motion of the run")
    assert root.get("aria-labelledby") == title.get("id")
    assert root.get("aria-describedby") == description.get("id")
    assert "FD threshold 0.5 mm" in {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert "DejaVu" not in svg


def test_ids_are_unique_and_references_resolve_in_a_page_of_several_figures():
    svgs = [inline_svg(run_figure(seed), "Run", "Motion") for seed in (0, 1)]
    svgs += [inline_svg(plot_coverage(np.ones(3)), "Coverage", "ROIs")]
    svgs += [inline_svg(run_figure(), "Run", "Motion", prefix="again")]
    names = [name for svg in svgs for name in ids(svg)]
    assert len(names) == len(set(names))
    for svg in svgs:
        references = set(re.findall(r"url\(#([^)]+)\)", svg)) | set(re.findall(r'href="#([^"]+)"', svg))
        assert references
        assert references <= set(ids(svg))


def test_equal_figures_give_equal_strings():
    assert inline_svg(run_figure(), "Run", "Motion") == inline_svg(run_figure(), "Run", "Motion")
    figure = run_figure()
    assert inline_svg(figure, "Run", "Motion") == inline_svg(figure, "Run", "Motion")


def test_hostile_texts_are_escaped():
    svg = inline_svg(plot_coverage(np.array([0.1, 1]), [HOSTILE[:-2], "b"]), HOSTILE, HOSTILE)
    assert "<script" not in svg
    root = ElementTree.fromstring(svg)
    assert root[0].text == HOSTILE[:-2] + "\ufffd\ufffd"
    assert "onload" not in {name for element in root.iter() for name in element.attrib}


def test_the_carpet_is_one_grey_image_with_the_original_pixels():
    (uri,) = re.findall(r'href="data:image/png;base64,([^"]+)"', inline_svg(run_figure(), "Run", "Motion"))
    image = Image.open(BytesIO(base64.b64decode(uri)))
    assert image.mode == "L"
    assert image.info == {}
    # The colour map of matplotlib rounds.
    np.testing.assert_allclose(np.asarray(image).astype(int), CARPET, atol=1)


def test_a_long_series_remains_small():
    # Measured: 28 kB for the displacement of 1,200 volumes.
    fd = np.random.default_rng(0).gamma(2, 0.06, 1200)
    assert len(inline_svg(plot_run_quality(fd, t_r=0.8), "Run", "Motion")) < 60_000


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_settings_of_the_user_are_kept_and_have_no_effect(style):
    expected = inline_svg(run_figure(), "Run", "Motion")
    with mpl.style.context(style):
        before = dict(mpl.rcParams)
        assert inline_svg(run_figure(), "Run", "Motion") == expected
        assert dict(mpl.rcParams) == before


def test_no_display_and_no_pyplot_are_needed():
    code = (
        "import sys, numpy as np, matplotlib as mpl\n"
        "mpl.rcParams['backend'] = 'svg'\n"
        "from bids_deeptaskgen.report.figures import plot_coverage\n"
        "from bids_deeptaskgen.report.inline_svg import inline_svg\n"
        "inline_svg(plot_coverage(np.ones(3)), 'a', 'b')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert mpl.rcParams['backend'] == 'svg'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
