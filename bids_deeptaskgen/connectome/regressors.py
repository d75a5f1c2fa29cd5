"""Nuisance regressors of a run: columns of its tables, slow drifts, and their orthonormal basis."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.linalg
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.confounds import CUSTOM, Confounds
from bids_deeptaskgen.connectome.volume_tables import require_later_values, require_numbers
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.nuisance_presets import FMRIPREP_HIGH_PASS_HZ, N_COMPCOR, PRESETS, Preset

logger = logging.getLogger(__name__)

Matrix = NDArray[np.float64]

# Directions shorter than this share of the longest are rounding errors of the table.
RANK_TOLERANCE = 1e-8
# A column that deviates less from its mean is constant but for rounding: relative to its largest value, or in
# its unit (mm, radians, image intensity), where it would be zero. Squares of small columns may be smaller.
CONSTANT_SHARE, CONSTANT_SIZE = 1e-9, 1e-12
# Suffixes of expansions of a column: its differences, its squares, the squares of its differences.
DERIVATIVE, SQUARE, DERIVATIVE_SQUARE = "_derivative1", "_power2", "_derivative1_power2"


@dataclass(frozen=True)
class Regressors:
    """The chosen regressors of a run.

    Attributes
    ----------
    names : tuple of str
        ``cosineXX`` are fMRIPrep's, ``high_pass_cosineXX`` are computed here, ``custom_...`` are the user's.
    values : array of shape (n_volumes, n_regressors)
    sources : dict of str to str
        For names that are not in the file: the column's name in the file, or the column it derives from.
    """

    names: tuple[str, ...]
    values: Matrix
    sources: dict[str, str] = field(default_factory=dict)


def choose_regressors(
    confounds: Confounds | None, n_volumes: int, t_r: float, cleaning: Cleaning
) -> Regressors:
    """Select or compute the regressors of a run, for all its volumes.

    Parameters
    ----------
    confounds : Confounds or None
        Tables of the run; required unless the preset uses no columns.
    n_volumes : int
    t_r : float
        Repetition time in s.
    cleaning : Cleaning

    Returns
    -------
    Regressors

    Raises
    ------
    InputError
        If columns are missing; the message lists all of them.
    """
    preset = PRESETS[cleaning.nuisance_regressors]
    if preset.needs_table and (confounds is None or confounds.table.empty):
        message = (
            f"`nuisance_regressors` {cleaning.nuisance_regressors} needs fMRIPrep's confounds table "
            "(desc-confounds_timeseries.tsv), and there is none beside the BOLD.\n"
            "Put it there, or use `nuisance_regressors` none for data that were cleaned already."
        )
        raise InputError(message)
    if confounds is None:
        confounds = Confounds(pd.DataFrame(index=range(n_volumes)))
    table = confounds.table
    selection = _preset_columns(preset, confounds)
    _require_columns(cleaning.nuisance_regressors, selection, confounds)
    selection += [name for name in map(str, table) if name.startswith(CUSTOM)]
    cosines = [name for name in map(str, table) if name.startswith("cosine")]
    uses_preset_filter = cleaning.high_pass is None and preset.needs_table
    if uses_preset_filter:
        selection += cosines
    source_columns = confounds.columns(list(dict.fromkeys(_source(table, name) for name in selection)))
    require_numbers(source_columns)
    require_later_values(source_columns)
    values = pd.DataFrame({name: _column(table, name) for name in selection}, index=table.index)
    constants = [name for name in selection if _is_constant(table, name)]
    if constants:
        logger.warning("Constant regressors remove nothing and are not counted: %s.", abbreviate(constants))
        values[constants] = 0.0
    high_pass_hz = cleaning.high_pass or 0.0
    if uses_preset_filter and not cosines:
        # nilearn would omit the filter silently.
        high_pass_hz = FMRIPREP_HIGH_PASS_HZ
    basis = cosine_basis(n_volumes, t_r, high_pass_hz)
    names = (*selection, *(f"high_pass_cosine{i:02d}" for i in range(basis.shape[1])))
    return Regressors(names, np.hstack([_fill_first_row(values), basis]), _sources(confounds, selection))


def _preset_columns(preset: Preset, confounds: Confounds) -> list[str]:
    """List the columns that a preset uses, including required components."""
    table_names = set(map(str, confounds.table))
    names = list(preset.columns)
    if preset.compcor:
        for tissue in "cw":
            # fMRIPrep keeps the components that explain half of a tissue's variance: sometimes fewer than 5.
            numbered = [f"{tissue}_comp_cor_{i:02d}" for i in range(N_COMPCOR)]
            # A gap in the numbering means a damaged table and is reported as a missing column.
            names += numbered[
                : max((i + 1 for i, name in enumerate(numbered) if name in table_names), default=1)
            ]
    if preset.aroma:
        # Orthogonalised to ICA-AROMA's signal components, unlike those of fMRIPrep.
        for prefix in ("aroma_orth_motion_", "aroma_motion_"):
            noise = [name for name in map(str, confounds.table) if name.startswith(prefix)]
            if noise:
                return names + noise
        if not confounds.aroma:
            names.append("aroma_motion_*")
    return names


def _source(table: pd.DataFrame, name: str) -> str:
    """Name the column from which a regressor is read or derived; its own name without such a column."""
    if name in table and not table[name].isna().all():
        return name
    base = _base_name(name)
    return base if base in table and not table[base].isna().all() else name


def _column(table: pd.DataFrame, name: str) -> "pd.Series[float]":
    """Return a column, or derive it from the column in its name."""
    source = _source(table, name)
    values = table[source].astype(np.float64)
    if source == name:
        return values
    steps = values if name == source + SQUARE else values.diff()
    return steps if name == source + DERIVATIVE else steps**2


def _is_constant(table: pd.DataFrame, name: str) -> bool:
    """Return whether a column, or the one it expands, is constant but for rounding; then both are noise."""
    base = _base_name(name)
    values = table[base if base in table else name].to_numpy(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return False
    deviation = np.abs(values - values.mean()).max()
    return bool(deviation <= max(CONSTANT_SHARE * np.abs(values).max(), CONSTANT_SIZE))


def _require_columns(preset: str, names: Sequence[str], confounds: Confounds) -> None:
    """Require the columns of a preset, or those from which they derive."""
    table = confounds.table
    sources = list(dict.fromkeys(_source(table, name) for name in names))
    require_numbers(confounds.columns([name for name in sources if name in table]))
    # An expansion is missing because its column is: report the column.
    missing_names = dict.fromkeys(_base_name(name) for name in sources if name not in table)
    if missing_names:
        raise InputError(_explain_missing(preset, list(missing_names), confounds))


def _base_name(name: str) -> str:
    """Name the column from which a derivative or a square derives."""
    return name.removesuffix(DERIVATIVE_SQUARE).removesuffix(DERIVATIVE).removesuffix(SQUARE)


def _explain_missing(preset: str, missing_names: Sequence[str], confounds: Confounds) -> str:
    """Explain which columns are missing and what to do."""
    table = confounds.table
    advice = "Re-run fMRIPrep 21 or later, or choose other `nuisance_regressors`."
    has_tissues = any(str(name).startswith(("c_comp_cor_", "w_comp_cor_")) for name in table)
    if any("comp_cor" in name for name in missing_names) and "a_comp_cor_00" in table and not has_tissues:
        advice = (
            "This table does not separate components of white matter and cerebrospinal fluid: fMRIPrep "
            "before 1.4 made none; up to 20.2 the JSON identifies them. Put the JSON beside the table, use "
            "`nuisance_regressors` 24P, or re-run fMRIPrep 21 or later."
        )
        if confounds.json_problem:
            advice = (
                "The JSON of this table tells components of white matter and cerebrospinal fluid apart, and "
                f"cannot be used:\n{confounds.json_problem}"
            )
    elif any("aroma" in name for name in missing_names):
        advice = (
            "fMRIPrep 23.1 and later leave ICA-AROMA to fMRIPost-AROMA: run it and name its output with "
            "-d aroma=PATH. Older ones need --use-aroma."
        )
    missing_list = ", ".join(missing_names)
    return f"`nuisance_regressors` {preset} needs columns that the confounds lack: {missing_list}.\n{advice}"


def _sources(confounds: Confounds, names: Sequence[str]) -> dict[str, str]:
    """Map names that are not in the file to their source columns."""
    sources = {}
    for name in names:
        if name in confounds.sources:
            sources[name] = confounds.sources[name]
        elif name not in confounds.table:
            sources[name] = f"made of {confounds.sources.get(_base_name(name), _base_name(name))}"
    return sources


def _fill_first_row(columns: pd.DataFrame) -> Matrix:
    """Fill the first row of derivatives with that of the second volume.

    As ``nilearn.interfaces.fmriprep.load_confounds`` does.
    """
    return columns.bfill(limit=1).fillna(0.0).to_numpy(np.float64).reshape(columns.shape)


def cosine_basis(n_volumes: int, t_r: float, high_pass_hz: float) -> Matrix:
    """Compute slow cosines that act as a high-pass filter when regressed out (as in SPM and fMRIPrep).

    Parameters
    ----------
    n_volumes : int
    t_r : float
        Repetition time in s.
    high_pass_hz : float
        Cut-off frequency.

    Returns
    -------
    array of shape (n_volumes, n_cosines)
        Orthonormal columns, slowest first, without the constant; none for a run shorter than half a period.
    """
    n_cosines = min(int(np.floor(2 * n_volumes * high_pass_hz * t_r)), n_volumes - 1)
    times = (np.arange(n_volumes) + 0.5) / n_volumes
    orders = np.arange(1, max(n_cosines, 0) + 1)
    return np.asarray(np.sqrt(2 / n_volumes) * np.cos(np.pi * times[:, None] * orders), dtype=np.float64)


def make_basis(values: Matrix, kept_volumes: NDArray[np.intp]) -> Matrix:
    """Compute an orthonormal basis of regressors and intercept over the kept volumes.

    Collinear columns are common (a real 36-parameter table of a short run has rank 10), hence a pivoted QR
    decomposition instead of normal equations.

    Parameters
    ----------
    values : array of shape (n_volumes, n_regressors)
    kept_volumes : integer array of shape (n_kept,)
        Sample mask.

    Returns
    -------
    array of shape (n_kept, rank)
        Orthonormal columns that span the regressors and the intercept; the first is constant.
    """
    rows = values[kept_volumes]
    rows = rows - rows.mean(axis=0)
    scale = rows.std(axis=0)
    largest = np.abs(values[kept_volumes]).max(axis=0, initial=0)
    varies = scale > CONSTANT_SHARE * largest
    constant = np.full((len(kept_volumes), 1), 1 / np.sqrt(len(kept_volumes)))
    if not varies.any():
        return constant
    q, r, _ = scipy.linalg.qr(rows[:, varies] / scale[varies], mode="economic", pivoting=True)
    lengths = np.abs(np.diag(r))
    rank = int((lengths > RANK_TOLERANCE * lengths[0]).sum())
    basis = q[:, :rank]
    # After pivoted QR the columns' means are rounding errors; the constant must be exactly orthogonal.
    basis = basis - basis.mean(axis=0)
    return np.hstack([constant, basis])
