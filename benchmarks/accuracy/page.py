"""Write sections of docs/reference/results.md from the results of ``python -m benchmarks.accuracy``.

python -m benchmarks.accuracy.page WORK docs/reference/results.md

Sections whose results are not in WORK stay as they are.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.accuracy.curve_page import CURVES_TITLE, SHIFTS_TITLE, curves_section, shifts_section
from benchmarks.sections import read_section, read_text, replace_section

TITLE = "Accuracy on simulated participants"
HEAD = """# Accuracy on simulated participants

These results come from the simulator of this package, not from measured data. **They say nothing about real
brains.** They show that training, fine-tuning and scoring work as intended, and what to expect from few
participants and noisy maps. In the simulation, the position of the functional networks differs between
participants and shapes both their resting state and their task maps.

`make benchmark-accuracy` computes this section ({command}). Only the part "What it says" is written by hand.

Scores are means over 47 contrasts and over test participants, whom no model has seen, in grey matter at 4
mm. Brackets contain the 95% interval from resampling participants. For definitions see
[evaluation](../how-to/evaluation.md).

- **r**: spatial correlation of a participant's measured map with the prediction (or the group average, or
  the retest).
- **difference**: r with the own prediction minus the mean r with the predictions of other participants.
- **residual r**: the correlation after the group average of the training participants has been subtracted
  from both maps.
- **identified**: proportion of participants whose measured map correlates most with their own prediction.
- ***calibrated***: predictions moved towards the group average, with weights estimated on validation
  participants and shrunk towards one weight for all contrasts.
"""


def page(results: Mapping[str, Any], interpretation: str) -> str:
    """Format the page as Markdown.

    Parameters
    ----------
    results : mapping
        Content of results.json.
    interpretation : str
        Text of the section that is written by hand.

    Returns
    -------
    str
    """
    options = results["options"]
    command = " ".join(
        f"--{key.replace('_', '-')} {options[key]}" for key in options if key.startswith(("n_", "fdim"))
    )
    parts = [HEAD.format(command=command)]
    for cohort, title in (
        ("first", "Training cohort"),
        ("second", "Second cohort, with other acquisition"),
    ):
        train, validation, test = results["n_participants"][cohort]
        parts += [
            f"## {title}\n",
            f"{train} participants for training or fine-tuning, {validation} for validation, "
            f"{test} for testing.\n",
        ]
        parts.append(_table(results["results"][cohort]))
    parts += ["## What it says\n", interpretation.strip() + "\n", "## Training\n", _logs(results["logs"])]
    minutes = {name: value / 60 for name, value in results["seconds"].items()}
    steps = ", ".join(f"{name} {value:.1f} min" for name, value in minutes.items())
    parts.append(f"Wall time on 2 shared cores: {steps}; {sum(minutes.values()):.0f} min in total.\n")
    return "\n".join(parts)


def _table(rows: Mapping[str, Mapping[str, list[float]]]) -> str:
    names = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for name, scores in rows.items():
        cells = [
            f"{mean:.3f} [{lower:.3f}, {upper:.3f}]" for mean, lower, upper in (scores[key] for key in names)
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _logs(logs: Mapping[str, list[Mapping[str, float]]]) -> str:
    lines = [
        "| network | epochs | best epoch | r on validation participants | difference | seconds per epoch |",
        "|---|---|---|---|---|---|",
    ]
    for name, epochs in logs.items():
        best_epoch = max(epochs, key=lambda epoch: epoch["r"])
        seconds = sorted(epoch["seconds"] for epoch in epochs)[len(epochs) // 2]
        cells = [
            name,
            str(len(epochs)),
            f"{best_epoch['epoch']:g}",
            f"{best_epoch['r']:.3f}",
            f"{best_epoch['difference']:.3f}",
        ]
        lines.append("| " + " | ".join([*cells, f"{seconds:.0f}"]) + " |")
    return "\n".join(lines) + "\n"


def update(text: str, work: Path) -> str:
    """Replace the sections whose results exist, except for what is written by hand.

    Parameters
    ----------
    text : str
        The page.
    work : Path
        Folder of the results.

    Returns
    -------
    str
    """
    for file, title, heading, write in (
        ("results.json", TITLE, "What it says", page),
        ("curves.json", CURVES_TITLE, "What the curves say", curves_section),
        ("curves.json", SHIFTS_TITLE, "When fine-tuning helps", shifts_section),
    ):
        path = work / file
        if path.exists():
            interpretation = read_text(read_section(text, title), heading)
            section = write(json.loads(path.read_text("utf-8")), interpretation or "Not written yet.")
            text = replace_section(text, title, section)
    return text


def main() -> None:
    """Write the sections whose results exist."""
    work, target = (Path(word) for word in sys.argv[1:3])
    text = target.read_text("utf-8") if target.exists() else ""
    target.write_text(update(text, work), "utf-8")


if __name__ == "__main__":
    main()
