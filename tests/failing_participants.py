"""Ways in which the files of a participant can be unusable, and what is to be said of each."""

import shutil

import nibabel as nib
import numpy as np
import pandas as pd

from tests.inprocess import BOLD, CONFOUNDS, MASK, only

RERUN = "re-run fMRIPrep with --output-spaces MNI152NLin6Asym:res-2"
COPY = "Copy it again from its source"
N_MISSING = 7


def change_image(path, change):
    """Save an image with other data and another affine; its header stays as it is otherwise."""
    image = nib.load(path)
    data, affine = change(image.get_fdata(dtype=np.float32), image.affine.copy())
    nib.Nifti1Image(data, affine, image.header).to_filename(path)


def change_table(path, change):
    table = pd.read_csv(path, sep="\t", na_values=["n/a"])
    change(table).to_csv(path, sep="\t", index=False, na_rep="n/a")


def shifted(affine, x_mm):
    affine[0, 3] += x_mm
    return affine


def has_no_folder(func):
    func.rmdir()


def is_empty(func):
    """Nothing is put into the folder."""


def has_another_space_only(func):
    for path in list(func.iterdir()):
        path.rename(func / path.name.replace("MNI152NLin6Asym", "MNI152NLin2009cAsym"))


def has_other_tasks_only(func):
    for path in list(func.iterdir()):
        path.rename(func / path.name.replace("task-rest", "task-nback"))


def has_a_volume_for_a_series(func):
    change_image(only(func, BOLD), lambda data, affine: (data[..., 0], affine))


