"""What is regressed out of a run: columns of its tables, slow drifts, and their orthonormal basis."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.linalg
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.confounds import CUSTOM, Confounds, numbers
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.nuisance_presets import PRESETS, Preset

Matrix = NDArray[np.float64]

# fMRIPrep's high-pass: a period of 128 s.
FMRIPREP_HIGH_PASS_HZ = 1 / 128
N_COMPCOR = 5
# A direction whose length is below this share of the longest is what rounding in the table leaves.
RANK_TOLERANCE = 1e-8
# Where a name ends so, it is made of the column before it: its steps, its squares, the squares of its steps.
DERIVATIVE, SQUARE, BOTH = "_derivative1", "_power2", "_derivative1_power2"


@dataclass(frozen=True)
class Regressors:
    """The chosen regressors of a run.

    Attributes
    ----------
    names : tuple of str
        ``cosineXX`` are fMRIPrep's, ``high_pass_cosineXX`` are made here, ``custom_...`` are the user's.
    values : array of shape (n_volumes, n_regressors)
    sources : dict of str to str
        For names that the file does not have: which column it was, or what it was made of.
    """

    names: tuple[str, ...]
    values: Matrix
    sources: dict[str, str] = field(default_factory=dict)


def choose_regressors(
    confounds: Confounds | None, n_volumes: int, t_r: float, cleaning: Cleaning
) -> Regressors:
    """Pick or make the regressors of a run, for all its volumes.

    Parameters
    ----------
    confounds : Confounds or None
        Tables of the run, needed unless the preset takes no column of them.
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
        If columns are missing; all of them are named at once.
    """
    preset = PRESETS[cleaning.nuisance_regressors]
    if preset.needs_table and (confounds is None or confounds.table.empty):
        message = (
            f"--nuisance-regressors {cleaning.nuisance_regressors} needs fMRIPrep's table of confounds "
            "(desc-confounds_timeseries.tsv), and there is none beside the BOLD.\n"
            "Put it there, or use --nuisance-regressors none for data that are cleaned already."
        )
        raise InputError(message)
    if confounds is None:
        confounds = Confounds(pd.DataFrame(index=range(n_volumes)))
    table = confounds.table
    wanted = _wanted(preset, confounds)
    columns = {name: _column(table, name) for name in wanted}
    # What is made of a column is not missing itself.
    missing = dict.fromkeys(_base(name) for name, column in columns.items() if column is None)
    if missing:
        raise InputError(_missing_words(cleaning.nuisance_regressors, list(missing), table))
    wanted += [name for name in map(str, table) if name.startswith(CUSTOM)]
    cosines = [name for name in map(str, table) if name.startswith("cosine")]
    by_preset = cleaning.high_pass is None and preset.needs_table
    if by_preset:
        wanted += cosines
    chosen = pd.DataFrame({name: _column(table, name) for name in wanted}, index=table.index)
    made_here = cleaning.high_pass or 0.0
    if by_preset and not cosines:
        # nilearn would leave the filter out without a word.
        made_here = FMRIPREP_HIGH_PASS_HZ
    basis = cosine_basis(n_volumes, t_r, made_here)
    names = (*wanted, *(f"high_pass_cosine{i:02d}" for i in range(basis.shape[1])))
    return Regressors(names, np.hstack([_filled(chosen), basis]), _sources(confounds, wanted))


def _wanted(preset: Preset, confounds: Confounds) -> list[str]:
    """Names that a preset takes of a table; those of components that must be there are among them."""
    present = set(map(str, confounds.table))
    names = list(preset.columns)
    if preset.compcor:
        for tissue in "cw":
            # fMRIPrep keeps as many as explain half of a tissue's variance, which may be fewer than five.
            numbered = [f"{tissue}_comp_cor_{i:02d}" for i in range(N_COMPCOR)]
            # A gap in the numbers is a damaged table, and is told of as any missing column.
            names += numbered[: max((i + 1 for i, name in enumerate(numbered) if name in present), default=1)]
    if preset.aroma:
        # Orthogonal to what ICA-AROMA takes for signal, which fMRIPrep's own never were.
        for prefix in ("aroma_orth_motion_", "aroma_motion_"):
            noise = [name for name in map(str, confounds.table) if name.startswith(prefix)]
            if noise:
                return names + noise
        if not confounds.aroma:
            names.append("aroma_motion_*")
    return names


def _column(table: pd.DataFrame, name: str) -> "pd.Series[float] | None":
    """Take a column, or make it of the one that its name begins with; None where neither is there."""
    if name in table and not table[name].isna().all():
        return numbers(table, [name])[name].astype(np.float64)
    # The longest first: each of the others ends so, too.
    for suffix in (BOTH, DERIVATIVE, SQUARE):
        base = name.removesuffix(suffix)
        if base != name and base in table and not table[base].isna().all():
            values = numbers(table, [base])[base].astype(np.float64)
            steps = values if suffix == SQUARE else values.diff()
            return steps if suffix == DERIVATIVE else steps**2
    return None


def _base(name: str) -> str:
    """Name the column that a derivative or a square is made of."""
    return name.removesuffix(BOTH).removesuffix(DERIVATIVE).removesuffix(SQUARE)


def _missing_words(preset: str, missing: Sequence[str], table: pd.DataFrame) -> str:
    advice = "Re-run fMRIPrep 21 or later, or choose other --nuisance-regressors."
    told_apart = any(str(name).startswith(("c_comp_cor_", "w_comp_cor_")) for name in table)
    if any("comp_cor" in name for name in missing) and "a_comp_cor_00" in table and not told_apart:
        advice = (
            "This table does not tell components of white matter from those of cerebrospinal fluid: fMRIPrep "
            "before 1.4 made none, up to 20.2 its JSON tells them apart. Put the JSON beside the table, or "
            "use --nuisance-regressors 24P. Re-run fMRIPrep 21 or later to have them."
        )
    elif any("aroma" in name for name in missing):
        advice = (
            "fMRIPrep 23.1 and later leave ICA-AROMA to fMRIPost-AROMA: run it and name its output with "
            "-d aroma=PATH. Older ones need --use-aroma."
        )
    lacking = ", ".join(missing)
    return f"--nuisance-regressors {preset} needs columns that the confounds lack: {lacking}.\n{advice}"


def _sources(confounds: Confounds, names: Sequence[str]) -> dict[str, str]:
    """Say where columns come from that the file does not have under these names."""
    told = {}
    for name in names:
        if name in confounds.sources:
            told[name] = confounds.sources[name]
        elif name not in confounds.table:
            told[name] = f"made of {confounds.sources.get(_base(name), _base(name))}"
    return told


def _filled(columns: pd.DataFrame) -> Matrix:
    """Fill the first row, which derivatives lack, with that of the second volume.

    So does ``nilearn.interfaces.fmriprep.load_confounds``.
    """
    holes = columns[1:].isna()
    if holes.to_numpy().any():
        rows = ", ".join(str(row) for row in holes.index[holes.any(axis=1)][:5])
        message = (
            f"the confounds {', '.join(holes.columns[holes.any()])} hold n/a after the first volume (volumes "
            f"{rows}, counted from 0).\nCopy the table again from its source, or re-run the preprocessing of "
            "this run."
        )
        raise InputError(message)
    return columns.bfill(limit=1).fillna(0.0).to_numpy(np.float64).reshape(columns.shape)


def cosine_basis(n_volumes: int, t_r: float, high_pass_hz: float) -> Matrix:
    """Slow cosines that high-pass filter a series when regressed out (as in SPM and fMRIPrep).

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


