"""Colour scales of the page, perceptually ordered and safe for colour-blind readers.

Lightness in OKLab changes linearly, so equal steps of a value look equal. Blue is negative and orange-red is
positive on light and on dark pages; the colour of zero is that of the page's surroundings.
Source of OKLab: B. Ottosson, https://bottosson.github.io/posts/oklab (public domain).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

N_SIDE = 127
# Lightness, chroma and hue in degrees at zero and at the ends of the scale.
Ends = tuple[tuple[float, float, float], tuple[float, float, float]]
SCALES: dict[str, tuple[Ends, Ends]] = {
    "light": (((0.90, 0.03, 250), (0.38, 0.17, 264)), ((0.90, 0.04, 80), (0.42, 0.17, 28))),
    "dark": (((0.36, 0.04, 264), (0.88, 0.11, 215)), ((0.36, 0.05, 28), (0.92, 0.15, 95))),
}
_TO_CONES = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@cache
def diverging_table(scheme: str) -> NDArray[np.uint8]:
    """Compute the colours of bytes 0 to 255, see `participant_content.MapImages`.

    Parameters
    ----------
    scheme : {"light", "dark"}

    Returns
    -------
    uint8 array of shape (256, 3)
        sRGB. Byte 0, no value, has the colour of zero.
    """
    negative, positive = (_ramp(*ends) for ends in SCALES[scheme])
    table = np.concatenate([positive[:1], negative[:0:-1], positive])
    return np.asarray(np.rint(table * 255), np.uint8)


def _ramp(start: tuple[float, float, float], end: tuple[float, float, float]) -> NDArray[np.float64]:
    """Interpolate colours from zero to an end, shape (128, 3), values 0 to 1."""
    share = np.linspace(0, 1, N_SIDE + 1)[:, None]
    points = []
    for lightness, chroma, degrees in (start, end):
        hue = np.deg2rad(degrees)
        points.append(np.array([lightness, chroma * np.cos(hue), chroma * np.sin(hue)]))
    return oklab_to_srgb(points[0] * (1 - share) + points[1] * share)


def oklab_to_srgb(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert OKLab to sRGB.

    Parameters
    ----------
    colours : array of shape (n, 3)
        Lightness (0 to 1), a, b.

    Returns
    -------
    array of shape (n, 3)
        Values 0 to 1, clipped to the gamut.

    Examples
    --------
    >>> oklab_to_srgb(np.array([[1.0, 0.0, 0.0]])).round(3).tolist()
    [[1.0, 1.0, 1.0]]
    """
    linear = ((colours @ _TO_CONES.T) ** 3 @ _TO_RGB.T).clip(0, 1)
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


@cache
def sequential_table() -> NDArray[np.uint8]:
    """Return the colours of bytes 0 to 255 of magnitudes: matplotlib's viridis.

    Returns
    -------
    uint8 array of shape (256, 3)
        sRGB.
    """
    from matplotlib import colormaps

    return np.asarray(np.rint(colormaps["viridis"](np.arange(256))[:, :3] * 255), np.uint8)
