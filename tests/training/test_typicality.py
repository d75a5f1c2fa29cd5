"""Training connectomes: which are read, what is estimated from them, and what is atypical."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from bids_deeptaskgen.bids.output.connectome_files import ConnectomeFile
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.connectome.typicality import fisher_z, upper_triangle
from bids_deeptaskgen.grid import MODEL_GRID
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.training.pairs import Pair
from bids_deeptaskgen.training.typicality import (
    MAX_COMPONENTS,
    RoiConnectomes,
    distance_quantiles,
    estimate,
    fit_distribution,
    read_roi_connectomes,
    roi_connectome_path,
    training_distribution,
)

N_ROIS = 20


def population(seed, n_rois=N_ROIS):
    """Draw the covariance of a population's ROIs: six shared signals and noise."""
    loadings = np.random.default_rng(seed).standard_normal((n_rois, 6))
    return loadings @ loadings.T / 6 + 0.6 * np.eye(n_rois)


def draw_connectome(covariance, rng, n_volumes=300, n_dof=100):
    """Simulate a participant whose covariance varies around that of the population."""
    root = np.linalg.cholesky(covariance)
    own_part = root @ rng.standard_normal((len(covariance), n_dof)) / np.sqrt(n_dof)
    return np.corrcoef(own_part @ rng.standard_normal((n_dof, n_volumes)))


def draw_values(covariance, n, seed, **options):
    rng = np.random.default_rng(seed)
    return np.array([fisher_z(upper_triangle(draw_connectome(covariance, rng, **options))) for _ in range(n)])


def connectomes_of(values, subjects=None):
    subjects = tuple(subjects or (f"{number:03d}" for number in range(len(values))))
    return RoiConnectomes(values, subjects, subjects)


def test_the_estimate_is_that_of_ledoit_and_wolf_if_all_directions_are_kept(monkeypatch):
    monkeypatch.setattr("bids_deeptaskgen.training.typicality.N_PER_COMPONENT", 1)
    values = draw_values(population(0, 6), 12, seed=1)
    reference = LedoitWolf().fit(values)
    distribution = estimate(values, 12)
    assert distribution.shrinkage == pytest.approx(reference.shrinkage_, rel=1e-9)
    others = draw_values(population(0, 6), 5, seed=2)
    expected = np.sqrt(reference.mahalanobis(others) / values.shape[1])
    np.testing.assert_allclose(distribution.distances(others), expected, rtol=1e-4)


def test_the_basis_is_orthonormal_and_holds_the_largest_variances():
    values = draw_values(population(0), 40, seed=1)
    distribution = estimate(values, 40)
    np.testing.assert_allclose(distribution.basis @ distribution.basis.T, np.eye(8), atol=1e-5)
    expected = np.linalg.eigvalsh(np.cov(values.T, bias=True))[::-1][:8]
    np.testing.assert_allclose(distribution.variances, expected, rtol=1e-6)
    assert distribution.isotropic_variance == pytest.approx(values.var(axis=0).mean())
    np.testing.assert_allclose(distribution.mean, values.mean(axis=0), atol=1e-6)


def test_a_large_cohort_gives_no_more_than_the_largest_number_of_components():
    assert len(estimate(draw_values(population(0), 300, seed=1), 300).basis) == MAX_COMPONENTS


def test_an_atypical_participant_is_farther_away_than_99_percent_of_new_participants():
    covariance = population(0)
    distribution = fit_distribution(connectomes_of(draw_values(covariance, 100, seed=1)))
    limit = np.quantile(distribution.distances(draw_values(covariance, 200, seed=2)), 0.99)
    rng = np.random.default_rng(3)
    shuffled = [
        fisher_z(upper_triangle(connectome[np.ix_(order, order)]))
        for connectome, order in (
            (draw_connectome(covariance, rng), rng.permutation(N_ROIS)) for _ in range(50)
        )
    ]
    cohort = draw_values(population(7), 50, seed=4)
    assert (distribution.distances(np.array(shuffled)) > limit).all()
    assert (distribution.distances(cohort) > limit).all()


def test_the_quantiles_hold_for_new_participants():
    covariance = population(0)
    distribution = fit_distribution(connectomes_of(draw_values(covariance, 100, seed=1)))
    distances = distribution.distances(draw_values(covariance, 1000, seed=2))
    assert np.mean(distances < distribution.quantiles["q50"]) == pytest.approx(0.5, abs=0.15)
    assert np.mean(distances < distribution.quantiles["q95"]) == pytest.approx(0.95, abs=0.06)
    assert distribution.n_participants == 100


def test_the_distance_of_a_participant_is_estimated_without_their_sessions():
    # Ten participants with two equal sessions each, and ten folds.
    values = np.repeat(draw_values(population(0), 10, seed=1), 2, axis=0)
    subjects = np.repeat([f"{number:02d}" for number in range(10)], 2)
    distribution = fit_distribution(connectomes_of(values, subjects.tolist()))
    expected = [
        estimate(values[subjects != subject], 9).distances(values[subjects == subject])[0]
        for subject in np.unique(subjects)
    ]
    assert distribution.n_participants == 10
    assert distribution.quantiles["max"] == pytest.approx(max(expected))
    assert distribution.quantiles["q50"] == pytest.approx(np.median(expected))


