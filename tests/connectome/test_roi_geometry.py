"""Centroid and spread of ROI maps: laws on spheres, pairs of spheres and noise."""

import numpy as np
import pytest

from bids_deeptaskgen.connectome.roi_geometry import is_compact, measure_rois
from bids_deeptaskgen.grid import MODEL_GRID
from tests.bundles import ellipsoid

MASK = ellipsoid()
POINTS = np.argwhere(MASK) @ MODEL_GRID.matrix[:3, :3].T + MODEL_GRID.matrix[:3, 3]


def sphere(centre, radius):
    return (((POINTS - centre) ** 2).sum(axis=1) <= radius**2).astype(float)


def test_the_spread_of_a_sphere_is_its_radius_times_the_root_of_three_fifths():
    geometry = measure_rois(np.array([sphere((10, -20, 4), 16)]), MASK)
    np.testing.assert_allclose(geometry.centroids_mm, [[10, -20, 4]], atol=1e-9)
    assert geometry.spreads_mm[0] == pytest.approx(16 * np.sqrt(0.6), rel=0.02)


def test_a_pair_of_spheres_spreads_at_least_half_of_their_distance():
    pair = sphere((40, -20, 4), 8) + sphere((-40, -20, 4), 8)
    geometry = measure_rois(np.array([pair]), MASK)
    assert geometry.spreads_mm[0] >= 40
    assert not is_compact(geometry.spreads_mm)


def test_small_and_negative_weights_elsewhere_do_not_count():
    core = sphere((0, -20, 4), 10)
    noise = np.random.default_rng(0).uniform(-1, 0.4, core.shape)
    first = measure_rois(np.array([core]), MASK)
    second = measure_rois(np.array([np.where(core > 0, core, noise)]), MASK)
    np.testing.assert_allclose(second.centroids_mm, first.centroids_mm)
    np.testing.assert_allclose(second.spreads_mm, first.spreads_mm)


def test_the_scale_of_a_map_does_not_matter_and_a_negative_map_counts_as_positive():
    core = sphere((0, -20, 4), 10)
    spreads = measure_rois(np.array([core, 7 * core, -core - 1e-9]), MASK).spreads_mm
    np.testing.assert_allclose(spreads, spreads[0])


def test_a_set_is_compact_if_nearly_all_of_its_rois_are():
    assert is_compact([10] * 9 + [50])
    assert not is_compact([10] * 8 + [50] * 2)
    assert not is_compact([])
    assert not is_compact([np.nan] * 3)
