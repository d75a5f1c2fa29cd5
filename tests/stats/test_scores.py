import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.stats import dice, identification, scores
from bids_deeptaskgen.stats.identification import diagonality, match, match_constant
from tests.golden_files import GOLDEN


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "metrics.npz") as file:
        return dict(file)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def participants(seed, n_participants=7, n_voxels=60, signal=1.0):
    """Measured maps and predictions that share a pattern and something of each person."""
    rng = np.random.default_rng(seed)
    participant = rng.normal(size=(n_participants, n_voxels))
    pattern = rng.normal(size=n_voxels)
    noise = rng.normal(size=(2, n_participants, n_voxels))
    return (pattern + participant + noise[0]).astype(np.float32), (
        pattern + signal * participant + noise[1]
    ).astype(np.float32)


@pytest.mark.parametrize("contrast", range(4))
def test_the_published_correlations_and_what_follows_from_them(golden, rng, contrast):
    measured, predicted = golden["paper_actual"][:, contrast], golden["paper_pred"][:, contrast]
    found = match(measured, predicted, rng)
    np.testing.assert_allclose(found.matrix, golden["paper_corr"][contrast], atol=1e-6)
    np.testing.assert_allclose(found.own, golden["paper_extract_diagonal"][contrast], atol=1e-6)
    np.testing.assert_allclose(
        found.difference * found.own, golden["paper_diagonality_index"][contrast], atol=1e-6
    )
    fingerprinting = found.identification_rate * scores.mean(found.own)
    assert fingerprinting == pytest.approx(golden["paper_fingerprinting"][contrast], abs=1e-6)


@pytest.mark.parametrize("contrast", range(4))
def test_the_published_dice_auc(golden, contrast):
    found = dice.dice_auc(golden["paper_actual"][:, contrast], golden["paper_pred"][:, contrast])
    np.testing.assert_allclose(found, golden["paper_dice_auc"][:, contrast], atol=1e-12)


def test_the_published_dice_auc_of_a_prediction_that_is_mostly_zero(golden):
    found = dice.dice_auc(golden["paper_actual"][0], golden["paper_sparse_pred"])
    np.testing.assert_allclose(found, golden["paper_dice_auc_sparse_pred"], atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_the_diagonality_of_the_published_training_log(golden, rng, masked):
    with np.load(GOLDEN / "losses.npz") as file:
        target, predicted, mask = (file[name] for name in ("target", "pred", "mask"))
    chosen = mask != 0 if masked else np.ones_like(mask, bool)
    key = "mask" if masked else "nomask"
    # The training log has predictions as rows.
    found = match(predicted[..., chosen].reshape(3, -1), target[..., chosen].reshape(3, -1), rng)
    # 1.5e-6 is the rounding of the published sums in float32.
    np.testing.assert_allclose(found.matrix, golden[f"corrcoef_subj/{key}"], atol=3e-6)
    summary = diagonality(found.own, found.others)
    assert summary["difference"] == pytest.approx(golden[f"diag_index/{key}"], abs=3e-6)
    assert summary["difference_times_mean_diagonal"] == pytest.approx(
        golden[f"diag_index_norm/{key}"], abs=3e-6
    )
    # Divided by a mean of 0.003, the float32 rounding of the published value counts.
    assert summary["percent_of_off_diagonal"] == pytest.approx(golden[f"relative_diag_index/{key}"], rel=2e-4)


@settings(deadline=None)
@given(seed=st.integers(0, 99), gain=st.floats(0.01, 100), offset=st.floats(-100, 100))
def test_gain_and_offset_of_predictions_do_not_matter(seed, gain, offset):
    measured, predicted = participants(seed)
    before = match(measured, predicted, np.random.default_rng(0))
    after = match(measured, predicted * gain + offset, np.random.default_rng(0))
    np.testing.assert_allclose(before.matrix, after.matrix, atol=1e-4)


def test_correlations_are_those_of_numpy(rng):
    measured, predicted = participants(0)
    expected = np.corrcoef(measured.astype(float), predicted.astype(float))[:7, 7:]
    found = match(measured, predicted, rng)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-6)
    np.testing.assert_allclose(found.own, np.diag(expected), atol=1e-12)
    others = (expected.sum(axis=1) - np.diag(expected)) / 6
    np.testing.assert_allclose(found.others, others, atol=1e-12)
    np.testing.assert_array_equal(found.rank, 1 + (expected > np.diag(expected)[:, None]).sum(axis=1))


