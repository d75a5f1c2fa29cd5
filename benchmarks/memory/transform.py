"""A transform between templates with the number of voxels of TemplateFlow's."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE, TRANSFORM

_SHAPE, _ORIGIN = (193, 229, 193), (-96.0, -132.0, -78.0)


def write_transform(home: Path) -> Path:
    """Write a transform of ITK that moves nothing, unless it exists; return the home of TemplateFlow."""
    path = home / f"tpl-{MODEL_SPACE}" / TRANSFORM
    if not path.exists():
        path.parent.mkdir(parents=True)
        write_composite(path, np.zeros(3 * int(np.prod(_SHAPE))), (*_SHAPE, *_ORIGIN, 1.0, 1.0, 1.0))
    return home


def write_composite(path: Path, displacements: np.ndarray, grid: Sequence[float]) -> None:
    """Write a composite of ITK: an affine that does nothing, and a field of displacements.

    Parameters
    ----------
    path : Path
    displacements : array of shape (n_voxels * 3,)
        In mm, in LPS; x varies fastest over voxels.
    grid : sequence of 9 float
        Shape in voxels, origin in mm (LPS), and voxel sizes in mm.
    """
    with h5py.File(path, "w") as file:
        group = file.create_group("TransformGroup")
        kinds = ("CompositeTransform", "AffineTransform", "DisplacementFieldTransform")
        for number, kind in enumerate(kinds):
            item = group.create_group(str(number))
            item.create_dataset("TransformType", data=np.array([f"{kind}_double_3_3".encode()]))
        group["1"].create_dataset("TransformParameters", data=np.r_[np.eye(3).ravel(), np.zeros(3)])
        group["1"].create_dataset("TransformFixedParameters", data=np.zeros(3))
        group["2"].create_dataset("TransformParameters", data=displacements, compression="gzip")
        group["2"].create_dataset(
            "TransformFixedParameters", data=np.r_[np.asarray(grid, float), np.eye(3).ravel()]
        )
