"""One simulated series, laid out as each kind of input has it."""

import os
import shutil
import stat
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

SPACE = "space-MNI152NLin6Asym_res-8"


def files_of(fmriprep: Path, subject: str) -> dict[str, Path]:
    """Return BOLD, mask, confounds and JSON of a simulated participant."""
    func = fmriprep / f"sub-{subject}" / "func"
    stem = f"sub-{subject}_task-rest"
    return {
        "bold": func / f"{stem}_{SPACE}_desc-preproc_bold.nii.gz",
        "json": func / f"{stem}_{SPACE}_desc-preproc_bold.json",
        "mask": func / f"{stem}_{SPACE}_desc-brain_mask.nii.gz",
        "confounds": func / f"{stem}_desc-confounds_timeseries.tsv",
    }


def masked(files: dict[str, Path]) -> nib.Nifti1Image:
    """Return the series with 0 outside the brain, as in cleaned data."""
    image, mask = nib.load(files["bold"]), nib.load(files["mask"])
    data = np.asarray(image.dataobj, np.float32) * (np.asarray(mask.dataobj)[..., None] > 0)
    return nib.Nifti1Image(data, image.affine, image.header)


def save(image: nib.Nifti1Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def motion_of(files: dict[str, Path]) -> np.ndarray:
    table = pd.read_csv(files["confounds"], sep="\t", na_values="n/a")
    return table[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]].to_numpy()


def as_hcp(fmriprep: Path, root: Path, subject: str, name: str, run: str = "rfMRI_REST1_LR") -> Path:
    files = files_of(fmriprep, subject)
    place = root / name / "MNINonLinear" / "Results" / run
    bold = save(masked(files), place / f"{run}_hp2000_clean.nii.gz")
    shutil.copy(files["mask"], place / "brainmask_fs.2.nii.gz")
    motion = motion_of(files)
    np.savetxt(
        place / "Movement_Regressors.txt", np.hstack([motion[:, :3], np.rad2deg(motion[:, 3:]), motion])
    )
    return bold


def as_ukb(fmriprep: Path, root: Path, subject: str, name: str, *, native: bool = False) -> Path:
    files = files_of(fmriprep, subject)
    place = root / name / "fMRI" / "rfMRI.ica"
    image = masked(files)
    image.set_sform(image.affine, code=1 if native else 4)
    image.set_qform(image.affine, code=1 if native else 4)
    bold = save(
        image,
        place / ("filtered_func_data_clean.nii.gz" if native else "filtered_func_data_clean_standard.nii.gz"),
    )
    motion = motion_of(files)
    (place / "mc").mkdir()
    np.savetxt(place / "mc" / "prefiltered_func_data_mcf.par", np.hstack([motion[:, 3:], motion[:, :3]]))
    if native:
        shutil.copy(files["mask"], place / "mask.nii.gz")
        (place / "reg").mkdir()
        (place / "reg" / "example_func2standard_warp.nii.gz").write_bytes(b"read by FSL alone")
    return bold


def as_xcpd(
    fmriprep: Path, root: Path, subject: str, *, keep: np.ndarray | None = None, interpolated: bool = True
) -> Path:
    """Write XCP-D's output; censored volumes are random, or missing."""
    files = files_of(fmriprep, subject)
    image = masked(files)
    data = np.asarray(image.dataobj)
    n_volumes = data.shape[3]
    keep = np.ones(n_volumes, bool) if keep is None else keep
    if interpolated:
        data[..., ~keep] = 12345.0 * (data[..., ~keep] != 0)
    else:
        data = data[..., keep]
    func = root / f"sub-{subject}" / "func"
    stem = f"sub-{subject}_task-rest"
    bold = save(
        nib.Nifti1Image(data, image.affine, image.header), func / f"{stem}_{SPACE}_desc-denoised_bold.nii.gz"
    )
    shutil.copy(files["json"], bold.with_name(bold.name.replace(".nii.gz", ".json")))
    pd.DataFrame({"framewise_displacement": (~keep).astype(int)}).to_csv(
        func / f"{stem}_outliers.tsv", sep="\t", index=False
    )
    motion = pd.DataFrame(
        motion_of(files), columns=["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    )
    motion.to_csv(func / f"{stem}_motion.tsv", sep="\t", index=False)
    return bold


def as_aroma(fmriprep: Path, root: Path, subject: str) -> Path:
    """Write fMRIPost-AROMA's output: unmasked cleaned series, and a table of two noise components."""
    files = files_of(fmriprep, subject)
    func = root / f"sub-{subject}" / "func"
    func.mkdir(parents=True)
    stem = f"sub-{subject}_task-rest"
    bold = func / f"{stem}_{SPACE}_desc-nonaggrDenoised_bold.nii.gz"
    shutil.copy(files["bold"], bold)
    shutil.copy(files["json"], bold.with_name(bold.name.replace(".nii.gz", ".json")))
    rng = np.random.default_rng(0)
    names = [f"aroma_{kind}motion_{i:02d}" for kind in ("", "orth_") for i in (1, 4)]
    table = pd.DataFrame(rng.standard_normal((nib.load(bold).shape[3], 4)), columns=names)
    table.to_csv(func / f"{stem}_desc-aroma_timeseries.tsv", sep="\t", index=False)
    return bold


FAKE_APPLYWARP = f"""#!{sys.executable}
# Stands for FSL's tool: same command line, resamples by the headers alone.
import os, sys
import nibabel as nib, numpy as np
from scipy.ndimage import map_coordinates
given = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
if os.environ.get("APPLYWARP_FAILS"):
    sys.exit("Could not open image " + given["warp"])
assert os.environ["FSLOUTPUTTYPE"] == "NIFTI"
image, reference = nib.load(given["in"]), nib.load(given["ref"])
data = image.get_fdata(dtype=np.float32)
to_source = np.linalg.inv(image.affine) @ reference.affine
points = np.indices(reference.shape).reshape(3, -1)
places = to_source[:3, :3] @ points + to_source[:3, 3:]
order = 0 if given["interp"] == "nn" else 1
series = np.moveaxis(data.reshape(*data.shape[:3], -1), 3, 0)
volumes = [map_coordinates(one, places, order=order).reshape(reference.shape) for one in series]
result = nib.Nifti1Image(np.stack(volumes, axis=3).squeeze(), reference.affine)
if data.ndim == 4:
    result.header.set_zooms((*result.header.get_zooms()[:3], image.header.get_zooms()[3]))
nib.save(result, given["out"])
"""


def put_applywarp(folder: Path) -> dict[str, str]:
    """Write a replacement of FSL's tool; return the environment with its path."""
    folder.mkdir()
    tool = folder / "applywarp"
    tool.write_text(FAKE_APPLYWARP)
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
