"""Alterations of file and folder names, sessions, links, duplicates, and missing files."""

import os
import shutil

from tests.strategies.alteration import (
    BOLD,
    DESCRIPTION,
    LABEL,
    MASK,
    SPACE,
    TABLE,
    NotApplicableError,
    damages,
    preserves,
    read_bytes,
)

RUN_FILES = ("_bold.", "_mask.", "_confounds", "desc-confounds")
ANNEX = "../../.git/annex/objects/Qx/7z/MD5E-s4--0123{}/MD5E-s4--0123{}"


def entity(text, before="_space-"):
    """Insert an entity before another one, or before ``desc-``."""
    return lambda name: name.replace(before if before in name else "_desc-", f"_{text}" + (before if before in name else "_desc-"), 1)


# Names and entities


@preserves("names", readable=True)
def run_1_in_all_names(data):
    data.rename(entity("run-1"))


@preserves("names", readable=True)
def run_1_for_images_and_run_01_for_tables(data):
    data.rename(entity("run-1"), (BOLD, MASK))
    data.rename(entity("run-01"), ("confounds",))


@preserves("names", readable=True)
def run_01_for_the_series_and_run_1_for_its_mask(data):
    data.rename(entity("run-01"), ("_bold.", "confounds"))
    data.rename(entity("run-1"), ("_mask.",))


@preserves("names", readable=True)
def further_entities_in_all_names(data):
    data.rename(entity(data.random.choice(("acq-x", "dir-AP", "ce-none", "rec-nn", "dir-AP_run-3"))))


@preserves("names", readable=True)
def hash_in_the_name_of_the_series(data):
    data.rename(entity("hash-0f306a2b", "_desc-"), ("_bold.",))


@preserves("names")
def direction_in_the_name_of_the_series_only(data):
    data.rename(entity("dir-AP"), ("_bold.",))


@preserves("names", readable=True)
def no_resolution_in_any_name(data):
    data.rename(lambda name: name.replace("_res-8", ""))


@preserves("names", readable=True)
def no_resolution_in_the_name_of_the_mask(data):
    data.rename(lambda name: name.replace("_res-8", ""), ("_mask.",))


@preserves("names")
def resolution_02_for_the_mask_and_2_for_the_series(data):
    data.rename(lambda name: name.replace("_res-8", "_res-2"), ("_bold.",))
    data.rename(lambda name: name.replace("_res-8", "_res-02"), ("_mask.",))


@preserves("names", readable=True)
def images_without_compression(data):
    endings = data.random.choice(((BOLD,), (MASK,), (BOLD, MASK)))
    for ending in endings:
        path = data.file(ending)
        if path.suffix != ".gz":
            raise NotApplicableError(path.name)
        path.with_suffix("").write_bytes(read_bytes(path))
        path.unlink()


@preserves("names")
def extension_in_capitals(data):
    path = data.image()
    stem, dot, extension = path.name.partition(".nii")
    path.rename(path.with_name(stem + (dot + extension).upper()))


@preserves("names")
def entities_in_another_order(data):
    data.rename(lambda name: name.replace("_task-rest", "").replace("_desc-", "_task-rest_desc-"))


@preserves("names", readable=True)
def table_named_as_by_fmriprep_before_20_2(data):
    data.rename(lambda name: name.replace("_timeseries.", "_regressors."), ("confounds",))


@preserves("names")
def task_in_capitals(data):
    data.rename(lambda name: name.replace("task-rest", "task-REST"))


