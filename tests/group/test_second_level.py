import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.group import second_level
from bids_deeptaskgen.group.design.plan import plan_design
from bids_deeptaskgen.group.second_level import fit_effects, permute_effects, split_design
from tests.group.designs import observations, request

SHAPE = (6, 7, 8)
N_VOXELS = 6 * 7 * 8
AFFINE = np.diag([-2.0, 2, 2, 1])

pytestmark = pytest.mark.filterwarnings("error")


def chunks(values, *, seed=0, length=50):
    """Yield voxels in any order, as the scratch file does."""
    order = np.random.default_rng(seed).permutation(values.shape[1])
    for start in range(0, len(order), length):
        voxels = order[start : start + length]
        yield voxels, values[:, voxels]


def noise(n_participants=40, seed=0, n_voxels=N_VOXELS):
    return np.random.default_rng(seed).normal(size=(n_participants, n_voxels)).astype(np.float32)


def least_squares(matrix, contrast, values):
    """Return t and effect by the textbook."""
    inverse = np.linalg.inv(matrix.T @ matrix)
    weights = inverse @ matrix.T @ values
    residuals = values - matrix @ weights
    variance = (residuals**2).sum(axis=0) / (matrix.shape[0] - matrix.shape[1])
    effect = contrast @ weights
    return effect / np.sqrt(variance * (contrast @ inverse @ contrast)), effect


def test_a_planted_effect_of_age_has_its_size_and_sign():
    rows, values = observations(), noise()
    ages = np.array([float(row.columns["age"]) for row in rows])
    values[:, :50] += 0.1 * ages[:, np.newaxis].astype(np.float32)
    values[:, 50:100] -= 0.1 * ages[:, np.newaxis].astype(np.float32)
    fit = fit_effects(plan_design(rows, request("age + sex", "tsnr")), chunks(values), SHAPE)
    maps = fit.effects["age"]
    assert (maps.t.ravel()[:50] > 3).all()
    assert (maps.t.ravel()[50:100] < -3).all()
    np.testing.assert_allclose(maps.effect.ravel()[:50].mean(), 0.1, atol=0.01)
    np.testing.assert_allclose(maps.effect.ravel()[50:100].mean(), -0.1, atol=0.01)
    assert (maps.q.ravel()[:100] < 0.05).all()
    assert np.mean(maps.q.ravel()[100:] < 0.05) < 0.05


@pytest.mark.parametrize("design", ["age", "age * sex", "group + age", "C(group) * sex + log(age)"])
def test_chunks_give_the_results_of_nilearn_on_whole_images_and_of_the_textbook(design):
    from nilearn.glm.second_level import SecondLevelModel

    plan, values = plan_design(observations(60), request(design, "mean_fd", "tsnr")), noise(60)
    fit = fit_effects(plan, chunks(values), SHAPE)
    images = [nib.Nifti1Image(row.reshape(SHAPE), AFFINE) for row in values]
    mask = nib.Nifti1Image(np.ones(SHAPE, np.uint8), AFFINE)
    model = SecondLevelModel(mask_img=mask).fit(
        images, design_matrix=pd.DataFrame(plan.matrix, columns=plan.columns)
    )
    for effect in plan.effects:
        maps = fit.effects[effect.label]
        whole = model.compute_contrast(effect.contrast, output_type="all")
        np.testing.assert_allclose(maps.t, whole["stat"].get_fdata(), atol=1e-5)
        np.testing.assert_allclose(maps.effect, whole["effect_size"].get_fdata(), rtol=1e-4, atol=1e-6)
        one_sided = whole["p_value"].get_fdata()
        np.testing.assert_allclose(maps.p, 2 * np.minimum(one_sided, 1 - one_sided), rtol=1e-4)
        t, size = least_squares(plan.matrix, effect.contrast, values)
        np.testing.assert_allclose(maps.t.ravel(), t, atol=1e-5)
        np.testing.assert_allclose(maps.effect.ravel(), size, rtol=1e-4, atol=1e-6)


def test_p_is_two_sided_and_r_is_the_partial_correlation():
    plan, values = plan_design(observations(), request("age", "mean_fd")), noise()
    maps = fit_effects(plan, chunks(values), SHAPE).effects["age"]
    nuisance = plan.matrix[:, [0, 2]]
    remaining = [
        column - nuisance @ np.linalg.lstsq(nuisance, column, rcond=None)[0]
        for column in (plan.matrix[:, 1], values[:, 5])
    ]
    np.testing.assert_allclose(maps.r.ravel()[5], np.corrcoef(*remaining)[0, 1], atol=1e-5)
    np.testing.assert_allclose(maps.p, 2 * stats.t.sf(np.abs(maps.t), plan.dof), rtol=1e-4)
    np.testing.assert_allclose(maps.q.ravel(), stats.false_discovery_control(maps.p.ravel()), rtol=1e-4)