def was_cut_off(func):
    content = only(func, BOLD).read_bytes()
    only(func, BOLD).write_bytes(content[: len(content) // 2])


def has_damaged_bytes(func):
    content = bytearray(only(func, BOLD).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(value ^ 0xFF for value in content[middle : middle + 64])
    only(func, BOLD).write_bytes(content)


def has_a_wrong_checksum(func):
    content = bytearray(only(func, BOLD).read_bytes())
    content[-8] ^= 0xFF
    only(func, BOLD).write_bytes(content)


def has_zero_bytes(func):
    only(func, BOLD).write_bytes(b"")


def has_a_pointer_for_an_image(func):
    only(func, BOLD).write_text("/annex/objects/MD5E-s4--0123.nii.gz\n")


def has_a_link_to_nowhere(func):
    path = only(func, BOLD)
    path.unlink()
    path.symlink_to("../../.git/annex/objects/gone")


def has_a_mask_of_another_shape(func):
    change_image(only(func, MASK), lambda data, affine: (data[1:], shifted(affine, 8)))


def has_a_mask_of_another_place(func):
    change_image(only(func, MASK), lambda data, affine: (data, shifted(affine, 2)))


def has_a_mask_of_another_brain(func):
    change_image(only(func, MASK), lambda data, affine: (np.roll(data, 6, axis=0), affine))


def has_an_empty_mask(func):
    change_image(only(func, MASK), lambda data, affine: (np.zeros_like(data), affine))


def has_a_mask_that_was_cut_off(func):
    content = only(func, MASK).read_bytes()
    only(func, MASK).write_bytes(content[: len(content) // 2])


def has_no_mask(func):
    only(func, MASK).unlink()


def has_no_confounds(func):
    only(func, CONFOUNDS).unlink()


def has_confounds_of_another_length(func):
    change_table(only(func, CONFOUNDS), lambda table: table.iloc[:-N_MISSING])


def has_empty_confounds(func):
    only(func, CONFOUNDS).write_text("")


def has_words_for_numbers(func):
    change_table(only(func, CONFOUNDS), lambda table: table.assign(trans_x="still"))


def lacks_compcor_columns(func):
    change_table(only(func, CONFOUNDS), lambda table: table.drop(columns=["c_comp_cor_01", "w_comp_cor_00"]))


def has_compcor_columns_of_nothing(func):
    change_table(only(func, CONFOUNDS), lambda table: table.assign(w_comp_cor_00=np.nan))


def was_scanned_too_briefly(func):
    change_image(only(func, BOLD), lambda data, affine: (data[..., :12], affine))
    change_table(only(func, CONFOUNDS), lambda table: table.iloc[:12])


def is_dark(func):
    change_image(only(func, BOLD), lambda data, affine: (np.zeros_like(data), affine))


def is_all_nan(func):
    change_image(only(func, BOLD), lambda data, affine: (np.full_like(data, np.nan), affine))


def is_constant(func):
    change_image(only(func, BOLD), lambda data, affine: (np.broadcast_to(data[..., :1], data.shape), affine))


def is_negative(func):
    change_image(only(func, BOLD), lambda data, affine: (data - 30000, affine))


def has_five_axes(func):
    change_image(only(func, BOLD), lambda data, affine: (data[..., None].repeat(2, axis=4), affine))


def has_complex_values(func):
    image = nib.load(only(func, BOLD))
    nib.Nifti1Image(image.get_fdata().astype(np.complex64), image.affine).to_filename(only(func, BOLD))


def has_two_files_of_one_run(func):
    for name in (BOLD, MASK):
        path = only(func, name)
        shutil.copy(path, path.with_name(path.name.replace("_res-8", "_res-x")))


def has_no_repetition_time(func):
    only(func, "_bold.json").write_text("{}")
    image = nib.load(only(func, BOLD))
    image.header.set_zooms((*image.header.get_zooms()[:3], 0))
    nib.Nifti1Image(image.get_fdata(dtype=np.float32), None, image.header).to_filename(only(func, BOLD))


def has_a_repetition_time_that_is_none(func):
    only(func, "_bold.json").write_text('{"RepetitionTime": -2}')


def has_a_hole_in_its_confounds(func):
    change_table(
        only(func, CONFOUNDS), lambda table: table.assign(rot_y=table["rot_y"].where(table.index != 7))
    )


def lasts_twenty_volumes(func):
    change_image(only(func, BOLD), lambda data, affine: (data[..., :20], affine))
    change_table(only(func, CONFOUNDS), lambda table: table.iloc[:20])


def has_two_orientations(func):
    image = nib.load(only(func, BOLD))
    data = image.get_fdata(dtype=np.float32)
    image.set_sform(image.affine, code=4)
    image.set_qform(image.affine @ np.diag([-1, 1, 1, 1]), code=4)
    nib.Nifti1Image(data, None, image.header).to_filename(only(func, BOLD))


def has_no_orientation(func):
    image = nib.load(only(func, BOLD))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.Nifti1Image(image.get_fdata(dtype=np.float32), None, image.header).to_filename(only(func, BOLD))


def has_a_repetition_time_in_milliseconds(func):
    only(func, "_bold.json").write_text('{"RepetitionTime": 2000}')


def has_a_broken_json(func):
    only(func, "_bold.json").write_text("{")


# The fault of a participant: the file that is named, the finding, and the advice. A run has n volumes.
FAULTS = {
    has_no_folder: ("func", "no folder", "fMRIPrep wrote no functional data here; see its report"),
    is_empty: ("func", "tasks found: none", "see fMRIPrep's report of this participant"),
    has_another_space_only: ("func", "(spaces found: MNI152NLin2009cAsym)", RERUN),
    has_other_tasks_only: ("func", "no task-rest (tasks found: nback)", "with --task-id"),
    has_a_volume_for_a_series: (BOLD, "a single volume (23x28x23)", "by the preprocessed BOLD series"),
    was_cut_off: (BOLD, "truncated: the header states {n} volumes", COPY),
    has_damaged_bytes: (BOLD, "the file is damaged", COPY),
    has_a_wrong_checksum: (BOLD, "the file is damaged", COPY),
    has_zero_bytes: (BOLD, "the file is empty", COPY),
    has_a_pointer_for_an_image: (BOLD, "its content is not NIfTI", "datalad get"),
    has_a_link_to_nowhere: (BOLD, "its content is not here", "datalad get"),
    has_a_mask_of_another_shape: (MASK, "it has 22x28x23 voxels, not 23x28x23", "Put the brain mask"),
    has_a_mask_of_another_place: (MASK, "it is shifted by 2 mm (x +2, y 0, z 0)", "Put the brain mask"),
    has_a_mask_of_another_brain: (MASK, "with Dice 0.5", "look at both in a viewer"),
    has_an_empty_mask: (MASK, "the mask is empty", "Put the brain mask"),
    has_a_mask_that_was_cut_off: (MASK, "the file is truncated", COPY),
    has_no_mask: ("func", "no brain mask for", f"{MASK} there, or re-run fMRIPrep"),
    has_no_confounds: (BOLD, "there is none beside the BOLD", "--nuisance-regressors none"),
    has_confounds_of_another_length: (
        CONFOUNDS,
        "has {rest} rows, but the BOLD run has {n}",
        "Put the confounds",
    ),
    has_empty_confounds: (CONFOUNDS, "is empty", "Copy the table again"),
    has_words_for_numbers: (
        CONFOUNDS,
        "other than finite numbers and n/a in trans_x",
        "Copy the table again",
    ),
    lacks_compcor_columns: (CONFOUNDS, "lack: c_comp_cor_01, w_comp_cor_00.", "Re-run fMRIPrep 21 or later"),
    has_compcor_columns_of_nothing: (CONFOUNDS, "w_comp_cor_00 holds only n/a", "re-run the preprocessing"),
    was_scanned_too_briefly: (BOLD, "12 of 12 volumes are kept, 0.4 minutes", "Lower --min-minutes"),
    is_dark: (BOLD, "0% of the voxels in the mask have a signal that varies", "Look at it in a viewer"),
    is_all_nan: (BOLD, "0% of the voxels in the mask have a signal that varies", "empty, constant or NaN"),
    is_constant: (BOLD, "0% of the voxels in the mask have a signal that varies", "Look at it in a viewer"),
    is_negative: (BOLD, "100% of the voxels in the mask have values below zero", "Re-run what wrote it"),
    has_five_axes: (BOLD, "has 5 axes (23x28x23x{n}x2)", "by the preprocessed BOLD series"),
    has_complex_values: (BOLD, "contains values of type complex64", "by the magnitude series"),
    has_two_files_of_one_run: (BOLD, "fit equally well as the BOLD series of one run", "Keep one of them"),
    has_no_repetition_time: (BOLD, "neither the JSON nor the header gives", "Add RepetitionTime"),
    has_a_repetition_time_that_is_none: (BOLD, "its JSON says RepetitionTime -2", "Correct the JSON"),
    has_a_hole_in_its_confounds: (
        CONFOUNDS,
        "rot_y hold n/a after the first volume (volumes 7,",
        "Copy the table",
    ),
    lasts_twenty_volumes: (BOLD, "the cleaning leaves 0 degrees of freedom (20 volumes", "lower --min-dof"),
    has_two_orientations: (BOLD, "(axes LAS, not RAS)", "set both"),
    has_no_orientation: (BOLD, "(both codes are 0)", "original image with its header"),
    has_a_repetition_time_in_milliseconds: (BOLD, "is 2000 s by the JSON", "in seconds, not milliseconds"),
    has_a_broken_json: ("_bold.json", "cannot be read as JSON", COPY),
}


def n_volumes_of(func):
    return nib.load(only(func, BOLD)).shape[3]
