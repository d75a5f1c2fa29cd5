"""Colours, underlay and PNG images of the page."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM
from bids_deeptaskgen.report.colours import diverging_table, sequential_table
from bids_deeptaskgen.report.png import N_GREYS, outline_mask, outlined_palette, png_strip, png_uri
from bids_deeptaskgen.report.underlay import glass_underlay, underlay_slices


def decode(uri):
    """Decode a data URI of an image."""
    return Image.open(BytesIO(b64decode(uri.removeprefix("data:image/png;base64,"))))


def luminance(colours):
    """Compute the relative luminance of sRGB bytes (WCAG 2)."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize(("scheme", "direction"), [("light", -1), ("dark", 1)])
def test_lightness_changes_steadily_with_magnitude(scheme, direction):
    table = diverging_table(scheme).astype(float)
    for side in (table[128:], table[128:0:-1]):
        steps = direction * np.diff(luminance(side))
        assert (steps > -2e-3).all()
        assert abs(luminance(side[-1]) - luminance(side[0])) > 0.3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_is_visible_without_red_green_vision(scheme):
    # Blue minus the mean of red and green is what dichromats with red-green deficiency see.
    table = diverging_table(scheme).astype(float)
    difference = table[:, 2] - table[:, :2].mean(axis=1)
    assert (difference[1:128] > 0).all()
    assert (difference[129:] < 0).all()


def test_images_are_lossless():
    image = np.random.default_rng(0).integers(0, 256, (3, 20, 30), np.uint8)
    assert (np.asarray(decode(png_strip(image))) == image.reshape(60, 30)).all()


def test_colour_0_of_a_palette_is_transparent():
    picture = decode(png_uri(np.array([[0, 255]], np.uint8), sequential_table())).convert("RGBA")
    assert [pixel[3] for pixel in (picture.getpixel((0, 0)), picture.getpixel((1, 0)))] == [0, 255]


def test_the_outline_is_the_border_of_the_mask():
    mask = np.zeros((10, 10), bool)
    mask[2:6, 3:8] = True
    large = outline_mask(np.full((10, 10), 100, np.uint8), mask)
    is_outline = large == N_GREYS
    assert is_outline.sum() == 2 * (8 + 10) - 4
    assert is_outline[4:12, 6:16].sum() == is_outline.sum()
    assert not is_outline[5:11, 7:15].any()
    assert large.max() < len(outlined_palette())


def test_the_underlay_is_an_upright_brain_on_the_slices():
    slices = underlay_slices()
    assert slices.shape == (len(SLICES_MM), 217, 181)
    _, rows, columns = np.nonzero(slices)
    # The brain extends from about -72 to 72 mm, and from -106 to 74 mm.
    assert (columns.min() - 90, columns.max() - 90) == pytest.approx((-72, 72), abs=5)
    assert (90 - rows.max(), 90 - rows.min()) == pytest.approx((-106, 74), abs=6)
    assert [view.shape for view in glass_underlay()] == [(91, 109), (91, 91), (109, 91)]
