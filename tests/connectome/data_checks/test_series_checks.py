"""Rounding, copies and frozen parts are found where they are, and nowhere else."""

import numpy as np
import pytest

from bids_deeptaskgen.connectome.data_checks.checks import SERIES_CHECKS
from bids_deeptaskgen.connectome.data_checks.measurement import read_flag
from bids_deeptaskgen.connectome.data_checks.series_checks import (
    copied_voxels,
    distinct_values,
    frozen_slices,
    frozen_volumes,
    repeated_slices,
    rounding_noise,
)
from tests.connectome.data_checks.series import N_VOLUMES, brain_mask, demeaned, make_series, observe

DATA = make_series()


def flags(observed):
    """Return the names of the flags of a series."""
    values = {name: check(observed) for name, check in SERIES_CHECKS.items()}
    return {name for name, found in values.items() if found and read_flag(name).violated_by(found.value)}


@pytest.mark.parametrize(
    ("stored", "slope", "inter"),
    [
        (DATA.astype(np.float32), 1.0, 0.0),
        (DATA, 1.0, 0.0),
        (np.rint(DATA).astype(np.int16), 1.0, 0.0),
        (np.rint((DATA - 500) / 0.1).astype(np.int16), 0.1, 500.0),
        (np.rint(DATA).astype(">i2"), 1.0, 0.0),
        (demeaned(DATA).astype(np.float32), 1.0, 0.0),
        (np.rint(demeaned(DATA) / 1e-3).astype(np.int16), 1e-3, 0.0),
    ],
)
def test_an_intact_series_has_no_flag_however_it_is_stored(stored, slope, inter):
    assert flags(observe(stored, slope=slope, inter=inter)) == set()


@pytest.mark.parametrize("slope", [1.0, 0.25])
def test_a_rounded_series_is_flagged_with_its_number_of_values(slope):
    rounded = np.rint(demeaned(DATA))
    observed = observe(rounded / slope, slope=slope, dtype=np.int16)
    assert flags(observed) == {"few_distinct_values", "coarse_rounding"}
    assert distinct_values(observed).value == len(np.unique(observed.samples)) < 13
    # 1 / 12 of a variance of 1 + 1 / 12.
    assert rounding_noise(observed).value == pytest.approx(1 / 13, rel=0.1)
    assert rounding_noise(observed).detail == "1"


def test_frozen_volumes_are_counted_and_are_no_frozen_slices():
    data = DATA.copy()
    data[..., 20:24] = data[..., [20]]
    observed = observe(data)
    assert flags(observed) == {"frozen_volumes"}
    assert frozen_volumes(observed).value == 3


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("is_blank", [True, False])
def test_slices_that_freeze_or_vanish_in_some_volumes_are_found_along_each_axis(axis, is_blank):
    data = DATA.copy()
    band = np.moveaxis(data, axis, 0)[10:12]
    band[..., 30:35] = 0 if is_blank else band[..., [29]]
    observed = observe(data)
    assert flags(observed) == {"frozen_slices"}
    found = frozen_slices(observed)
    assert found.value == 2 * 5
    assert found.detail == "slices 10 to 11, kept volumes 30 to 34"


def test_slices_without_signal_in_the_whole_series_are_not_frozen():
    data = DATA.copy()
    data[:, :, 12:] = 0
    assert "frozen_slices" not in flags(observe(data))


def test_voxels_doubled_by_nearest_neighbour_are_copies():
    data = DATA[::2, ::2, ::2].repeat(2, 0).repeat(2, 1).repeat(2, 2)
    observed = observe(data)
    assert "copied_voxels" in flags(observed)
    assert copied_voxels(observed).value > 0.8


def test_repeated_slices_are_counted_and_are_no_copied_voxels():
    data = DATA.copy()
    inside = np.flatnonzero(brain_mask().any(axis=(0, 1)))
    top = inside[-2]
    data[:, :, top + 1 :] = data[:, :, [top]]
    observed = observe(data)
    assert "repeated_slices" in flags(observed)
    # The last slice of the mask repeats in the slice outside.
    assert repeated_slices(observed).value == 2
    assert repeated_slices(observed).detail == f"k = {top}, {top + 1}"
    assert copied_voxels(observed).value < 0.05


def test_values_that_are_not_finite_do_not_stop_the_checks():
    data = DATA.astype(np.float32)
    data[5:15, :, :, 7] = np.nan
    data[:, :, 12:] = np.inf
    observed = observe(data)
    assert np.isfinite(observed.global_signal).all()
    assert "few_distinct_values" not in flags(observed)


def test_the_hash_is_of_the_data_and_not_of_their_storage():
    values = np.rint(DATA)
    plain = observe(values, dtype=np.float32)
    assert observe(values, dtype=np.int16).fingerprint == plain.fingerprint
    assert observe(values * 2, slope=0.5, dtype=np.int32).fingerprint == plain.fingerprint
    assert observe(values, brain_mask((1, 0, 0))).fingerprint == plain.fingerprint
    data = values.copy()
    data[10, 10, 10, :] += 1
    assert observe(data).fingerprint != plain.fingerprint


def test_the_global_signal_is_the_mean_inside_the_mask():
    observed = observe(DATA)
    expected = DATA[brain_mask()].mean(axis=0)
    assert observed.global_signal.shape == (N_VOLUMES,)
    assert np.corrcoef(observed.global_signal, expected)[0, 1] > 0.99