def make_basis(values: Matrix, kept: NDArray[np.intp]) -> Matrix:
    """Orthonormalise regressors over the kept volumes.

    Collinear columns are common (a real 36-parameter table of a short run has rank 10), hence the pivoted
    QR decomposition in place of normal equations.

    Parameters
    ----------
    values : array of shape (n_volumes, n_regressors)
    kept : integer array of shape (n_kept,)

    Returns
    -------
    array of shape (n_kept, rank)
        Orthonormal columns that span the regressors and the intercept; the first is constant.
    """
    rows = values[kept]
    rows = rows - rows.mean(axis=0)
    scale = rows.std(axis=0)
    largest = np.abs(values[kept]).max(axis=0, initial=0)
    varies = scale > 1e-12 * largest
    constant = np.full((len(kept), 1), 1 / np.sqrt(len(kept)))
    if not varies.any():
        return constant
    q, r, _ = scipy.linalg.qr(rows[:, varies] / scale[varies], mode="economic", pivoting=True)
    lengths = np.abs(np.diag(r))
    rank = int((lengths > RANK_TOLERANCE * lengths[0]).sum())
    basis = q[:, :rank]
    # Pivoted QR leaves the columns' mean at rounding size; the constant must be exactly apart.
    basis = basis - basis.mean(axis=0)
    return np.hstack([constant, basis])