@preserves("names", readable=True)
def other_files_beside(data):
    choices = (
        (".DS_Store", b"\0\0"), ("Thumbs.db", b"\xd0"), ("notes.txt", "café".encode("latin-1")),
        (f"._sub-{LABEL}_task-rest_{SPACE}_res-8{BOLD}.gz", b"\0\5\x16\7"),
        (f"._sub-{LABEL}_task-rest{TABLE}", b"\0\5\x16\7"),
        (f"._sub-{LABEL}_task-rest_{SPACE}_res-8_desc-preproc_bold.json", b"\0\5\x16\7"),
        (f"sub-{LABEL}_task-rest_{SPACE}_res-8_desc-preproc_bold (1).nii.gz", b"x"),
        (f"sub-{LABEL}_task-rest_{SPACE}_res-8_desc-preproc_bold.nii.gz~", b"x"),
        (f"sub-{LABEL}_task-rest_{SPACE}_res-8_desc-preproc_bold.nii.gz.part", b"x"),
        (f"sub-{LABEL}_task-rest_{SPACE}_res-8_boldref.nii.gz", b"x"),
        (f"sub-{LABEL}_task-rest_desc-hmc_boldref.nii.gz", b"x"),
        (f"sub-{LABEL}_task-rest_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", b"#"),
    )  # fmt: skip
    for name, content in data.random.sample(choices, 3):
        (data.func / name).write_bytes(content)


@preserves("names", readable=True)
def other_series_beside(data):
    stem = f"sub-{LABEL}_task-rest"
    names = (
        f"{stem}_space-T1w{BOLD}.gz", f"{stem}{BOLD}.gz", f"{stem}_space-fsLR_den-91k_bold.dtseries.nii",
        f"{stem}_hemi-L_space-fsaverage5_bold.func.gii", f"{stem}_{SPACE}_desc-smoothAROMAnonaggr_bold.nii.gz",
        f"{stem}_space-MNI152NLin2009cAsym_res-2{BOLD}.gz", f"sub-{LABEL}_task-nback_{SPACE}_res-8{BOLD}.gz",
        f"{stem}_space-T1w{MASK}.gz", f"{stem}{MASK}.gz", f"sub-{LABEL}_task-nback{TABLE}",
        f"{stem}_echo-1_{SPACE}_res-8{BOLD}.gz",
    )  # fmt: skip
    for name in data.random.sample(names, 3):
        (data.func / name).write_bytes(b"x")


@preserves("names", readable=True)
def unusual_folder_of_the_dataset(data):
    name = data.random.choice(
        ("100% done", "my data", "données", "a{b}c", "[x]", "run-2", "sub-99", "ses-3_task-motor", "it's", "#1",
         "$HOME", "a&b;c", "derivatives", "日本", "e\u0301", "-x", "%s%d")
    )  # fmt: skip
    target = data.root.with_name(name)
    data.func = target / data.func.relative_to(data.root)
    data.root = data.root.rename(target)


@preserves("names", readable=True)
def participant_folder_that_is_no_label_beside(data):
    name = data.random.choice(("sub-A_01", "sub-01_old", "sub-01 copy", "sub-01.bak", "sub-é"))
    shutil.copytree(data.root / f"sub-{LABEL}", data.root / name)


@preserves("names")
def same_participant_under_another_number(data):
    target = data.root / "sub-1" / "func"
    target.mkdir(parents=True)
    for path in data.files():
        shutil.copy(path, target / path.name.replace(f"sub-{LABEL}", "sub-1"))


@damages("names", "named as another participant")
def series_named_as_another_participant(data):
    path = data.file(data.random.choice((BOLD, MASK, TABLE)))
    path.rename(path.with_name(path.name.replace(f"sub-{LABEL}", "sub-02")))


@damages("names", "named as another participant")
def file_of_another_participant_beside(data):
    path = data.donor(data.random.choice((BOLD, MASK, TABLE)))
    shutil.copy(path, data.func / path.name)


@damages("names", "echo", "phase")
def single_echo_or_phase(data):
    data.rename(entity(data.random.choice(("echo-2", "part-phase"))), ("_bold.",))


# Sessions


def move_to_session(data, folder, label):
    target = data.func.parent / folder / "func"
    target.parent.mkdir()
    data.func = data.func.rename(target)
    if label:
        data.rename(lambda name: name.replace(f"sub-{LABEL}", f"sub-{LABEL}_ses-{label}", 1))


