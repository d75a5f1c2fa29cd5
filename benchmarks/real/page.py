"""Write the section on real participants of docs/reference/results.md.

python -m benchmarks.real.page WORK/results.json docs/reference/results.md
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.real.run import LINEAR, NAMES, NETWORK, RIDGE
from benchmarks.real.scoring import AVERAGE, CALIBRATED, GAIN, RESIDUAL_DIFFERENCE
from benchmarks.sections import read_section, read_text, replace_section

TITLE = "Real participants"
HANDWRITTEN = "What the real participants say"
# Columns of the table of scores.
COLUMNS = ("r", "difference", "residual r", "residual r of others", "identified", "slope")

HEAD = """# Real participants

{n} participants of the Human Connectome Project (young adults), one resting-state run of 14 minutes and {k}
contrasts each, from the example data of the Brain Activity Flow Toolbox. The data are not part of this
repository. `make benchmark-real DATA=folder` computes this section ({command}). Only "{handwritten}" is
written by hand.

**Limits.** The data are means of 360 cortical parcels. All voxels of a parcel share one series and one value,
so nothing can be learned about the topography within parcels, and subcortical voxels have the values of the
nearest cortical parcel. {n} participants are few: the intervals are wide, and of folds that share most of
their training participants, so they are a little too narrow. Families are not known. The network is smaller
and trained for fewer steps than the published one ({network}).

{folds}-fold cross-validation, {test} tested and {rest} not tested in each fold, so that each participant is
tested once in each of {repeats} repeats. Each repeat divides the participants into folds differently. The
**{network_name}** is trained in {network_repeats} of the {repeats} repeats, because of its cost; all other
models are fitted in every repeat. A participant's score is the mean over the repeats that the predictor has;
intervals and tests follow from these means. Two predictors are compared in the repeats that both have.
Results of a single repeat also depend on how the participants happened to be divided, which their intervals
do not include. The ROI time series are those of the embedded model's 50 ROI maps, at 4 mm.

- **{average}**: mean measured map of all {rest} who are not tested. It is the same for all predictors.
- **{linear}** and **{ridge}** are fitted to all {rest}, the **{network_name}** to {train}; the other
  {validation} choose its best epoch.
- ***calibrated***: moved towards the group average as in [calibration](../explanation/calibration.md). The
  weights are estimated on those who are not tested: on all {rest} for linear model and ridge, by inner
  folds; on the {validation} validation participants for the network.
- Scores are those of [evaluation](../how-to/evaluation.md), means over repeats, contrasts and participants;
  brackets contain the 95% interval from resampling participants. **Difference** and **identified** compare
  with the other tested participants of the same fold, so {chance:.0%} are identified by chance. **Residual
  r of others** is what residual r would be by chance: that of a participant's map with the predictions for
  others. Calibration does not change residual r. **Slope** is that of the measured on the predicted map;
  below 1, the prediction is too large.
