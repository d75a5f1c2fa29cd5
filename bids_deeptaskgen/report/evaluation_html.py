"""HTML page of an evaluation, in one self-contained file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bids_deeptaskgen.data import read_data
from bids_deeptaskgen.report.html import make_environment
from bids_deeptaskgen.report.section import Picture, Section, embed_pictures
from bids_deeptaskgen.stats.scores import mean

Row = Mapping[str, Any]

# Scores in the tables and their headings; the first is the main score.
COLUMNS = {
    "difference": "difference",
    "r": "r",
    "residual_r": "residual r",
    "identification_rate": "identified",
    "mean_rank": "mean rank",
    "dice_auc": "Dice AUC",
}
# Scores in the table of verdicts, and the question that each answers.
JUDGED = {
    "r": "whose maps are more similar to the measured maps",
    "difference": "whose maps distinguish participants better",
}
ALPHA = 0.05


@dataclass(frozen=True)
class Evaluation:
    """Content of the page of an evaluation.

    Attributes
    ----------
    title : str
        Title of the page.
    facts : dict of str to str
        Description of the data, by heading, in order.
    notes : sequence of str
        Notes on the interpretation of the scores.
    scores : sequence of dict
        Rows of ``scores.tsv``, see `evaluation.scoring.summarise`.
    comparisons : sequence of dict
        Rows of ``comparisons.tsv``, see `evaluation.scoring.compare`.
    figures : dict of str to Picture
        By the name of the figure.
    sections : sequence of Section
        Further sections, after the scores over all contrasts.
    """

    title: str
    facts: Mapping[str, str]
    notes: Sequence[str]
    scores: Sequence[Row]
    comparisons: Sequence[Row]
    figures: Mapping[str, Picture] = field(default_factory=dict)
    sections: Sequence[Section] = ()


def render(evaluation: Evaluation) -> str:
    """Render the page.

    Parameters
    ----------
    evaluation : Evaluation
        Content of the page.

    Returns
    -------
    str
        HTML with embedded figures and without references to other files.
    """
    template = make_environment().from_string(read_data("evaluation.html.j2"))
    return template.render(
        evaluation=evaluation,
        columns=COLUMNS,
        overview=list(overview_rows(evaluation)),
        verdicts=list(judge_predictors(evaluation.comparisons, evaluation.scores)),
        judged=JUDGED,
        by_contrast=_by_contrast(evaluation.scores),
        comparisons=[row for row in evaluation.comparisons if row["score"] in ("difference", "r")],
        alpha=ALPHA,
        pictures=embed_pictures(evaluation.figures),
        embed=embed_pictures,
    )


def overview_rows(evaluation: Evaluation) -> Iterable[dict[str, Any]]:
    """Average the scores of each predictor, their chance levels and shares over contrasts.

    Parameters
    ----------
    evaluation : Evaluation
        Content of the page.

    Yields
    ------
    dict
        ``predictor``, ``role``, ``n_contrasts``, the mean over contrasts of each of ``COLUMNS``, and dicts of
        the means of ``chance``, ``share_of_ceiling`` and ``chance_share``, and of ``n_shares``, the number of
        contrasts with a share.
    """
    for name, role in dict.fromkeys((row["predictor"], row["role"]) for row in evaluation.scores):
        rows = [row for row in evaluation.scores if row["predictor"] == name]
        values = {
            key: {
                column: np.array([row.get(key, np.nan) for row in rows if row["score"] == column])
                for column in COLUMNS
            }
            for key in ("value", "chance", "share_of_ceiling", "chance_share")
        }
        means = {
            key: {column: mean(array) for column, array in arrays.items()} for key, arrays in values.items()
        }
        shares = values["share_of_ceiling"]
        yield {
            "predictor": name,
            "role": role,
            "n_contrasts": len({row["contrast"] for row in rows}),
            "n_shares": {column: int(np.isfinite(array).sum()) for column, array in shares.items()},
            **means.pop("value"),
            **means,
        }


def judge_predictors(comparisons: Sequence[Row], scores: Sequence[Row]) -> Iterable[dict[str, Any]]:
    """Count the contrasts in which a predictor is better and worse than another predictor.

    Parameters
    ----------
    comparisons : sequence of dict
        Rows of ``comparisons.tsv``.
    scores : sequence of dict
        Rows of ``scores.tsv``.

    Yields
    ------
    dict
        ``predictor``, ``compared_with``, ``score``, ``mean`` and ``mean_of_compared`` (over contrasts),
        ``n_better`` and ``n_worse`` (contrasts with p after FDR below ``ALPHA``), ``n_contrasts``, and
        ``verdict``: better or worse if so in more than half of the contrasts, else mixed.
    """
    pairs = dict.fromkeys((row["predictor"], row["compared_with"]) for row in comparisons)
    for score, (name, compared_with) in ((score, pair) for pair in pairs for score in JUDGED):
        rows = [
            row
            for row in comparisons
            if (row["predictor"], row["compared_with"], row["score"]) == (name, compared_with, score)
        ]
        if not rows:
            continue
        labels = {row["contrast"] for row in rows}
        means = {
            predictor: mean(
                np.array(
                    [
                        row["value"]
                        for row in scores
                        if (row["predictor"], row["score"]) == (predictor, score)
                        and row["contrast"] in labels
                    ]
                )
            )
            for predictor in (name, compared_with)
        }
        differences = [row["mean_difference"] for row in rows if row["p_fdr"] < ALPHA]
        n_better, n_worse = (sum(sign * value > 0 for value in differences) for sign in (1, -1))
        yield {
            "predictor": name,
            "compared_with": compared_with,
            "score": score,
            "mean": means[name],
            "mean_of_compared": means[compared_with],
            "n_better": n_better,
            "n_worse": n_worse,
            "n_contrasts": len(rows),
            "verdict": _judge(n_better, n_worse, len(rows)),
        }


def _judge(n_better: int, n_worse: int, n_contrasts: int) -> str:
    if max(n_better, n_worse) > n_contrasts / 2:
        return "better" if n_better > n_worse else "worse"
    return "mixed" if n_better or n_worse else "not significant"


def _by_contrast(scores: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Group rows by contrast, predictor and score."""
    contrasts: dict[str, dict[str, Any]] = {}
    for row in scores:
        contrast = contrasts.setdefault(row["contrast"], {"unreliable": row["unreliable"], "predictors": {}})
        contrast["predictors"].setdefault(row["predictor"], {"role": row["role"]})[row["score"]] = row
    return contrasts
