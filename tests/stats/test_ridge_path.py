import numpy as np
import pytest
from sklearn.linear_model import Ridge

from bids_deeptaskgen.stats.ridge_path import RidgePath


@pytest.mark.parametrize("shape", [(30, 5), (10, 40), (12, 12)])
@pytest.mark.parametrize("penalty", [1e-2, 1.0, 1e4])
def test_predictions_equal_those_of_scikit_learn(shape, penalty):
    rng = np.random.default_rng(0)
    features, targets, test = rng.normal(size=shape), rng.normal(size=(shape[0], 3)), rng.normal(size=shape)
    expected = Ridge(alpha=penalty, fit_intercept=False, solver="svd").fit(features, targets).predict(test)
    path = RidgePath(features, targets)
    np.testing.assert_allclose(path.predict(test, penalty), expected, atol=1e-9)
    np.testing.assert_allclose(path.predict_projected(path.project(test), penalty), expected, atol=1e-9)
    assert path.mean_diagonal == pytest.approx((features**2).sum(axis=1).mean())


def test_features_of_zeros_predict_zeros():
    path = RidgePath(np.zeros((4, 2)), np.ones((4, 1)))
    assert path.mean_diagonal == 1
    assert not path.predict(np.ones((3, 2)), 1e-3).any()
