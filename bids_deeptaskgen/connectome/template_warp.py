"""Warp between two MNI152 templates with TemplateFlow's transform; opt-in only."""

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
    """Find the file of the transform; TemplateFlow downloads it if necessary.

    Returns
    -------
    Path

    Raises
    ------
    UserError
        If the file is missing and cannot be downloaded, or nitransforms is not installed.
    """
    try:
        import nitransforms  # noqa: F401 - an extra, and slow
    except ImportError as reason:
        message = f"`allow_template_warp` needs nitransforms ({reason}): pip install '{EXTRA}'."
        raise UserError(message) from reason
    try:
        # Its import writes to TEMPLATEFLOW_HOME and fails in many ways without a network.
        from templateflow import api

        result = api.get(MODEL_SPACE, suffix="xfm", mode="image", extension=".h5", **{"from": WARPED_SPACE})
    except Exception as reason:
        raise UserError(_explain_missing(f"{type(reason).__name__}: {reason}")) from reason
    paths = [Path(path) for path in (result if isinstance(result, list) else [result])]
    if len(paths) != 1 or paths[0].stat().st_size == 0:
        raise UserError(_explain_missing("TemplateFlow has no such file, or an empty one"))
    return paths[0]


def _explain_missing(reason: str) -> str:
    return (
        f"`allow_template_warp` needs TemplateFlow's {TRANSFORM}, which is not available: {reason}.\n"
        f"On a machine with a network: python -c \"from templateflow import api; api.get('{MODEL_SPACE}', "
        f"suffix='xfm', mode='image', extension='.h5', **{{'from': '{WARPED_SPACE}'}})\"; then copy it to "
        f"$TEMPLATEFLOW_HOME/tpl-{MODEL_SPACE}/ here. Better: re-run fMRIPrep with --output-spaces "
        f"{MODEL_SPACE}:res-2."
    )


def to_warped_space(points_mm: Points) -> Points:
    """Map points of the model's space to the other template's space.

    Resampling needs this direction: for each target voxel, the source position.

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
        As for `find_transform`, or if the file cannot be read.
    """
    path = find_transform()
    from nitransforms.manip import TransformChain

    try:
        return np.asarray(TransformChain.from_filename(path, fmt="itk").map(points_mm), np.float64)
    except Exception as reason:
        message = f"{path}: cannot be read as a transform ({reason}).\nDelete it and download it again."
        raise UserError(message) from reason
