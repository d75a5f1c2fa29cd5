"""Charts of stored numbers: learning curves, reliabilities, ceilings, scale."""

import json
import re
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.explanation_figures.style import BLUE, GREEN, GREY, INK, LIGHT, ORANGE, PURPLE, RED, new_figure

COLOURS = {
    "group average": GREY,
    "ridge": GREEN,
    "linear model": ORANGE,
    "linear model, calibrated": ORANGE,
    "network": BLUE,
    "network, calibrated": BLUE,
}
LOW_RELIABILITY = 0.2


def read_curves(results: Path, heading: str, score: str) -> dict[str, dict[float, tuple[float, ...]]]:
    """Read the values of a score from a table of docs/reference/results.md.

    Parameters
    ----------
    results : Path
    heading : str
        Heading of the section of the table.
    score : str
        Name of the column.

    Returns
    -------
    dict of dict
        By predictor and number of participants or minutes: value, and bounds of its interval. Rows without a
        number, such as the retest, have the key NaN.
    """
    section = results.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in re.findall(r"^\|.*$", section, re.M)]
    column = rows[0].index(score)
    curves: dict[str, dict[float, tuple[float, ...]]] = {}
    for row in rows[2:]:
        number = float(row[1]) if row[1] else float("nan")
        values = tuple(float(value) for value in re.findall(r"-?\d+\.\d+", row[column]))
        curves.setdefault(row[0], {})[number] = values
    return curves


def _draw_curves(axes: Axes, curves: dict[str, dict[float, tuple[float, ...]]], names: list[str]) -> None:
    """Draw the curves of some predictors on a logarithmic axis, with intervals."""
    for name in names:
        numbers = list(curves[name])
        values, low, high = np.array([curves[name][number] for number in numbers]).T
        style = "--" if "calibrated" in name else "-"
        axes.plot(numbers, values, style, color=COLOURS[name], marker="o", ms=3.5, lw=1.6, label=name)
        axes.fill_between(numbers, low, high, color=COLOURS[name], alpha=0.15, lw=0)
    axes.set_xscale("log")
    numbers = list(curves[names[0]])
    axes.set_xticks(numbers, [f"{number:g}" for number in numbers])
    axes.minorticks_off()
    axes.grid(color=LIGHT, lw=0.7)


def draw_learning_curves(results: Path) -> Figure:
    """Draw r and deviation r over participants, and deviation r over minutes of rest.

    Parameters
    ----------
    results : Path
        docs/reference/results.md.
    """
    figure = new_figure(8.6, 3.3)
    r_axes, deviation_axes, minutes_axes = figure.subplots(1, 3)
    r_names = ["group average", "ridge", "linear model", "network", "network, calibrated"]
    curves = read_curves(results, "Participants", "r")
    _draw_curves(r_axes, curves, r_names)
    retest = next(iter(curves["retest"].values()))[0]
    r_axes.axhline(retest, color=PURPLE, lw=1, ls=":", label="retest")
    r_axes.set(title="r with the measured map", xlabel="participants", ylim=(0.25, 0.72))
    r_axes.legend(fontsize=7, loc="lower right", handlelength=3)
    names = ["ridge", "linear model", "network"]
    _draw_curves(deviation_axes, read_curves(results, "Participants", "deviation r"), names)
    deviation_axes.set(title="deviation r, 8 minutes", xlabel="participants", ylim=(0, 0.22))
    deviation_axes.legend(fontsize=7, loc="upper left")
    _draw_curves(minutes_axes, read_curves(results, "Minutes of rest", "deviation r"), names)
    minutes_axes.set(title="deviation r, 50 participants", xlabel="minutes of rest", ylim=(-0.01, 0.22))
    for axes in (r_axes, deviation_axes, minutes_axes):
        axes.title.set_fontsize(9)
    return figure


