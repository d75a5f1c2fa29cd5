"""Comparisons of feature sets on the same folds."""

from collections.abc import Sequence
from itertools import combinations

from bids_deeptaskgen.biomarkers.results.score_tables import FoldScores, add_fdr
from bids_deeptaskgen.biomarkers.results.scores import count_folds, main_score
from bids_deeptaskgen.biomarkers.results.target_result import Row, TargetResult
from bids_deeptaskgen.stats.resampled_t import corrected_resampled_t


def comparison_rows(scores: Sequence[tuple[TargetResult, str, FoldScores]]) -> list[Row]:
    """Compare the main score of all pairs of feature sets by the corrected resampled t test.

    Parameters
    ----------
    scores : sequence of (TargetResult, str, dict)
        Result, set-up, and scores of its folds from `score_setup`.

    Returns
    -------
    list of dict
        Rows of ``comparisons.tsv``. A difference is the score of ``features`` minus that of
        ``compared_with``. The false discovery rate is controlled over the targets and pairs of a set-up.
    """
    rows: list[Row] = []
    for result, setup, fold_scores in scores:
        problem = result.problem_of(setup)
        score, sizes = main_score(problem, setup), count_folds(problem)
        names = [item.name for item in result.features if score in fold_scores.get(item.name, {})]
        for first, second in combinations(names, 2):
            difference = fold_scores[first][score] - fold_scores[second][score]
            test = corrected_resampled_t(difference, sizes.n_test, sizes.n_train)
            row: Row = {"target": problem.target.name, "setup": setup, "features": first}
            row |= {"compared_with": second, "score": score, "difference": test.mean}
            row |= {"ci_low": test.ci_low, "ci_high": test.ci_high, "t": test.t, "p": test.p}
            rows.append(row | {"p_fdr": float("nan")})
    return add_fdr(rows)
