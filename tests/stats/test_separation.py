import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import ks_2samp, mannwhitneyu

from bids_deeptaskgen.stats import identification
from bids_deeptaskgen.stats.identification import cross_match, match_constant
from bids_deeptaskgen.stats.separation import separate, separation


def samples(smallest):
    """Draw correlations with many ties."""
    return hnp.arrays(int, st.integers(smallest, 20), elements=st.integers(-9, 9)).map(
        lambda values: values / 10
    )


def cohort(n_participants=12, n_voxels=60, seed=0):
    """Simulate measured maps and predictions with information about each participant."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((n_participants, n_voxels))
    return tuple((truth + 2 * rng.standard_normal(truth.shape)).astype(np.float32) for _ in range(2))


@given(self_r=samples(2), others_r=samples(2))
def test_separation_is_that_of_the_tests_of_scipy(self_r, others_r):
    ks, auc = separation(self_r, others_r)
    assert ks == pytest.approx(ks_2samp(self_r, others_r, method="asymp").statistic, abs=1e-12)
    u = mannwhitneyu(self_r, others_r, method="asymptotic").statistic
    assert auc == pytest.approx(u / (len(self_r) * len(others_r)), abs=1e-12)


def test_the_diagonal_is_compared_with_all_other_cells():
    measured, predicted = cohort()
    matching = cross_match(measured, predicted, np.random.default_rng(0))
    matrix = np.corrcoef(measured, predicted)[:12, 12:]
    diagonal, others = np.diag(matrix), matrix[~np.eye(12, dtype=bool)]
    pairs = (diagonal[:, None] > others).mean()
    ks = max(abs((diagonal <= r).mean() - (others <= r).mean()) for r in matrix.ravel())
    assert separate(matching) == pytest.approx((ks, pairs), abs=1e-3)
    assert pairs > 0.7


def test_participants_without_maps_are_not_compared():
    measured, predicted = cohort()
    holes = measured.copy()
    holes[4] = np.nan
    expected = separate(
        cross_match(np.delete(measured, 4, 0), np.delete(predicted, 4, 0), np.random.default_rng(0))
    )
    assert separate(cross_match(holes, predicted, np.random.default_rng(0))) == expected


def test_one_map_for_all_separates_nothing():
    measured, predicted = cohort()
    repeated = np.repeat(predicted[:1], 12, axis=0)
    assert separate(match_constant(measured, predicted[0])) == (0.0, 0.5)
    ks, auc = separate(cross_match(measured, repeated, np.random.default_rng(0)))
    assert (ks, auc) == (0.0, 0.5)


def test_large_cohorts_are_compared_with_the_sampled_candidates(monkeypatch):
    measured, predicted = cohort(60)
    exact = separate(cross_match(measured, predicted, np.random.default_rng(0)))
    monkeypatch.setattr(identification, "MAX_FULL_MATRIX", 50)
    monkeypatch.setattr(identification, "N_SAMPLED_OTHERS", 40)
    matching = cross_match(measured, predicted, np.random.default_rng(0))
    assert matching.matrix is None
    # 41 candidates, who are never compared with themselves.
    assert len(matching.pooled_others_r) == 60 * 41 - 41
    assert separate(matching) == pytest.approx(exact, abs=0.05)


def test_a_single_participant_cannot_be_separated():
    measured, predicted = cohort(1)
    assert np.isnan(separate(cross_match(measured, predicted, np.random.default_rng(0)))).all()
    assert np.isnan(separate(match_constant(measured, predicted[0]))).all()
