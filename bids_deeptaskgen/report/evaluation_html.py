"""The page of an evaluation: one HTML file that needs nothing besides itself."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bids_deeptaskgen.data import read_data

Row = Mapping[str, Any]

# Column of the table, and how it is written; the first is the headline.
COLUMNS = {
    "difference": "difference",
    "r": "r",
    "residual_r": "residual r",
    "identification_rate": "identified",
    "mean_rank": "mean rank",
    "dice_auc": "Dice AUC",
}
# What is asked first: scores of comparisons, and the question that each answers.
JUDGED = {
    "r": "whose maps look more like the measured ones",
    "difference": "who tells people apart better",
}
ALPHA = 0.05


@dataclass(frozen=True)
class Evaluation:
    """What is told of an evaluation.

    Attributes
    ----------
    title : str
    facts : dict of str to str
        What was compared, in order.
    notes : sequence of str
        What a reader must know of these numbers.
    scores, comparisons : sequence of dict
        Rows of the tables, see ``commands.evaluate``.
    figures : dict of str to (str, bytes)
        Name of the file to caption and PNG image.
    """

    title: str
    facts: Mapping[str, str]
    notes: Sequence[str]
    scores: Sequence[Row]
    comparisons: Sequence[Row]
    figures: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)


def render(evaluation: Evaluation) -> str:
    """Write the page.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    str
        HTML in which the figures are embedded; it refers to nothing outside.
    """
    from jinja2 import Environment, StrictUndefined

    template = read_data("evaluation.html.j2")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = _written
    return environment.from_string(template).render(
        evaluation=evaluation,
        columns=COLUMNS,
        overview=list(overview(evaluation)),
        verdicts=list(verdicts(evaluation.comparisons, evaluation.scores)),
        judged=JUDGED,
        by_contrast=_by_contrast(evaluation.scores),
        comparisons=[row for row in evaluation.comparisons if row["score"] in ("difference", "r")],
        alpha=ALPHA,
        pictures=[
            (name, caption, "data:image/png;base64," + b64encode(image).decode("ascii"))
            for name, (caption, image) in evaluation.figures.items()
        ],
    )


def overview(evaluation: Evaluation) -> Iterable[dict[str, Any]]:
    """Average each predictor's scores, and what they are by chance, over contrasts.

    Parameters
    ----------
    evaluation : Evaluation

    Yields
    ------
    dict
        ``predictor``, ``role``, the mean over contrasts of each of ``COLUMNS``, and ``chance``: the same of
        what they are by chance.
    """
    for name, role in dict.fromkeys((row["predictor"], row["role"]) for row in evaluation.scores):
        own = [row for row in evaluation.scores if row["predictor"] == name]
        means, chance = (
            {column: _mean(row[key] for row in own if row["score"] == column) for column in COLUMNS}
            for key in ("value", "chance")
        )
        yield {"predictor": name, "role": role, **means, "chance": chance}


def verdicts(comparisons: Sequence[Row], scores: Sequence[Row]) -> Iterable[dict[str, Any]]:
    """Say of each model in how many contrasts it is better and worse than what it is compared with.

    Parameters
    ----------
    comparisons, scores : sequence of dict
        Rows of the tables.

    Yields
    ------
    dict
        ``predictor``, ``compared_with``, ``score``, ``own`` and ``other`` (means over contrasts), ``better``,
        ``worse`` (p after FDR under ``ALPHA``) and ``n_contrasts``, and ``verdict``: better or
        worse if one of both outnumbers all the rest, else mixed.
    """
    pairs = dict.fromkeys((row["predictor"], row["compared_with"]) for row in comparisons)
    for score, (name, other) in ((score, pair) for pair in pairs for score in JUDGED):
        rows = [
            row
            for row in comparisons
            if (row["predictor"], row["compared_with"], row["score"]) == (name, other, score)
        ]
        if not rows:
            continue
        labels = {row["contrast"] for row in rows}
        means = {
            who: _mean(
                row["value"]
                for row in scores
                if (row["predictor"], row["score"]) == (who, score) and row["contrast"] in labels
            )
            for who in (name, other)
        }
        sure = [row["mean_difference"] for row in rows if row["p_fdr"] < ALPHA]
        better, worse = (sum(sign * one > 0 for one in sure) for sign in (1, -1))
        yield {
            "predictor": name,
            "compared_with": other,
            "score": score,
            "own": means[name],
            "other": means[other],
            "better": better,
            "worse": worse,
            "n_contrasts": len(rows),
            "verdict": _judge(better, worse, len(rows)),
        }


def _judge(better: int, worse: int, n_contrasts: int) -> str:
    if max(better, worse) > n_contrasts / 2:
        return "better" if better > worse else "worse"
    return "mixed" if better or worse else "not told apart"


def _by_contrast(scores: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Turn rows around: contrast, then predictor, then score."""
    turned: dict[str, dict[str, Any]] = {}
    for row in scores:
        contrast = turned.setdefault(row["contrast"], {"unreliable": row["unreliable"], "predictors": {}})
        contrast["predictors"].setdefault(row["predictor"], {"role": row["role"]})[row["score"]] = row
    return turned


def _mean(values: Iterable[float]) -> float:
    present = [value for value in values if np.isfinite(value)]
    return float(np.mean(present)) if present else float("nan")


def _written(value: float, digits: int = 3) -> str:
    """Write a number; n/a is said, not hidden."""
    if not np.isfinite(value):
        return "n/a"
    # A true minus sign, and no -0.000.
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "\u2212")
