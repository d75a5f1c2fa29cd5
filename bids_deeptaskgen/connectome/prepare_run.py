"""Preparation of a run: headers, mask and confounds are read and checked before its volumes."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.brain_mask import mask_sampler
from bids_deeptaskgen.connectome.censoring import find_dummies, get_fd, sample_mask
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.confounds import read_confounds
from bids_deeptaskgen.connectome.data_checks.confounds_checks import reference_signals
from bids_deeptaskgen.connectome.data_checks.observer import Places
from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.connectome.regressors import Regressors, choose_regressors, make_basis
from bids_deeptaskgen.connectome.volume_tables import TableError
from bids_deeptaskgen.connectome.window_counts import nearest_windows
from bids_deeptaskgen.errors import InputError, quantity
from bids_deeptaskgen.grid import Sampler
from bids_deeptaskgen.io.nifti_header import NiftiHeader, read_header
from bids_deeptaskgen.io.nifti_reader import NiftiSeries, check_orientation, open_series

logger = logging.getLogger(__name__)

# Beyond the range of scanners; a wrong unit is off by a factor of a thousand.
T_R_RANGE_S = (0.05, 40.0)
# Correlations over fewer volumes are uninformative.
MIN_WINDOW_VOLUMES = 10


@dataclass(frozen=True)
class PreparedRun:
    """Headers, mask and confounds of a valid run.

    Attributes
    ----------
    inputs : RunInputs
    series : NiftiSeries
    sampler : Sampler
        From the BOLD's grid to the model's voxels.
    t_r : float
        Repetition time in s.
    kept_volumes : integer array of shape (n_kept,)
        Sample mask: indices of the volumes that are not censored.
    regressors : Regressors
    basis : array of shape (n_kept, rank)
        Orthonormal basis of the regressors and the intercept.
    fd_mm : array of shape (n_volumes,) or None
        Framewise displacement in mm; None if unavailable.
    places : Places
        Where the checks of the data observe the series.
    reference : dict of str to array of shape (n_volumes,)
        Columns of the confounds table that follow from the series itself.
    is_dummy : boolean array of shape (n_volumes,)
        Dummy scans; empty if unknown.
    censors : bool
        Whether volumes are removed for their motion: by a threshold, or by XCP-D's table of outliers.
    """

    inputs: RunInputs
    series: NiftiSeries
    sampler: Sampler
    t_r: float
    kept_volumes: NDArray[np.intp]
    regressors: Regressors
    basis: NDArray[np.float64]
    fd_mm: NDArray[np.float64] | None
    places: Places
    reference: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    is_dummy: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    censors: bool = False

    @property
    def minutes(self) -> float:
        """Return the duration of the kept volumes in minutes."""
        return len(self.kept_volumes) * self.t_r / 60

    @property
    def n_residual_dof(self) -> int:
        """Return the residual degrees of freedom of the regression."""
        n_kept, rank = self.basis.shape
        return int(n_kept) - int(rank)


def repetition_time(run: RunInputs, series: NiftiSeries) -> float:
    """Return the repetition time in s; the sidecar takes precedence over the header.

    Parameters
    ----------
    run : RunInputs
    series : NiftiSeries

    Returns
    -------
    float

    Raises
    ------
    InputError
        If both lack it, or if the value is outside ``T_R_RANGE_S``.
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
        place = "header" if run.t_r is None else "JSON"
        message = (
            f"{run.bold}: the repetition time is {t_r:g} s by the {place}; {shortest:g} to {longest:g} s "
            "are valid.\nCorrect RepetitionTime in the JSON (in seconds, not milliseconds), or add it there."
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
    """Read headers, mask and confounds of a run.

    Parameters
    ----------
    run : RunInputs
    brain_mask : boolean array of shape (76, 93, 78)
        The model's brain mask, on ``MODEL_GRID``.
    cleaning : Cleaning

    Returns
    -------
    PreparedRun

    Raises
    ------
    InputError
        If the files do not match each other, the model or the cleaning.
    """
    series = open_series(run.bold)
    check_orientation(run.bold, series.header)
    sampler, mask, model_voxels = mask_sampler(run, series.grid, brain_mask)
    grid = series.grid
    places = Places(
        grid.shape, grid.voxel_sizes_mm, mask, model_voxels, series.slope, series.inter, run.mask is not None
    )
    t_r = repetition_time(run, series)
    confounds = read_confounds(run, series.n_volumes)
    try:
        kept_volumes = sample_mask(series.n_volumes, confounds, cleaning)
        is_dummy = find_dummies(series.n_volumes, confounds, cleaning)
        regressors = choose_regressors(confounds, series.n_volumes, t_r, cleaning)
        fd_mm = get_fd(confounds)
    except TableError:
        raise
    except InputError as error:
        message = f"{run.confounds or run.bold}: {error}"
        raise InputError(message) from error
    basis = make_basis(regressors.values, kept_volumes)
    table_findings = confounds.findings if confounds else ()
    run = run.with_fields(findings=(*run.findings, *_header_findings(run, series.header), *table_findings))
    reference = reference_signals(confounds.table if confounds else None)
    has_outliers = confounds is not None and confounds.outliers is not None
    return PreparedRun(
        inputs=run,
        series=series,
        sampler=sampler,
        t_r=t_r,
        kept_volumes=kept_volumes,
        regressors=regressors,
        basis=basis,
        fd_mm=fd_mm,
        places=places,
        reference=reference,
        is_dummy=is_dummy,
        censors=cleaning.fd_threshold > 0 or has_outliers,
    )


def _header_findings(run: RunInputs, header: NiftiHeader) -> list[Finding]:
    """Describe the invalid fields in the headers of a run, whose values other fields provide."""
    headers = {run.bold: header} | ({run.mask: read_header(run.mask)} if run.mask else {})
    return [
        Finding(
            "invalid_header_field",
            f"{path}: {text}. Compare its orientation with the original image, and have the header corrected "
            "by the program that wrote it.",
        )
        for path, item in headers.items()
        for text in item.corrections
    ]


def check_requirements(plans: Sequence[PreparedRun], requirements: DataRequirements) -> int:
    """Refuse sessions with too little data, and choose the number of windows.

    Parameters
    ----------
    plans : sequence of PreparedRun
        Runs of one session.
    requirements : DataRequirements

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
    place = first if len(plans) == 1 else f"{first.parent} ({len(plans)} runs)"
    minutes = sum(plan.minutes for plan in plans)
    n_kept, n_volumes = (
        sum(len(plan.kept_volumes) for plan in plans),
        sum(plan.series.n_volumes for plan in plans),
    )
    # No advice where nothing was removed: a short run keeps all its volumes at any threshold.
    fewer_removed = "Remove fewer volumes (`fd_threshold`, `dummy_scans`). " if n_kept < n_volumes else ""
    if minutes < requirements.min_minutes:
        # Rounded down: otherwise 3.97 minutes would read as the required 4.
        message = (
            f"{place}: {n_kept} of {n_volumes} volumes are kept, {np.floor(10 * minutes) / 10:.1f} minutes; "
            f"at least {requirements.min_minutes:g} are required.\n"
            f"{fewer_removed}Lower `min_minutes` if you accept noisier maps."
        )
        raise InputError(message)
    dof = sum(max(plan.n_residual_dof, 0) for plan in plans)
    if dof < requirements.min_dof or min(plan.n_residual_dof for plan in plans) < 2:
        counts = ", ".join(
            f"{len(plan.kept_volumes)} volumes - {quantity(plan.basis.shape[1], 'regressor')}"
            for plan in plans
        )
        message = (
            f"{place}: the cleaning leaves {dof} degrees of freedom ({counts}); at least "
            f"{requirements.min_dof} are required.\n"
            f"{fewer_removed}Use fewer regressors, or lower `min_dof` if you accept noisier maps."
        )
        raise InputError(message)
    n_windows = requirements.n_windows
    if n_windows is None:
        if not requirements.window_minutes:
            logger.warning("`n_windows` auto: the model card has no window_minutes; each run is one window.")
        n_windows = nearest_windows([plan.minutes for plan in plans], requirements.window_minutes)
    shortest = min(len(plan.kept_volumes) for plan in plans) // n_windows
    if shortest < MIN_WINDOW_VOLUMES:
        finding = f"{n_windows} windows leave" if n_windows > 1 else "the cleaning keeps"
        advice = "Lower `n_windows`." if n_windows > 1 else f"{fewer_removed}Exclude this run."
        message = (
            f"{place}: {finding} {shortest} volumes in the shortest run; at least {MIN_WINDOW_VOLUMES} are "
            f"required.\n{advice}"
        )
        raise InputError(message)
    return n_windows
