import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.stats import dice, identification, scores
from bids_deeptaskgen.stats.identification import cross_match, diagonality, match_constant
from bids_deeptaskgen.stats.map_rows import LeaveOneOut
from tests.golden_files import GOLDEN


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "metrics.npz") as file:
        return dict(file)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def participants(seed, n_participants=7, n_voxels=60, signal=1.0):
    """Simulate measured and predicted maps that share a common pattern and a pattern of each participant."""
    rng = np.random.default_rng(seed)
    participant = rng.normal(size=(n_participants, n_voxels))
    pattern = rng.normal(size=n_voxels)
    noise = rng.normal(size=(2, n_participants, n_voxels))
    return (pattern + participant + noise[0]).astype(np.float32), (
        pattern + signal * participant + noise[1]
    ).astype(np.float32)


@pytest.mark.parametrize("contrast", range(4))
def test_published_correlations_and_derived_scores_are_reproduced(golden, rng, contrast):
    measured, predicted = golden["paper_actual"][:, contrast], golden["paper_pred"][:, contrast]
    result = cross_match(measured, predicted, rng)
    np.testing.assert_allclose(result.matrix, golden["paper_corr"][contrast], atol=1e-6)
    np.testing.assert_allclose(result.self_r, golden["paper_extract_diagonal"][contrast], atol=1e-6)
    np.testing.assert_allclose(
        result.difference * result.self_r, golden["paper_diagonality_index"][contrast], atol=1e-6
    )
    fingerprinting = result.identification_rate * scores.mean(result.self_r)
    assert fingerprinting == pytest.approx(golden["paper_fingerprinting"][contrast], abs=1e-6)


@pytest.mark.parametrize("contrast", range(4))
def test_published_dice_auc_is_reproduced(golden, contrast):
    overlap = dice.dice_auc(golden["paper_actual"][:, contrast], golden["paper_pred"][:, contrast])
    np.testing.assert_allclose(overlap, golden["paper_dice_auc"][:, contrast], atol=1e-12)


def test_published_dice_auc_of_a_sparse_prediction_is_reproduced(golden):
    overlap = dice.dice_auc(golden["paper_actual"][0], golden["paper_sparse_pred"])
    np.testing.assert_allclose(overlap, golden["paper_dice_auc_sparse_pred"], atol=1e-12)


@pytest.mark.parametrize("is_masked", [False, True])
def test_diagonality_of_the_published_training_log_is_reproduced(golden, rng, is_masked):
    with np.load(GOLDEN / "losses.npz") as file:
        target, predicted, mask = (file[name] for name in ("target", "pred", "mask"))
    voxels = mask != 0 if is_masked else np.ones_like(mask, bool)
    key = "mask" if is_masked else "nomask"
    # The training log has predictions as rows.
    result = cross_match(predicted[..., voxels].reshape(3, -1), target[..., voxels].reshape(3, -1), rng)
    # 1.5e-6 is the rounding of the published sums in float32.
    np.testing.assert_allclose(result.matrix, golden[f"corrcoef_subj/{key}"], atol=3e-6)
    summary = diagonality(result.self_r, result.others_r)
    assert summary["difference"] == pytest.approx(golden[f"diag_index/{key}"], abs=3e-6)
    assert summary["difference_times_mean_diagonal"] == pytest.approx(
        golden[f"diag_index_norm/{key}"], abs=3e-6
    )
    # Divided by a mean of 0.003, the float32 rounding of the published value counts.
    assert summary["percent_of_off_diagonal"] == pytest.approx(golden[f"relative_diag_index/{key}"], rel=2e-4)


@settings(deadline=None)
@given(seed=st.integers(0, 99), gain=st.floats(0.01, 100), offset=st.floats(-100, 100))
def test_gain_and_offset_of_predictions_have_no_effect(seed, gain, offset):
    measured, predicted = participants(seed)
    expected = cross_match(measured, predicted, np.random.default_rng(0))
    result = cross_match(measured, predicted * gain + offset, np.random.default_rng(0))
    np.testing.assert_allclose(result.matrix, expected.matrix, atol=1e-4)


def test_correlations_are_those_of_numpy(rng):
    measured, predicted = participants(0)
    expected = np.corrcoef(measured.astype(float), predicted.astype(float))[:7, 7:]
    result = cross_match(measured, predicted, rng)
    np.testing.assert_allclose(result.matrix, expected, atol=1e-6)
    np.testing.assert_allclose(result.self_r, np.diag(expected), atol=1e-12)
    others_r = (expected.sum(axis=1) - np.diag(expected)) / 6
    np.testing.assert_allclose(result.others_r, others_r, atol=1e-12)
    np.testing.assert_array_equal(result.rank, 1 + (expected > np.diag(expected)[:, None]).sum(axis=1))


