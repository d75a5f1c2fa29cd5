"""Ridge regression of maps on connectomes: against brute force, planted weights, missing maps, families."""

from collections.abc import Callable

import numpy as np
import pytest

from bids_deeptaskgen.stats.ridge import RidgeFit, assign_folds, fit_ridge
from bids_deeptaskgen.stats.ridge_validation import PENALTIES

N_ROIS, N_VOXELS, N_CONTRASTS, N_PARCELS = 6, 400, 3, 4
PARCELS = np.arange(N_VOXELS) % (N_PARCELS + 1)
Participants = list[Callable[[], tuple[np.ndarray, np.ndarray]]]


def make_cohort(
    n: int = 12, noise: float = 0.5, weights: np.ndarray | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate connectomes and maps whose deviations are weighted sums of the connectomes' deviations."""
    rng = np.random.default_rng(seed)
    if weights is None:
        weights = np.random.default_rng(99).normal(size=(N_CONTRASTS, N_ROIS))
    deviations = rng.normal(size=(n, N_ROIS, N_VOXELS))
    connectomes = np.random.default_rng(1).normal(size=(N_ROIS, N_VOXELS)) + deviations
    maps = 3 * np.random.default_rng(2).normal(size=(N_CONTRASTS, N_VOXELS)) + weights @ deviations
    maps += noise * rng.normal(size=maps.shape)
    return connectomes.astype(np.float32), maps.astype(np.float32)


def readers(connectomes: np.ndarray, maps: np.ndarray) -> Participants:
    return [lambda pair=pair: pair for pair in zip(connectomes, maps, strict=True)]


def fit(connectomes: np.ndarray, maps: np.ndarray, parcels: np.ndarray = PARCELS) -> RidgeFit:
    names = [f"{number:02d}" for number in range(len(connectomes))]
    return fit_ridge(readers(connectomes, maps), parcels, names)


def brute_force(connectomes: np.ndarray, maps: np.ndarray, penalty: float) -> np.ndarray:
    """Solve the normal equations of all voxels of all participants, (n_contrasts, n_rois)."""
    x = np.concatenate(np.float64(connectomes) - np.mean(connectomes, axis=0, dtype=np.float64), axis=1)
    y = np.concatenate(np.float64(maps) - np.mean(maps, axis=0, dtype=np.float64), axis=1)
    matrix = x @ x.T
    matrix += penalty * np.trace(matrix) / N_ROIS * np.eye(N_ROIS)
    return np.linalg.solve(matrix, x @ y.T).T


def assert_parallel(vector: np.ndarray, expected: np.ndarray) -> None:
    """Compare directions, since the amplitude is chosen after the penalty."""
    units = (values / np.linalg.norm(values) for values in (vector, expected))
    np.testing.assert_allclose(*units, atol=1e-5)


def left_out_deviations(
    result: RidgeFit, connectomes: np.ndarray, maps: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Predict each participant with the model of the fold, and return predicted and measured deviations."""
    models = [result.fold_models[fold] for fold in result.folds]
    means = np.array([model.mean_maps for model in models])
    predicted = np.array([model.predict(x) for model, x in zip(models, connectomes, strict=True)])
    return predicted - means, maps - means


def test_the_cross_validated_r_is_that_of_the_predictions_of_the_fold_models() -> None:
    connectomes, maps = make_cohort(n=20, noise=4.0)
    result = fit(connectomes, maps)
    predicted, measured = left_out_deviations(result, connectomes, maps)
    r = (predicted * measured).sum(axis=(0, 2))
    r /= np.sqrt(np.square(predicted).sum(axis=(0, 2)) * np.square(measured).sum(axis=(0, 2)))
    np.testing.assert_allclose(result.cross_validated_r, r, rtol=1e-3)


def test_left_out_deviations_have_the_amplitude_of_their_correlation() -> None:
    connectomes, maps = make_cohort(n=20, noise=4.0)
    result = fit(connectomes, maps, np.zeros(N_VOXELS))
    predicted, measured = left_out_deviations(result, connectomes, maps)
    ratios = np.sqrt(np.square(predicted).sum(axis=(0, 2)) / np.square(measured).sum(axis=(0, 2)))
    np.testing.assert_allclose(ratios, result.amplitudes, rtol=0.05)
    r = result.cross_validated_r
    np.testing.assert_allclose(result.amplitudes, (r + r.mean()) / 2, rtol=0.05)


def test_nothing_is_claimed_without_a_relation() -> None:
    values, parcels = [], []
    for seed in range(8):
        cohort = make_cohort(n=8, noise=1.0, weights=np.zeros((N_CONTRASTS, N_ROIS)), seed=seed)
        result = fit(*cohort)
        values.append(np.nan_to_num(result.cross_validated_r))
        parcels.append(result.own_parcels)
    assert abs(np.mean(values)) < 0.02
    assert np.mean(parcels) < 0.03


def test_sessions_of_a_family_count_once() -> None:
    connectomes, maps = make_cohort(n=10, noise=6.0)
    single = fit(connectomes, maps)
    names = [f"{number:02d}" for number in range(10) for _ in range(3)]
    repeated = readers(np.repeat(connectomes, 3, axis=0), np.repeat(maps, 3, axis=0))
    result = fit_ridge(repeated, PARCELS, names)
    np.testing.assert_allclose(result.amplitudes, single.amplitudes, rtol=1e-5)
    np.testing.assert_array_equal(result.own_parcels, single.own_parcels)
    np.testing.assert_allclose(result.model.coefficients, single.model.coefficients, rtol=1e-3, atol=1e-6)


def test_coefficients_are_parallel_to_those_of_the_normal_equations_of_all_voxels() -> None:
    connectomes, maps = make_cohort(noise=3.0)
    result = fit(connectomes, maps, np.zeros(N_VOXELS))
    for contrast, penalty in enumerate(result.penalties):
        expected = brute_force(connectomes, maps, penalty)[contrast]
        assert_parallel(result.model.coefficients[contrast, 0], expected)


def test_a_fold_model_is_the_brute_force_fit_of_all_other_participants() -> None:
    connectomes, maps = make_cohort(noise=3.0)
    result = fit(connectomes, maps, np.zeros(N_VOXELS))
    for fold, model in enumerate(result.fold_models):
        rest = result.folds != fold
        np.testing.assert_allclose(model.mean_maps, maps[rest].mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(model.mean_connectome, connectomes[rest].mean(axis=0), atol=1e-5)
        expected = [brute_force(connectomes[rest], maps[rest], penalty)[0] for penalty in PENALTIES]
        # The penalty of a fold is chosen on the other folds, and need not be that of the final model.
        cosines = [
            row @ model.coefficients[0, 0] / np.linalg.norm(row) / np.linalg.norm(model.coefficients[0, 0])
            for row in expected
        ]
        assert max(cosines) == pytest.approx(1, abs=1e-6)


def test_the_penalty_has_the_largest_correlation_of_left_out_deviations() -> None:
    connectomes, maps = make_cohort(noise=20.0)
    result = fit(connectomes, maps, np.zeros(N_VOXELS))
    products = np.zeros((len(PENALTIES), 3))
    for fold in range(result.folds.max() + 1):
        rest = result.folds != fold
        means = connectomes[rest].mean(axis=0), maps[rest].mean(axis=0)
        for number, penalty in enumerate(PENALTIES):
            weights = brute_force(connectomes[rest], maps[rest], penalty)[0]
            x = np.einsum("r,prv->pv", weights, connectomes[~rest] - means[0])
            y = (maps[~rest] - means[1])[:, 0]
            products[number] += (x * y).sum(), (x * x).sum(), (y * y).sum()
    r = products[:, 0] / np.sqrt(products[:, 1] * products[:, 2])
    assert r[np.flatnonzero(result.penalties[0] == PENALTIES)[0]] == pytest.approx(r.max(), abs=1e-6)
    assert result.cross_validated_r[0] == pytest.approx(r.max(), abs=0.01)


def test_planted_weights_are_found_and_predict_new_participants() -> None:
    weights = np.random.default_rng(5).normal(size=(N_CONTRASTS, N_ROIS))
    result = fit(*make_cohort(n=20, noise=0.1, weights=weights))
    np.testing.assert_allclose(result.model.coefficients[:, 0], weights, atol=0.02)
    np.testing.assert_allclose(result.amplitudes, 1, atol=0.02)
    connectomes, maps = make_cohort(n=1, noise=0.0, weights=weights, seed=7)
    # Both means contain the noise of the training cohort, (0.1 + signal) / sqrt(20).
    residual = maps[0] - result.model.mean_maps
    predicted = result.model.predict(connectomes[0]) - result.model.mean_maps
    assert np.corrcoef(residual.ravel(), predicted.ravel())[0, 1] > 0.99


def test_maps_without_relation_get_a_small_amplitude() -> None:
    connectomes, maps = make_cohort(n=20, noise=1.0, weights=np.zeros((N_CONTRASTS, N_ROIS)))
    result = fit(connectomes, maps)
    assert (result.amplitudes < 0.2).all()
    predicted = result.model.predict(connectomes[0]) - result.model.mean_maps
    assert np.abs(predicted).std() < 0.05 * maps[0].std()


def test_a_parcel_with_other_weights_gets_coefficients_of_its_own() -> None:
    weights = np.random.default_rng(5).normal(size=(N_CONTRASTS, N_ROIS))
    connectomes, maps = make_cohort(n=20, noise=0.5, weights=weights)
    in_parcel = PARCELS == 2
    mean = connectomes.mean(axis=0)
    maps[:, 0][:, in_parcel] -= 2 * np.einsum("r,prv->pv", weights[0], connectomes - mean)[:, in_parcel]
    result = fit(connectomes, maps)
    assert result.own_parcels[0, 1]
    assert result.own_parcels[1:].mean() < 0.3
    np.testing.assert_allclose(result.model.coefficients[0, 2], -weights[0], atol=0.1)
    predicted = result.model.predict(connectomes[0]) - result.model.mean_maps
    residual = maps[0] - result.model.mean_maps
    assert np.corrcoef(predicted[0, in_parcel], residual[0, in_parcel])[0, 1] > 0.9


def test_a_contrast_is_fitted_to_those_who_have_its_map() -> None:
    connectomes, maps = make_cohort(n=14, noise=2.0)
    maps[:3, 1] = np.nan
    result = fit(connectomes, maps, np.zeros(N_VOXELS))
    assert result.n_participants.tolist() == [14, 11, 14]
    x = np.concatenate(connectomes[3:] - connectomes.mean(axis=0), axis=1)
    y = np.concatenate((maps[3:] - maps[3:].mean(axis=0))[:, 1:2], axis=1)[0]
    matrix = x @ x.T
    matrix += result.penalties[1] * np.trace(matrix) / N_ROIS * np.eye(N_ROIS)
    assert_parallel(result.model.coefficients[1, 0], np.linalg.solve(matrix, x @ y))
    np.testing.assert_allclose(result.model.mean_maps[1], maps[3:, 1].mean(axis=0), atol=1e-5)


def test_voxels_without_value_or_signal_do_not_count() -> None:
    connectomes, maps = make_cohort(n=12, noise=1.0)
    expected = fit(connectomes[:, :, 40:], maps[:, :, 40:], PARCELS[40:])
    maps[:, :, :20] = np.nan
    connectomes[:, :, 20:40] = 0
    result = fit(connectomes, maps)
    np.testing.assert_allclose(result.model.coefficients, expected.model.coefficients, rtol=1e-4, atol=1e-6)
    prediction = result.model.predict(connectomes[0])
    np.testing.assert_allclose(prediction[:, 20:40], result.model.mean_maps[:, 20:40])
    # A voxel without signal in all training participants has no mean connectome to deviate from.
    connectomes[0, :, 20:40] = 0.7
    new_prediction = result.model.predict(connectomes[0])
    np.testing.assert_allclose(new_prediction[:, 20:40], result.model.mean_maps[:, 20:40])
    assert np.isfinite(prediction).all()


def test_families_are_never_divided() -> None:
    families = [f"family {number // 3}" for number in range(21)]
    folds = assign_folds(families, 5, seed=3)
    assert all(len(set(folds[number : number + 3])) == 1 for number in range(0, 21, 3))
    assert np.bincount(folds).tolist().count(0) == 0


def test_too_few_families_and_unmeasured_contrasts_are_refused() -> None:
    connectomes, maps = make_cohort(n=6)
    with pytest.raises(ValueError, match="6 participants of 2 families"):
        fit_ridge(readers(connectomes, maps), PARCELS, ["a", "a", "a", "b", "b", "b"])
    maps[:, 2] = np.nan
    with pytest.raises(ValueError, match=r"contrasts number \[2\]"):
        fit(connectomes, maps)
    with pytest.raises(ValueError, match="shape"):
        fit(*make_cohort()).model.predict(connectomes[0, :, 1:])
