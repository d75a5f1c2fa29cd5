"""The table of confounds of a simulated run, computed from its volumes as in fMRIPrep 25."""

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

# Enough voxels of each tissue for stable components; more would only need more memory.
N_TISSUE_VOXELS, N_BRAIN_VOXELS = 400, 4000
# fMRIPrep keeps components up to half of the variance; more than these are rarely used.
N_COMPONENTS = 8
FD_OUTLIER_MM, STD_DVARS_OUTLIER = 0.5, 1.5
# Radius of the sphere over which FSL averages displacements.
RMSD_RADIUS_MM = 80.0
COMPCOR_MASKS = {"c": "CSF", "w": "WM", "a": "combined"}


class ConfoundSampler:
    """A sampler of the voxels that the table needs.

    Parameters
    ----------
    anatomy : Anatomy
        Voxels of the volumes.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        is_deep = anatomy.closeness > 0.8
        brain = np.flatnonzero(anatomy.in_brain)
        self.voxels = {
            "csf": _strongest(anatomy.csf * is_deep),
            "white_matter": _strongest(anatomy.white * is_deep),
            "global_signal": brain[:: max(1, len(brain) // N_BRAIN_VOXELS)],
        }
        self.blocks: dict[str, list[Array]] = {name: [] for name in self.voxels}

    def add(self, block: Array) -> None:
        """Add the sampled voxels of a block of volumes.

        Parameters
        ----------
        block : array of shape (n_block, n_voxels)
            Consecutive volumes; the columns are the voxels of the anatomy.
        """
        for name, voxels in self.voxels.items():
            self.blocks[name].append(block[:, voxels])

    def series(self) -> dict[str, NDArray[np.float64]]:
        """Return the sampled series of each tissue, shape (n_volumes, n_sampled)."""
        return {name: np.concatenate(blocks).astype(np.float64) for name, blocks in self.blocks.items()}


def _strongest(fraction: Array) -> NDArray[np.intp]:
    return np.sort(np.argsort(-fraction, kind="stable")[:N_TISSUE_VOXELS])


@one_thread()
def confounds_table(
    run: RestRun, series: dict[str, NDArray[np.float64]]
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Compute the table of confounds and its sidecar.

    Parameters
    ----------
    run : RestRun
    series : dict of str to array of shape (n_volumes, n_sampled)
        Sampled series of ``csf``, ``white_matter`` and ``global_signal``.

    Returns
    -------
    table : DataFrame of shape (n_volumes, n_columns)
        fMRIPrep 25's columns; NaN where a volume has no predecessor.
    metadata : dict
        Method and explained variance of the columns, as fMRIPrep writes them.
    """
    settings = run.settings
    columns: dict[str, Array] = {}
    metadata: dict[str, dict[str, Any]] = {}
    for name in ("global_signal", "csf", "white_matter"):
        columns |= _expand(name, series[name].mean(axis=1))
        metadata[name] = {"Method": "Mean"}
    columns |= _frame_quality(run.motion, series["global_signal"])
    tissues = {"c": series["csf"], "w": series["white_matter"]}
    tissues["a"] = np.concatenate([tissues["c"], tissues["w"]], axis=1)
    for letter, voxels in tissues.items():
        components, sidecar = _compcor(voxels, letter, settings)
        columns |= components
        metadata |= sidecar
    columns |= _number_columns("cosine", _pad_dummies(_cosines(settings), settings))
    columns |= _spikes("non_steady_state_outlier", np.arange(settings.n_volumes) < settings.n_dummies)
    for name, values in zip(MOTION, run.motion.T, strict=True):
        columns |= _expand(name, values)
    columns |= _spikes("motion_outlier", _is_outlier(columns, settings))
    return pd.DataFrame(columns), metadata


def _expand(name: str, values: Array) -> dict[str, Array]:
    """Return a series, its derivative, and the squares of both."""
    derivative = _prepend_nan(np.diff(values))
    return {
        name: values,
        f"{name}_derivative1": derivative,
        f"{name}_power2": values**2,
        f"{name}_derivative1_power2": derivative**2,
    }


