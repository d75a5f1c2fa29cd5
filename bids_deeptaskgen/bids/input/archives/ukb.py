"""Resting-state runs of UK Biobank, as extracted from field 20227."""

import re
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.input.archives.base import Archive, list_names
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import FULL_MODEL_GRID, OUTPUT_GRID
from bids_deeptaskgen.io.nifti_reader import load_image

# NIfTI code of an sform that maps to MNI152 space.
MNI152_CODE = 4


def _ukb_runs(folder: Path) -> list[tuple[Path, Entities]]:
    ica = folder / "fMRI" / "rfMRI.ica"
    names = [name for name in list_names(ica) if re.fullmatch(r"filtered_func_data_clean\w*\.nii\.gz", name)]
    # Several files are one run in several spaces; _ukb_inputs selects one of them by the headers.
    return [(ica / names[0], ())] if names else []


def _ukb_inputs(bold: Path, entities: Entities) -> RunInputs:
    folder = bold.parent
    candidates = sorted(folder.glob("filtered_func_data_clean*.nii.gz"))
    motion = folder / "mc" / "prefiltered_func_data_mcf.par"
    in_space = [path for path in candidates if is_in_standard_space(path)]
    if len(in_space) > 1:
        paths = "\n".join(f"  {path}" for path in in_space)
        message = f"These files are one run in standard space:\n{paths}\nKeep one of them."
        raise InputError(message)
    confounds = motion if motion.exists() else None
    if in_space:
        return RunInputs(in_space[0], None, confounds, t_r=None, entities=entities)
    native_bold, mask = folder / "filtered_func_data_clean.nii.gz", folder / "mask.nii.gz"
    warp = folder / "reg" / "example_func2standard_warp.nii.gz"
    missing_files = [
        path.relative_to(folder).as_posix() for path in (native_bold, warp, mask) if not path.exists()
    ]
    if missing_files:
        message = (
            f"{bold}: is in the scanner's space, and the files to warp it to standard space are missing: "
            f"{', '.join(missing_files)}.\nExtract the complete rfMRI archive of the participant (field "
            "20227), or add the warped series to the same folder as "
            "filtered_func_data_clean_standard.nii.gz."
        )
        raise InputError(message)
    return RunInputs(native_bold, mask, confounds, t_r=None, entities=entities, fsl_warp=warp)


def is_in_standard_space(image: Path) -> bool:
    """Return whether an image is in MNI space by its header: FSL's 2 mm grid, or the code of its sform.

    Parameters
    ----------
    image : Path
        NIfTI image, of which only the header is read.
    """
    nifti = load_image(image)
    if nifti.grid.fits(FULL_MODEL_GRID) or nifti.grid.fits(OUTPUT_GRID):
        return True
    return nifti.header.orientation.sform_code == MNI152_CODE


UKB = Archive(
    title="UK Biobank",
    participant=re.compile(r"(?P<sub>\d+)_[0-9A-Za-z]+_(?P<ses>[23])_0"),
    example="1000015_20227_2_0",
    marker="fMRI",
    pattern="fMRI/rfMRI.ica/filtered_func_data_clean*.nii.gz",
    find=_ukb_runs,
    read=_ukb_inputs,
)
