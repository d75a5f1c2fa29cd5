"""Series in another MNI152 template, and the transform between the templates."""

import json
import shutil

import nibabel as nib
import numpy as np

from benchmarks.memory.transform import write_composite
from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE, WARPED_SPACE
from tests.workflow.arrangements import files_of

# How far the other template lies from the model's, in RAS mm, in what the tests make up.
SHIFT_MM = np.array([3.0, -5.0, 4.0])


def write_transform(path, shift_mm):
    """Write a composite of ITK: an affine that does nothing, and a field of equal displacements."""
    to_lps = np.array([-1.0, -1.0, 1.0])
    shape, spacing, origin = (12, 14, 12), (20.0, 20.0, 20.0), (-110.0, -110.0, -100.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    field = np.tile(shift_mm * to_lps, int(np.prod(shape)))
    write_composite(path, field, (*shape, *origin, *spacing))
    return path


def write_shifted(fmriprep, folder, subject):
    """Write one simulated participant in the space of the other template only."""
    others = [path.name for path in fmriprep.glob("sub-*") if path.name != f"sub-{subject}"]
    shutil.copytree(fmriprep, folder, ignore=shutil.ignore_patterns(*others))
    # The advice to run fMRIPrep is for data that fMRIPrep wrote.
    description = json.loads((folder / "dataset_description.json").read_text("utf-8"))
    description["GeneratedBy"] = [{"Name": "fMRIPrep", "Version": "25.2.5"}]
    (folder / "dataset_description.json").write_text(json.dumps(description))
    for path in files_of(folder, subject).values():
        if MODEL_SPACE not in path.name:
            continue
        moved = path.with_name(path.name.replace(MODEL_SPACE, WARPED_SPACE))
        path.rename(moved)
        if moved.name.endswith(".nii.gz"):
            image = nib.load(moved)
            affine = image.affine.copy()
            affine[:3, 3] += SHIFT_MM
            data = np.asarray(image.dataobj)
            nib.save(nib.Nifti1Image(data, affine, image.header), moved)
    return folder
