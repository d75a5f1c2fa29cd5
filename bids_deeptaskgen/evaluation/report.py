"""What is drawn and told of an evaluation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.io.atomic import write_bytes, write_text
from bids_deeptaskgen.report.evaluation_figures import draw_matrices, draw_scores
from bids_deeptaskgen.report.evaluation_html import Evaluation, render
from bids_deeptaskgen.stats.dice import DICE_CEILING, DICE_CHANCE
from bids_deeptaskgen.stats.identification import MAX_FULL_MATRIX, N_SAMPLED_OTHERS

Tables = dict[str, list[dict[str, Any]]]

TITLE = "Predicted task maps against measured ones"
TITLE_OF_BASELINES = "Baselines against measured task maps"
# With fewer, a test over many contrasts has hardly a chance.
FEW_FAMILIES = 12
# Drawn beside the baselines, in this order.
DRAWN = {
    "difference": "difference: mean r with the own prediction minus mean r with those of others",
    "r": "r of measured and predicted map",
    "residual_r": "residual r, the group average taken off both",
    "identification_rate": "share of people whose own prediction fits best",
    "dice_auc": "Dice AUC of the strongest voxels",
}


def matrix_path(out: Path, predictor: str, contrast: str) -> Path:
    """Name the file of a matrix of correlations."""
    name = predictor.replace(", ", "_")
    return out / "matrices" / f"predictor-{name}_contrast-{contrast}_correlations.npy"


def write_page(out: Path, facts: Mapping[str, str], study: Study, tables: Tables) -> Path:
    """Draw the figures, and write the page that holds them.

    Parameters
    ----------
    out : Path
    facts : dict of str to str
        What was compared.
    study : Study
    tables : dict of str to list of dict
        ``scores`` and ``comparisons``.

    Returns
    -------
    Path
        ``evaluation.html``.
    """
    scores = tables["scores"]
    figures: dict[str, tuple[str, bytes]] = {}
    for score, label in DRAWN.items():
        if any(row["score"] == score and np.isfinite(row["value"]) for row in scores):
            caption = f"Of each contrast: {label}. Lines are 95% intervals, families resampled."
            figures[score] = (caption, draw_scores(scores, score, label))
    for predictor in dict.fromkeys(row["predictor"] for row in scores if row["role"] == "model"):
        found = {}
        for contrast in study.contrasts:
            path = matrix_path(out, predictor, contrast.label)
            if path.exists():
                found[contrast.label] = np.load(path)
        if found:
            caption = (
                f"{predictor}: r of everybody's measured map (rows) with everybody's prediction (columns)."
            )
            picture = draw_matrices(found, f"{predictor}: people against people")
            figures[f"matrices_{predictor.replace(', ', '_')}"] = (caption, picture)
    for name, (_, picture) in figures.items():
        write_bytes(out / "figures" / f"{name}.png", picture)
    evaluation = Evaluation(
        title=TITLE if study.predicted else TITLE_OF_BASELINES,
        facts=facts,
        notes=_notes(study, scores),
        scores=scores,
        comparisons=tables["comparisons"],
        figures=figures,
    )
    page = out / "evaluation.html"
    write_text(page, render(evaluation))
    return page


def _notes(study: Study, scores: list[dict[str, Any]]) -> list[str]:
    """Say what a reader must know, where it applies."""
    least = load_table("outputs.json")["unreliable_below"]
    notes = [
        "r of whole maps is high for any map that has the pattern which all people share, the group average "
        "included. What a prediction says about a person is in the difference and in the residual r.",
        "The group average is one map for everybody: its difference is 0 and it identifies nobody, by "
        "definition.",
        f"Dice AUC runs from 0 to {DICE_CEILING:.2f}, not to 1; maps that have nothing to do with each other "
        f"have {DICE_CHANCE:.3f}.",
        "Chance of the residual r is its mean for people and the predictions of others. It is not 0: what "
        "the group average is wrong by is in both residuals, the more so the fewer people it is of.",
    ]
    if study.predicted:
        notes += [
            "This page cannot tell whether the tested people are among those that a model was trained on or "
            "calibrated with. If they are, its scores are too good.",
            "A predicted map is no test statistic, so nothing here asks whether a predicted map differs from "
            "0.",
        ]
    else:
        notes.append("No predicted maps were given (--predicted): baselines are compared with each other.")
    if any(row["unreliable"] for row in scores):
        notes.append(
            f"\u2020 Measured maps of this contrast hardly agree with themselves (retest r under {least:g} "
            "in 39 people of the HCP): no prediction of it can say much about a person."
        )
    n_families = len(np.unique(study.families))
    if n_families < FEW_FAMILIES:
        notes.append(
            f"There are {n_families} families, whose signs can be flipped in {2**n_families:,} ways: no p is "
            f"much under {2 / 2**n_families:.2g}, however large a difference."
        )
    if len(study.participants) > MAX_FULL_MATRIX:
        notes.append(
            f"Of more than {MAX_FULL_MATRIX:,} people, each is identified among {N_SAMPLED_OTHERS:,} others "
            "who were drawn by chance; the mean r with others is over all of them."
        )
    role = "model" if study.predicted else "baseline"
    fewest = min((row["n_people"] for row in scores if row["role"] == role), default=0)
    if fewest < len(study.participants):
        notes.append(
            f"Some contrasts have as few as {fewest} of the {len(study.participants)} people: "
            "those without a measured or predicted map, or with a map that holds voxels without a "
            "value, are left out of it."
        )
    return notes