def _prepend_nan(values: Array) -> Array:
    return np.append(np.nan, values)


def _number_columns(name: str, values: Array) -> dict[str, Array]:
    return {f"{name}{i:02d}": column for i, column in enumerate(values.T)}


def _spikes(name: str, is_outlier: NDArray[np.bool_]) -> dict[str, Array]:
    """Return one indicator column for each outlier volume."""
    return _number_columns(name, np.eye(len(is_outlier))[:, is_outlier])


def _pad_dummies(values: Array, settings: RestSettings) -> Array:
    """Add rows of zeros for the dummy scans."""
    return np.concatenate([np.zeros((settings.n_dummies, values.shape[1])), values])


def _cosines(settings: RestSettings) -> Array:
    """Return the cosines of the volumes after the dummy scans; fMRIPrep has one fewer than SPM."""
    n_kept = settings.n_volumes - settings.n_dummies
    return cosine_basis(n_kept, settings.t_r, FMRIPREP_HIGH_PASS_HZ)[:, :-1]


def _frame_quality(motion: NDArray[np.float64], brain: NDArray[np.float64]) -> dict[str, Array]:
    """Compute DVARS, raw and standardised (Nichols 2013), framewise displacement (Power), and FSL's RMS."""
    change = np.diff(brain, axis=0)
    centred = brain - brain.mean(axis=0)
    lower, upper = np.percentile(brain, [25, 75], axis=0)
    autocorrelation = (centred[1:] * centred[:-1]).sum(axis=0) / (centred**2).sum(axis=0)
    expected = (np.sqrt(2 * (1 - autocorrelation)) * (upper - lower) / 1.349).mean()
    # Scaled to a median brightness of 1000, as in nipype.
    dvars = np.sqrt((change**2).mean(axis=1)) * 1000 / np.median(brain)
    steps = np.diff(motion, axis=0)
    squared = (steps[:, :3] ** 2).sum(axis=1) + 0.4 * RMSD_RADIUS_MM**2 * (steps[:, 3:] ** 2).sum(axis=1)
    return {
        "std_dvars": _prepend_nan(np.sqrt((change**2).mean(axis=1)) / expected),
        "dvars": _prepend_nan(dvars),
        "framewise_displacement": _prepend_nan(framewise_displacement(motion)[1:]),
        "rmsd": _prepend_nan(np.sqrt(squared)),
    }


def _compcor(
    voxels: NDArray[np.float64], letter: str, settings: RestSettings
) -> tuple[dict[str, Array], dict[str, dict[str, Any]]]:
    """Compute principal components of a tissue (Behzadi et al. 2007) after the cosines are regressed out."""
    steady = voxels[settings.n_dummies :]
    cosines = _cosines(settings)
    rest = steady - steady.mean(axis=0)
    rest -= cosines @ (cosines.T @ rest)
    rest /= rest.std(axis=0)
    # Eigenvectors of the small matrix: LAPACK's SVD may not converge, since the series is singular.
    variances, components = np.linalg.eigh(rest @ rest.T)
    n = min(N_COMPONENTS, len(rest) - 1 - cosines.shape[1])
    variances, components = variances[: -n - 1 : -1], components[:, : -n - 1 : -1]
    explained = variances / (rest**2).sum()
    singular = np.sqrt(variances)
    columns = _number_columns(f"{letter}_comp_cor_", _pad_dummies(components, settings))
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
    """Mark outlier volumes by fMRIPrep's defaults, except the dummy scans, which have separate columns."""
    exceeds_fd = columns["framewise_displacement"] > FD_OUTLIER_MM
    exceeds_dvars = columns["std_dvars"] > STD_DVARS_OUTLIER
    is_outlier = exceeds_fd | exceeds_dvars
    # The first steady volume is spared too, since it differs from the last dummy scan.
    is_outlier[: settings.n_dummies + (settings.n_dummies > 0)] = False
    return np.asarray(is_outlier, bool)
