"""Coverage of ROIs, and regions without signal."""

import numpy as np
import pytest

from bids_deeptaskgen.connectome.coverage import (
    check_coverage,
    coverage_of_rois,
    region_without_signal,
    signal_of_connectomes,
)
from bids_deeptaskgen.connectome.template_masks import brain_mask
from bids_deeptaskgen.grid import MODEL_GRID

BRAIN = brain_mask()
POINTS_MM = np.argwhere(BRAIN) @ MODEL_GRID.matrix[:3, :3].T + MODEL_GRID.matrix[:3, 3]


def test_coverage_of_an_roi_is_the_share_of_its_weight():
    weights = np.array([[1, 1, 2, 0, 0], [0, 0, 0, 1, 0]], np.float32)
    covered = coverage_of_rois(weights, np.array([True, False, True, False, True]))
    np.testing.assert_array_equal(covered, [0.75, 0])


def test_an_upper_half_without_signal_is_a_region_to_its_last_voxel():
    has_signal = POINTS_MM[:, 2] < 18
    np.testing.assert_array_equal(region_without_signal(has_signal, BRAIN), ~has_signal)


def test_single_voxels_and_the_edge_of_a_mask_are_no_region():
    has_signal = np.random.default_rng(0).random(BRAIN.sum()) > 0.1
    # Two voxels of the edge, all around.
    inner = np.pad(BRAIN, 2)
    shell = BRAIN & ~np.all(
        [np.roll(inner, step, axis)[2:-2, 2:-2, 2:-2] for axis in range(3) for step in (-2, 2)], axis=0
    )
    has_signal &= ~shell[BRAIN]
    assert not region_without_signal(has_signal, BRAIN).any()


@pytest.mark.parametrize("centre_mm", [(0, 0, 20), (31, -17, 9), (-33, 15, 3)])
@pytest.mark.parametrize(("radius_mm", "is_large"), [(6, False), (8.5, True)])
def test_a_hole_is_a_region_if_a_ball_of_8_mm_fits_in_it(centre_mm, radius_mm, is_large):
    nearest = POINTS_MM[np.linalg.norm(POINTS_MM - centre_mm, axis=1).argmin()]
    has_signal = np.linalg.norm(POINTS_MM - nearest, axis=1) > radius_mm
    region = region_without_signal(has_signal, BRAIN)
    np.testing.assert_array_equal(region, ~has_signal & is_large)


def test_voxels_far_from_a_large_region_keep_their_values():
    has_signal = POINTS_MM[:, 2] < 18
    lonely = np.linalg.norm(POINTS_MM - (0, 0, -20), axis=1).argmin()
    has_signal[lonely] = False
    region = region_without_signal(has_signal, BRAIN)
    assert not region[lonely]
    assert region.sum() == (~has_signal).sum() - 1


def test_signal_is_read_from_saved_connectomes():
    has_signal = np.array([True, False, True, True])
    connectomes = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32) * has_signal
    connectomes[0, :, 3] = 0
    np.testing.assert_array_equal(signal_of_connectomes(connectomes), has_signal)


def test_rois_without_signal_are_named_with_number_place_and_share():
    weights = np.zeros((3, BRAIN.sum()), np.float32)
    for roi, point in enumerate([(-38, -22, 60), (40, 20, 0), (0, -60, 30)]):
        weights[roi, (point == POINTS_MM).all(axis=1)] = 1
    findings = check_coverage("sub-01", np.array([0.25, 1.0, 0.0]), weights, BRAIN, 0.3)
    assert [finding.name for finding in findings] == ["low_roi_coverage", "partial_coverage"]
    assert "ROI 3 (0, -60, 30 mm): 0%, ROI 1 (-38, -22, 60 mm): 25%" in findings[0].message
    assert "30.0% of the map" in findings[1].message
    assert "1 of 3 ROIs" in findings[1].message
    assert check_coverage("sub-01", np.ones(3), weights, BRAIN, 0.0) == []