def draw_reliabilities(contrasts: Path) -> Figure:
    """Draw the retest r of each contrast, grouped by task.

    Parameters
    ----------
    contrasts : Path
        JSON file of the contrasts of a model.
    """
    entries = json.loads(contrasts.read_text("utf-8"))["contrasts"]
    tasks: dict[str, list[tuple[str, float]]] = {}
    for entry in entries:
        task, _, condition = entry["source_name"].partition(" ")
        tasks.setdefault(task, []).append((condition, entry["retest_r"]))
    figure = new_figure(8.6, 4.6)
    axes = figure.subplots()
    x, names, ticks = 0.0, [], []
    for task, values in tasks.items():
        start = x
        for condition, r in sorted(values, key=lambda value: -value[1]):
            axes.bar(
                x, r, color=RED if r < LOW_RELIABILITY else BLUE if "-" in condition else GREY, width=0.8
            )
            names.append(condition)
            ticks.append(x)
            x += 1
        axes.text((start + x - 1) / 2, 0.84, task.title() if task != "WM" else task, ha="center", fontsize=8)
        x += 1.2
    axes.axhline(LOW_RELIABILITY, color=RED, lw=1, ls=":")
    axes.set_xticks(ticks, names, rotation=90, fontsize=7)
    axes.set(ylabel="median retest r (cortex)", ylim=(0, 0.9), xlim=(-1, x - 0.7))
    axes.grid(axis="y", color=LIGHT, lw=0.7)
    axes.set_axisbelow(True)
    for colour, label in [(GREY, "condition"), (BLUE, "difference"), (RED, "below 0.2")]:
        axes.bar(0, 0, color=colour, label=label)
    axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.1))
    return figure


def draw_ceilings() -> Figure:
    """Draw the ceiling of r over the reliability, with the scores of the simulated cohort."""
    figure = new_figure(5.6, 3.5)
    axes = figure.subplots()
    reliability = np.linspace(0, 1, 200)
    axes.plot(reliability, np.sqrt(reliability), color=GREEN, lw=2, label="ceiling of a prediction")
    axes.plot(reliability, reliability, color=PURPLE, lw=1.6, ls="--", label="retest")
    for r, colour, name in [(0.801, GREEN, "ceiling 0.801"), (0.676, INK, "group average 0.676"),
                            (0.642, PURPLE, "retest 0.642")]:  # fmt: skip
        axes.plot(0.642, r, "o", color=colour, ms=5)
        offset = {"retest 0.642": -0.055}.get(name, 0.0)
        axes.annotate(name, (0.642, r), (0.66, r + offset - 0.012), fontsize=8, color=colour)
    axes.set(
        xlabel="reliability of the measured maps", ylabel="r with the measured map", xlim=(0, 1), ylim=(0, 1)
    )
    axes.grid(color=LIGHT, lw=0.7)
    axes.legend(loc="upper left", fontsize=8)
    return figure


def draw_scale() -> Figure:
    """Draw CPU hours and storage over the number of participants, from the formulas of scale.md."""
    numbers = np.array([100, 1_000, 10_000, 100_000])
    figure = new_figure(8.6, 3.2)
    time_axes, size_axes = figure.subplots(1, 2)
    cpu_seconds = {"8 windows": (55.2, ORANGE), "1 window": (17.1, BLUE)}
    for name, (seconds, colour) in cpu_seconds.items():
        time_axes.plot(numbers, seconds * numbers / 3600, "--o", color=colour, ms=4, label=name)
    time_axes.set(title="CPU hours (490 volumes)", xlabel="participants")
    gigabytes = {
        "connectomes, 1 window": (0.0471, PURPLE),
        "NIfTI, 47 maps": (0.042, BLUE),
        "store, float16": (0.022, GREEN),
        "NIfTI, 5 maps": (0.00447, GREY),
    }
    for name, (gigabyte, colour) in gigabytes.items():
        size_axes.plot(numbers, gigabyte * numbers, "--o", color=colour, ms=4, label=name)
    size_axes.set(title="storage in GB", xlabel="participants")
    for axes in (time_axes, size_axes):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.minorticks_off()
        axes.grid(color=LIGHT, lw=0.7)
        axes.legend(fontsize=8)
        axes.title.set_fontsize(9)
    return figure
