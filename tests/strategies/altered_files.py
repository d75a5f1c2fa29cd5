"""Alterations of links, duplicates, and missing files."""

import os
import shutil

from tests.strategies.alteration import (
    BOLD,
    DESCRIPTION,
    LABEL,
    MASK,
    TABLE,
    NotApplicableError,
    damages,
    preserves,
    read_bytes,
)
from tests.strategies.altered_json import require_time_in_header
from tests.strategies.altered_names import entity

RUN_FILES = ("_bold.", "_mask.", "_confounds", "desc-confounds")
ANNEX = "../../.git/annex/objects/Qx/7z/MD5E-s4--0123{}/MD5E-s4--0123{}"


# Links


def replace_by_link(data, path, target_folder, name=None, *, relative=False):
    if path.is_symlink() or (relative and path.parent.resolve() != path.parent):
        # A relative link breaks if it is moved, or if its folder is a link itself.
        raise NotApplicableError(path.name)
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


def require_no_run(data):
    """Refuse a participant whose names have a run already."""
    if named := [path.name for path in data.files() if "_run-" in path.name]:
        raise NotApplicableError(named[0])


def copy_run(data, first, second, endings=RUN_FILES):
    """Name the run as the first of two, and copy it as the second."""
    require_no_run(data)
    copied = [path for path in data.files() if any(ending in path.name for ending in endings)]
    for path in copied:
        shutil.copy(path, path.with_name(entity(second)(path.name)))
        path.rename(path.with_name(entity(first)(path.name)))


@damages("duplicates", "identical", "same run", "fit equally well", "two files", "same number")
def run_1_and_run_01(data):
    copy_run(data, "run-1", "run-01")


@damages("duplicates", "identical", "same data", "copy", always=True, volumes=True)
def two_identical_runs(data):
    copy_run(data, "run-1", "run-2")


def add_second_run(data, *left_out):
    """Add another participant's run as the second run."""
    require_no_run(data)
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
    change = data.random.choice(
        (("brain_mask", "brainmask"), ("brain_mask", "brain-mask"), ("task-rest_", "task-rst_"))
    )
    path.rename(path.with_name(path.name.replace(*change)))


@damages("missing pieces", "confounds")
def no_table(data):
    data.file(TABLE).unlink()


@damages("missing pieces", "confounds")
def table_under_a_similar_name(data):
    path = data.file(TABLE)
    change = data.random.choice(
        (("confounds", "confound"), ("task-rest", "task-rst"), (".tsv", ".txt"), (".tsv", ".csv"))
    )
    path.rename(path.with_name(path.name.replace(*change)))


@preserves("missing pieces", readable=True)
def no_json_of_the_series(data):
    require_time_in_header(data)
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
