"""Arrays of a ridge model in a bundle, and connectomes at the voxels that it predicts."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import Array
from bids_deeptaskgen.io.opening import name_reason
from bids_deeptaskgen.models.architecture import COEFFICIENTS, MEAN_CONNECTOME, PARCELS, Architecture, Shapes
from bids_deeptaskgen.stats.ridge import RidgeModel

Floats = NDArray[np.float32]


def ridge_arrays(model: RidgeModel) -> dict[str, Array]:
    """Return the arrays of ``weights.safetensors``; the mean maps are an image of the bundle.

    Parameters
    ----------
    model : RidgeModel
        Its voxels are those of the output mask, in C order.

    Returns
    -------
    dict of str to array
        ``coefficients`` (n_contrasts, 1 + n_parcels, n_rois), ``parcels`` (n_output_voxels,), and
        ``mean_connectome`` (n_rois, n_output_voxels).
    """
    return {
        COEFFICIENTS: np.asarray(model.coefficients, np.float32),
        PARCELS: np.asarray(model.parcels, np.int16),
        MEAN_CONNECTOME: np.asarray(model.mean_connectome, np.float32),
    }


def ridge_model(arrays: Mapping[str, Array], mean_maps: Floats) -> RidgeModel:
    """Build a ridge model from the arrays and the mean maps of a bundle.

    Parameters
    ----------
    arrays : dict of str to array
        See `ridge_arrays`.
    mean_maps : array of shape (n_contrasts, n_output_voxels)

    Returns
    -------
    RidgeModel
    """
    return RidgeModel(
        np.asarray(arrays[COEFFICIENTS], np.float32),
        np.asarray(arrays[PARCELS], np.int16),
        np.asarray(arrays[MEAN_CONNECTOME], np.float32),
        mean_maps,
    )


def ridge_shape_fault(shapes: Shapes, architecture: Architecture, n_voxels: int) -> str | None:
    """Describe the first array of a ridge model whose shape does not fit the bundle.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Shapes of the arrays.
    architecture : Architecture
        Of the same arrays.
    n_voxels : int
        Voxels of the output mask.

    Returns
    -------
    str or None
        None if all fit.
    """
    expected = {PARCELS: (n_voxels,), MEAN_CONNECTOME: (architecture.in_channels, n_voxels)}
    for name, shape in expected.items():
        if shapes[name] != shape:
            return (
                f"{name} has shape {shapes[name]}, but {architecture.in_channels} ROIs and {n_voxels} voxels "
                f"of the output mask require {shape}"
            )
    return None


def ridge_value_fault(path: Path) -> str | None:
    """Describe values of a ridge model that no prediction can use.

    Parameters
    ----------
    path : Path
        ``weights.safetensors``; the mean connectome, which is large, is not read.

    Returns
    -------
    str or None
        None if all are usable.
    """
    from safetensors import safe_open

    with name_reason(path), safe_open(path, framework="np") as file:
        coefficients, parcels = file.get_tensor(COEFFICIENTS), file.get_tensor(PARCELS)
    n_parcels = coefficients.shape[1] - 1
    if n_parcels < 0 or not np.isfinite(coefficients).all():
        return f"{COEFFICIENTS} are empty or not finite"
    is_integer = np.issubdtype(parcels.dtype, np.integer)
    if not is_integer or parcels.min() < 0 or parcels.max() > n_parcels:
        return f"{PARCELS} must be integers from 0 to {n_parcels}, the parcels of {COEFFICIENTS}"
    return None


def at_output_voxels(
    connectome: Floats, brain_mask: NDArray[np.bool_], output_mask: NDArray[np.bool_]
) -> Floats:
    """Select the voxels of the output mask of a connectome.

    Parameters
    ----------
    connectome : array of shape (n_rois, n_brain_voxels)
        Pearson r.
    brain_mask, output_mask : boolean array of shape (x, y, z)

    Returns
    -------
    array of shape (n_rois, n_output_voxels), float32
        0 in output voxels outside the brain mask, which have no connectome.

    Examples
    --------
    >>> brain, output = np.array([[[1, 1, 0]]], bool), np.array([[[0, 1, 1]]], bool)
    >>> at_output_voxels(np.array([[0.5, 0.25]], np.float32), brain, output)
    array([[0.25, 0.  ]], dtype=float32)
    """
    selected = np.zeros((len(connectome), int(output_mask.sum())), np.float32)
    selected[:, brain_mask[output_mask]] = connectome[:, output_mask[brain_mask]]
    return selected