def test_of_too_many_people_means_are_exact_and_ranks_are_those_among_a_sample(monkeypatch):
    measured, predicted = participants(1, n_participants=90, n_voxels=40, signal=0.3)
    whole = match(measured, predicted, np.random.default_rng(0))
    monkeypatch.setattr(identification, "MAX_FULL_MATRIX", 20)
    monkeypatch.setattr(identification, "N_SAMPLED_OTHERS", 30)
    sampled = match(measured, predicted, np.random.default_rng(0))
    assert sampled.matrix is None
    assert sampled.n_candidates == 31
    np.testing.assert_allclose(sampled.others, whole.others, atol=1e-12)
    chosen = np.sort(np.random.default_rng(0).choice(90, 31, replace=False))
    for participant in range(90):
        others = chosen[chosen != participant][:30]
        expected = 1 + (whole.matrix[participant, others] > whole.own[participant]).sum()
        assert sampled.rank[participant] == expected


def test_who_has_no_map_is_left_out_and_counted_for_nothing(rng):
    measured, predicted = participants(2)
    holes = measured.copy(), predicted.copy()
    holes[0][1, 3] = np.nan
    holes[1][4] = 2.0
    present = [0, 2, 3, 5, 6]
    found, expected = (
        match(*holes, rng),
        match(measured[present], predicted[present], rng),
    )
    assert found.n_participants == found.n_candidates == 5
    assert np.isnan(found.own[[1, 4]]).all()
    assert np.isnan(found.matrix[[1, 4]]).all()
    assert np.isnan(found.matrix[:, [1, 4]]).all()
    for name in ("own", "others", "rank"):
        np.testing.assert_array_equal(getattr(found, name)[present], getattr(expected, name))
    assert np.isnan(dice.dice_auc(*holes)[[1, 4]]).all()
    assert np.isnan(scores.correlations(*holes)[[1, 4]]).all()


def test_one_map_for_everybody_identifies_nobody(rng):
    measured, predicted = participants(3)
    same = predicted.mean(axis=0)
    short = match_constant(measured, same)
    long = match(measured, np.broadcast_to(same, measured.shape), rng)
    assert (short.difference == 0).all()
    assert short.identification_rate == long.identification_rate == 0
    assert short.mean_rank == long.mean_rank == 4
    np.testing.assert_allclose(short.matrix, long.matrix, atol=1e-6)
    np.testing.assert_allclose(short.own, long.own, atol=1e-12)


def test_the_residual_forgets_what_people_share():
    measured, predicted = participants(4)
    average, far = measured.mean(axis=0), 50 * np.ones(60) + np.arange(60)
    found = scores.residual_correlations(measured, predicted, average)
    np.testing.assert_allclose(
        found, scores.residual_correlations(measured + far, predicted + far, average + far), atol=1e-4
    )
    expected = np.corrcoef(measured[2] - average, predicted[2] - average)[0, 1]
    assert found[2] == pytest.approx(expected, abs=1e-6)


def test_the_average_itself_has_no_residual():
    measured, _ = participants(4)
    average = measured.mean(axis=0)
    assert np.isnan(scores.residual_correlations(measured, average, average)).all()
    own = (measured.sum(axis=0) - measured) / 6
    assert np.isnan(scores.residual_correlations(measured, own, own)).all()


def test_a_map_overlaps_with_itself_up_to_the_ceiling_and_with_its_negative_too():
    measured, _ = participants(5, n_voxels=1000)
    np.testing.assert_allclose(dice.dice_auc(measured, -measured), dice.DICE_CEILING)


