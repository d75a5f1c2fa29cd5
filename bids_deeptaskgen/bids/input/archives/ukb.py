"""Resting-state runs of UK Biobank, as field 20227 unpacks."""

import re
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.input.archives.base import Archive, names_in
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import FULL_MODEL_GRID, OUTPUT_GRID, Grid
from bids_deeptaskgen.io.nifti_reader import load_image

# Code of an sform that leads to MNI152 space.
MNI152_CODE = 4


def _ukb_runs(folder: Path) -> list[tuple[Path, Entities]]:
    place = folder / "fMRI" / "rfMRI.ica"
    found = [name for name in names_in(place) if re.fullmatch(r"filtered_func_data_clean\w*\.nii\.gz", name)]
    # Several are one run in several spaces; which of them can be used is told by their headers, later.
    return [(place / found[0], ())] if found else []


def _ukb_inputs(bold: Path, entities: Entities) -> RunInputs:
    place = bold.parent
    candidates = sorted(place.glob("filtered_func_data_clean*.nii.gz"))
    motion = place / "mc" / "prefiltered_func_data_mcf.par"
    standard = [path for path in candidates if in_standard_space(path)]
    if len(standard) > 1:
        listed = "\n".join(f"  {path}" for path in standard)
        message = f"These files are one run in standard space:\n{listed}\nKeep one of them."
        raise InputError(message)
    confounds = motion if motion.exists() else None
    if standard:
        return RunInputs(standard[0], None, confounds, t_r=None, entities=entities)
    native, mask = place / "filtered_func_data_clean.nii.gz", place / "mask.nii.gz"
    warp = place / "reg" / "example_func2standard_warp.nii.gz"
    missing = [path for path in (native, warp, mask) if not path.exists()]
    if missing:
        message = (
            f"{bold}: is in the scanner's space, and what would bring it to standard space is not there: "
            f"{', '.join(path.relative_to(place).as_posix() for path in missing)}.\nUnpack all of the "
            "person's rfMRI archive (field 20227), or put the warped series beside it as "
            "filtered_func_data_clean_standard.nii.gz."
        )
        raise InputError(message)
    return RunInputs(native, mask, confounds, t_r=None, entities=entities, fsl_warp=warp)


def in_standard_space(image: Path) -> bool:
    """Tell by its header whether an image is in MNI space: on FSL's 2 mm grid, or marked so by its sform."""
    loaded = load_image(image)
    grid = Grid.of(loaded.shape, loaded.affine)
    if grid.fits(FULL_MODEL_GRID) or grid.fits(OUTPUT_GRID):
        return True
    return int(loaded.header["sform_code"]) == MNI152_CODE


UKB = Archive(
    title="UK Biobank",
    participant=re.compile(r"(?P<sub>\d+)_[0-9A-Za-z]+_(?P<ses>[23])_0"),
    example="1000015_20227_2_0",
    marker="fMRI",
    wanted="fMRI/rfMRI.ica/filtered_func_data_clean*.nii.gz",
    find=_ukb_runs,
    read=_ukb_inputs,
)
