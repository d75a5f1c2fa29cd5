"""Agreement of maps, against plain numpy on all maps in memory."""

from itertools import combinations

import numpy as np
import pytest

from bids_deeptaskgen.stats.map_agreement import (
    PairSum,
    Reference,
    ResampleAgreement,
    WindowAgreement,
    pairwise_r,
    relative_sd,
    spearman_brown,
)

N_CONTRASTS, N_VOXELS = 4, 500


def simulate(n_sets, seed=0):
    """Simulate sets of maps with a pattern of all participants, one of this participant, and noise."""
    rng = np.random.default_rng(seed)
    mean_maps = 100 + 5 * rng.normal(size=(N_CONTRASTS, N_VOXELS))
    participant = rng.normal(size=(N_CONTRASTS, N_VOXELS))
    noise = rng.normal(size=(n_sets, N_CONTRASTS, N_VOXELS))
    voxels = rng.random(N_VOXELS) > 0.3
    return (mean_maps + participant + noise).astype(np.float32), mean_maps.astype(np.float32), voxels


def correlate(first, second, mean_maps, voxels):
    """Correlate two sets contrast by contrast in float64: the oracle."""
    return np.array(
        [
            np.corrcoef((a - m)[voxels], (b - m)[voxels])[0, 1]
            for a, b, m in zip(
                first.astype(float), second.astype(float), mean_maps.astype(float), strict=True
            )
        ]
    )


def mean_over_pairs(sets, mean_maps, voxels):
    return np.mean([correlate(*pair, mean_maps, voxels) for pair in combinations(sets, 2)], axis=0)


@pytest.mark.parametrize("n_sets", [2, 3, 8])
def test_the_mean_over_pairs_follows_from_a_running_sum(n_sets):
    sets, mean_maps, voxels = simulate(n_sets)
    pairs = PairSum(Reference(mean_maps, voxels))
    for maps in sets:
        pairs.add(maps)
    expected = mean_over_pairs(sets, mean_maps, voxels)
    np.testing.assert_allclose(pairs.mean_r(), expected, atol=2e-6)


def test_plain_maps_of_all_voxels_are_compared_without_mean_maps_and_mask():
    sets, _, _ = simulate(2)
    zero = np.zeros((N_CONTRASTS, N_VOXELS))
    expected = correlate(*sets, zero, np.ones(N_VOXELS, bool))
    np.testing.assert_allclose(pairwise_r(*sets), expected, atol=2e-6)


def test_mean_maps_hide_what_the_participant_has_of_their_own():
    sets, mean_maps, voxels = simulate(2)
    assert (pairwise_r(*sets, None, voxels) > 0.9).all()
    assert (pairwise_r(*sets, mean_maps, voxels) < 0.7).all()


@pytest.mark.parametrize(("n_runs", "n_windows"), [(1, 2), (1, 5), (2, 4), (3, 3), (4, 1)])
def test_windows_halves_and_runs_agree_as_if_all_maps_were_in_memory(n_runs, n_windows):
    sets, mean_maps, voxels = simulate(n_runs * n_windows)
    before = sets.copy()
    agreement = WindowAgreement(Reference(mean_maps, voxels), n_windows, n_runs)
    for maps in sets:
        agreement.add(maps)
    np.testing.assert_array_equal(sets, before)
    assert agreement.n_windows == n_runs * n_windows
    np.testing.assert_allclose(agreement.window_r(), mean_over_pairs(sets, mean_maps, voxels), atol=2e-6)
    odd, even = sets[::2].mean(axis=0), sets[1::2].mean(axis=0)
    np.testing.assert_allclose(agreement.split_half_r(), correlate(odd, even, mean_maps, voxels), atol=1e-5)
    if n_runs == 1:
        assert agreement.run_r() is None
    else:
        runs = sets.reshape(n_runs, n_windows, N_CONTRASTS, N_VOXELS).mean(axis=1)
        np.testing.assert_allclose(agreement.run_r(), mean_over_pairs(runs, mean_maps, voxels), atol=1e-5)


def test_nothing_is_compared_with_a_single_window():
    sets, mean_maps, voxels = simulate(1)
    agreement = WindowAgreement(Reference(mean_maps, voxels), 1, 1)
    agreement.add(sets[0])
    assert (agreement.window_r(), agreement.split_half_r(), agreement.run_r()) == (None, None, None)


def test_resamples_are_compared_with_the_map():
    sets, mean_maps, voxels = simulate(6)
    agreement = ResampleAgreement(Reference(mean_maps, voxels), sets[0])
    for maps in sets[1:]:
        agreement.add(maps)
    expected = np.mean([correlate(sets[0], maps, mean_maps, voxels) for maps in sets[1:]], axis=0)
    np.testing.assert_allclose(agreement.mean_r(), expected, atol=2e-6)


def test_a_constant_map_has_no_agreement_and_leaves_that_of_other_contrasts():
    sets, mean_maps, voxels = simulate(3)
    sets[0, 2] = mean_maps[2]
    agreement = WindowAgreement(Reference(mean_maps, voxels), 3, 1)
    for maps in sets:
        agreement.add(maps)
    np.testing.assert_array_equal(np.isnan(agreement.window_r()), [False, False, True, False])
    assert np.isfinite(agreement.split_half_r()).all()
    assert np.isnan(relative_sd(np.ones((1, 5)), np.full((1, 5), 0.1))).all()


def test_the_reliability_of_the_whole_follows_from_its_halves():
    rng = np.random.default_rng(0)
    truth, errors = rng.normal(size=200_000), rng.normal(size=(4, 200_000))
    windows = (truth + errors).astype(np.float32)[:, None]
    half_r = pairwise_r(windows[:2].mean(axis=0), windows[2:].mean(axis=0))
    # Variance of the truth in the mean of four windows: 1 / (1 + 1/4).
    np.testing.assert_allclose(spearman_brown(half_r), 0.8, atol=0.01)


def test_the_relative_sd_is_that_of_the_compared_voxels():
    sets, _, voxels = simulate(5)
    sd = sets.std(axis=0, ddof=1)
    expected = sd[:, voxels].mean(axis=1) / sets[0][:, voxels].std(axis=1)
    np.testing.assert_allclose(relative_sd(sd, sets[0], voxels), expected, rtol=1e-5)
