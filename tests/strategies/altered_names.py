"""Alterations of file and folder names, sessions, links, duplicates, and missing files."""

import shutil

from tests.strategies.alteration import (
    BOLD,
    LABEL,
    MASK,
    SPACE,
    TABLE,
    NotApplicableError,
    damages,
    preserves,
    read_bytes,
)


def entity(text, before="_space-"):
    """Insert an entity before another one, or before ``desc-``."""
    return lambda name: name.replace(
        before if before in name else "_desc-", f"_{text}" + (before if before in name else "_desc-"), 1
    )


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
        (".DS_Store", b"\0\0"),
        ("Thumbs.db", b"\xd0"),
        ("notes.txt", "café".encode("latin-1")),
        (f"._sub-{LABEL}_task-rest_{SPACE}_res-8{BOLD}.gz", b"\0\5\x16\7"),
        (f"._sub-{LABEL}_task-rest{TABLE}", b"\0\5\x16\7"),
        (f"._sub-{LABEL}_task-rest_{SPACE}_res-8_desc-preproc_bold.json", b"\0\5\x16\7"),
        (f"sub-{LABEL}_task-rest_{SPACE}_res-8_desc-preproc_bold (1).nii.gz", b"x"),
        (f"sub-{LABEL}_task-rest_{SPACE}_res-8_desc-preproc_bold.nii.gz~", b"x"),
        (f"sub-{LABEL}_task-rest_{SPACE}_res-8_desc-preproc_bold.nii.gz.part", b"x"),
        (f"sub-{LABEL}_task-rest_{SPACE}_res-8_boldref.nii.gz", b"x"),
        (f"sub-{LABEL}_task-rest_desc-hmc_boldref.nii.gz", b"x"),
        (f"sub-{LABEL}_task-rest_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", b"#"),
    )
    for name, content in data.random.sample(choices, 3):
        (data.func / name).write_bytes(content)


@preserves("names", readable=True)
def other_series_beside(data):
    stem = f"sub-{LABEL}_task-rest"
    names = (
        f"{stem}_space-T1w{BOLD}.gz",
        f"{stem}{BOLD}.gz",
        f"{stem}_space-fsLR_den-91k_bold.dtseries.nii",
        f"{stem}_hemi-L_space-fsaverage5_bold.func.gii",
        f"{stem}_{SPACE}_desc-smoothAROMAnonaggr_bold.nii.gz",
        f"{stem}_space-MNI152NLin2009cAsym_res-2{BOLD}.gz",
        f"sub-{LABEL}_task-nback_{SPACE}_res-8{BOLD}.gz",
        f"{stem}_space-T1w{MASK}.gz",
        f"{stem}{MASK}.gz",
        f"sub-{LABEL}_task-nback{TABLE}",
        f"{stem}_echo-1_{SPACE}_res-8{BOLD}.gz",
    )
    for name in data.random.sample(names, 3):
        (data.func / name).write_bytes(b"x")


@preserves("names", readable=True)
def unusual_folder_of_the_dataset(data):
    name = data.random.choice(
        (
            "100% done",
            "my data",
            "données",
            "a{b}c",
            "[x]",
            "run-2",
            "sub-99",
            "ses-3_task-motor",
            "it's",
            "#1",
            "$HOME",
            "a&b;c",
            "derivatives",
            "日本",
            "e\u0301",
            "-x",
            "%s%d",
        )
    )
    target = data.root.with_name(name)
    data.func = target / data.func.relative_to(data.root)
    data.root = data.root.rename(target)


@preserves("names", readable=True)
def participant_folder_that_is_no_label_beside(data):
    name = data.random.choice(("sub-A_01", "sub-01_old", "sub-01 copy", "sub-01.bak", "sub-é"))
    source, target = data.root / f"sub-{LABEL}", data.root / name
    shutil.copytree(source, target, symlinks=True)


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
    if data.func.parent.name.startswith("ses-"):
        raise NotApplicableError(folder)
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
