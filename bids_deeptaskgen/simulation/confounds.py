"""A table of confounds of a simulated run, made from its volumes as fMRIPrep 23 makes it."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.censoring import framewise_displacement
from bids_deeptaskgen.connectome.regressors import FMRIPREP_HIGH_PASS_HZ, cosine_basis
from bids_deeptaskgen.grid import Array
from bids_deeptaskgen.nuisance_presets import MOTION
from bids_deeptaskgen.simulation.anatomy import Anatomy, one_thread
from bids_deeptaskgen.simulation.resting_state import RestRun, RestSettings

# As many voxels of each kind as give stable components; all would take no better ones and more memory.
N_TISSUE_VOXELS, N_BRAIN_VOXELS = 400, 4000
# fMRIPrep keeps what explains half of the variance; more than these are hardly ever used.
N_COMPONENTS = 8
FD_OUTLIER_MM, STD_DVARS_OUTLIER = 0.5, 1.5
# Radius of the sphere over which FSL averages displacements.
RMSD_RADIUS_MM = 80.0
COMPCOR_MASKS = {"c": "CSF", "w": "WM", "a": "combined"}


class ConfoundSampler:
    """Keeps what the table needs of the volumes that pass by.

    Parameters
    ----------
    anatomy : Anatomy
        Voxels of the volumes.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        deep = anatomy.closeness > 0.8
        brain = np.flatnonzero(anatomy.inside)
        self.voxels = {
            "csf": _strongest(anatomy.csf * deep),
            "white_matter": _strongest(anatomy.white * deep),
            "global_signal": brain[:: max(1, len(brain) // N_BRAIN_VOXELS)],
        }
        self.kept: dict[str, list[Array]] = {name: [] for name in self.voxels}

    def add(self, block: Array) -> None:
        """Take note of a block of shape (n_block, n_voxels)."""
        for name, voxels in self.voxels.items():
            self.kept[name].append(block[:, voxels])

    def series(self) -> dict[str, NDArray[np.float64]]:
        """Give the sampled series of each tissue, shape (n_volumes, n_sampled)."""
        return {name: np.concatenate(blocks).astype(np.float64) for name, blocks in self.kept.items()}


def _strongest(fraction: Array) -> NDArray[np.intp]:
    return np.sort(np.argsort(-fraction, kind="stable")[:N_TISSUE_VOXELS])


@one_thread()
def confounds_table(
    run: RestRun, series: dict[str, NDArray[np.float64]]
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Make the table and what its JSON says.

    Parameters
    ----------
    run : RestRun
    series : dict of str to array of shape (n_volumes, n_sampled)
        Of ``csf``, ``white_matter``, ``global_signal``.

    Returns
    -------
    table : DataFrame of shape (n_volumes, n_columns)
        fMRIPrep 23's columns; NaN where a volume has no predecessor.
    metadata : dict
        Method and explained variance of the columns, as fMRIPrep writes them.
    """
    settings = run.settings
    columns: dict[str, Array] = {}
    metadata: dict[str, dict[str, Any]] = {}
    for name in ("global_signal", "csf", "white_matter"):
        columns |= _expanded(name, series[name].mean(axis=1))
        metadata[name] = {"Method": "Mean"}
    columns |= _frame_quality(run.motion, series["global_signal"])
    tissues = {"c": series["csf"], "w": series["white_matter"]}
    tissues["a"] = np.concatenate([tissues["c"], tissues["w"]], axis=1)
    for letter, voxels in tissues.items():
        components, about = _compcor(voxels, letter, settings)
        columns |= components
        metadata |= about
    columns |= _numbered("cosine", _padded(_cosines(settings), settings))
    columns |= _spikes("non_steady_state_outlier", np.arange(settings.n_volumes) < settings.n_dummies)
    for name, values in zip(MOTION, run.motion.T, strict=True):
        columns |= _expanded(name, values)
    columns |= _spikes("motion_outlier", _is_outlier(columns, settings))
    return pd.DataFrame(columns), metadata


def _expanded(name: str, values: Array) -> dict[str, Array]:
    """Give a series, its derivative, and the squares of both."""
    derivative = _with_no_first(np.diff(values))
    return {
        name: values,
        f"{name}_derivative1": derivative,
        f"{name}_power2": values**2,
        f"{name}_derivative1_power2": derivative**2,
    }


def _with_no_first(values: Array) -> Array:
    return np.append(np.nan, values)


def _numbered(name: str, values: Array) -> dict[str, Array]:
    return {f"{name}{i:02d}": column for i, column in enumerate(values.T)}


def _spikes(name: str, marked: NDArray[np.bool_]) -> dict[str, Array]:
    """Give each marked volume a column of its own."""
    return _numbered(name, np.eye(len(marked))[:, marked])


def _padded(values: Array, settings: RestSettings) -> Array:
    """Put zeros in the rows of the dummies."""
    return np.concatenate([np.zeros((settings.n_dummies, values.shape[1])), values])


def _cosines(settings: RestSettings) -> Array:
    """Slow cosines of the volumes after the dummies; fMRIPrep has one fewer than SPM."""
    n_kept = settings.n_volumes - settings.n_dummies
    return cosine_basis(n_kept, settings.t_r, FMRIPREP_HIGH_PASS_HZ)[:, :-1]


def _frame_quality(motion: NDArray[np.float64], brain: NDArray[np.float64]) -> dict[str, Array]:
    """DVARS, plain and standardised (Nichols 2013), framewise displacement (Power), and FSL's RMS."""
    change = np.diff(brain, axis=0)
    centred = brain - brain.mean(axis=0)
    lower, upper = np.percentile(brain, [25, 75], axis=0)
    autocorrelation = (centred[1:] * centred[:-1]).sum(axis=0) / (centred**2).sum(axis=0)
    expected = (np.sqrt(2 * (1 - autocorrelation)) * (upper - lower) / 1.349).mean()
    # On the scale that nipype uses, a median brightness of 1000.
    dvars = np.sqrt((change**2).mean(axis=1)) * 1000 / np.median(brain)
    steps = np.diff(motion, axis=0)
    squared = (steps[:, :3] ** 2).sum(axis=1) + 0.4 * RMSD_RADIUS_MM**2 * (steps[:, 3:] ** 2).sum(axis=1)
    return {
        "std_dvars": _with_no_first(np.sqrt((change**2).mean(axis=1)) / expected),
        "dvars": _with_no_first(dvars),
        "framewise_displacement": _with_no_first(framewise_displacement(motion)[1:]),
        "rmsd": _with_no_first(np.sqrt(squared)),
    }


def _compcor(
    voxels: NDArray[np.float64], letter: str, settings: RestSettings
) -> tuple[dict[str, Array], dict[str, dict[str, Any]]]:
    """Principal components of a tissue (Behzadi et al. 2007) after the slow cosines are taken out."""
    steady = voxels[settings.n_dummies :]
    slow = _cosines(settings)
    rest = steady - steady.mean(axis=0)
    rest -= slow @ (slow.T @ rest)
    rest /= rest.std(axis=0)
    # Of the small matrix: LAPACK's SVD of a series without its cosines, singular as it is, may not converge.
    variances, components = np.linalg.eigh(rest @ rest.T)
    n = min(N_COMPONENTS, len(rest) - 1 - slow.shape[1])
    variances, components = variances[: -n - 1 : -1], components[:, : -n - 1 : -1]
    explained = variances / (rest**2).sum()
    singular = np.sqrt(variances)
    columns = _numbered(f"{letter}_comp_cor_", _padded(components, settings))
    metadata = {
        name: {
            "CumulativeVarianceExplained": round(float(explained[: i + 1].sum()), 10),
            "Mask": COMPCOR_MASKS[letter],
            "Method": "aCompCor",
            "Retained": True,
            "SingularValue": round(float(singular[i]), 10),
            "VarianceExplained": round(float(explained[i]), 10),
        }
        for i, name in enumerate(columns)
    }
    return columns, metadata


def _is_outlier(columns: dict[str, Array], settings: RestSettings) -> NDArray[np.bool_]:
    """Mark volumes as fMRIPrep does by default, the dummies apart, which have columns of their own."""
    moved = columns["framewise_displacement"] > FD_OUTLIER_MM
    changed = columns["std_dvars"] > STD_DVARS_OUTLIER
    marked = moved | changed
    # The first steady volume differs from the last dummy, not by its own fault.
    marked[: settings.n_dummies + (settings.n_dummies > 0)] = False
    return np.asarray(marked, bool)
