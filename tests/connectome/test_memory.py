"""The memory that a session needs is computed from headers, and counted by tracing the arrays."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.memory.inputs import Series, build_dataset
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from bids_deeptaskgen.connectome.block_bootstrap import draw_blocks, make_generator, resampled_connectomes
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.memory import (
    RunShape,
    SessionShape,
    has_model_points,
    session_bytes,
)
from bids_deeptaskgen.connectome.session import compute_session_connectomes
from bids_deeptaskgen.connectome.table_rank import limit_rank
from bids_deeptaskgen.connectome.window_counts import count_blocks
from bids_deeptaskgen.grid import FULL_MODEL_GRID, MODEL_GRID, OUTPUT_GRID, Grid, make_sampler
from bids_deeptaskgen.io.nifti_reader import load_image
from bids_deeptaskgen.models.bundle import load_bundle

# Objects that are no large arrays: modules that are imported, tables of confounds, samples of the series.
OTHER_BYTES = 15_000_000


def traced_peak(compute):
    """Return the largest number of bytes that a function allocates at a time."""
    tracemalloc.start()
    try:
        compute()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def shape_of(session, bundle, cleaning, **fields):
    """Return the shape of a session, as the headers of its files state it."""
    headers = [load_image(run.bold).header for run in session.runs]
    runs = tuple(
        RunShape.from_header(
            header, limit_rank(run, cleaning, header.n_volumes, run.t_r), is_warped=False, has_mask=True
        )
        for run, header in zip(session.runs, headers, strict=True)
    )
    return SessionShape(
        runs, n_rois=bundle.card.architecture.in_channels, n_voxels=int(bundle.brain_mask.sum()), **fields
    )


# More than 64 volumes, or two windows: both buffers of rows are used, which the trace counts in any case.
CASES = {
    "one window": (Series(n_volumes=70), {"n_windows": 1}),
    "36 parameters in 2 windows": (Series(n_volumes=60), {"n_windows": 2}),
    "stored as float64": (Series(n_volumes=70, dtype="float64"), {"n_windows": 1}),
    "4 windows": (Series(n_volumes=44), {"n_windows": 4}),
    "2 pooled runs, both kept": (Series(n_volumes=70, n_runs=2), {"n_windows": 1, "keeps_runs": True}),
    "interpolated": (Series(3.0, 70), {"n_windows": 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_arrays_of_a_session_take_what_the_headers_tell(case, tmp_path, model):
    series, fields = CASES[case]
    cleaning = Cleaning(nuisance_regressors="36P" if "36" in case else "none")
    requirements = DataRequirements(n_windows=fields["n_windows"], min_minutes=0, min_dof=1)
    (session,) = collect_sessions(build_dataset(tmp_path / "in", series), "01", Query())
    bundle = load_bundle(model)
    space = bundle.roi_space
    grey_matter = bundle.output_mask[bundle.brain_mask]
    peak = traced_peak(
        lambda: compute_session_connectomes(
            session,
            space,
            cleaning,
            requirements,
            grey_matter,
            keeps_runs=fields.get("keeps_runs", False),
        )
    )
    expected = session_bytes(shape_of(session, bundle, cleaning, **fields))
    assert 0.9 * peak - OTHER_BYTES < expected < 1.2 * peak


def test_the_arrays_of_a_bootstrap_take_what_the_headers_tell(tmp_path, model):
    series = Series(n_volumes=100, t_r=2.0)
    cleaning = Cleaning(nuisance_regressors="24P")
    (session,) = collect_sessions(build_dataset(tmp_path / "in", series), "01", Query())
    bundle, n_blocks = load_bundle(model), count_blocks(100, 2.0)
    space, requirements = bundle.roi_space, DataRequirements(n_windows=1, min_minutes=0, min_dof=1)

    def compute():
        result = compute_session_connectomes(session, space, cleaning, requirements)
        draws = draw_blocks(make_generator(0, "sub-01"), [n_blocks], 2)
        for _ in resampled_connectomes(result.runs, draws, space.projection, result.run_weights):
            pass

    shape = shape_of(session, bundle, cleaning, n_windows=1, n_blocks=n_blocks, makes_images=False)
    peak, expected = traced_peak(compute), session_bytes(shape)
    assert 0.9 * peak - OTHER_BYTES < expected < 1.2 * peak
    assert session_bytes(replace(shape, n_blocks=0)) < 0.6 * expected


RUN = RunShape(OUTPUT_GRID, 490, np.dtype(np.float32), 32)
SESSION = SessionShape((RUN,), 1, 50, 235_375)


@pytest.mark.parametrize(
    "larger",
    [
        replace(SESSION, n_windows=8),
        replace(SESSION, runs=(RUN, RUN)),
        replace(SESSION, runs=(RUN, RUN), keeps_runs=True),
        replace(SESSION, n_rois=100),
        replace(SESSION, n_blocks=12),
        replace(SESSION, smooths=True),
        replace(SESSION, runs=(replace(RUN, dtype=np.dtype(np.float64)),)),
        replace(SESSION, runs=(replace(RUN, rank=60),)),
        replace(SESSION, runs=(replace(RUN, resamples=True),)),
        replace(
            SESSION, runs=(replace(RUN, grid=Grid.from_image((182, 218, 182), np.diag([1.0, 1, 1, 1]))),)
        ),
    ],
)
def test_more_data_need_more_memory(larger):
    assert session_bytes(larger) > session_bytes(SESSION) + 10e6


def test_the_length_of_a_run_hardly_matters():
    long_run = replace(RUN, n_volumes=4800)
    assert session_bytes(replace(SESSION, runs=(long_run,))) < 1.1 * session_bytes(SESSION)


@pytest.mark.parametrize(
    ("voxel_mm", "first_mm", "is_exact"),
    [(2, -90, True), (1, -91, True), (3, -90, False), (2, -90.5, False), (4, -90, False)],
)
def test_the_header_tells_whether_values_are_interpolated(voxel_mm, first_mm, is_exact):
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = first_mm, -126, -72
    grid = Grid.from_image(tuple(2 * n // voxel_mm for n in OUTPUT_GRID.shape), affine)
    assert has_model_points(grid) is is_exact
    assert make_sampler(grid, MODEL_GRID, np.ones(MODEL_GRID.shape, bool)).resamples is not is_exact


def test_the_grids_of_the_model_and_of_the_output_have_the_same_points():
    assert has_model_points(MODEL_GRID)
    assert has_model_points(FULL_MODEL_GRID)


@pytest.mark.parametrize(("preset", "rank"), [("none", 1), ("24P", 33), ("36P", 45), ("acompcor", 31)])
def test_regressors_are_counted_from_the_first_line_of_the_table(preset, rank, tmp_path):
    folder = build_dataset(tmp_path / "in", Series(n_volumes=60), has_values=False)
    (session,) = collect_sessions(folder, "01", Query())
    assert limit_rank(session.runs[0], Cleaning(nuisance_regressors=preset), 60, 2.0) == rank
    assert limit_rank(session.runs[0], Cleaning(nuisance_regressors=preset), 20, 2.0) <= 20
