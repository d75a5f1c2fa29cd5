"""From one MNI152 template to another, with TemplateFlow's transform: only where a user opts in."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import UserError

MODEL_SPACE = "MNI152NLin6Asym"
WARPED_SPACE = "MNI152NLin2009cAsym"
TRANSFORM = f"tpl-{MODEL_SPACE}_from-{WARPED_SPACE}_mode-image_xfm.h5"
EXTRA = "bids-deeptaskgen[warp]"

Points = NDArray[np.float64]


@cache
def find_transform() -> Path:
    """Find the file of the transform, which TemplateFlow fetches where it can.

    Returns
    -------
    Path

    Raises
    ------
    UserError
        If the file is not there and cannot be fetched, or what reads it is not installed.
    """
    try:
        import nitransforms  # noqa: F401 - an extra, and slow
    except ImportError as reason:
        message = f"--allow-template-warp needs nitransforms ({reason}): pip install '{EXTRA}'."
        raise UserError(message) from reason
    try:
        # It writes to its home when it is imported, and fails in many ways where there is no network.
        from templateflow import api

        found = api.get(MODEL_SPACE, suffix="xfm", mode="image", extension=".h5", **{"from": WARPED_SPACE})
    except Exception as reason:
        raise UserError(_not_there(f"{type(reason).__name__}: {reason}")) from reason
    paths = [Path(path) for path in (found if isinstance(found, list) else [found])]
    if len(paths) != 1 or paths[0].stat().st_size == 0:
        raise UserError(_not_there("TemplateFlow has no such file, or an empty one"))
    return paths[0]


def _not_there(reason: str) -> str:
    return (
        f"--allow-template-warp needs TemplateFlow's {TRANSFORM}, which cannot be had: {reason}.\n"
        f"Where there is a network: python -c \"from templateflow import api; api.get('{MODEL_SPACE}', "
        f"suffix='xfm', mode='image', extension='.h5', **{{'from': '{WARPED_SPACE}'}})\"; then bring it to "
        f"$TEMPLATEFLOW_HOME/tpl-{MODEL_SPACE}/ here. Better: re-run fMRIPrep with --output-spaces "
        f"{MODEL_SPACE}:res-2."
    )


def to_warped_space(points_mm: Points) -> Points:
    """Say where points of the model's space lie in the other template's.

    That is the direction in which images are resampled: for each voxel that is wanted, the place to look.

    Parameters
    ----------
    points_mm : array of shape (n_points, 3)
        In MNI152NLin6Asym.

    Returns
    -------
    array of shape (n_points, 3)
        In MNI152NLin2009cAsym.

    Raises
    ------
    UserError
        As `find_transform`, and if the file cannot be read.
    """
    path = find_transform()
    from nitransforms.manip import TransformChain

    try:
        return np.asarray(TransformChain.from_filename(path, fmt="itk").map(points_mm), np.float64)
    except Exception as reason:
        message = f"{path}: cannot be read as a transform ({reason}).\nDelete it and fetch it again."
        raise UserError(message) from reason
