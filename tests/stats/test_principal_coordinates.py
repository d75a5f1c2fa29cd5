"""Properties of principal components from correlations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.stats.principal_coordinates import principal_coordinates


def random_maps(seed, n=7, n_voxels=60):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_voxels)) + rng.normal(size=(n, 3)) @ rng.normal(size=(3, n_voxels))


def z_scored(maps):
    return (maps - maps.mean(axis=1, keepdims=True)) / maps.std(axis=1, keepdims=True)


@given(st.integers(0))
def test_axes_are_those_of_a_pca_of_z_scored_maps_but_for_the_sign(seed):
    maps = random_maps(seed)
    rows = z_scored(maps)
    u, s, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    axes, explained = principal_coordinates(np.corrcoef(maps), 3)
    np.testing.assert_allclose(explained, s[:3] ** 2 / (s**2).sum(), atol=1e-9)
    np.testing.assert_allclose(np.abs(axes), np.abs(u * s)[:, :3] / np.sqrt(maps.shape[1]), atol=1e-6)


@given(st.integers(0))
def test_the_order_of_rows_has_no_effect_on_axes(seed):
    r = np.corrcoef(random_maps(seed))
    order = np.random.default_rng(seed).permutation(len(r))
    axes, _ = principal_coordinates(r, 2)
    shuffled, _ = principal_coordinates(r[np.ix_(order, order)], 2)
    np.testing.assert_allclose(shuffled, axes[order], atol=1e-6)


def test_all_axes_keep_the_distances_of_rows():
    maps = random_maps(0)
    r = np.corrcoef(maps)
    axes, explained = principal_coordinates(r, 6)
    squares = ((axes[:, None] - axes) ** 2).sum(axis=2)
    np.testing.assert_allclose(squares, 2 - 2 * r, atol=1e-9)
    assert explained.sum() == pytest.approx(1)


def test_the_sign_is_fixed():
    axes, _ = principal_coordinates(np.corrcoef(random_maps(1)), 4)
    largest = np.abs(axes).argmax(axis=0)
    assert (axes[largest, range(4)] > 0).all()
    # Two rows are equally far from their mean.
    axes, _ = principal_coordinates([[1.0, 0.2], [0.2, 1.0]], 1)
    np.testing.assert_allclose(axes[:, 0], np.sqrt([0.4, 0.4]) * [1, -1])


def test_rows_without_values_are_nan_and_have_no_effect():
    r = np.corrcoef(random_maps(2))
    expected, explained = principal_coordinates(r, 2)
    with_nan = np.insert(np.insert(r, 4, np.nan, axis=0), 4, np.nan, axis=1)
    axes, explained_with_nan = principal_coordinates(with_nan, 2)
    assert np.isnan(axes[4]).all()
    np.testing.assert_allclose(np.delete(axes, 4, axis=0), expected)
    np.testing.assert_allclose(explained_with_nan, explained)


def test_of_pairs_without_common_voxels_as_few_rows_as_possible_are_excluded():
    r = np.corrcoef(random_maps(3))
    for row in (0, 2, 5):
        r[row, 4] = r[4, row] = np.nan
    axes, _ = principal_coordinates(r, 2)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(axes[:, 0])), [4])


def test_axes_without_variance_are_0():
    axes, explained = principal_coordinates(np.corrcoef(random_maps(4, n=3)), 5)
    np.testing.assert_array_equal(axes[:, 2:], 0)
    np.testing.assert_array_equal(explained[2:], 0)


def test_equal_rows_have_no_axes():
    axes, explained = principal_coordinates(np.ones((4, 4)), 2)
    np.testing.assert_array_equal(axes, 0)
    assert np.isnan(explained).all()


@pytest.mark.parametrize("gram", [np.ones((0, 0)), np.full((3, 3), np.nan)])
def test_no_rows_have_no_axes(gram):
    axes, explained = principal_coordinates(gram, 2)
    assert axes.shape == (len(gram), 2)
    assert np.isnan(axes).all()
    assert np.isnan(explained).all()
