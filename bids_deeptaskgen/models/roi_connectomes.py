"""File of a model bundle with the distribution of the training participants' ROI-by-ROI connectomes."""

from pathlib import Path

import numpy as np

from bids_deeptaskgen.connectome.typicality import QUANTILES, ConnectomeDistribution
from bids_deeptaskgen.errors import UserError, raise_disk_error
from bids_deeptaskgen.io.opening import name_reason

# Optional file of a bundle.
ROI_CONNECTOMES = "roi_connectomes.safetensors"
_ARRAYS = ("mean", "basis", "variances", "shrinkage", "isotropic_variance", "n_participants", "quantiles")


def save_distribution(path: Path, distribution: ConnectomeDistribution) -> None:
    """Write a distribution; equal distributions give equal bytes.

    Parameters
    ----------
    path : Path
        File of safetensors.
    distribution : ConnectomeDistribution
    """
    from safetensors.numpy import save

    quantiles = [distribution.quantiles.get(name) for name in (*QUANTILES, "max")]
    arrays = {
        "mean": distribution.mean,
        "basis": distribution.basis,
        "variances": distribution.variances,
        "shrinkage": np.array(distribution.shrinkage),
        "isotropic_variance": np.array(distribution.isotropic_variance),
        "n_participants": np.array(distribution.n_participants),
        "quantiles": np.array([np.nan if value is None else value for value in quantiles]),
    }
    path.write_bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


def load_distribution(path: Path, n_rois: int) -> ConnectomeDistribution:
    """Read a distribution and check it.

    Parameters
    ----------
    path : Path
        See `save_distribution`.
    n_rois : int
        Number of ROIs of the model.

    Returns
    -------
    ConnectomeDistribution

    Raises
    ------
    UserError
        If the file cannot be read, an array is missing, or shapes or values do not fit the model.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        with name_reason(path):
            arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise_disk_error(error, path)
        message = f"{path}: cannot be read as safetensors ({error}). Fetch or import the model again."
        raise UserError(message) from error
    if sorted(arrays) != sorted(_ARRAYS):
        raise _misfit(path, f"it has the arrays {sorted(arrays)}; expected {sorted(_ARRAYS)}")
    n_pairs, n_components = n_rois * (n_rois - 1) // 2, len(arrays["variances"].ravel())
    shapes = {
        "mean": (n_pairs,),
        "basis": (n_components, n_pairs),
        "variances": (n_components,),
        "quantiles": (len(QUANTILES) + 1,),
    }
    for name, array in arrays.items():
        if array.shape != shapes.get(name, ()):
            expected = shapes.get(name, ())
            raise _misfit(path, f"{name} has shape {array.shape}; {n_rois} ROIs need {expected}")
        if name != "quantiles" and not np.isfinite(array).all():
            raise _misfit(path, f"{name} has values that are not finite")
    shrinkage, isotropic = float(arrays["shrinkage"]), float(arrays["isotropic_variance"])
    if not (0 <= shrinkage <= 1 and isotropic > 0 and (arrays["variances"] > 0).all()):
        problem = "shrinkage must be from 0 to 1, and isotropic_variance and all variances greater than 0"
        raise _misfit(path, problem)
    quantiles = zip((*QUANTILES, "max"), arrays["quantiles"].tolist(), strict=True)
    return ConnectomeDistribution(
        mean=arrays["mean"],
        basis=arrays["basis"],
        variances=arrays["variances"],
        shrinkage=shrinkage,
        isotropic_variance=isotropic,
        n_participants=int(arrays["n_participants"]),
        quantiles={name: value if np.isfinite(value) else None for name, value in quantiles},
    )


def _misfit(path: Path, problem: str) -> UserError:
    return UserError(f"{path}: does not fit the model: {problem}.\nFetch the model again, or train it again.")
