"""Write docs/results.md from the results of ``python -m benchmarks.accuracy``.

python -m benchmarks.accuracy.page WORK/results.json docs/results.md
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEAD = """# How well it predicts, on simulated people

Made by `make benchmark-accuracy` ({command});
nothing below was typed by hand but the section "What it says". Nobody was measured: these are the simulator's
people, whose networks lie elsewhere in everybody and shape both their rest and their tasks. The numbers show
that training, fine-tuning and scoring do what they should, and what to expect of few people and noisy maps;
**they say nothing about real brains.**

Scores are means over 47 contrasts and over test people, whom no model has seen, in grey matter at 4 mm; in
brackets the 95% interval from resampling people. **r**: spatial correlation of a person's measured map with
the prediction (or the group average, or the second measurement). **difference**: how much larger that is
than with the predictions of others. **residual r**: the correlation of what is left when the group average
of the training people is taken off both. **identified**: share of people whose measured map fits their own
prediction best. *Calibrated* predictions are drawn to the group average as far as pays on validation
people, contrast by contrast ([evaluation.md](evaluation.md)).
"""


def page(found: Mapping[str, Any], says: str) -> str:
    """Write the page: `found` as in results.json, `says` the section that a person wrote."""
    options = found["options"]
    command = " ".join(
        f"--{key.replace('_', '-')} {options[key]}" for key in options if key.startswith(("n_", "fdim"))
    )
    parts = [HEAD.format(command=command)]
    for cohort, title in (
        ("first", "The cohort that was trained on"),
        ("second", "A second cohort, measured otherwise"),
    ):
        train, validation, test = found["n_people"][cohort]
        parts += [
            f"## {title}\n",
            f"{train} people to train or tune on, {validation} to validate on, {test} to test on.\n",
        ]
        parts.append(_table(found["results"][cohort]))
    parts += ["## What it says\n", says.strip() + "\n", "## Training\n", _logs(found["logs"])]
    spent = ", ".join(f"{name} {value / 60:.1f} min" for name, value in found["seconds"].items())
    parts.append(
        f"Wall time on 2 shared cores: {spent}; {sum(found['seconds'].values()) / 60:.0f} min in all.\n"
    )
    return "\n".join(parts)


def _table(rows: Mapping[str, Mapping[str, list[float]]]) -> str:
    names = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for name, scores in rows.items():
        cells = [f"{mean:.3f} [{low:.3f}, {high:.3f}]" for mean, low, high in (scores[key] for key in names)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _logs(logs: Mapping[str, list[Mapping[str, float]]]) -> str:
    lines = [
        "| network | epochs | best epoch | r on validation people | difference | seconds an epoch |",
        "|---|---|---|---|---|---|",
    ]
    for name, epochs in logs.items():
        best = max(epochs, key=lambda one: one["r"])
        seconds = sorted(one["seconds"] for one in epochs)[len(epochs) // 2]
        cells = [
            name,
            str(len(epochs)),
            f"{best['epoch']:g}",
            f"{best['r']:.3f}",
            f"{best['difference']:.3f}",
        ]
        lines.append("| " + " | ".join([*cells, f"{seconds:.0f}"]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, keeping the section that a person wrote."""
    source, target = (Path(word) for word in sys.argv[1:3])
    before = target.read_text("utf-8") if target.exists() else ""
    says = before.partition("## What it says\n")[2].partition("\n## Training")[0]
    target.write_text(
        page(json.loads(source.read_text("utf-8")), says or "Nothing was written yet."), "utf-8"
    )


if __name__ == "__main__":
    main()