@preserves("sessions", readable=True)
def a_session(data):
    label = data.random.choice(("1", "01", "pre", "20240131", "V1"))
    move_to_session(data, f"ses-{label}", label)


@preserves("sessions")
def session_folder_without_the_session_in_names(data):
    move_to_session(data, "ses-1", "")


@preserves("sessions")
def session_folder_with_another_number_than_names(data):
    move_to_session(data, "ses-01", "1")


@preserves("sessions")
def session_folder_that_is_no_label(data):
    move_to_session(data, "ses-a_1", "1")


@preserves("sessions")
def session_in_names_without_a_folder(data):
    data.rename(lambda name: name.replace(f"sub-{LABEL}", f"sub-{LABEL}_ses-1", 1))


@preserves("sessions", readable=True)
def empty_session_beside(data):
    move_to_session(data, "ses-1", "1")
    (data.func.parent.parent / "ses-2" / data.random.choice(("func", "anat", "figures"))).mkdir(parents=True)


# Links


def replace_by_link(data, path, target_folder, name=None, *, relative=False):
    target_folder.mkdir(parents=True, exist_ok=True)
    target = target_folder / (name or path.name)
    shutil.move(path, target)
    path.symlink_to(os.path.relpath(target, path.parent) if relative else target)


@preserves("links", readable=True)
def links_to_all_files(data):
    relative = data.random.random() < 0.5
    for path in data.files():
        replace_by_link(data, path, data.root.parent / "store", relative=relative)


@preserves("links", readable=True)
def links_into_an_annex(data):
    for index, path in enumerate(data.files()):
        extension = "".join(path.suffixes) if data.random.random() < 0.5 else ""
        folder = data.root / ".git" / "annex" / "objects" / f"k{index}"
        replace_by_link(data, path, folder, f"MD5E-s4--{index:04d}{extension}", relative=True)


@preserves("links", readable=True)
def links_to_links(data):
    for path in data.files():
        replace_by_link(data, path, data.root.parent / "store")
        middle = data.root.parent / f"middle-{path.name}"
        path.rename(middle)
        path.symlink_to(middle)


@preserves("links", readable=True)
def hard_links(data):
    store = data.root.parent / "hard"
    store.mkdir()
    for path in data.files():
        os.link(path, store / path.name)


@preserves("links", readable=True)
def link_to_the_folder(data):
    folder = data.random.choice((data.func, data.root / f"sub-{LABEL}"))
    if folder.is_symlink() or not folder.is_dir():
        raise NotApplicableError(folder.name)
    replace_by_link(data, folder, data.root.parent / "folders")


def any_file(data):
    return data.random.choice((BOLD, MASK, TABLE, "_bold.json"))


@damages("links", "target does not exist", "datalad get")
def link_to_nowhere(data):
    path = data.file(any_file(data))
    path.unlink()
    path.symlink_to(data.random.choice(("/nowhere/x.nii.gz", "../gone", "x y%")))


@damages("links", "datalad get")
def link_into_an_empty_annex(data):
    path = data.file(any_file(data))
    path.unlink()
    extension = "".join(path.suffixes)
    path.symlink_to(ANNEX.format(extension, extension))


@damages("links", "datalad get")
def unlocked_annex_pointer(data):
    path = data.file(any_file(data))
    path.write_text("/annex/objects/MD5E-s1045045--0f306a2bdd4ba3d2c7e8d7ba3a5d4bf1.nii.gz\n")


@damages("links", "loop", "a link", "cannot be")
def link_to_itself(data):
    path = data.file(any_file(data))
    path.unlink()
    path.symlink_to(path.name)


@damages("links", "a folder", "no brain mask", "is none beside", "cannot be")
def folder_in_place_of_a_file(data):
    path = data.file(any_file(data))
    path.unlink()
    path.mkdir()


# Duplicates


