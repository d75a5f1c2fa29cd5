"""Laws of the methods text: it describes the models that were fitted, and no others."""

import pytest

from bids_deeptaskgen.biomarkers.results.methods import write_methods
from bids_deeptaskgen.biomarkers.results.notes import list_notes, list_warnings
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings
from tests.biomarkers.made_results import make_result

CONFOUNDS = ("age", "fd_mean_mm")


def settings_of(results):
    """Return the settings that results would have."""
    return BiomarkersSettings(
        out="out",
        features=tuple(f"{item.name}=/data/store" for item in results[0].features),
        target=tuple(result.problem.target.name for result in results),
        confounds=results[0].problem.confounds,
        n_permutations=200,
    )


def text_of(*results):
    """Return the methods text of results."""
    return write_methods(results, settings_of(results)).as_markdown()


def numbers(confounds=CONFOUNDS, **options):
    return make_result(confounds=confounds, published=False, **options)


def categories(confounds=CONFOUNDS, **options):
    return make_result("categorical", 2, confounds=confounds, published=False, **options)


@pytest.mark.parametrize("confounds", [CONFOUNDS, ()])
def test_logistic_regression_alone_predicts_no_residual_traits(confounds):
    text = text_of(categories(confounds, n_permutations=0))
    for words in ("ridge", "Hoerl", "residual trait", "on the trait", "squared error of"):
        assert words not in text
    assert "logistic regression" in text
    assert ("residual features and the confounds, which were" in text) == bool(confounds)


def test_tests_of_categories_are_described_beside_their_scores():
    text = text_of(categories())
    assert "The model was ridge" not in text
    assert "In the tests, the indicators of categories were predicted by ridge regression" in text
    assert "Hoerl and Kennard (1970)" in text


def test_ridge_regression_alone_predicts_residual_traits():
    text = text_of(numbers())
    assert "The residual trait was predicted from the residual features" in text
    assert "on each feature and on the trait were estimated" in text
    assert "The model was ridge regression" in text
    assert "logistic" not in text


def test_without_confounds_nothing_is_a_residual():
    text = text_of(numbers(()), categories(()))
    assert "residual" not in text
    assert "the confounds" not in text
    assert "from the features; the penalty" in text


def test_numbers_and_categories_of_one_analysis_have_their_models():
    text = text_of(numbers(), categories())
    assert "The model of traits that are numbers was ridge regression" in text
    assert "on each feature and on traits that are numbers were estimated" in text
    assert "Categories (sex) were predicted by logistic regression" in text


def test_the_degrees_of_freedom_of_intervals_are_stated():
    result, words = numbers(), "the number of folds of a division minus 1"
    assert f"degrees of freedom: {words}" in text_of(result)
    assert words in " ".join(list_notes([result], settings_of([result])))


def test_confounds_may_explain_what_is_lost_with_them():
    text = " ".join(list_notes([numbers()], settings_of([numbers()])))
    text += " ".join(" ".join(pair) for pair in list_warnings([numbers(())]))
    assert "is explained by them" not in text
    assert text.count("may be explained by them") == 2
