"""A mask that does not belong to its series is found by the mean image of the series."""

import numpy as np
import pytest

from bids_deeptaskgen.connectome.data_checks.mask_checks import (
    mask_offset,
    mask_without_signal,
    signal_outside_mask,
)
from tests.connectome.data_checks.series import SIZE_MM, brain_mask, demeaned, make_series, observe

DATA = make_series()
CHECKS = (mask_without_signal, signal_outside_mask, mask_offset)


@pytest.mark.parametrize("data", [DATA, demeaned(DATA)])
def test_a_mask_of_the_series_has_signal_inside_and_none_outside(data):
    observed = observe(data)
    assert mask_without_signal(observed).value < 0.001
    assert signal_outside_mask(observed).value == 0
    assert mask_offset(observed).value == 0


@pytest.mark.parametrize("shift", [(2, 0, 0), (0, -2, 0), (0, 1, 2)])
def test_a_displaced_mask_is_found_with_its_displacement(shift):
    observed = observe(DATA, brain_mask(shift))
    assert mask_offset(observed).value == pytest.approx(SIZE_MM * np.linalg.norm(shift))
    mask, brain = brain_mask(shift), brain_mask()
    assert mask_without_signal(observed).value == pytest.approx((mask & ~brain).sum() / mask.sum(), abs=0.01)
    assert signal_outside_mask(observed).value == pytest.approx((brain & ~mask).sum() / brain.sum(), abs=0.01)


def test_a_displaced_mask_of_a_masked_series_without_its_mean_is_found():
    observed = observe(demeaned(DATA), brain_mask((3, 0, 0)))
    assert mask_without_signal(observed).value > 0.05
    assert signal_outside_mask(observed).value > 0.05


def test_a_missing_half_of_the_brain_is_no_displaced_mask():
    data = DATA.copy()
    data[:, :, 12:] = 0
    observed = observe(data)
    assert mask_offset(observed).value == 0
    assert mask_without_signal(observed).value > 0.3


def test_voxels_that_are_not_zero_are_no_mask_to_check():
    observed = observe(DATA, brain_mask((3, 0, 0)), has_mask_file=False)
    assert [check(observed) for check in CHECKS] == [None] * 3


def test_a_series_of_zeros_has_no_mask_to_check():
    observed = observe(np.zeros_like(DATA))
    assert [check(observed) for check in CHECKS] == [None] * 3
