"""Text on the prediction of traits for a methods section."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

from bids_deeptaskgen.biomarkers.results.metrics import SCORES, reported_scores
from bids_deeptaskgen.biomarkers.results.scores import PUBLISHED
from bids_deeptaskgen.biomarkers.results.target_result import FeatureSet, TargetResult
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings

_KIND_WORDS = {"continuous": "for numbers", "categorical": "for categories"}


class MethodsText(NamedTuple):
    """Methods text.

    Attributes
    ----------
    paragraphs, references : tuple of str
    """

    paragraphs: tuple[str, ...]
    references: tuple[str, ...]

    def as_markdown(self) -> str:
        """Return the text as Markdown."""
        references = [f"- {reference}" for reference in self.references]
        parts = ["# Methods", *self.paragraphs, "## References", "\n".join(references)]
        return "\n\n".join(parts) + "\n"


def write_methods(results: Sequence[TargetResult], settings: BiomarkersSettings) -> MethodsText:
    """Write the methods text of an analysis, with its settings and references.

    Parameters
    ----------
    results : sequence of TargetResult
    settings : BiomarkersSettings

    Returns
    -------
    MethodsText
        Only what was computed is in it.
    """
    parts = load_table("biomarkers_methods.json")["parts"]
    names = [name for name, is_part in _parts(results, settings).items() if is_part]
    words = _words(results, settings)
    references = dict.fromkeys(reference for name in names for reference in parts[name]["references"])
    paragraphs = tuple(parts[name]["text"].format(**words) for name in names)
    return MethodsText(paragraphs, tuple(sorted(references)))


def _parts(results: Sequence[TargetResult], settings: BiomarkersSettings) -> dict[str, bool]:
    """Return which parts of the text apply, in order."""
    features = [item for result in results for item in result.features]
    confounds = results[0].problem.confounds
    classifiers = {result.classifier for result in results if result.problem.target.levels}
    is_linear = any(result.classifier != "logistic" for result in results)
    has_tests = any(len(test.permuted) for result in results for test in result.tests.values())
    has_families = any(result.problem.has_relatives for result in results)
    is_known = bool(results[0].problem.family_column)
    has_pairs = any(len(result.features) > 1 for result in results)
    return {
        "data": True,
        "predicted_maps": any(item.is_predicted for item in features),
        "folds": True,
        "whole_families": has_families,
        "unrelated": is_known and not has_families,
        "unknown_families": not is_known and not has_families,
        "confounds": bool(confounds),
        "no_confounds": not confounds,
        "residual_traits": bool(confounds) and is_linear,
        "ridge": is_linear,
        "tables": any(not item.is_kernel for item in features),
        "combat": settings.combat is not None,
        "maps": any(item.is_kernel for item in features),
        "logistic": "logistic" in classifiers,
        "ridge_classifier": "ridge" in classifiers,
        "scores": True,
        "permutations": has_tests,
        "ridge_tests": has_tests and "logistic" in classifiers,
        "families": has_tests and has_families,
        "comparisons": has_pairs,
        "fdr": has_tests or has_pairs,
        "learning_curve": any(result.learning_curve for result in results),
        "published": any(PUBLISHED in result.setups for result in results),
    }


def _words(results: Sequence[TargetResult], settings: BiomarkersSettings) -> dict[str, str]:
    targets = [result.problem.target for result in results]
    sizes = {
        result.problem.target.name: f"{result.problem.target.name} (n = {result.problem.n_participants:,})"
        for result in results
    }
    features = {item.name: item for result in results for item in result.features}
    confounds = results[0].problem.confounds
    kinds = dict.fromkeys(target.kind for target in targets)
    n_repeats = results[0].problem.folds.n_repeats
    n_components = describe_components(list(features.values()), settings.n_components)
    tests = any(len(test.permuted) for result in results for test in result.tests.values())
    pairs = any(len(result.features) > 1 for result in results)
    return {
        "version": version("bids-deeptaskgen"),
        "sklearn": version("scikit-learn"),
        "targets": join_words(list(sizes.values())),
        "features": join_words(
            [f"{name} ({describe_columns(item)})" for name, item in features.items()]
        ),
        "folds": "; ".join(dict.fromkeys(describe_folds(result) for result in results)),
        "confounds": join_words(confounds),
        "tables": join_words([item.name for item in features.values() if not item.is_kernel]),
        "maps": join_words([item.name for item in features.values() if item.is_kernel]),
        "pca": f", and then reduced to {n_components} principal components" if n_components else "",
        "combat": settings.combat or "",
        "categorical": join_words([target.name for target in targets if target.levels]),
        **_model_words(results),
        "repeats": " and repeats" if n_repeats > 1 else "",
        "scores": "; ".join(_describe_scores(kind, has_confounds=bool(confounds)) for kind in kinds),
        "reference": "the confounds alone" if confounds else "the mean of the training participants",
        "n_permutations": f"{settings.n_permutations:,}",
        "families_of_tests": " and over ".join(
            ["traits and feature sets"] * tests + ["traits and pairs of feature sets"] * pairs
        ),
    }  # fmt: skip


def _model_words(results: Sequence[TargetResult]) -> dict[str, str]:
    """Return words that depend on the models and on whether there are confounds."""
    has_confounds = bool(results[0].problem.confounds)
    is_logistic = [result.classifier == "logistic" for result in results]
    of_traits = " of traits that are numbers" if any(is_logistic) else ""
    on_traits = " and on traits that are numbers" if any(is_logistic) else " and on the trait"
    return {
        "of_traits": of_traits,
        "on_traits": "" if all(is_logistic) else on_traits,
        "residual": "residual " if has_confounds else "",
        "predictors": "the residual features and the confounds, which were nearly unpenalised"
        if has_confounds
        else "the features",
        "permuted": "the trait's residuals on the confounds" if has_confounds else "the trait",
        "test_residuals": ", after the confounds were removed from them and from the features"
        if has_confounds
        else "",
    }


def _describe_scores(kind: str, *, has_confounds: bool) -> str:
    names = reported_scores(kind, has_confounds=has_confounds)
    return f"{_KIND_WORDS[kind]}, {join_words([SCORES[kind][name].phrase for name in names])}"


def describe_folds(result: TargetResult) -> str:
    """Describe the folds of a target.

    Parameters
    ----------
    result : TargetResult

    Returns
    -------
    str
    """
    folds = result.problem.folds
    repeats = f", repeated {folds.n_repeats} times with new divisions" if folds.n_repeats > 1 else ""
    method = f" ({folds.method})" if folds.method else ""
    return f"{folds.n_folds}-fold cross-validation{repeats}{method}"


def describe_columns(item: FeatureSet) -> str:
    """Describe the number of features.

    Parameters
    ----------
    item : FeatureSet

    Returns
    -------
    str
    """
    noun = "voxels of maps" if item.is_kernel else "columns" if item.n_features != 1 else "column"
    return f"{item.n_features:,} {noun}"


def describe_components(features: Sequence[FeatureSet], n_components: int) -> str:
    """Describe the number of principal components of tables.

    Parameters
    ----------
    features : sequence of FeatureSet
    n_components : int
        That of the settings; 0 without reduction.

    Returns
    -------
    str
        Empty if no table is reduced.

    Examples
    --------
    >>> describe_components([FeatureSet("idps", 10), FeatureSet("rest", 1225)], 50)
    'at most 50'
    """
    sizes = [item.n_features for item in features if not item.is_kernel]
    if not n_components or max(sizes, default=0) <= n_components:
        return ""
    return f"{'at most ' if min(sizes) < n_components else ''}{n_components}"


def join_words(words: Sequence[str]) -> str:
    """Join words with commas and "and".

    Parameters
    ----------
    words : sequence of str

    Returns
    -------
    str

    Examples
    --------
    >>> join_words(["age", "sex", "site"])
    'age, sex and site'
    """
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
