"""Text on the prediction of traits for a methods section."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

from bids_deeptaskgen.biomarkers.results import FeatureSet, TargetResult
from bids_deeptaskgen.biomarkers.scores import PUBLISHED
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings

_SCORE_WORDS = {
    "continuous": "for numbers, Pearson's r, R² (1 - sum of squared errors / sum of squares around the mean "
    "of the training participants), the mean absolute error (MAE){partial_r}",
    "categorical": "for categories, the area under the ROC curve (AUC; mean of one-vs-rest for more than "
    "two) and balanced accuracy",
}


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
    has_families = any(
        len(set(result.problem.families.tolist())) < result.problem.n_participants for result in results
    )
    has_pairs = any(len(result.features) > 1 for result in results)
    return {
        "data": True,
        "predicted_maps": any(item.is_predicted for item in features),
        "folds": True,
        "whole_families": has_families,
        "unrelated": not has_families,
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
    partial_r = (
        " and the partial r, that of the residual trait and its prediction from the residual features"
        if confounds
        else ""
    )
    n_repeats, n_components = results[0].problem.folds.n_repeats, settings.n_components
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
        "scores": "; ".join(_SCORE_WORDS[kind].format(partial_r=partial_r) for kind in kinds),
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
