import numpy as np
import pytest

from bids_deeptaskgen.stats.linear_model import LinearModel, winner_take_all
from tests.golden_files import GOLDEN


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "tavor.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def published_model(golden):
    model = LinearModel(golden["labels"].ravel(), 5, 3)
    for rest, task in zip(golden["rest"], golden["task"], strict=True):
        model.add(rest.reshape(5, -1), task.reshape(3, -1))
    return model


def small(seed=0, n_voxels=60):
    """Simulate a connectome of 3 ROIs, maps of 2 contrasts, and labels of 3 parcels (0 to 2)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, n_voxels)), rng.normal(size=(2, n_voxels)), np.arange(n_voxels) % 3


def test_published_coefficients_are_reproduced(golden, published_model):
    np.testing.assert_allclose(published_model.coefficients, golden["coefs_mean"], atol=1e-12)
    single = LinearModel(golden["labels"].ravel(), 5, 3)
    single.add(golden["rest"][2].reshape(5, -1), golden["task"][2].reshape(3, -1))
    np.testing.assert_allclose(single.coefficients, golden["coefs"][2], atol=1e-12)


def test_published_prediction_is_reproduced(golden, published_model):
    maps = published_model.predict(golden["test_rest"].reshape(5, -1))
    np.testing.assert_allclose(maps, golden["prediction"].reshape(3, -1), atol=1e-7)


def test_a_map_that_is_linear_in_each_parcel_is_predicted_exactly():
    rest, _, labels = small()
    z = (rest - rest[:, labels == 1].mean(axis=1, keepdims=True)) / rest[:, labels == 1].std(
        axis=1, keepdims=True
    )
    task = np.stack([2 + 3 * z[0] - z[2], z[1]])
    model = LinearModel(labels, 3, 2)
    model.add(rest, task)
    np.testing.assert_allclose(model.predict(rest)[:, labels == 1], task[:, labels == 1], atol=1e-6)
    np.testing.assert_allclose(model.coefficients[0, 0], [2, 3, 0, -1], atol=1e-12)


def test_gain_and_offset_of_connectivity_have_no_effect():
    rest, task, labels = small()
    model = LinearModel(labels, 3, 2)
    model.add(rest, task)
    np.testing.assert_allclose(model.predict(5 * rest - 2), model.predict(rest), atol=1e-6)


def test_voxels_outside_parcels_are_zero_and_a_label_without_voxels_is_accepted():
    rest, task, labels = small()
    model = LinearModel(np.where(labels == 1, 3, labels), 3, 2)
    model.add(rest, task)
    assert (model.predict(rest)[:, labels == 0] == 0).all()
    assert np.isfinite(model.predict(rest)).all()


def test_a_constant_column_has_weight_zero():
    rest, task, labels = small()
    rest[1] = 0.25
    model = LinearModel(labels, 3, 2)
    model.add(rest, task)
    np.testing.assert_allclose(model.coefficients[..., 2], 0, atol=1e-12)


def test_a_participant_without_a_contrast_counts_for_other_contrasts_only():
    rest, task, labels = small()
    single, pair = LinearModel(labels, 3, 2), LinearModel(labels, 3, 2)
    single.add(rest, task)
    second_rest, second_task, _ = small(1)
    pair.add(rest, task)
    pair.add(second_rest, np.stack([second_task[0], np.full(60, np.nan)]))
    np.testing.assert_array_equal(pair.n_participants, [2, 1])
    np.testing.assert_allclose(pair.coefficients[1], single.coefficients[1])
    assert not np.allclose(pair.coefficients[0], single.coefficients[0])


def test_a_merged_model_is_that_of_all_participants():
    (first, second), labels = (small(seed) for seed in (0, 1)), small()[2]
    models = [LinearModel(labels, 3, 2) for _ in range(3)]
    for model, participants in zip(models, ([first, second], [first], [second]), strict=True):
        for rest, task, _ in participants:
            model.add(rest, task)
    both, merged, other = models
    merged.merge(other)
    np.testing.assert_allclose(merged.coefficients, both.coefficients)
    np.testing.assert_array_equal(merged.n_participants, both.n_participants)


@pytest.mark.parametrize("changes", [{"labels": 1 - small()[2] % 2}, {"n_rois": 4}, {"n_contrasts": 1}])
def test_models_of_other_parcels_rois_or_contrasts_are_not_merged(changes):
    options = {"labels": small()[2] % 2, "n_rois": 3, "n_contrasts": 2}
    with pytest.raises(ValueError, match="Merge models of the same parcels"):
        LinearModel(**options).merge(LinearModel(**options | changes))


def test_a_contrast_without_participants_is_predicted_as_nan():
    rest, task, labels = small()
    model = LinearModel(labels, 3, 2)
    model.add(rest, np.stack([task[0], np.full(60, np.nan)]))
    assert np.isnan(model.predict(rest)[1, labels > 0]).all()
    assert np.isfinite(model.predict(rest)[0]).all()


def test_the_largest_map_wins_and_voxels_without_positive_maps_have_no_parcel():
    rois = np.array([[1.0, 0, 0, -1], [0.5, 2, 0, -2]])
    np.testing.assert_array_equal(winner_take_all(rois), [1, 2, 0, 0])


def test_voxels_without_a_value_are_ignored_and_do_not_exclude_the_participant():
    rng = np.random.default_rng(3)
    labels = np.repeat([1, 2], 40)
    connectome = rng.normal(size=(3, 80))
    maps = rng.normal(size=(2, 80))
    maps[0, [5, 50]] = np.nan
    maps[1, 40:65] = np.nan
    model = LinearModel(labels, 3, 2)
    model.add(connectome, maps)
    for contrast, parcel, hole in ((0, 0, 5), (0, 1, 50)):
        voxels = np.setdiff1d(np.flatnonzero(labels == parcel + 1), [hole])
        x = connectome[:, voxels].T
        design = np.column_stack([np.ones(len(voxels)), (x - x.mean(axis=0)) / x.std(axis=0)])
        expected = np.linalg.lstsq(design, maps[contrast, voxels], rcond=None)[0]
        np.testing.assert_allclose(model.coefficients[contrast, parcel], expected, atol=1e-10)
    # 15 of 40 voxels are too few.
    assert np.isnan(model.coefficients[1, 1]).all()
    assert np.isfinite(model.coefficients[1, 0]).all()
    assert model.n_participants.tolist() == [1, 1]
