"""Small cohort stores with sessions, runs and missing maps."""

import numpy as np

from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.pack import RowContent, pack_shards
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows
from bids_deeptaskgen.settings.biomarkers import FeatureSource
from tests.cohort_store.store.outputs import CONTRASTS, N_ROIS, N_VOXELS, description

N_PARTICIPANTS = 7


def make_rows(labels=None, sessions=(None,), runs=(None,)):
    """Return a table of rows: all sessions and runs of participants."""
    labels = [f"sub-{number:02d}" for number in range(1, N_PARTICIPANTS + 1)] if labels is None else labels
    return [
        {"participant_id": label, "session_id": session, "run": run, "age": 20 + number, "fd_mean_mm": 0.1}
        for number, label in enumerate(labels)
        for session in sessions
        for run in runs
    ]


def draw_maps(n_rows, seed=0):
    """Draw maps of shape (n_rows, n_contrasts, n_voxels) with a pattern that all rows share."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(len(CONTRASTS), N_VOXELS))
    return (shared + rng.normal(size=(n_rows, *shared.shape))).astype(np.float32)


def draw_connectomes(n_rows, seed=0):
    """Draw ROI x ROI connectomes of shape (n_rows, n_rois, n_rois)."""
    rng = np.random.default_rng(seed)
    return np.array([np.corrcoef(rng.normal(size=(N_ROIS, 20))) for _ in range(n_rows)], np.float32)


def write_store(folder, rows, maps, connectomes=None, **changes):
    """Write a store of rows; a connectome may be None."""
    planned = description(**changes)
    create_store(folder, planned)
    add_rows(folder, rows, "/out")
    connectomes = [None] * len(rows) if connectomes is None else connectomes
    pack_shards(
        folder,
        lambda row: RowContent(maps[row], connectomes[row], source=f"row {row}"),
        range(planned.n_shards(len(rows))),
    )
    return folder


def source_of(path, *parts, name="mine"):
    """Return a source of features."""
    return FeatureSource(name, path, parts)


def products(maps):
    """Compute the kernel of maps of shape (n_participants, n_voxels), and its scale, in float64."""
    maps = maps.astype(np.float64)
    maps = np.where(np.isnan(maps), np.nanmean(maps, axis=0), maps)
    deviations = maps - maps.mean(axis=0)
    kernel = deviations @ deviations.T
    return kernel, np.trace(kernel) / len(kernel)