def test_only_voxels_with_values_of_all_participants_are_tested():
    plan, values = plan_design(observations(), request("age")), noise()
    values[3, :20] = 0
    values[7, :5] = np.nan
    values[:, 30] = 0
    values[:, 31] = 1.5
    fit = fit_effects(plan, chunks(values), SHAPE)
    expected = np.ones(N_VOXELS, bool)
    expected[[*range(20), 30, 31]] = False
    np.testing.assert_array_equal(fit.tested.ravel(), expected)
    assert (fit.n_voxels, fit.n_any) == (N_VOXELS - 22, N_VOXELS - 1)
    assert fit.lost_voxels == {"03": 15}
    assert fit.lacking_voxels == {"03": 20, "07": 5}
    maps = fit.effects["age"]
    for array, outside in ((maps.t, 0), (maps.effect, 0), (maps.r, 0), (maps.p, 1), (maps.q, 1)):
        assert (array.ravel()[~expected] == outside).all()
        assert np.isfinite(array).all()
    rest = fit_effects(plan, chunks(values[:, expected]), (int(expected.sum()),)).effects["age"]
    np.testing.assert_allclose(maps.q.ravel()[expected], rest.q, rtol=1e-5)


def test_no_common_voxel_names_the_participant_who_lacks_most():
    plan, values = plan_design(observations(), request("age")), noise()
    values[3], values[4, :9] = 0, 0
    with pytest.raises(InputError, match=f"no voxel.*sub-03 lacks most of them [(]{N_VOXELS}[)]"):
        fit_effects(plan, chunks(values), SHAPE)


def test_tiny_p_values_do_not_become_zero():
    rows, values = observations(), noise()
    ages = np.array([float(row.columns["age"]) for row in rows], np.float32)
    values[:, 0] = 1 + ages + 1e-4 * values[:, 0]
    maps = fit_effects(plan_design(rows, request("age")), chunks(values), SHAPE).effects["age"]
    assert 0 < maps.p.min() < 1e-30
    assert maps.q.min() > 0


def test_a_split_design_fits_the_same_effect():
    plan, values = plan_design(observations(60), request("age * sex + group", "tsnr")), noise(60)
    for effect in plan.effects:
        tested, nuisance = split_design(plan.matrix, effect.contrast)
        split = np.column_stack([tested, nuisance, np.ones(60)])
        assert split.shape == plan.matrix.shape
        t, size = least_squares(split, np.eye(split.shape[1])[0], values)
        expected_t, expected_size = least_squares(plan.matrix, effect.contrast, values)
        np.testing.assert_allclose(t, expected_t, atol=1e-9)
        np.testing.assert_allclose(size, expected_size, atol=1e-9)


def permuted(plan, values):
    fit = fit_effects(plan, chunks(values), SHAPE)
    return fit, permute_effects(plan, chunks(values, seed=1), fit.tested, AFFINE)


def spied(monkeypatch):
    """Record which tests nilearn does by flipping signs, and its t."""
    import nilearn.glm.second_level.second_level as glm
    from nilearn.mass_univariate import permuted_least_squares

    flips, t = [], []
    on_chunk, all_chunks = permuted_least_squares._permuted_ols_on_chunk, glm.permuted_ols

    def record_flip(*arguments, **choices):
        flips.append(choices["intercept_test"])
        return on_chunk(*arguments, **choices)

    def record_t(*arguments, **choices):
        results = all_chunks(*arguments, **choices)
        t.append(results["t"][0])
        return results

    monkeypatch.setattr(permuted_least_squares, "_permuted_ols_on_chunk", record_flip)
    monkeypatch.setattr(glm, "permuted_ols", record_t)
    return flips, t


def test_differences_between_participants_are_permuted_with_the_parametric_t(monkeypatch):
    flips, t = spied(monkeypatch)
    values = noise(60)
    values[3, :20] = 0
    plan = plan_design(observations(60), request("age * sex + group", "tsnr", n_permutations=20))
    fit, _ = permuted(plan, values)
    assert flips == [False] * len(plan.effects)
    for effect, permuted_t in zip(plan.effects, t, strict=True):
        np.testing.assert_allclose(permuted_t, fit.effects[effect.label].t[fit.tested], atol=1e-4)


