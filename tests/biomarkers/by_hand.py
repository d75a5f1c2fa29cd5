"""Data for the code of docs/how-to/biomarkers.md, and what `cross_validate` predicts from them."""

import numpy as np

from benchmarks.biomarkers.traits import draw_features, draw_patterns, draw_traits
from bids_deeptaskgen.biomarkers.models.cross_validation import cross_validate
from bids_deeptaskgen.biomarkers.problem import Folds, KernelFeatures, Problem, Target
from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.pack import RowContent, pack_shards
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows
from tests.cohort_store.store.outputs import N_VOXELS, description

N_PARTICIPANTS = 60


def make_store(folder):
    """Write a store of maps that have information about the column cognition."""
    traits = draw_traits(N_PARTICIPANTS, np.random.default_rng(0))
    maps = draw_features(traits, draw_patterns(N_VOXELS, np.random.default_rng(1)), np.random.default_rng(2))
    planned = description(contrasts=({"label": "wm2bk", "units": "z"},), n_rois=0, rows_per_shard=30)
    create_store(folder, planned)
    rows = traits.rows([f"{number:02d}" for number in range(N_PARTICIPANTS)])
    empty = {"session_id": None, "run": None}
    add_rows(folder, [row | empty | {"cognition": row["trait_maps"]} for row in rows], "/out")
    pack_shards(folder, lambda row: RowContent(maps[row : row + 1], None, source="simulated"), range(2))


def as_problem(table, folds):
    """Build the problem of the page with the folds of the page."""
    numbers = np.empty((1, len(table)), np.intp)
    for number, test in enumerate(folds):
        numbers[0, test] = number
    families = np.unique(table["family_id"], return_inverse=True)[1]
    design = [np.ones(len(table)), table["age"], table["sex"] == "M", table["fd_mean_mm"]]
    return Problem(
        target=Target("cognition", "continuous", table["cognition"].to_numpy(float)),
        participants=tuple(table["participant_id"]),
        families=families,
        design=np.column_stack(design).astype(float),
        confounds=("age", "sex", "fd_mean_mm"),
        folds=Folds(numbers, families),
    )


def predictions_of_the_command(problem, maps):
    """Predict the target with the product matrix of the maps, as `deeptaskgen biomarkers` does."""
    centred = maps.astype(float) - maps.mean(axis=0, dtype=float)
    kernel = centred @ centred.T
    kernel /= np.diag(kernel).mean()
    features = KernelFeatures("maps", problem.participants, kernel.astype(np.float32), None, maps.shape[1])
    predictions, _ = cross_validate(problem, features)
    return predictions.values[0, :, 0]