def test_quantiles_beyond_the_data_are_none():
    assert distance_quantiles(np.arange(1.0, 11)) == {
        "q05": None, "q50": 5.5, "q95": None, "q99": None, "max": 10,
    }  # fmt: skip
    assert None not in distance_quantiles(np.arange(99.0)).values()


def make_pair(root, subject, family="", session=None):
    entities = (("task", "rest"),)
    path = output_path(root, "connectome", subject=subject, session=session, entities=entities)
    file = ConnectomeFile(path, subject, session, entities, 1, 3, 9, "", "", MODEL_GRID, 5.0, "")
    return Pair(subject, family, "", file, {})


def write_roi_connectome(pair, matrix):
    path = roi_connectome_path(pair.connectome)
    write_tsv(path, {f"roi{number}": column.tolist() for number, column in enumerate(matrix.T)})
    return path


@pytest.fixture
def pairs(tmp_path):
    """Write the connectomes of twelve participants with three ROIs, one with two sessions."""
    rng = np.random.default_rng(0)
    pairs = [make_pair(tmp_path, f"{number:02d}") for number in range(11)]
    pairs += [make_pair(tmp_path, "11", session=session) for session in ("1", "2")]
    for pair in pairs:
        write_roi_connectome(pair, draw_connectome(population(0, 3), rng))
    return pairs


def test_the_file_lies_beside_the_connectome(tmp_path):
    path = roi_connectome_path(make_pair(tmp_path, "01", session="a").connectome)
    name = "sub-01_ses-a_task-rest_meas-PearsonCorrelation_relmat.tsv"
    assert path == tmp_path / "sub-01" / "ses-a" / "func" / name


def test_connectomes_are_read_as_written(pairs):
    expected = np.array([[1, 0.5, -0.25], [0.5, 1, 0.1], [-0.25, 0.1, 1]])
    write_roi_connectome(pairs[0], expected)
    connectomes = read_roi_connectomes(pairs, 3)
    np.testing.assert_allclose(np.tanh(connectomes.values[0]), [0.5, -0.25, 0.1])
    assert connectomes.values.shape == (13, 3)
    assert (connectomes.n_participants, connectomes.groups[-2:]) == (12, ("11", "11"))


def test_sessions_without_the_file_are_named_with_a_remedy(pairs, caplog):
    roi_connectome_path(pairs[3].connectome).unlink()
    with caplog.at_level(logging.WARNING):
        distribution = training_distribution(pairs, 3)
    assert distribution.n_participants == 11
    assert "1 of 13 training sessions" in caplog.text
    assert "sub-03" in caplog.text
    assert "`save_connectome` and `overwrite`" in caplog.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda matrix: matrix[:2, :2], "has 2 ROIs, but the model has 3"),
        (lambda matrix: matrix[:2], "has 2 rows and 3 columns"),
        (lambda matrix: np.triu(matrix), "not a symmetric table"),
        (lambda matrix: 2 * matrix, "not a symmetric table"),
        (lambda matrix: np.where(np.eye(3) > 0, 1, np.nan), "3 of 3 correlations are n/a"),
    ],
)
def test_a_file_that_cannot_be_used_is_left_out_and_named(pairs, caplog, change, words):
    matrix = draw_connectome(population(0, 3), np.random.default_rng(5))
    path = write_roi_connectome(pairs[0], change(matrix))
    with caplog.at_level(logging.WARNING):
        connectomes = read_roi_connectomes(pairs, 3)
    assert len(connectomes.values) == 12
    assert str(path) in caplog.text
    assert words in caplog.text


def test_too_few_participants_give_no_distribution_and_the_log_says_so(pairs, caplog):
    with caplog.at_level(logging.WARNING):
        assert training_distribution(pairs[:9], 3) is None
    assert "9 unrelated training participants" in caplog.text
    assert training_distribution([], 3) is None


def test_equal_connectomes_have_no_distribution(pairs, caplog):
    for pair in pairs:
        write_roi_connectome(pair, np.eye(3))
    with caplog.at_level(logging.WARNING):
        assert training_distribution(pairs, 3) is None
    assert "are equal" in caplog.text


def test_a_family_counts_once(pairs, caplog):
    siblings = [replace(pair, family="A") for pair in pairs[:4]]
    with caplog.at_level(logging.WARNING):
        assert training_distribution(siblings + pairs[4:], 3) is None
    assert "9 unrelated training participants" in caplog.text


def test_the_order_of_participants_does_not_matter(pairs):
    forward, backward = training_distribution(pairs, 3), training_distribution(pairs[::-1], 3)
    np.testing.assert_allclose(forward.mean, backward.mean, atol=1e-6)
    np.testing.assert_allclose(forward.basis, backward.basis, atol=1e-5)
