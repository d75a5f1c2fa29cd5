"""Diagrams of the method: the path of the data, and the network."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from scripts.explanation_figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, blank_axes

ARROW = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "lw": 1.3}


def _box(axes: Axes, x: float, y: float, width: float, height: float, colour: str, text: str) -> None:
    """Draw a box around a text; x and y are those of its centre."""
    corner = (x - width / 2, y - height / 2)
    patch = FancyBboxPatch(
        corner, width, height, boxstyle="round,pad=0,rounding_size=0.12", fc=colour + "22", ec=colour, lw=1.4
    )
    axes.add_patch(patch)
    axes.text(x, y, text, ha="center", va="center", fontsize=8.5, color=INK, linespacing=1.35)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = GREY) -> None:
    """Draw an arrow."""
    axes.add_patch(FancyArrowPatch(start, end, color=colour, **ARROW))


def draw_pipeline() -> Figure:
    """Draw the path from a BOLD series to maps, with the shape of each array."""
    figure = Figure(figsize=(8.6, 3.5))
    axes = blank_axes(figure, 17.2, 7)
    y, height = 4.6, 2.1
    steps = [
        (1.6, 2.6, BLUE, "BOLD series\n(volumes,\n235,375 voxels)"),
        (5.2, 3.0, GREEN, "sums of products\nfor each window\n(one pass)"),
        (9.1, 3.2, GREEN, "connectome\n(50 ROIs,\n235,375 voxels)"),
        (12.9, 2.8, ORANGE, "Attention U-Net\n76 x 93 x 78"),
        (15.9, 2.2, PURPLE, "47 maps\n(91 x 109 x 91)"),
    ]
    for x, width, colour, text in steps:
        _box(axes, x, y, width, height, colour, text)
    edges = [(x - width / 2, x + width / 2) for x, width, _, _ in steps]
    for (_, start), (end, _) in zip(edges, edges[1:], strict=False):
        _arrow(axes, (start + 0.06, y), (end - 0.06, y))
    inputs = [
        (3.1, BLUE, "regressors, censoring\n(basis Q)"),
        (7.3, BLUE, "ROI maps of the model\n(projection P)"),
        (12.9, ORANGE, "weights of the model"),
        (15.9, PURPLE, "output mask"),
    ]
    targets = [4.6, 5.9, 12.9, 15.9]
    for (x, colour, text), target in zip(inputs, targets, strict=True):
        axes.text(x, 1.1, text, ha="center", va="center", fontsize=8.5, color=colour, linespacing=1.3)
        _arrow(axes, (x, 1.75), (target, y - height / 2 - 0.08), colour)
    axes.text(5.2, 6.35, "cleaning, ROI time series and windows", ha="center", fontsize=8.5, color=GREEN)
    axes.text(9.1, 6.35, "algebra after the pass", ha="center", fontsize=8.5, color=GREEN)
    axes.text(12.9, 6.35, "one pass per window", ha="center", fontsize=8.5, color=ORANGE)
    return figure


def draw_network() -> Figure:
    """Draw the layers of the published network, with their channels and sizes."""
    figure = Figure(figsize=(8.6, 4.5))
    axes = blank_axes(figure, 17.2, 9)
    top, middle, bottom = 7.4, 4.4, 1.4
    _box(axes, 1.5, top, 2.2, 1.5, BLUE, "connectome\n50 channels")
    _box(axes, 4.4, top, 2.2, 1.5, GREEN, "block\n50 → 64")
    _box(axes, 5.6, middle, 2.2, 1.5, GREEN, "block\n64 → 128")
    _box(axes, 8.1, bottom, 2.4, 1.5, GREEN, "block\n128 → 256")
    _box(axes, 8.1, middle, 1.7, 1.5, ORANGE, "gate\n128")
    _box(axes, 8.1, top, 1.7, 1.5, ORANGE, "gate\n64")
    _box(axes, 10.9, middle, 2.2, 1.5, GREEN, "block\n256 → 128")
    _box(axes, 12.1, top, 2.2, 1.5, GREEN, "block\n128 → 64")
    _box(axes, 15.3, top, 2.4, 1.5, PURPLE, "convolution 1³\n64 → 47 maps")
    arrows = [
        ((2.6, top), (3.3, top), GREY),
        ((5.5, top), (7.25, top), ORANGE),
        ((8.95, top), (11.0, top), ORANGE),
        ((13.2, top), (14.1, top), GREY),
        ((4.6, top - 0.75), (5.3, middle + 0.75), BLUE),
        ((6.7, middle), (7.25, middle), ORANGE),
        ((8.95, middle), (9.8, middle), ORANGE),
        ((6.0, middle - 0.75), (7.2, bottom + 0.75), BLUE),
        ((9.0, bottom + 0.75), (10.5, middle - 0.75), PURPLE),
        ((11.2, middle + 0.75), (11.8, top - 0.75), PURPLE),
    ]
    for start, end, colour in arrows:
        _arrow(axes, start, end, colour)
    # Gates also receive the upsampled features of the coarser level.
    for start, end in [((9.6, 2.95), (8.5, middle - 0.75)), ((11.4, 5.9), (8.6, top - 0.75))]:
        axes.add_patch(FancyArrowPatch(start, end, color=PURPLE, ls=":", **ARROW))
    for y, text in [(top, "76 x 93 x 78"), (middle, "38 x 46 x 39"), (bottom, "19 x 23 x 19")]:
        axes.text(17.0, y - 1.15 if y == top else y, text + " voxels", ha="right", fontsize=8.5, color=GREY)
    axes.text(4.55, 5.85, "max-pooling", ha="right", fontsize=8, color=BLUE)
    axes.text(6.2, 2.75, "max-pooling", ha="right", fontsize=8, color=BLUE)
    axes.text(10.3, 2.5, "transposed convolution", ha="left", fontsize=8, color=PURPLE)
    axes.text(11.8, 5.7, "transposed convolution", ha="left", fontsize=8, color=PURPLE)
    axes.text(
        0.3,
        0.35,
        "block: convolution 3³, batch normalisation, ReLU.  Dotted: signal of a gate.",
        fontsize=8.5,
        color=INK,
    )
    return figure
