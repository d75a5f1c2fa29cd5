"""Description of an analysis: participants, confounds, folds, features, settings and versions."""

import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.biomarkers.cohort.exclusions import ALL_TARGETS, NOT_SELECTED
from bids_deeptaskgen.biomarkers.problem import Problem
from bids_deeptaskgen.biomarkers.results.methods import (
    describe_columns,
    describe_components,
    describe_folds,
    join_words,
)
from bids_deeptaskgen.biomarkers.results.scores import NESTED, PUBLISHED
from bids_deeptaskgen.biomarkers.results.target_result import Row, TargetResult
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings, FeatureSource

# Further reasons are counted together.
_MAX_REASONS = 6
_LIBRARIES = ("bids-deeptaskgen", "numpy", "scipy", "scikit-learn")


def describe_analysis(
    results: Sequence[TargetResult], settings: BiomarkersSettings, excluded: Sequence[Row]
) -> dict[str, str]:
    """Describe an analysis, for the page and ``biomarkers.json``.

    Parameters
    ----------
    results : sequence of TargetResult
    settings : BiomarkersSettings
    excluded : sequence of dict
        Rows of ``excluded.tsv``.

    Returns
    -------
    dict of str to str
        Text by heading; without empty texts.
    """
    features = {item.name: item for result in results for item in result.features}
    n_components = describe_components(list(features.values()), settings.n_components)
    texts = {
        "Participants": _by_target(results, lambda result: f"{result.problem.n_participants:,}"),
        "Excluded": _describe_excluded(results, excluded),
        "Families": _by_target(
            results, lambda result: _describe_families(result.problem, settings.family_column)
        ),
        "Confounds": join_words(results[0].problem.confounds) or "none: nothing was removed",
        "Folds": _by_target(results, describe_folds),
        "Model of categories": ", ".join(
            dict.fromkeys(_CLASSIFIERS[result.classifier] for result in results if result.classifier)
        ),
        **{f"Features {item.name}": item.description or describe_columns(item) for item in features.values()},
        "ComBat": f"sites of column {settings.combat}, for tables" if settings.combat else "",
        "Principal components": f"{n_components} of each table" if n_components else "",
        "Permutations": f"{settings.n_permutations:,}" if settings.n_permutations else "none: not tested",
        "Published set-up": settings.preset or "",
        "Seed": f"{settings.seed}",
    }
    return {name: text for name, text in texts.items() if text}


_CLASSIFIERS = {"logistic": "logistic regression", "ridge": "ridge regression of the categories"}


def _by_target(results: Sequence[TargetResult], describe: Callable[[TargetResult], str]) -> str:
    return join_by_target({result.problem.target.name: describe(result) for result in results})


def join_by_target(texts: Mapping[str, str]) -> str:
    """Join the texts of all targets: one text if they do not differ, and otherwise each with its target.

    Parameters
    ----------
    texts : dict of str to str
        By target.

    Returns
    -------
    str

    Examples
    --------
    >>> join_by_target({"age": "100", "sex": "100"}), join_by_target({"age": "100", "sex": "98"})
    ('100', 'age: 100; sex: 98')
    """
    distinct_texts = list(dict.fromkeys(texts.values()))
    if len(distinct_texts) == 1:
        return distinct_texts[0]
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _describe_families(problem: Problem, family_column: str) -> str:
    if problem.has_relatives:
        n_families = len(np.unique(problem.families))
        return f"{n_families:,} families of {problem.n_participants:,} participants"
    if problem.family_column:
        return f"no two participants of the same family (column {problem.family_column})"
    return f"not known: no column {family_column}; participants were taken to be unrelated"


def _describe_excluded(results: Sequence[TargetResult], excluded: Sequence[Row]) -> str:
    """Count the excluded participants of each target by reason."""
    lost_rows = [row for row in excluded if row["reason"] != NOT_SELECTED]
    texts = {}
    for name in (result.problem.target.name for result in results):
        reasons = Counter(row["reason"] for row in lost_rows if row["target"] in (name, ALL_TARGETS))
        counts = [f"{count:,} {reason}" for reason, count in reasons.most_common(_MAX_REASONS)]
        n_others = reasons.total() - sum(count for _, count in reasons.most_common(_MAX_REASONS))
        counts += [f"{n_others:,} for other reasons"] if n_others else []
        texts[name] = f"{reasons.total():,} ({'; '.join(counts)})" if counts else "none"
    text = join_by_target(texts)
    n_not_selected = len({row["participant_id"] for row in excluded if row["reason"] == NOT_SELECTED})
    if n_not_selected:
        text += f". Not selected: {n_not_selected:,}"
    return text if text == "none" else f"{text}. They are listed in excluded.tsv"


def describe_target(result: TargetResult) -> dict[str, Any]:
    """Describe a target, its participants and its folds as JSON.

    Parameters
    ----------
    result : TargetResult

    Returns
    -------
    dict
    """
    problem = result.problem
    target = problem.target
    content: dict[str, Any] = {"Name": target.name, "Kind": target.kind}
    if target.levels:
        counts = Counter(target.values.astype(int).tolist())
        content["Levels"] = {level: counts[number] for number, level in enumerate(target.levels)}
        content["Classifier"] = result.classifier
    content |= {
        "NumberOfParticipants": problem.n_participants,
        "NumberOfFamilies": len(np.unique(problem.families)),
        "Confounds": list(problem.confounds),
        "NumberOfConfoundColumns": int(np.linalg.matrix_rank(problem.design)) - 1,
        "Features": {item.name: item.n_features for item in result.features},
        "Folds": {setup: _describe_folds(result.problem_of(setup)) for setup in (NESTED, PUBLISHED)
                  if setup in result.setups},
    }  # fmt: skip
    return content


def _describe_folds(problem: Problem) -> dict[str, Any]:
    folds = problem.folds
    return {
        "Method": folds.method,
        "NumberOfFolds": folds.n_folds,
        "NumberOfRepeats": folds.n_repeats,
        "Seed": folds.seed,
    }


def describe_run(
    results: Sequence[TargetResult], settings: BiomarkersSettings, facts: Mapping[str, str]
) -> dict[str, Any]:
    """Describe the analysis as JSON: the content of ``biomarkers.json``.

    Parameters
    ----------
    results : sequence of TargetResult
    settings : BiomarkersSettings
    facts : dict of str to str
        From `describe_analysis`.

    Returns
    -------
    dict
    """
    return {
        "Facts": dict(facts),
        "Targets": [describe_target(result) for result in results],
        "Settings": {item.name: _as_json(getattr(settings, item.name)) for item in fields(settings)},
        "Versions": {"python": platform.python_version()} | {name: _version(name) for name in _LIBRARIES},
    }


def _as_json(value: object) -> object:
    if isinstance(value, FeatureSource | Path):
        return str(value)
    return [_as_json(item) for item in value] if isinstance(value, tuple) else value


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
