"""Reading all of a run but its volumes: headers, mask, confounds; what does not fit is refused here."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.brain_mask import mask_sampler
from bids_deeptaskgen.connectome.censoring import fd_of, sample_mask
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.confounds import read_confounds
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.connectome.regressors import Regressors, choose_regressors, make_basis
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import Sampler
from bids_deeptaskgen.io.nifti_reader import NiftiSeries, check_orientation, open_series

logger = logging.getLogger(__name__)

# No scanner is faster or slower; a unit that was mistaken is a thousand times off.
T_R_RANGE_S = (0.05, 40.0)
# A correlation over fewer volumes than this says nothing.
MIN_WINDOW_VOLUMES = 10


@dataclass(frozen=True)
class PreparedRun:
    """A run whose headers, mask and confounds have been read and found good."""

    inputs: RunInputs
    series: NiftiSeries
    sampler: Sampler
    t_r: float
    kept: NDArray[np.intp]
    regressors: Regressors
    basis: NDArray[np.float64]
    fd_mm: NDArray[np.float64] | None

    @property
    def minutes(self) -> float:
        """Kept time in minutes."""
        return len(self.kept) * self.t_r / 60

    @property
    def n_residual_dof(self) -> int:
        """Degrees of freedom that the regression leaves."""
        n_kept, rank = self.basis.shape
        return int(n_kept) - int(rank)


def repetition_time(run: RunInputs, series: NiftiSeries) -> float:
    """Repetition time in s; the JSON wins over the header, and a difference is warned of.

    Raises
    ------
    InputError
        If neither says, or what they say can be no seconds.
    """
    if run.t_r is None and series.t_r is None:
        message = (
            f"{run.bold}: neither the JSON nor the header gives the repetition time.\n"
            "Add RepetitionTime to the JSON."
        )
        raise InputError(message)
    t_r = float(series.t_r or 0) if run.t_r is None else run.t_r
    shortest, longest = T_R_RANGE_S
    if not shortest <= t_r <= longest:
        where = "header" if run.t_r is None else "JSON"
        message = (
            f"{run.bold}: the repetition time is {t_r:g} s by the {where}; {shortest:g} to {longest:g} s "
            "are wanted.\nMend RepetitionTime in the JSON (in seconds, not milliseconds), or add it there."
        )
        raise InputError(message)
    if run.t_r is None:
        return t_r
    if series.t_r is not None and abs(series.t_r - run.t_r) > 1e-3 * run.t_r:
        logger.warning(
            "%s: RepetitionTime is %g s in the JSON and %g s in the header; the JSON is used.",
            run.bold.name, run.t_r, series.t_r,
        )  # fmt: skip
    return run.t_r


def prepare_run(run: RunInputs, brain_mask: NDArray[np.bool_], cleaning: Cleaning) -> PreparedRun:
    """Read all of a run but its volumes.

    Raises
    ------
    InputError
        If the files do not fit each other, the model or the cleaning.
    """
    series = open_series(run.bold)
    check_orientation(run.bold)
    sampler = mask_sampler(run, series.grid, brain_mask)
    t_r = repetition_time(run, series)
    confounds = read_confounds(run, series.n_volumes)
    try:
        kept = sample_mask(series.n_volumes, confounds, cleaning)
        regressors = choose_regressors(confounds, series.n_volumes, t_r, cleaning)
        fd_mm = fd_of(confounds)
    except InputError as error:
        message = f"{run.confounds or run.bold}: {error}"
        raise InputError(message) from error
    basis = make_basis(regressors.values, kept)
    return PreparedRun(run, series, sampler, t_r, kept, regressors, basis, fd_mm)


def check_requirements(plans: Sequence[PreparedRun], requirements: DataRequirements) -> int:
    """Refuse sessions with too little data, and settle the number of windows.

    Returns
    -------
    int
        Windows of each run.

    Raises
    ------
    InputError
        If there are too few minutes, degrees of freedom, or volumes in a window.
    """
    first = plans[0].inputs.bold
    where = first if len(plans) == 1 else f"{first.parent} ({len(plans)} runs)"
    minutes = sum(plan.minutes for plan in plans)
    n_kept, n_volumes = sum(len(plan.kept) for plan in plans), sum(plan.series.n_volumes for plan in plans)
    if minutes < requirements.min_minutes:
        # Rounded down, or 3.97 minutes would read as the 4 that are wanted.
        message = (
            f"{where}: {n_kept} of {n_volumes} volumes are kept, {np.floor(10 * minutes) / 10:.1f} minutes; "
            f"at least {requirements.min_minutes:g} are wanted.\n"
            "Lower --min-minutes if you accept noisier maps, or raise --fd-threshold."
        )
        raise InputError(message)
    dof = sum(max(plan.n_residual_dof, 0) for plan in plans)
    if dof < requirements.min_dof or min(plan.n_residual_dof for plan in plans) < 2:
        counts = ", ".join(f"{len(plan.kept)} volumes - {plan.basis.shape[1]} regressors" for plan in plans)
        message = (
            f"{where}: the cleaning leaves {dof} degrees of freedom ({counts}); at least "
            f"{requirements.min_dof} are wanted.\n"
            "Use fewer regressors or censor less, or lower --min-dof if you accept noisier maps."
        )
        raise InputError(message)
    n_windows = requirements.n_windows
    if n_windows is None:
        n_windows = _nearest_windows(plans, requirements.window_minutes)
    shortest = min(len(plan.kept) for plan in plans) // n_windows
    if shortest < MIN_WINDOW_VOLUMES:
        found = f"{n_windows} windows leave" if n_windows > 1 else "the cleaning keeps"
        advice = "Lower --n-windows." if n_windows > 1 else "Censor less, or leave this run out."
        message = (
            f"{where}: {found} {shortest} volumes in the shortest run; at least {MIN_WINDOW_VOLUMES} are "
            f"wanted.\n{advice}"
        )
        raise InputError(message)
    return n_windows


def _nearest_windows(plans: Sequence[PreparedRun], window_minutes: float | None) -> int:
    """Choose the number of windows whose length comes nearest to what the model was trained on."""
    if not window_minutes:
        logger.warning("--n-windows auto: the model's card names no window_minutes; each run is one window.")
        return 1
    minutes = float(np.median([plan.minutes for plan in plans]))
    most = max(int(np.ceil(minutes / window_minutes)), 1)
    return min(range(1, most + 1), key=lambda n: abs(minutes / n - window_minutes))