def test_unrelated_maps_overlap_by_chance(rng):
    measured, predicted = rng.normal(size=(2, 40, 5000))
    assert dice.dice_auc(measured, predicted).mean() == pytest.approx(dice.DICE_CHANCE, abs=2e-3)


def test_a_ratio_to_next_to_nothing_is_not_given():
    low = diagonality([0.09, 0.09], [0.01, 0.01])
    assert np.isnan(low["difference_over_diagonal"])
    assert low["difference"] == pytest.approx(0.08)
    assert diagonality([0.5, 0.3], [0.2, 0.2])["difference_over_diagonal"] == pytest.approx(0.5)
    assert np.isnan(diagonality([0.5], [0.0])["percent_of_off_diagonal"])


def test_scores_of_nobody_are_not_numbers(rng):
    nobody = np.full((3, 10), np.nan)
    found = match(nobody, nobody, rng)
    assert found.n_participants == 0
    assert np.isnan([found.identification_rate, found.mean_rank]).all()
    assert np.isnan(list(diagonality(found.own, found.others).values())).all()


def cohort_of_noise(rng, n_participants=12):
    """Maps of people who differ in how typical they are, and predictions that know nothing of them."""
    pattern = rng.normal(size=200)
    shares = rng.uniform(0.3, 2, (2, n_participants, 1))
    return shares * pattern + rng.normal(size=(2, n_participants, 200))


def test_the_parts_of_the_difference_add_up_to_it_and_vary_as_it_does():
    found = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        measured, predicted = cohort_of_noise(rng)
        matching = match(measured, predicted, rng)
        assert matching.part_in_difference.mean() == pytest.approx(matching.difference.mean(), abs=1e-12)
        parts = (matching.part_in_difference, matching.difference)
        error = [part.std(ddof=1) / np.sqrt(12) for part in parts]
        found.append([matching.difference.mean(), *error])
    of_means = np.std(found, axis=0)[0]
    of_parts, of_participants = np.mean(found, axis=0)[1:]
    assert of_parts == pytest.approx(of_means, rel=0.2)
    # Of people as if the others' predictions were given: how typical somebody is counts, though it cancels.
    assert of_participants > 1.5 * of_means


def test_one_map_for_everybody_has_no_part_in_a_difference():
    measured, predicted = participants(3)
    assert (match_constant(measured, predicted.mean(axis=0)).part_in_difference == 0).all()


def test_of_two_people_each_gives_the_other_what_it_receives(rng):
    found = match(*participants(6, n_participants=2), rng)
    np.testing.assert_allclose(found.others, found.received[::-1], atol=1e-12)
    np.testing.assert_allclose(found.others, [found.matrix[0, 1], found.matrix[1, 0]], atol=1e-6)


def test_the_chance_of_residual_r_is_what_others_predictions_have(rng):
    measured, predicted = participants(7, n_participants=5)
    average = rng.normal(size=60)
    left, right = measured - average, predicted - average
    r = np.corrcoef(left, right)[:5, 5:]
    expected = r[~np.eye(5, dtype=bool)].mean()
    assert scores.residual_chance(measured, predicted, average, rng) == pytest.approx(expected, abs=1e-6)
    # An average that is wrong is wrong in both residuals.
    assert expected > 0.3
    assert np.isnan(scores.residual_chance(measured[:1], predicted[:1], average, rng))


def test_the_chance_of_residual_r_of_many_people_is_that_of_some_pairs(rng, monkeypatch):
    measured, predicted = participants(8, n_participants=40)
    whole = scores.residual_chance(measured, predicted, np.zeros(60), rng)
    monkeypatch.setattr(scores, "N_OTHER_PAIRS", 100)
    some = scores.residual_chance(measured, predicted, np.zeros(60), rng)
    assert some != whole
    assert some == pytest.approx(whole, abs=0.05)
