"""Real participants: connectomes and measured maps from the series and activations of parcels.

A folder of data holds

- ``rest.npz``: ``rest`` (n_participants, n_parcels, n_volumes), one resting-state run of each participant,
- ``task.npz``: ``beta`` (n_participants, n_conditions, n_parcels), activations, and the names ``conditions``,
- ``atlas-*_dseg.nii.gz``: parcels 1 to n_parcels / 2 in each hemisphere, in MNI152NLin6 space.

Parcels of the left hemisphere come first. Each voxel gets the values of the nearest parcel.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from benchmarks.accuracy.cohort import BRAIN, GREY, GRID, Floats, projection
from bids_deeptaskgen.errors import InputError

Labels = NDArray[np.intp]

STIMULI = ("body", "faces", "places", "tools")
# Conditions that are averaged, and conditions whose average is subtracted.
CONTRASTS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "emotionFacesMinusShapes": (["EMOTION fear"], ["EMOTION neut"]),
    "languageMathMinusStory": (["LANGUAGE math"], ["LANGUAGE story"]),
    "relationalRel": (["RELATIONAL rel"], []),
    "socialTomMinusRandom": (["SOCIAL mental"], ["SOCIAL rnd"]),
    "wm2bkMinus0bk": ([f"WM 2bk {name}" for name in STIMULI], [f"WM 0bk {name}" for name in STIMULI]),
    "motorAvg": ([f"MOTOR {name}" for name in ("lf", "rf", "lh", "rh", "t")], []),
    "gamblingReward": (["GAMBLING win"], []),
}
# Divisor of the activations, after which they have the size of z values.
SCALE = 4


@dataclass(frozen=True)
class RealParticipant:
    """A participant with the interface of `training.validation.Participant`.

    Attributes
    ----------
    name : str
    connectivity : array of shape (n_rois, n_parcels)
        Pearson r of ROI time series and parcel series.
    activation : array of shape (n_contrasts, n_parcels)
        Measured contrasts.
    parcels : integer array of shape (n_brain_voxels,)
        Parcel of each voxel, from 0.
    n_windows : int
        Always 1.
    """

    name: str
    connectivity: Floats
    activation: Floats
    parcels: Labels
    n_windows: int = 1

    @property
    def rest(self) -> Floats:
        """Return the connectome, (n_rois, n_brain_voxels)."""
        return self.connectivity[:, self.parcels]

    @property
    def task(self) -> Floats:
        """Return the measured maps, (n_contrasts, n_grey_voxels)."""
        return self.activation[:, self.parcels[GREY[BRAIN]]]

    def connectome(self, window: int) -> Floats:  # noqa: ARG002 - the only window
        """Return the connectome, (n_rois, n_brain_voxels)."""
        return self.rest

    def statmaps(self) -> Floats:
        """Return the measured maps, (n_contrasts, n_grey_voxels)."""
        return self.task


def read_participants(folder: Path) -> list[RealParticipant]:
    """Read all participants.

    Parameters
    ----------
    folder : Path
        See the module.

    Returns
    -------
    list of RealParticipant

    Raises
    ------
    InputError
        If a file is missing, damaged, or does not fit the others.
    """
    (rest,) = _read_arrays(folder / "rest.npz", "rest")
    beta, conditions = _read_arrays(folder / "task.npz", "beta", "conditions")
    parcels, n_parcels = parcels_of_voxels(_atlas(folder))
    expected_shape = (len(rest), len(conditions), n_parcels)
    if rest.ndim != 3 or rest.shape[1] != n_parcels or beta.shape != expected_shape:
        message = (
            f"{folder}: `rest` has shape {rest.shape} and `beta` {beta.shape}, but the atlas has {n_parcels} "
            f"parcels and there are {len(conditions)} conditions. Give the files of one dataset."
        )
        raise InputError(message)
    contrasts = contrast_maps(beta, [str(name) for name in conditions])
    weights = parcel_projection(projection(), parcels, n_parcels)
    return [
        RealParticipant(f"sub-{number + 1:02d}", parcel_connectome(series, weights), maps, parcels)
        for number, (series, maps) in enumerate(zip(rest, contrasts, strict=True))
    ]


def _read_arrays(path: Path, *names: str) -> list[NDArray[np.generic]]:
    """Read arrays of an npz file."""
    try:
        with np.load(path) as arrays:
            return [arrays[name] for name in names]
    except FileNotFoundError:
        message = f"{path}: no such file. `make benchmark-real DATA=folder` needs the folder of the data."
        raise InputError(message) from None
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        message = f"{path}: cannot read {', '.join(names)} ({error}). Download the data again."
        raise InputError(message) from error


def _atlas(folder: Path) -> Path:
    paths = sorted(folder.glob("atlas-*_dseg.nii.gz"))
    if len(paths) != 1:
        message = f"{folder}: {len(paths)} files atlas-*_dseg.nii.gz, 1 is needed. Check the folder."
        raise InputError(message)
    return paths[0]


def parcels_of_voxels(path: Path) -> tuple[Labels, int]:
    """Assign each voxel of the 4 mm brain mask to the nearest parcel.

    Parameters
    ----------
    path : Path
        Atlas with labels 1 to n in both hemispheres; voxels with x >= 0 mm are right.

    Returns
    -------
    parcels : integer array of shape (n_brain_voxels,)
        From 0; the left hemisphere first.
    n_parcels : int
        2 n.
    """
    image = nib.load(path)
    labels = np.asanyarray(image.dataobj).astype(np.intp)
    n_labels = int(labels.max())
    x_mm = nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(labels.shape), 0, -1))[..., 0]
    labels = np.where(labels > 0, labels + n_labels * (x_mm >= 0), 0)
    nearest = distance_transform_edt(
        labels == 0, nib.affines.voxel_sizes(image.affine), return_distances=False, return_indices=True
    )
    filled = labels[tuple(nearest)]
    to_atlas = np.linalg.inv(image.affine) @ GRID.matrix
    indices = np.rint(nib.affines.apply_affine(to_atlas, np.argwhere(BRAIN))).astype(np.intp)
    indices = np.clip(indices, 0, np.array(labels.shape) - 1)
    return filled[tuple(indices.T)] - 1, 2 * n_labels


def contrast_maps(beta: NDArray[np.generic], conditions: Sequence[str]) -> Floats:
    """Compute all `CONTRASTS` from the activations of conditions.

    Parameters
    ----------
    beta : array of shape (n_participants, n_conditions, n_parcels)
    conditions : sequence of str
        Names of the conditions.

    Returns
    -------
    float32 array of shape (n_participants, n_contrasts, n_parcels)

    Raises
    ------
    InputError
        If a condition is missing.
    """
    used_names = {name for sides in CONTRASTS.values() for side in sides for name in side}
    absent_names = sorted(used_names - set(conditions))
    if absent_names:
        message = f"`conditions` of task.npz lack {', '.join(absent_names)}. Give data with all."
        raise InputError(message)
    weights = np.zeros((len(CONTRASTS), len(conditions)))
    for row, sides in zip(weights, CONTRASTS.values(), strict=True):
        for sign, side in zip((1, -1), sides, strict=True):
            for name in side:
                row[conditions.index(name)] = sign / len(side) / SCALE
    maps: Floats = np.einsum("cn,pnv->pcv", weights, np.asarray(beta, np.float64)).astype(np.float32)
    return maps


def parcel_projection(weights: NDArray[np.float64], parcels: Labels, n_parcels: int) -> NDArray[np.float64]:
    """Sum the projection to ROI time series over the voxels of each parcel, which share one series.

    Parameters
    ----------
    weights : array of shape (n_rois, n_voxels)
        Projection of voxels.
    parcels : integer array of shape (n_voxels,)
        Parcel of each voxel, from 0.
    n_parcels : int

    Returns
    -------
    array of shape (n_rois, n_parcels)
    """
    return np.stack([np.bincount(parcels, row, n_parcels) for row in weights])


def parcel_connectome(series: NDArray[np.generic], weights: NDArray[np.float64]) -> Floats:
    """Correlate ROI time series with parcel series.

    Parameters
    ----------
    series : array of shape (n_parcels, n_volumes)
    weights : array of shape (n_rois, n_parcels)
        See `parcel_projection`.

    Returns
    -------
    float32 array of shape (n_rois, n_parcels)
        Pearson r; 0 for constant series.
    """
    parcels = np.asarray(series, np.float64)
    parcels = parcels - parcels.mean(axis=1, keepdims=True)
    rois = weights @ parcels
    products = rois @ parcels.T
    norms = np.sqrt(np.square(rois).sum(axis=1)[:, None] * np.square(parcels).sum(axis=1))
    return np.divide(products, norms, out=np.zeros_like(products), where=norms > 0).astype(np.float32)
