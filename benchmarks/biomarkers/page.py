"""Write docs/reference/biomarkers_results.md from the results of ``python -m benchmarks.biomarkers``.

python -m benchmarks.biomarkers.page WORK/results.json docs/reference/biomarkers_results.md
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.biomarkers import null_p_values, proof
from benchmarks.group.false_positives import rate

Rows = Sequence[Mapping[str, Any]]

HEAD = f"""# Simulated traits

`make benchmark-biomarkers` writes this page; only its last section is written by hand. Maps of simulated
participants are sums of random patterns, plus noise ({proof.N_FEATURES} voxels). Head motion, sex, age and
site change them, and relatives have similar maps: families have up to 4 members. The origin of each trait is
known, so that each claim is known to be right or wrong (`benchmarks/biomarkers/traits.py`). Real maps have
more voxels, other noise and unknown confounds: the numbers show what the analysis does, not what maps of real
participants contain.

Brackets are 95% intervals: exact binomial ones of rates, and corrected resampled t intervals of scores.
"""
HANDWRITTEN = "## What it shows\n"


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
    facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in results["machine"].items())
    seconds = sum(results["wall_s"].values())
    n_permutations = results["n_permutations"]
    parts = [
        HEAD,
        f"Made with `{results['command']}` in {seconds / 60:.0f} minutes; {facts}.\n",
        "## Both set-ups, one cohort\n",
        _explain_setups(n_permutations),
        setup_table([row for item in results["setups"] for row in item["rows"]]),
        "## Which traits are claimed\n",
        f"Each line is the mean over {results['cases'][0]['n_cohorts']} cohorts of {proof.N_PARTICIPANTS} "
        f"participants; 5 folds, {n_permutations} permutations. Claimed is the number of cohorts with "
        "p < 0.05. r is that of the prediction, confounds included.\n",
        case_table(results["cases"]),
        "## p values without any relation\n",
        f"{null_p_values.N_PARTICIPANTS} participants, {null_p_values.N_FEATURES} voxels, 5 folds, "
        f"{n_permutations} permutations. Under the null hypothesis, p is uniform: the distance D of "
        "Kolmogorov and Smirnov is small (its p is not), and the rate of p < 0.05 is 0.05.\n",
        null_table(results["nulls"]),
        "## Coverage of intervals of r\n",
        "How often does the 95% interval contain the true score? That is the mean r in 20,000 other "
        "participants, over models of scikit-learn that are trained with as many participants as the "
        "training sets of the folds have.\n",
        coverage_table(results["coverage"]),
        "## Comparison of two equally good feature sets\n",
        "The same maps of 100 participants with two draws of noise; 5 folds. Rate of p < 0.05:\n",
        comparison_table(results["comparisons"]),
        HANDWRITTEN,
        interpretation,
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _explain_setups(n_permutations: int) -> str:
    return (
        f"{proof.COHORT_SIZE} participants at 4 sites. Set-up `deeptaskgen-2025`: raw maps, no confounds, "
        "one division into 5 folds that ignores families. Set-up `nested`: the confounds are age, sex, "
        "site and mean FD, without the target; 5 x 5 folds of whole families. Scores are r; of sex, balanced "
        "accuracy. The column gain is partial r, unlike the gains of `deeptaskgen biomarkers`, which are "
        "differences of scores; of sex, balanced accuracy minus that of the confounds alone. Its brackets "
        "are t intervals, which may exceed 1. "
        f"{5 * n_permutations} permutations.\n"
    )


def _table(head: str, rows: Iterable[Sequence[str]]) -> str:
    names = head.split(" | ")
    lines = [f"| {head} |", "|" + "---|" * len(names), *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def setup_table(rows: Rows) -> str:
    """Format the scores of one cohort, a line for each trait.

    Parameters
    ----------
    rows : sequence of mapping
        From `proof.compare_setups`.

    Returns
    -------
    str
    """
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return _table(
        "trait | its origin | `deeptaskgen-2025` | p | `nested` | confounds alone | gain | p",
        (
            (
                f"`{published['target']}`",
                published["origin"],
                f"{published['score']:.2f}",
                f"{published['p']:.3f}",
                f"{nested['score']:.2f}",
                f"{nested['baseline']:.2f}",
                f"{nested['gain']:.2f} [{nested['low']:.2f}, {nested['high']:.2f}]",
                f"{nested['p']:.3f}",
            )
            for published, nested in pairs
        ),
    )


def case_table(rows: Rows) -> str:
    """Format the analyses of traits, a line for each.

    Parameters
    ----------
    rows : sequence of mapping
        From `proof.summarise_case`.

    Returns
    -------
    str
    """
    return _table(
        "origin of the trait | analysis | r | confounds alone | gain | claimed | right",
        (
            (
                row["origin"],
                row["title"],
                f"{row['score']:.2f}",
                f"{row['baseline']:.2f}",
                f"{row['gain']:.2f}",
                f"{row['n_claimed']} of {row['n_cohorts']}",
                "all" if row["is_true"] else "none, but 1 in 20 by chance",
            )
            for row in rows
        ),
    )


def null_table(rows: Rows) -> str:
    """Format the distributions of p values, a line for each.

    Parameters
    ----------
    rows : sequence of mapping
        From `null_p_values.summarise_null`.

    Returns
    -------
    str
    """
    return _table(
        "trait | analysis | D | p of D | rate of p < 0.05",
        (
            (
                row["trait"],
                row["title"],
                f"{row['ks']:.3f}",
                f"{row['ks_p']:.2g}",
                rate(row["n_below"], row["n_seeds"]),
            )
            for row in rows
        ),
    )


def coverage_table(rows: Rows) -> str:
    """Format the coverage of intervals, a line for each kind of cohort.

    Parameters
    ----------
    rows : sequence of mapping
        From `coverage.measure_coverage`.

    Returns
    -------
    str
    """
    return _table(
        "cohort | true r | mean r | mean width | coverage | interval too far up | too far down",
        (
            (
                row["title"],
                f"{row['truth']:.3f}",
                f"{row['mean']:.3f}",
                f"{row['width']:.2f}",
                rate(row["n_covered"], row["n_seeds"]),
                f"{row['n_above'] / row['n_seeds']:.3f}",
                f"{row['n_below'] / row['n_seeds']:.3f}",
            )
            for row in rows
        ),
    )


def comparison_table(rows: Rows) -> str:
    """Format the false positives of comparisons, a line for each number of repeats.

    Parameters
    ----------
    rows : sequence of mapping
        From `proof.compare_equal_features`.

    Returns
    -------
    str
    """
    return _table(
        "repeats | corrected resampled t | t without the correction",
        (
            (
                str(row["n_repeats"]),
                rate(row["n_corrected"], row["n_seeds"]),
                rate(row["n_uncorrected"], row["n_seeds"]),
            )
            for row in rows
        ),
    )


def main() -> None:
    """Write the page, with its handwritten section unchanged."""
    source, target = (Path(word) for word in sys.argv[1:3])
    current_page = target.read_text("utf-8") if target.exists() else ""
    interpretation = current_page.partition(HANDWRITTEN)[2].strip() or "Not written yet."
    target.write_text(page(json.loads(source.read_text("utf-8")), interpretation), "utf-8")


if __name__ == "__main__":
    main()
