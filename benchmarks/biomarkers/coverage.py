"""Coverage: how often the interval of a score contains that of models of the same sample size."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.biomarkers.analysis import Analysis, score_folds
from benchmarks.biomarkers.traits import Floats, Traits, draw_features, draw_patterns, draw_traits
from bids_deeptaskgen.stats.resampled_t import corrected_resampled_t

_N_FEATURES, _N_TEST = 50, 20_000
_PENALTIES = _N_FEATURES * 10.0 ** np.arange(-3, 5)


class Setting(NamedTuple):
    """Cohort and folds.

    Attributes
    ----------
    title : str
    n_participants, n_repeats : int
    family_share : float
        See `draw_traits`.
    """

    title: str
    n_participants: int
    n_repeats: int
    family_share: float = 0.0


SETTINGS = (
    Setting("100 participants, 5 folds", 100, 1),
    Setting("100 participants, 5 folds, 5 repeats", 100, 5),
    Setting("100 participants, 5 folds, 5 repeats, relatives have similar maps", 100, 5, 0.6),
    Setting("300 participants, 5 folds, 5 repeats", 300, 5),
)
_ANALYSIS = Analysis("trait_maps")
_PATTERNS = draw_patterns(_N_FEATURES, np.random.default_rng(20))


def measure_coverage(setting: Setting, seeds: Sequence[int]) -> dict[str, Any]:
    """Count the cohorts whose interval contains the true score.

    The true score is the mean r in 20,000 other participants, over models that are trained (by scikit-learn)
    on as many participants as the training sets of the folds have.

    Parameters
    ----------
    setting : Setting
    seeds : sequence of int

    Returns
    -------
    dict
    """
    n_train = setting.n_participants * 4 // 5
    test = _draw(setting, _N_TEST, np.random.default_rng(21))
    truth = float(np.mean([_score_model(setting, n_train, seed, test) for seed in seeds]))
    intervals = []
    for seed in seeds:
        traits, maps = _draw(setting, setting.n_participants, np.random.default_rng([22, seed]))
        folds = score_folds(traits.columns, maps, _ANALYSIS, seed, setting.n_repeats)
        intervals.append(corrected_resampled_t(folds.values, folds.n_test, folds.n_train))
    return {
        "title": setting.title,
        "truth": truth,
        "mean": float(np.mean([item.mean for item in intervals])),
        "width": float(np.mean([item.ci_high - item.ci_low for item in intervals])),
        "n_seeds": len(seeds),
        "n_covered": sum(item.ci_low <= truth <= item.ci_high for item in intervals),
        "n_above": sum(item.ci_low > truth for item in intervals),
        "n_below": sum(item.ci_high < truth for item in intervals),
    }


def _draw(setting: Setting, n_participants: int, rng: np.random.Generator) -> tuple[Traits, Floats]:
    traits = draw_traits(n_participants, rng, family_share=setting.family_share)
    return traits, draw_features(traits, _PATTERNS, rng)


def _score_model(setting: Setting, n_train: int, seed: int, test: tuple[Traits, Floats]) -> float:
    """Return r in the test participants of a model that is trained on participants of another draw."""
    traits, maps = _draw(setting, n_train, np.random.default_rng([23, seed]))
    pipeline = make_pipeline(StandardScaler(), Ridge())
    grid = {"ridge__alpha": _PENALTIES}
    search = GridSearchCV(pipeline, grid, cv=GroupKFold(4), scoring="neg_mean_squared_error")
    search.fit(maps, traits.columns["trait_maps"], groups=traits.columns["family_id"])
    predicted = search.predict(test[1])
    return float(np.corrcoef(predicted, test[0].columns["trait_maps"])[0, 1])