@pytest.mark.parametrize("covariates", [(), ("mean_fd", "tsnr")])
def test_the_mean_change_between_sessions_is_tested_by_sign_flips(monkeypatch, covariates):
    flips, t = spied(monkeypatch)
    rows = observations(sessions=("pre", "post"))
    plan = plan_design(rows, request("age", *covariates, session_difference="post-pre", n_permutations=200))
    values = noise()
    values[:, :30] += 1
    fit, maps = permuted(plan, values)
    assert flips == [True, False]
    for effect, permuted_t in zip(plan.effects, t, strict=True):
        np.testing.assert_allclose(permuted_t, fit.effects[effect.label].t[fit.tested], atol=1e-4)
    assert (fit.effects["postMinusPre"].effect.ravel()[:30].mean() - 1) ** 2 < 0.1
    assert (maps["postMinusPre"].p_max_t.ravel()[:30] < 0.05).mean() > 0.8


@pytest.mark.parametrize("tfce", [False, True])
def test_permutations_find_both_signs_of_a_planted_effect_and_little_else(tfce):
    rows, values = observations(), noise()
    ages = np.array([float(row.columns["age"]) for row in rows], np.float32)[:, np.newaxis]
    values[:, :56] += 0.1 * ages
    values[:, -56:] -= 0.1 * ages
    n_permutations = 50 if tfce else 200
    plan = plan_design(rows, request("age", n_permutations=n_permutations, tfce=tfce))
    values[3, 150:160] = 0
    fit, maps = permuted(plan, values)
    for p in (maps["age"].p_max_t, maps["age"].p_tfce) if tfce else (maps["age"].p_max_t,):
        significant = p.ravel() < 0.05
        assert significant[:56].mean() > 0.8
        assert significant[-56:].mean() > 0.8
        assert significant[60:-60].mean() < 0.05 + 0.2 * tfce
        assert (p[~fit.tested] == 1).all()
        np.testing.assert_allclose(p.min(), 1 / (n_permutations + 1), rtol=1e-5)
    assert (maps["age"].p_tfce is not None) == tfce


def test_the_seed_decides_the_permutations():
    def smallest(seed):
        plan = plan_design(observations(), request("age", n_permutations=99, random_seed=seed))
        return permuted(plan, noise())[1]["age"].p_max_t

    np.testing.assert_array_equal(smallest(1), smallest(1))
    assert (smallest(1) != smallest(2)).any()


def test_too_little_memory_is_refused_with_the_amount(monkeypatch):
    monkeypatch.setattr(second_level, "available_gb", lambda: 1e-6)
    plan = plan_design(observations(), request("age", n_permutations=20))
    with pytest.raises(
        UserError, match="Permutations need about .* GB of memory for 40 participants and 336 vox"
    ):
        permute_effects(plan, [], np.ones(SHAPE, bool), AFFINE)


def test_p_values_of_a_null_design_are_uniform():
    # Of 2000 voxels, 5% are below 0.05; the bounds are those of a binomial with p < 1e-6.
    plan = plan_design(observations(), request("age + sex", "mean_fd", "tsnr"))
    values = noise(seed=1, n_voxels=2000)
    for maps in fit_effects(plan, chunks(values), (2000,)).effects.values():
        low, high = stats.binom.interval(1 - 1e-6, 2000, 0.05)
        assert low <= np.count_nonzero(maps.p < 0.05) <= high


def test_the_family_wise_error_of_the_largest_t_is_kept():
    # A quarter of null data sets has any voxel with a corrected p of 10/40 or less. The test rejects other
    # rates at 1% on either side. With a power of 95%, it finds the rate 1 - 0.75^2 = 0.44 that results if the
    # magnitudes of t are compared with the largest t instead of the largest magnitude.
    n, share = 100, 0.25
    low, high = stats.binom.ppf(0.01, n, share), stats.binom.isf(0.01, n, share)
    assert stats.binom.sf(high, n, 1 - (1 - share) ** 2) > 0.95
    n_errors = 0
    for seed in range(n):
        plan = plan_design(observations(20), request("age", "sex", n_permutations=39, random_seed=seed))
        values = noise(20, seed, 60)
        tested = np.ones((60, 1, 1), bool)
        maps = permute_effects(plan, [(np.arange(60), values)], tested, AFFINE)
        n_errors += maps["age"].p_max_t.min() < share + 0.001
    assert low <= n_errors <= high