"""

ACKNOWLEDGEMENT = (
    "Data were provided [in part] by the Human Connectome Project, WU-Minn Consortium (Principal "
    "Investigators: David Van Essen and Kamil Ugurbil; 1U54MH091657) funded by the 16 NIH Institutes and "
    "Centers that support the NIH Blueprint for Neuroscience Research; and by the McDonnell Center for "
    "Systems Neuroscience at Washington University."
)


def section(results: Mapping[str, Any], interpretation: str) -> str:
    """Format the section as Markdown.

    Parameters
    ----------
    results : mapping
        Content of results.json.
    interpretation : str
        Text that is written by hand.

    Returns
    -------
    str
    """
    options, (n, n_test, n_rest) = results["options"], results["n_participants"]
    n_validation = options["n_validation"]
    command = " ".join(
        f"--{key.replace('_', '-')} {value}" for key, value in options.items() if key != "batch_size"
    )
    n_steps = options["n_epochs"] * math.ceil((n_rest - n_validation) / options["batch_size"])
    network = "fdim {fdim}, {n_epochs} epochs, batches of {batch_size}, loss {loss}".format(**options)
    network += f", {n_steps} steps"
    head = HEAD.format(
        n=n, k=len(results["contrasts"]), command=command, handwritten=HANDWRITTEN, network=network,
        folds=options["n_folds"], repeats=options["n_repeats"], network_repeats=options["n_network_repeats"],
        test=n_test, rest=n_rest, train=n_rest - n_validation,
        validation=n_validation,
        chance=1 / n_test, average=AVERAGE, linear=LINEAR, ridge=RIDGE, network_name=NETWORK,
    )  # fmt: skip
    n_folds = {name: len(folds) for name, folds in results["weights"].items()}
    minutes = ", ".join(
        f"{name} {seconds / 60:.1f} min ({n_folds[name]} folds)"
        for name, seconds in results["seconds"].items()
    )
    parts = [
        head,
        _score_table(results["results"]),
        "## Tests on real participants\n",
        "Two-sided sign-flip tests over participants, whose scores are averaged over contrasts and repeats. "
        "The adjusted p is that of Benjamini and Hochberg over all rows. *Chance* is the residual r of "
        "others.\n",
        _test_table(results["tests"]),
        "## Repeats\n",
        "Residual r minus that of others in each repeat.\n",
        _repeat_table(results["repeats"]),
        "## Weights of the calibration\n",
        "Pooled weight of the prediction (0 is the group average, 1 the prediction) and weights of the "
        "contrasts, with ranges over the folds of all repeats.\n",
        _weight_table(results["weights"]),
        "## Contrasts of the real participants\n",
        f"r of the {AVERAGE}; r of calibrated predictions minus that of the {AVERAGE} in the same repeats; "
        "residual r minus that of others.\n",
        _contrast_table(results["contrasts"]),
        f"## {HANDWRITTEN}\n",
        f"{interpretation.strip()}\n",
        f"Wall time of all folds on 2 shared cores with other work running: {minutes}.\n",
        "## Acknowledgement\n",
        f"{ACKNOWLEDGEMENT}\n",
    ]
    return "\n".join(parts)


def _score_table(rows: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---|" + "---|" * len(COLUMNS)]
    for name, scores in rows.items():
        lines.append(f"| {name} | " + " | ".join(_interval(*scores[key]) for key in COLUMNS) + " |")
    return "\n".join(lines) + "\n"


def _interval(mean: float, lower: float, upper: float) -> str:
    return "n/a" if math.isnan(mean) else f"{mean:.3f} [{lower:.3f}, {upper:.3f}]"


def _test_table(tests: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| predictor | against | score | repeats | mean difference | p | adjusted p |",
        "|---|---|---|---|---|---|---|",
    ]
    for test in tests:
        cells = [
            test["first"],
            test["second"] or "chance",
            test["score"].replace(RESIDUAL_DIFFERENCE, "residual r minus chance"),
            str(test["n_repeats"]),
            f"{test['mean']:+.4f} [{test['lower']:+.4f}, {test['upper']:+.4f}]",
            f"{test['p']:.4f}",
            f"{test['adjusted_p']:.4f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _repeat_table(repeats: Mapping[str, Sequence[float]]) -> str:
    n_repeats = max(map(len, repeats.values()))
    lines = [
        "| | " + " | ".join(f"repeat {repeat + 1}" for repeat in range(n_repeats)) + " |",
        "|---|" + "---|" * n_repeats,
    ]
    for name, values in repeats.items():
        cells = [f"{value:.4f}" for value in values] + ["not trained"] * (n_repeats - len(values))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _weight_table(weights: Mapping[str, Sequence[Sequence[float]]]) -> str:
    lines = ["| | folds | pooled, mean | pooled, range | contrasts, range |", "|---|---|---|---|---|"]
    for name, folds in weights.items():
        pooled, by_contrast = [fold[0] for fold in folds], [weight for fold in folds for weight in fold[1:]]
        ranges = [f"{min(values):.2f} to {max(values):.2f}" for values in (pooled, by_contrast)]
        mean = f"{sum(pooled) / len(pooled):.2f}"
        lines.append(f"| {name} | {len(folds)} | {mean} | " + " | ".join(ranges) + " |")
    return "\n".join(lines) + "\n"


def _contrast_table(contrasts: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    calibrated_names = [name + CALIBRATED for name in NAMES]
    titles = [f"r, {AVERAGE}", *(f"gain in r, {name}" for name in calibrated_names)]
    titles += [f"residual, {name}" for name in NAMES]
    lines = ["| | " + " | ".join(titles) + " |", "|---|" + "---|" * len(titles)]
    for label, scores in contrasts.items():
        cells = [f"{scores[AVERAGE]['r']:.3f}", *(f"{scores[name][GAIN]:+.4f}" for name in calibrated_names)]
        cells += [f"{scores[name][RESIDUAL_DIFFERENCE]:.3f}" for name in NAMES]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the section; its handwritten text and all other sections are unchanged."""
    source, target = (Path(word) for word in sys.argv[1:3])
    old_page = target.read_text("utf-8") if target.exists() else ""
    interpretation = read_text(read_section(old_page, TITLE), HANDWRITTEN).partition("\nWall time of all")[0]
    results = json.loads(source.read_text("utf-8"))
    new_section = section(results, interpretation or "Not written yet.")
    target.write_text(replace_section(old_page, TITLE, new_section), "utf-8")


if __name__ == "__main__":
    main()
