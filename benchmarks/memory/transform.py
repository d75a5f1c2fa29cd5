"""A transform between templates with the number of voxels of TemplateFlow's."""

from pathlib import Path

import h5py
import numpy as np

from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE, TRANSFORM

_SHAPE, _ORIGIN = (193, 229, 193), (-96.0, -132.0, -78.0)


def write_transform(home: Path) -> Path:
    """Write a transform of ITK that moves nothing, unless it exists; return the home of TemplateFlow."""
    path = home / f"tpl-{MODEL_SPACE}" / TRANSFORM
    if path.exists():
        return home
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        group = file.create_group("TransformGroup")
        kinds = ("CompositeTransform", "AffineTransform", "DisplacementFieldTransform")
        for number, kind in enumerate(kinds):
            item = group.create_group(str(number))
            item.create_dataset("TransformType", data=np.array([f"{kind}_double_3_3".encode()]))
        group["1"].create_dataset("TransformParameters", data=np.r_[np.eye(3).ravel(), np.zeros(3)])
        group["1"].create_dataset("TransformFixedParameters", data=np.zeros(3))
        n_values = 3 * int(np.prod(_SHAPE))
        group["2"].create_dataset("TransformParameters", data=np.zeros(n_values), compression="gzip")
        group["2"].create_dataset(
            "TransformFixedParameters",
            data=np.r_[_SHAPE, _ORIGIN, np.ones(3), np.eye(3).ravel()].astype(float),
        )
    return home
