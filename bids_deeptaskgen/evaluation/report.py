"""Report of an evaluation: figures, notes and the HTML page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.evaluation.output_files import Tables, evaluation_path
from bids_deeptaskgen.evaluation.sections import SECTIONS
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.io.atomic import write_bytes, write_text
from bids_deeptaskgen.report.evaluation_figures import draw_matrices, draw_scores
from bids_deeptaskgen.report.evaluation_html import Evaluation, render
from bids_deeptaskgen.report.section import Picture
from bids_deeptaskgen.stats.dice import DICE_CEILING, DICE_CHANCE
from bids_deeptaskgen.stats.identification import MAX_FULL_MATRIX, N_SAMPLED_OTHERS

PAGE = "evaluation.html"
TITLE = "Predicted task maps against measured ones"
TITLE_OF_BASELINES = "Baselines against measured task maps"
# With fewer families, a test over many contrasts has little power.
FEW_FAMILIES = 12
# Scores with a figure, in this order, and the label of the axis.
DRAWN_SCORES = {
    "difference": "difference: mean r with the self-prediction minus mean r with the predictions of others",
    "r": "r of measured and predicted map",
    "residual_r": "residual r, after subtraction of the group average from both maps",
    "identification_rate": "share of participants whose self-prediction fits best",
    "dice_auc": "Dice AUC of the strongest voxels",
}


def write_page(out: Path, facts: Mapping[str, str], study: Study, tables: Tables) -> Path:
    """Draw the figures and write the page.

    Parameters
    ----------
    out : Path
        Folder of the results, with matrices and maps.
    facts : dict of str to str
        Description of the data, by heading.
    study : Study
        Data of the evaluation.
    tables : dict of str to list of dict
        Rows of the tables, and ``roi_means``, see `LocalScores.finish`.

    Returns
    -------
    Path
        The page, ``evaluation.html``.
    """
    scores = tables["scores"]
    figures: dict[str, Picture] = {}
    for score, label in DRAWN_SCORES.items():
        if any(row["score"] == score and np.isfinite(row["value"]) for row in scores):
            caption = f"{label} of each contrast. Lines are 95% intervals from resampled families."
            figures[score] = Picture(caption, draw_scores(scores, score, label))
    for predictor in dict.fromkeys(row["predictor"] for row in scores if row["role"] == "model"):
        matrices = {}
        for contrast in study.contrasts:
            label = predictor.replace(", ", "_")
            path = evaluation_path(out, "matrix", predictor=label, contrast=contrast.label)
            if path.exists():
                matrices[contrast.label] = np.load(path)
        if matrices:
            caption = f"{predictor}: r of all measured maps (rows) with all predictions (columns)."
            picture = draw_matrices(matrices, f"{predictor}: participants by participants")
            figures[f"matrices_{predictor.replace(', ', '_')}"] = Picture(caption, picture)
    sections = [section for make in SECTIONS if (section := make(out, tables)) is not None]
    pictures = figures | {name: figure for section in sections for name, figure in section.figures.items()}
    for name, picture in pictures.items():
        write_bytes(evaluation_path(out, "figure", name=name), picture.image)
    evaluation = Evaluation(
        title=TITLE if study.predicted else TITLE_OF_BASELINES,
        facts=facts,
        notes=_notes(study, scores),
        scores=scores,
        comparisons=tables["comparisons"],
        figures=figures,
        sections=sections,
    )
    page = out / PAGE
    write_text(page, render(evaluation))
    return page


def _notes(study: Study, scores: list[dict[str, Any]]) -> list[str]:
    """List the notes on interpretation that apply."""
    threshold = load_table("outputs.json")["unreliable_below"]
    notes = [
        "r is high for any map with the pattern that all participants share, such as the group average. "
        "The difference and the residual r measure the information about individuals.",
        "The group average is one map for all participants. By definition, its difference is 0 and it "
        "identifies no participant.",
        f"Dice AUC ranges from 0 to {DICE_CEILING:.2f}, not to 1. Its expected value for unrelated maps is "
        f"{DICE_CHANCE:.3f}.",
        "The chance level of the residual r is its mean for participants with the predictions of others. It "
        "is not 0, because the error of the group average is part of both residuals. This error grows as the "
        "number of averaged participants falls.",
    ]
    if study.predicted:
        notes += [
            "This evaluation does not know which participants a model was trained on or calibrated with. If "
            "tested participants are among them, the scores of the model are too high.",
            "A predicted map is not a test statistic. No test here asks whether a predicted map differs from "
            "0.",
        ]
    else:
        notes.append("No predicted maps were given (--predicted). Baselines are compared with each other.")
    if any(row["unreliable"] for row in scores):
        notes.append(
            f"\u2020 Measured maps of this contrast are hardly reproducible (retest r below {threshold:g} "
            "in 39 participants of the HCP), so its predictions hold little information about individuals."
        )
    n_families = len(np.unique(study.families))
    if n_families < FEW_FAMILIES:
        notes.append(
            f"The signs of {n_families} families can be flipped in {2**n_families:,} ways. Even for a large "
            f"difference, p is not much below {2 / 2**n_families:.2g}."
        )
    if len(study.participants) > MAX_FULL_MATRIX:
        notes.append(
            f"There are more than {MAX_FULL_MATRIX:,} participants. Each is identified among "
            f"{N_SAMPLED_OTHERS:,} randomly chosen others; the mean r with others is over all of them."
        )
    role = "model" if study.predicted else "baseline"
    fewest = min((row["n_participants"] for row in scores if row["role"] == role), default=0)
    if fewest < len(study.participants):
        notes.append(
            f"Some contrasts have as few as {fewest} of the {len(study.participants)} participants. "
            "Participants without a measured or predicted map, or with a map that lacks scored voxels, are "
            "excluded from the contrast."
        )
    return notes
