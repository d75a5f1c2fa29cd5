"""Block bootstrap of connectomes, against whole-array float64."""

import numpy as np
import pytest

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from bids_deeptaskgen.connectome import block_bootstrap as bootstrap
from bids_deeptaskgen.connectome import window_counts
from bids_deeptaskgen.connectome.accumulator import Accumulator, window_bounds
from bids_deeptaskgen.connectome.block_bootstrap import (
    MIN_BLOCKS,
    check_blocks,
    draw_blocks,
    make_generator,
    resampled_connectomes,
)
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.session import compute_session_connectomes
from bids_deeptaskgen.connectome.window_counts import MAX_BLOCKS, MIN_BLOCK_S, count_blocks
from bids_deeptaskgen.models.bundle import load_bundle
from tests.conftest import small_dataset
from tests.connectome.test_accumulator import design_basis, make

N_BLOCKS = 10


def accumulate(seed, n_blocks=N_BLOCKS, **options):
    voxels, projection, regressors = make(seed, **options)
    basis = design_basis(regressors, np.arange(len(voxels)))
    accumulator = Accumulator(projection, basis, n_blocks)
    accumulator.add(voxels.astype(float))
    return accumulator, voxels.astype(float), projection, basis


def correlate_resample(voxels, projection, basis, rows):
    """Clean the whole run, concatenate its rows, and correlate: the oracle."""
    clean = [series - basis @ (basis.T @ series) for series in (voxels, voxels @ projection.T)]
    y, t = (series[rows] - series[rows].mean(axis=0) for series in clean)
    return (t.T @ y) / np.sqrt(np.outer((t**2).sum(0), (y**2).sum(0)))


@pytest.mark.parametrize("n_volumes", [120, 127])
def test_each_block_drawn_once_gives_the_connectome_of_the_run(n_volumes):
    accumulator, voxels, projection, basis = accumulate(0, n_volumes=n_volumes)
    (resample,) = accumulator.resample([np.arange(N_BLOCKS)[::-1]])
    whole = Accumulator(projection, basis)
    whole.add(voxels)
    np.testing.assert_allclose(resample, whole.finish().connectome[0], atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_resample_is_the_connectome_of_the_concatenated_blocks(seed):
    accumulator, voxels, projection, basis = accumulate(seed, n_volumes=127)
    bounds = window_bounds(len(voxels), N_BLOCKS)
    (draws,) = draw_blocks(np.random.default_rng(seed), [N_BLOCKS], 4)
    for draw, resample in zip(draws, accumulator.resample(draws), strict=True):
        rows = np.concatenate([np.arange(bounds[block], bounds[block + 1]) for block in draw])
        expected = correlate_resample(voxels, projection, basis, rows)
        np.testing.assert_allclose(resample, expected, atol=1e-6)


def test_resampling_keeps_the_sums():
    accumulator, *_ = accumulate(0)
    draws = [np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 9])] * 2
    first, second = (resample.copy() for resample in accumulator.resample(draws))
    np.testing.assert_array_equal(first, second)


def test_runs_that_end_early_are_refused():
    _, voxels, projection, basis = accumulate(0)
    accumulator = Accumulator(projection, basis, N_BLOCKS)
    accumulator.add(voxels[:-1])
    with pytest.raises(ValueError, match="119 volumes were added; the design has 120 rows"):
        next(accumulator.resample([np.arange(N_BLOCKS)]))


@pytest.mark.parametrize("n_kept", [20, 99, 100, 240, 490, 1200, 5000])
@pytest.mark.parametrize("t_r", [0.5, 0.72, 2.0, 3.0])
def test_blocks_are_few_long_and_near_the_square_root(n_kept, t_r):
    n_blocks = count_blocks(n_kept, t_r)
    assert n_blocks <= MAX_BLOCKS
    if n_blocks:
        assert n_kept / n_blocks >= np.sqrt(n_kept)
        assert n_kept * t_r / n_blocks >= MIN_BLOCK_S


def test_random_numbers_depend_on_seed_and_session_alone():
    numbers = {
        (seed, name): draw_blocks(make_generator(seed, name), [12, 11], 5)
        for seed in (0, 1)
        for name in ("sub-01_ses-1", "sub-01_ses-2")
    }
    again = draw_blocks(make_generator(1, "sub-01_ses-2"), [12, 11], 5)
    for first, second in zip(numbers[1, "sub-01_ses-2"], again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert len({draws[0].tobytes() for draws in numbers.values()}) == 4
    assert [draws.shape for draws in again] == [(5, 12), (5, 11)]
    assert again[1].max() <= 10


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory, model):
    """Compute the connectomes of a session of two runs."""
    dataset = small_dataset(
        tmp_path_factory.mktemp("two") / "fmriprep", n_participants=1, n_volumes=104, n_runs=2
    )
    space = load_bundle(model).roi_space
    session = collect_sessions(dataset, "01", Query())[0]
    needs = DataRequirements(min_minutes=1, min_dof=5)
    return compute_session_connectomes(session, space, Cleaning(), needs, keeps_runs=True), space


def test_the_runs_of_a_session_are_pooled_like_its_connectome(two_runs):
    result, space = two_runs
    n_blocks = [count_blocks(len(plan.kept_volumes), plan.t_r) for plan in result.runs]
    draws = [np.stack([np.arange(n), np.zeros(n, int)]) for n in n_blocks]
    total = np.zeros((2, *result.connectomes.shape[1:]))
    for number, contribution in resampled_connectomes(
        result.runs, draws, space.projection, result.run_weights
    ):
        total[number] += contribution
    np.testing.assert_allclose(total[0], result.connectomes[0], atol=1e-6)
    assert np.abs(total[1] - total[0]).max() > 0.1


def test_the_connectomes_of_single_runs_are_those_that_were_pooled(two_runs):
    result, _ = two_runs
    pooled = np.einsum("rv,rnv->nv", result.run_weights, np.stack(result.run_connectomes))
    np.testing.assert_allclose(pooled, result.connectomes[0], atol=1e-6)


def test_short_runs_are_named(two_runs, monkeypatch):
    result, _ = two_runs
    assert check_blocks(result.runs, "sub-01") is None
    for module in (bootstrap, window_counts):
        monkeypatch.setattr(module, "MIN_BLOCK_S", 30.0)
    finding = check_blocks(result.runs, "sub-01")
    assert (finding.value, finding.threshold) == (6, MIN_BLOCKS)
    assert finding.message.startswith("sub-01: no bootstrap, since the shortest run has 6 blocks of 30 s")