@preserves("duplicates")
def series_with_and_without_compression(data):
    path = data.file(data.random.choice((BOLD, MASK)))
    if path.suffix != ".gz":
        raise NotApplicableError(path.name)
    path.with_suffix("").write_bytes(read_bytes(path))


@preserves("duplicates")
def two_masks(data):
    path = data.file(MASK)
    shutil.copy(path, path.with_name(path.name.replace("_res-8", data.random.choice(("", "_res-x")))))


@preserves("duplicates")
def two_tables(data):
    path = data.file(TABLE)
    shutil.copy(path, path.with_name(path.name.replace("_timeseries", "_regressors")))


def copy_run(data, first, second, endings=RUN_FILES):
    """Name the run as the first of two, and copy it as the second."""
    copied = [path for path in data.files() if any(ending in path.name for ending in endings)]
    for path in copied:
        shutil.copy(path, path.with_name(entity(second)(path.name)))
        path.rename(path.with_name(entity(first)(path.name)))


@damages("duplicates", "identical", "same run", "fit equally well", "two files", "same number")
def run_1_and_run_01(data):
    copy_run(data, "run-1", "run-01")


@damages("duplicates", "identical", "same data", "copy", always=True)
def two_identical_runs(data):
    copy_run(data, "run-1", "run-2")


def add_second_run(data, *left_out):
    """Add another participant's run as the second run."""
    data.rename(entity("run-1"))
    for ending in (BOLD, MASK, TABLE, "_bold.json", "_mask.json", "_timeseries.json"):
        if ending not in left_out:
            path = data.donor(ending)
            name = entity("run-2")(path.name.replace("sub-02", f"sub-{LABEL}"))
            shutil.copy(path, data.func / name)


@damages("duplicates", "confounds", always=True)
def second_run_without_a_table(data):
    add_second_run(data, TABLE)


@damages("duplicates", "confounds", always=True)
def second_run_without_a_table_and_one_of_no_run(data):
    add_second_run(data, TABLE)
    shutil.copy(data.donor(TABLE), data.func / f"sub-{LABEL}_task-rest{TABLE}")


@damages("duplicates", "mask", always=True)
def second_run_without_a_mask(data):
    add_second_run(data, MASK)


# Missing pieces


@damages("missing pieces", "mask")
def no_mask(data):
    data.file(MASK).unlink()


@damages("missing pieces", "mask")
def mask_under_a_similar_name(data):
    path = data.file(MASK)
    change = data.random.choice((("brain_mask", "brainmask"), ("brain_mask", "brain-mask"), ("task-rest_", "task-rst_")))
    path.rename(path.with_name(path.name.replace(*change)))


@damages("missing pieces", "confounds")
def no_table(data):
    data.file(TABLE).unlink()


@damages("missing pieces", "confounds")
def table_under_a_similar_name(data):
    path = data.file(TABLE)
    change = data.random.choice((("confounds", "confound"), ("task-rest", "task-rst"), (".tsv", ".txt"), (".tsv", ".csv")))
    path.rename(path.with_name(path.name.replace(*change)))


@preserves("missing pieces", readable=True)
def no_json_of_the_series(data):
    data.sidecar(BOLD).unlink()


@preserves("missing pieces", readable=True)
def no_json_of_table_and_mask(data):
    data.sidecar(TABLE).unlink()
    data.sidecar(MASK).unlink()


@damages("missing pieces", "func")
def no_folder(data):
    shutil.rmtree(data.func)


@damages("missing pieces", "func", "no series", "found: none")
def empty_folder(data):
    for path in data.files():
        path.unlink()


@damages("missing pieces", "bold", "series")
def no_series(data):
    data.file(BOLD).unlink()


@preserves("missing pieces", readable=True)
def no_files_of_the_dataset(data):
    for path in data.root.iterdir():
        if path.is_file() and path.name != DESCRIPTION:
            path.unlink()


@preserves("missing pieces", readable=True)
def no_description(data):
    (data.root / DESCRIPTION).unlink(missing_ok=True)