def test_for_many_participants_means_are_exact_and_ranks_are_those_in_a_sample(monkeypatch):
    measured, predicted = participants(1, n_participants=90, n_voxels=40, signal=0.3)
    full = cross_match(measured, predicted, np.random.default_rng(0))
    monkeypatch.setattr(identification, "MAX_FULL_MATRIX", 20)
    monkeypatch.setattr(identification, "N_SAMPLED_OTHERS", 30)
    sampled = cross_match(measured, predicted, np.random.default_rng(0))
    assert sampled.matrix is None
    assert sampled.n_candidates == 31
    np.testing.assert_allclose(sampled.others_r, full.others_r, atol=1e-12)
    candidates = np.sort(np.random.default_rng(0).choice(90, 31, replace=False))
    for participant in range(90):
        competitors = candidates[candidates != participant][:30]
        expected = 1 + (full.matrix[participant, competitors] > full.self_r[participant]).sum()
        assert sampled.rank[participant] == expected


def test_participants_without_a_map_are_ignored(rng):
    measured, predicted = participants(2)
    holes = measured.copy(), predicted.copy()
    holes[0][1, 3] = np.nan
    holes[1][4] = 2.0
    rows = [0, 2, 3, 5, 6]
    result = cross_match(*holes, rng)
    expected = cross_match(measured[rows], predicted[rows], rng)
    assert result.n_participants == result.n_candidates == 5
    assert np.isnan(result.self_r[[1, 4]]).all()
    assert np.isnan(result.matrix[[1, 4]]).all()
    assert np.isnan(result.matrix[:, [1, 4]]).all()
    for name in ("self_r", "others_r", "rank"):
        np.testing.assert_array_equal(getattr(result, name)[rows], getattr(expected, name))
    assert np.isnan(dice.dice_auc(*holes)[[1, 4]]).all()
    assert np.isnan(scores.correlations(*holes)[[1, 4]]).all()


def test_one_map_for_all_identifies_no_participant(rng):
    measured, predicted = participants(3)
    average = predicted.mean(axis=0)
    constant = match_constant(measured, average)
    expected = cross_match(measured, np.broadcast_to(average, measured.shape), rng)
    assert (constant.difference == 0).all()
    assert constant.identification_rate == expected.identification_rate == 0
    assert constant.mean_rank == expected.mean_rank == 4
    np.testing.assert_allclose(constant.matrix, expected.matrix, atol=1e-6)
    np.testing.assert_allclose(constant.self_r, expected.self_r, atol=1e-12)


def test_the_residual_ignores_a_common_pattern():
    measured, predicted = participants(4)
    average, pattern = measured.mean(axis=0), 50 * np.ones(60) + np.arange(60)
    r = scores.residual_correlations(measured, predicted, average)
    np.testing.assert_allclose(
        r,
        scores.residual_correlations(measured + pattern, predicted + pattern, average + pattern),
        atol=1e-4,
    )
    expected = np.corrcoef(measured[2] - average, predicted[2] - average)[0, 1]
    assert r[2] == pytest.approx(expected, abs=1e-6)


def test_the_average_itself_has_no_residual():
    measured, _ = participants(4)
    average = measured.mean(axis=0)
    assert np.isnan(scores.residual_correlations(measured, average, average)).all()
    averages = (measured.sum(axis=0) - measured) / 6
    assert np.isnan(scores.residual_correlations(measured, averages, averages)).all()


def test_the_overlap_of_a_map_with_its_negative_is_the_ceiling():
    measured, _ = participants(5, n_voxels=1000)
    np.testing.assert_allclose(dice.dice_auc(measured, -measured), dice.DICE_CEILING)


def test_unrelated_maps_overlap_by_chance(rng):
    measured, predicted = rng.normal(size=(2, 40, 5000))
    assert dice.dice_auc(measured, predicted).mean() == pytest.approx(dice.DICE_CHANCE, abs=2e-3)


def test_a_ratio_to_a_small_diagonal_is_nan():
    summary = diagonality([0.09, 0.09], [0.01, 0.01])
    assert np.isnan(summary["difference_over_diagonal"])
    assert summary["difference"] == pytest.approx(0.08)
    assert diagonality([0.5, 0.3], [0.2, 0.2])["difference_over_diagonal"] == pytest.approx(0.5)
    assert np.isnan(diagonality([0.5], [0.0])["percent_of_off_diagonal"])


