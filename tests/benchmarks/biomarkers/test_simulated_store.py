"""Laws of simulated cohort stores: maps follow the latents of the traits, and rows have the traits."""

import numpy as np
import pytest

from benchmarks.biomarkers.cohort import write_store
from benchmarks.biomarkers.kernel import measure
from benchmarks.biomarkers.traits import AGE, TRAIT, draw_traits
from bids_deeptaskgen.biomarkers.features.reader import Selection
from bids_deeptaskgen.biomarkers.features.sources import find_participants_table
from bids_deeptaskgen.biomarkers.features.store_maps import open_store_maps
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.settings.biomarkers import FeatureSource

N = 120


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Write a store of two contrasts with few voxels."""
    mask = np.zeros(OUTPUT_GRID.shape, bool)
    mask[20:70:4, 20:90:4, 20:70:4] = True
    path = tmp_path_factory.mktemp("cohort") / "store"
    return path, write_store(path, N, 2, mask=mask)


def test_rows_have_the_traits_that_the_seed_determines(cohort):
    path, traits = cohort
    repetition = draw_traits(N, np.random.default_rng(0))
    np.testing.assert_array_equal(traits.latents, repetition.latents)
    table = find_participants_table(FeatureSource("maps", path))
    assert {"age", "sex", "site_id", "family_id", "fd_mean_mm", "trait_maps"} <= set(table.columns)
    ages = [float(rows[0]["age"]) for rows in table.rows.values()]
    np.testing.assert_allclose(ages, traits.columns["age"], rtol=1e-5)


@pytest.mark.parametrize("latent", [TRAIT, AGE])
@pytest.mark.parametrize("contrast", [0, 1])
def test_maps_follow_the_latents_in_every_contrast(cohort, latent, contrast):
    path, traits = cohort
    store = open_store(path)
    maps = store.maps(store.contrasts[contrast])
    design = np.column_stack([np.ones(N), traits.latents])
    # Fitted to half of the participants and tested in the others.
    patterns = np.linalg.lstsq(design[::2], maps[::2], rcond=None)[0][1:]
    scores = np.linalg.lstsq(patterns.T, (maps[1::2] - maps[::2].mean(axis=0)).T, rcond=None)[0]
    assert np.corrcoef(scores[latent], traits.latents[1::2, latent])[0, 1] > 0.8


def test_connectomes_are_matrices_of_correlations(cohort):
    matrices = open_store(cohort[0]).roi_connectomes([0, 5])
    np.testing.assert_array_equal(matrices, matrices.swapaxes(1, 2))
    np.testing.assert_array_equal(matrices[:, range(50), range(50)], 1)
    assert np.abs(matrices).max() <= 1


def test_the_benchmark_counts_reads_and_measures_memory(cohort):
    reader = open_store_maps(FeatureSource("maps", cohort[0]), Selection())
    result = measure(reader, 100)
    assert (result["participants"], result["contrasts"], result["maps_read"]) == (100, 2, 2 * 101)
    assert result["mean_diagonal"] == pytest.approx(2, rel=1e-4)
    assert result["peak_gb"] > 0
