"""Sections of docs/reference/results.md on learning curves and shifts."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.accuracy.learning_curve import AVERAGE, RETEST, Rows
from benchmarks.accuracy.shifts import AMPLITUDE, CONTRAST_STEP, SHIFTS

CURVES_TITLE = "Learning curves on simulated participants"
SHIFTS_TITLE = "Fine-tuning under shifts on simulated participants"
UNWRITTEN = "Not written yet."
CURVE_COLUMNS = (
    "r",
    "share of ceiling",
    "difference",
    "residual r",
    "share of residual ceiling",
    "deviation r",
    "identified",
)
MINUTES_COLUMNS = CURVE_COLUMNS
SHIFT_COLUMNS = ("r", "difference", "residual r", "deviation r", "slope")
CURVES_HEAD = """# {title}

`make benchmark-accuracy` computes this section (`python -m benchmarks.accuracy WORK --parts participants
minutes`). Only the part "What the curves say" is written by hand. Scores are those of the section above, for
{n_test} test participants. Simulated brains are simulated.

- A cohort of *n* has *n* participants in total. A tenth of them, at least two, validate and calibrate network
  and linear model. Group average and ridge use all of them.
- **ridge**: one regression from deviations of the connectome to deviations of the map. Its penalty and
  amplitude are cross-validated, so it has no separate calibration.
- **network**: fdim {fdim}, smaller than the published one and than those above; loss MSE, batch 2, {epochs}
  epochs for {sizes} participants.
- **residual r** subtracts the average of the largest cohort, whatever the size of the cohort, so that its
  values can be compared. The group average has none by definition.
- **deviation r** subtracts the mean over test participants, from measured maps that of measured maps, from
  predictions that of predictions. It shows what is known of the individual: the error of a mean map from few
  participants lowers residual r, but not deviation r.
- **share of ceiling**: r divided by the square root of the mean retest correlation of the contrast; for
  residual r the same after that average has been subtracted.
"""
MINUTES_HEAD = """## Minutes of rest

{size} participants; their runs are the first minutes of a run of 16 minutes. Ridge and linear model are
trained and tested with the same length. The network is that of {size} participants above, trained with 8
minutes and tested with each length; it is calibrated at each length.
"""
SHIFTS_HEAD = """# {title}

`make benchmark-accuracy` computes this section (`python -m benchmarks.accuracy WORK --parts shifts`). Only
the part "When fine-tuning helps" is written by hand.

The parent is the network of {n_parent} participants of the learning curve. The new cohort has {sizes}
participants, validation included, and {n_test} test participants. Networks are fine-tuned for {epochs} epochs
and trained from random weights for {scratch_epochs}. Residual r subtracts the average of the largest new
cohort. **slope** is that of the regression of measured on predicted map: 1 if the amplitude is right, below 1
if the predicted map is too large. The parent is calibrated on all participants of the new cohort, all other
networks on its validation participants.
"""
SHIFT_TEXTS = {
    "definition": f"""Each measured map of the new cohort is a difference of two contrasts of the parent: a
contrast minus the one {CONTRAST_STEP} places further in the list of 47, which belongs to another task.
*parent, its maps combined* is the same difference of the parent's maps, which needs no training.
""",
    "acquisition": """The runs have a repetition time of 0.8 s and 420 volumes (5.6 minutes; first cohort: 2 s
and 240 volumes). The images lack the slices below z = -48 mm and above z = 60 mm, where the connectome is 0.
Task maps are complete.
""",
    "amplitude": f"""All measured maps of the new cohort are multiplied by {AMPLITUDE:g}, as by another
scaling of the images.
""",
}


def curves_section(results: Mapping[str, Any], interpretation: str) -> str:
    """Format the section on learning curves.

    Parameters
    ----------
    results : mapping
        Content of curves.json; parts that are missing are left out.
    interpretation : str
        Text of the part that is written by hand.

    Returns
    -------
    str
        Markdown.
    """
    settings = results["settings"]
    parts = [
        CURVES_HEAD.format(
            title=CURVES_TITLE,
            n_test=settings["n_test"],
            fdim=settings["fdim"],
            epochs=_list(settings["epochs"]),
            sizes=_list(settings["sizes"]),
        )
    ]
    if "participants" in results:
        rows: Rows = results["participants"]
        parts += [
            "## Participants\n",
            "8 minutes of rest each.\n",
            _table(rows, "participants", CURVE_COLUMNS),
        ]
    if "minutes" in results:
        parts += [
            MINUTES_HEAD.format(size=settings["minutes_size"]),
            _table(results["minutes"], "minutes", MINUTES_COLUMNS),
        ]
    parts += ["## What the curves say\n", (interpretation or UNWRITTEN).strip() + "\n"]
    return "\n".join(parts)


def shifts_section(results: Mapping[str, Any], interpretation: str) -> str:
    """Format the section on shifts.

    Parameters
    ----------
    results : mapping
        Content of curves.json; parts that are missing are left out.
    interpretation : str
        Text of the part that is written by hand.

    Returns
    -------
    str
        Markdown.
    """
    settings = results["settings"]
    parts = [
        SHIFTS_HEAD.format(
            title=SHIFTS_TITLE,
            n_parent=max(settings["sizes"]),
            sizes=_list(settings["tuning_sizes"]),
            n_test=settings["n_test"],
            epochs=_list(settings["tuning_epochs"]),
            scratch_epochs=settings["scratch_epochs"],
        )
    ]
    for name, shift in SHIFTS.items():
        if name in results:
            parts += [f"## {shift.title}\n", SHIFT_TEXTS[name]]
            parts.append(_table(results[name], "participants", SHIFT_COLUMNS))
    parts += ["## When fine-tuning helps\n", (interpretation or UNWRITTEN).strip() + "\n"]
    return "\n".join(parts)


def _list(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _table(rows: Rows, unit: str, columns: tuple[str, ...]) -> str:
    """Format scores: one line for each predictor and size, predictors in the order of their first size."""
    lines = [f"| | {unit} | " + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    names = dict.fromkeys(name for of_size in rows.values() for name in of_size)
    for name in sorted(names, key=lambda name: (name != RETEST, name != AVERAGE)):
        for size, of_size in rows.items():
            if name in of_size:
                cells = [_cell(of_size[name], column) for column in columns]
                lines.append("| " + " | ".join([name, size if size != "0" else "", *cells]) + " |")
    return "\n".join(lines) + "\n"


def _cell(scores: Mapping[str, list[float]], column: str) -> str:
    mean, lower, upper = scores[column]
    if column in ("r", "difference", "residual r", "deviation r"):
        return f"{mean:.3f} [{lower:.3f}, {upper:.3f}]"
    return f"{mean:.2f}"
