"""Distribution of the p values of traits without any relation to the maps; it should be uniform."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from benchmarks.biomarkers.analysis import PUBLISHED, Analysis, analyse
from benchmarks.biomarkers.proof import ALPHA, draw_cohort

N_PARTICIPANTS, N_FEATURES, N_LATENTS = 100, 50, 24
_ALL_CONFOUNDS = ("age", "sex", "site_id", "fd_mean_mm")


class Null(NamedTuple):
    """Trait without relation to the maps of unrelated participants, and its analysis.

    Attributes
    ----------
    trait, title : str
    analysis : Analysis
    """

    trait: str
    title: str
    analysis: Analysis


_NOISE, _BINARY = "noise", "noise, two categories"
_FAMILY = "shared within families"
NULLS = (
    Null(_NOISE, "no confounds", Analysis("trait_null")),
    Null(_NOISE, "4 confounds", Analysis("trait_null", _ALL_CONFOUNDS)),
    Null(_NOISE, "leave one site out", Analysis("trait_null", is_by_site=True)),
    Null(_NOISE, PUBLISHED, Analysis("trait_null", setup=PUBLISHED)),
    Null(_BINARY, "no confounds", Analysis("null_group", classifier="ridge")),
    Null(_BINARY, "4 confounds", Analysis("null_group", _ALL_CONFOUNDS, classifier="ridge")),
    Null(_BINARY, PUBLISHED, Analysis("null_group", setup=PUBLISHED)),
    Null("head motion", "confound mean FD", Analysis("trait_motion", ("fd_mean_mm",))),
    Null(_FAMILY, "families in one fold, permuted as a whole", Analysis("trait_family")),
    Null(_FAMILY, "families ignored", Analysis("trait_family", has_families=False)),
    Null(_FAMILY, PUBLISHED, Analysis("trait_family", setup=PUBLISHED)),
)


def draw_p_values(null: Null, seeds: Sequence[int], n_permutations: int) -> list[float]:
    """Compute the p value of the trait in each of several cohorts.

    Parameters
    ----------
    null : Null
    seeds : sequence of int
    n_permutations : int

    Returns
    -------
    list of float
    """
    p_values = []
    for seed in seeds:
        traits, maps = draw_cohort(N_PARTICIPANTS, seed, n_latents=N_LATENTS, n_features=N_FEATURES)
        group = np.where(np.asarray(traits.columns["trait_null"]) > 0, "case", "control")
        columns = {**traits.columns, "null_group": group}
        p_values.append(analyse(columns, maps, null.analysis, seed, n_permutations).p)
    return p_values


def summarise_null(null: Null, p_values: Sequence[float]) -> dict[str, Any]:
    """Compare p values with the uniform distribution (Kolmogorov-Smirnov test).

    Parameters
    ----------
    null : Null
    p_values : sequence of float

    Returns
    -------
    dict
    """
    test = stats.kstest(p_values, "uniform")
    return {
        "trait": null.trait,
        "title": null.title,
        "n_seeds": len(p_values),
        "ks": float(test.statistic),
        "ks_p": float(test.pvalue),
        "n_below": sum(p < ALPHA for p in p_values),
        "p_values": list(p_values),
    }
