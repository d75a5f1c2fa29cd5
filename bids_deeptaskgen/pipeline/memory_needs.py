"""Memory that each participant needs, from the headers of the input."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bids_deeptaskgen.bids.input.sources import find_sessions
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.connectome.memory import RunShape, SessionShape, session_bytes
from bids_deeptaskgen.connectome.table_rank import limit_rank
from bids_deeptaskgen.connectome.template_warp import WARPED_SPACE
from bids_deeptaskgen.connectome.window_counts import count_blocks, nearest_windows
from bids_deeptaskgen.errors import UserError, quantity
from bids_deeptaskgen.grid import FULL_MODEL_GRID
from bids_deeptaskgen.io.nifti_header import read_header
from bids_deeptaskgen.models.memory import PredictionShape
from bids_deeptaskgen.pipeline.context import RunContext

logger = logging.getLogger("bids_deeptaskgen")

_FLOAT32 = 4
_UNREADABLE = (UserError, OSError, ValueError)


@dataclass(frozen=True)
class Need:
    """Memory for the connectomes of a participant, beyond that of libraries and model.

    Attributes
    ----------
    n_bytes : int
        Of the session that needs most.
    bold : Path
        First series of that session.
    description : str
        What determines the memory: shape of the series, numbers of runs and windows.
    n_windows : int
        Windows of each run of that session.
    prediction : PredictionShape
        Largest numbers of all sessions.
    """

    n_bytes: int
    bold: Path
    description: str
    n_windows: int
    prediction: PredictionShape


def read_needs(context: RunContext, subjects: Sequence[str]) -> dict[str, Need]:
    """Read the headers of participants, and compute the memory that they need.

    Parameters
    ----------
    context : RunContext
    subjects : sequence of str
        Labels without ``sub-``.

    Returns
    -------
    dict of str to Need
        Without participants whose files cannot be read: their own step reports the reason.
    """
    needs = {}
    for subject in subjects:
        session_needs = list(_readable_needs(context, subject))
        if session_needs:
            needs[subject] = _largest(session_needs)
    return needs


def _readable_needs(context: RunContext, subject: str) -> Iterator[Need]:
    """Yield the need of each session whose files can be read."""
    try:
        sessions = find_sessions(
            context.dataset,
            subject,
            context.query,
            combine_runs=context.settings.combine_runs,
            uses_pybids=False,
        )
    except _UNREADABLE as error:
        logger.debug("sub-%s: the memory is unknown (%s).", subject, error)
        return
    for session in sessions:
        if isinstance(session, SessionInputs):
            try:
                yield _session_need(context, session)
            except _UNREADABLE as error:
                logger.debug("sub-%s: the memory of a session is unknown (%s).", subject, error)


def _largest(needs: Sequence[Need]) -> Need:
    """Return the need of the largest session, with the largest numbers for the prediction."""
    shapes = [need.prediction for need in needs]
    numbers = {
        name: max(getattr(shape, name) for shape in shapes)
        for name in ("n_windows", "n_runs", "n_extra", "n_bootstrap")
    }
    prediction = replace(shapes[0], **numbers, n_sessions=len(needs))
    return replace(max(needs, key=lambda need: need.n_bytes), prediction=prediction)


def _session_need(context: RunContext, session: SessionInputs) -> Need:
    settings, bundle = context.settings, context.bundle
    pairs = [_run_shape(context, run) for run in session.runs]
    runs, repetition_times = [run for run, _ in pairs], [t_r for _, t_r in pairs]
    minutes = [run.n_volumes * t_r / 60 for run, t_r in pairs]
    n_windows = context.requirements.n_windows
    if n_windows is None:
        n_windows = nearest_windows(minutes, context.requirements.window_minutes)
    n_windows = min(n_windows, *(run.n_volumes // 2 for run in runs))
    n_blocks = 0
    if settings.n_bootstrap:
        n_blocks = max(
            count_blocks(run.n_volumes, t_r) for run, t_r in zip(runs, repetition_times, strict=True)
        )
    shape = SessionShape(
        tuple(runs),
        n_windows,
        bundle.card.architecture.in_channels,
        int(bundle.brain_mask.sum()),
        makes_images=settings.reports != "none",
        keeps_runs=settings.reports == "full",
        n_blocks=n_blocks,
        smooths=settings.smoothing > 0,
    )
    n_bytes = max(session_bytes(shape), *(_warp_bytes(run) for run in session.runs))
    prediction = PredictionShape(
        n_windows=shape.n_connectomes,
        n_runs=len(runs),
        n_extra=shape.n_extra,
        n_bootstrap=settings.n_bootstrap,
        is_4d=settings.map_format == "4d",
        precision=settings.precision,
    )
    return Need(n_bytes, session.runs[0].bold, _describe(shape), n_windows, prediction)


def _run_shape(context: RunContext, run: RunInputs) -> tuple[RunShape, float]:
    """Return the shape of a run, and its repetition time in s."""
    header = read_header(run.bold)
    t_r = run.t_r or header.t_r or 0.0
    rank = limit_rank(run, context.cleaning, header.n_volumes, t_r)
    shape = RunShape.from_header(
        header, rank, is_warped=run.space == WARPED_SPACE, has_mask=run.mask is not None
    )
    if run.fsl_warp:
        # FSL writes a series on the model's grid.
        shape = replace(shape, grid=FULL_MODEL_GRID, dtype=np.dtype(np.float32), resamples=False)
    return shape, t_r


def _warp_bytes(run: RunInputs) -> int:
    """Return the bytes of FSL's applywarp, which holds the series in native and in standard space."""
    if not run.fsl_warp:
        return 0
    header = read_header(run.bold)
    n_voxels = header.n_voxels + int(np.prod(FULL_MODEL_GRID.shape))
    return n_voxels * header.n_volumes * _FLOAT32


def _describe(session: SessionShape) -> str:
    """Describe what determines the memory of a session."""
    largest = max(session.runs, key=lambda run: (run.volume_bytes, run.n_volumes))
    shape = "x".join(str(n) for n in largest.grid.shape)
    windows = quantity(session.n_windows, "window")
    parts = [
        f"{shape} voxels, {largest.n_volumes} volumes of {largest.dtype.name}",
        f"{len(session.runs)} runs in {windows} each" if len(session.runs) > 1 else f"1 run in {windows}",
        quantity(largest.rank, "regressor"),
    ]
    if session.n_blocks:
        parts.append(quantity(session.n_blocks, "block for the bootstrap"))
    return ", ".join(parts)
