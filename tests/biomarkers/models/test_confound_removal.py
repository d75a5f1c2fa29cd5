import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bids_deeptaskgen.biomarkers.models.confound_removal import ConfoundRemoval


def draw(n=50, seed=0):
    rng = np.random.default_rng(seed)
    confounds = rng.normal(50, 10, (n, 2))
    features = confounds @ rng.normal(size=(2, 4)) + rng.normal(size=(n, 4))
    return np.hstack([confounds, features])


def test_residuals_of_the_participants_of_the_fit_are_uncorrelated_with_confounds():
    values = draw()
    residuals = ConfoundRemoval(2).fit_transform(values)
    np.testing.assert_allclose(residuals.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose((values[:, :2] - values[:, :2].mean(axis=0)).T @ residuals, 0, atol=1e-7)


def test_coefficients_of_training_participants_are_applied_to_others():
    values = draw()
    removal = ConfoundRemoval(2).fit(values[:30])
    design = np.hstack([np.ones((50, 1)), values[:, :2]])
    effects = np.linalg.lstsq(design[:30], values[:30, 2:])[0]
    np.testing.assert_allclose(removal.transform(values), values[:, 2:] - design @ effects, atol=1e-8)


def test_no_confounds_centre_the_features():
    values = draw()
    np.testing.assert_allclose(
        ConfoundRemoval().fit_transform(values), values - values.mean(axis=0), atol=1e-9
    )


def test_features_that_confounds_explain_become_zero_for_all_participants():
    values = draw()
    values[:, 2] = 2 * values[:, 0] - 3
    values[:30, 3] = 7
    removal = ConfoundRemoval(2).fit(values[:30])
    np.testing.assert_array_equal(removal.is_explained_, [True, True, False, False])
    assert not removal.transform(values)[:, :2].any()


def test_pipelines_can_be_cloned_and_cross_validated():
    values = draw()
    pipeline = make_pipeline(ConfoundRemoval(n_confounds=2), StandardScaler(), Ridge())
    assert clone(pipeline).get_params()["confoundremoval__n_confounds"] == 2
    assert np.isfinite(cross_val_predict(pipeline, values, values[:, 2])).all()


def test_another_number_of_columns_is_refused():
    removal = ConfoundRemoval(2).fit(draw())
    with pytest.raises(ValueError, match="`X` has 5 columns; expected 6"):
        removal.transform(draw()[:, :5])


def test_a_table_of_confounds_alone_is_refused():
    with pytest.raises(ValueError, match="minimum of 3 is required"):
        ConfoundRemoval(2).fit(draw()[:, :2])


def test_a_fit_is_required():
    with pytest.raises(NotFittedError):
        ConfoundRemoval(2).transform(draw())