def test_scores_without_participants_are_nan(rng):
    maps = np.full((3, 10), np.nan)
    result = cross_match(maps, maps, rng)
    assert result.n_participants == 0
    assert np.isnan([result.identification_rate, result.mean_rank]).all()
    assert np.isnan(list(diagonality(result.self_r, result.others_r).values())).all()


def cohort_of_noise(rng, n_participants=12):
    """Simulate participants who share a pattern to different degrees, and predictions unrelated to them."""
    pattern = rng.normal(size=200)
    shares = rng.uniform(0.3, 2, (2, n_participants, 1))
    return shares * pattern + rng.normal(size=(2, n_participants, 200))


def test_contributions_to_the_difference_have_its_mean_and_its_standard_error():
    rows = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        measured, predicted = cohort_of_noise(rng)
        result = cross_match(measured, predicted, rng)
        assert result.part_in_difference.mean() == pytest.approx(result.difference.mean(), abs=1e-12)
        samples = (result.part_in_difference, result.difference)
        error = [sample.std(ddof=1) / np.sqrt(12) for sample in samples]
        rows.append([result.difference.mean(), *error])
    true_error = np.std(rows, axis=0)[0]
    contribution_error, difference_error = np.mean(rows, axis=0)[1:]
    assert contribution_error == pytest.approx(true_error, rel=0.2)
    # Differences treat the predictions of others as fixed, so their error includes a part that cancels.
    assert difference_error > 1.5 * true_error


def test_one_map_for_all_contributes_nothing_to_a_difference():
    measured, predicted = participants(3)
    assert (match_constant(measured, predicted.mean(axis=0)).part_in_difference == 0).all()


def test_for_two_participants_incoming_r_is_the_others_r_of_the_second(rng):
    result = cross_match(*participants(6, n_participants=2), rng)
    np.testing.assert_allclose(result.others_r, result.incoming_r[::-1], atol=1e-12)
    np.testing.assert_allclose(result.others_r, [result.matrix[0, 1], result.matrix[1, 0]], atol=1e-6)


def test_residual_r_by_chance_is_that_of_predictions_of_others(rng):
    measured, predicted = participants(7, n_participants=5)
    average = rng.normal(size=60)
    r = np.corrcoef(measured - average, predicted - average)[:5, 5:]
    expected = r[~np.eye(5, dtype=bool)].mean()
    assert scores.residual_chance(measured, predicted, average, rng) == pytest.approx(expected, abs=1e-6)
    # The error of the average is part of both residuals.
    assert expected > 0.3
    assert np.isnan(scores.residual_chance(measured[:1], predicted[:1], average, rng))


def test_residual_r_by_chance_of_many_participants_is_estimated_from_some_pairs(rng, monkeypatch):
    measured, predicted = participants(8, n_participants=40)
    full = scores.residual_chance(measured, predicted, np.zeros(60), rng)
    monkeypatch.setattr(scores, "N_OTHER_PAIRS", 100)
    sampled = scores.residual_chance(measured, predicted, np.zeros(60), rng)
    assert sampled != full
    assert sampled == pytest.approx(full, abs=0.05)


@pytest.mark.parametrize("n", [3, 8])
def test_residual_r_by_chance_is_that_of_maps_of_new_participants(n):
    rng = np.random.default_rng(1)
    common, own = rng.normal(size=20_000), rng.normal(size=(n, 20_000))
    measured, predicted, new_maps = (
        common + source + 0.3 * rng.normal(size=own.shape)
        for source in (own, own, rng.normal(size=own.shape))
    )
    average = LeaveOneOut(measured)
    r = []
    for first in range(n):
        for second in set(range(n)) - {first}:
            base = np.delete(measured, [first, second], axis=0).mean(axis=0)
            r.append(np.corrcoef(measured[first] - base, new_maps[second] - base)[0, 1])
    # Of n - 2 maps, the average has an error of 1 / (n - 2) of the variance between participants.
    assert np.mean(r) == pytest.approx(1 / (n - 1), abs=0.01)
    chance = scores.residual_chance(measured, predicted, average, rng)
    assert chance == pytest.approx(np.mean(r), abs=0.01)
    assert np.isnan(scores.residual_chance(measured[:2], predicted[:2], LeaveOneOut(measured[:2]), rng))
