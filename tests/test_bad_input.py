"""Unusable input, from the command line to what is told and what is left: laws of the whole app."""

import hashlib
import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from tests.inprocess import BOLD, CONFOUNDS, MASK, call, copy_person, maps_of, only, outcomes
from tests.processes import SMALL, leftovers

RERUN = "re-run fMRIPrep with --output-spaces MNI152NLin6Asym:res-2"
COPY = "Copy it again from its source"
COHORT = (*SMALL, "--nprocs", "1")
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


# What is wrong with a person: the file that is named, what was found, and what to do. A run has n volumes.
FAULTS = {
    has_no_folder: ("func", "no folder", "fMRIPrep wrote no functional data here, its report may say why"),
    is_empty: ("func", "tasks found: none", "fMRIPrep's report of this person may say why"),
    has_another_space_only: ("func", "(spaces found: MNI152NLin2009cAsym)", RERUN),
    has_other_tasks_only: ("func", "no task-rest (tasks found: nback)", "with --task-id"),
    has_a_volume_for_a_series: (BOLD, "a single volume (23x28x23)", "Put the preprocessed BOLD series"),
    was_cut_off: (BOLD, "truncated: the header promises {n} volumes", COPY),
    has_damaged_bytes: (BOLD, "the file is damaged", COPY),
    has_a_wrong_checksum: (BOLD, "the file is damaged", COPY),
    has_zero_bytes: (BOLD, "the file is empty", COPY),
    has_a_pointer_for_an_image: (BOLD, "it holds something else", "datalad get"),
    has_a_link_to_nowhere: (BOLD, "is a link to a file that is not here", "datalad get"),
    has_a_mask_of_another_shape: (MASK, "Mask: 22x28x23 voxels", "Put the brain mask"),
    has_a_mask_of_another_place: (MASK, "first voxel at (-88, -126, -72) mm", "Put the brain mask"),
    has_a_mask_of_another_brain: (MASK, "with Dice 0.5", "look at both in a viewer"),
    has_an_empty_mask: (MASK, "the mask is empty", "Put the brain mask"),
    has_a_mask_that_was_cut_off: (MASK, "the mask cannot be read", COPY),
    has_no_mask: ("func", "no brain mask for", f"{MASK} there, or re-run fMRIPrep"),
    has_no_confounds: (BOLD, "there is none beside the BOLD", "--nuisance-regressors none"),
    has_confounds_of_another_length: (
        CONFOUNDS,
        "has {rest} rows, but the BOLD run has {n}",
        "Put the confounds",
    ),
    has_empty_confounds: (CONFOUNDS, "cannot be read", COPY),
    has_words_for_numbers: (CONFOUNDS, "else than numbers and n/a in trans_x", "Copy the table again"),
    lacks_compcor_columns: (CONFOUNDS, "lack: c_comp_cor_01, w_comp_cor_00.", "Re-run fMRIPrep 21 or later"),
    has_compcor_columns_of_nothing: (CONFOUNDS, "lack: w_comp_cor_00.", "Re-run fMRIPrep 21 or later"),
    was_scanned_too_briefly: (BOLD, "12 of 12 volumes are kept, 0.4 minutes", "Lower --min-minutes"),
    is_dark: (BOLD, "0% of the voxels in the mask have a signal that varies", "Look at it in a viewer"),
    is_all_nan: (BOLD, "0% of the voxels in the mask have a signal that varies", "empty, constant or NaN"),
    is_constant: (BOLD, "0% of the voxels in the mask have a signal that varies", "Look at it in a viewer"),
    is_negative: (BOLD, "100% of the voxels in the mask have values below zero", "Re-run what wrote it"),
    has_five_axes: (BOLD, "has 5 axes (23x28x23x{n}x2)", "Put the preprocessed BOLD series"),
    has_complex_values: (BOLD, "holds values of type complex64", "Put the magnitude series"),
    has_two_files_of_one_run: (BOLD, "fit equally well as the BOLD series of one run", "Keep one of them"),
    has_no_repetition_time: (BOLD, "neither the JSON nor the header gives", "Add RepetitionTime"),
    has_a_repetition_time_that_is_none: (BOLD, "its JSON says RepetitionTime -2", "Mend the JSON"),
    has_a_hole_in_its_confounds: (
        CONFOUNDS,
        "rot_y hold n/a after the first volume (volumes 7,",
        "Copy the table",
    ),
    lasts_twenty_volumes: (BOLD, "the cleaning leaves 0 degrees of freedom (20 volumes", "lower --min-dof"),
    has_two_orientations: (BOLD, "(axes LAS against RAS)", "set both"),
    has_no_orientation: (BOLD, "(both codes are 0)", "header included"),
    has_a_repetition_time_in_milliseconds: (BOLD, "is 2000 s by the JSON", "in seconds, not milliseconds"),
    has_a_broken_json: ("_bold.json", "cannot be read as JSON", COPY),
}


def n_volumes_of(func):
    return nib.load(only(func, BOLD)).shape[3]


def label_of(fault):
    return fault.__name__.replace("_", "")


@pytest.fixture(scope="module")
def cohort(people, model, tmp_path_factory):
    """One run over a good person, one with each fault, one with odd voxels, and another good one."""
    folder = tmp_path_factory.mktemp("cohort")
    data, output = folder / "fmriprep", folder / "maps"
    for fault in FAULTS:
        func = copy_person(people, "01", data, label_of(fault))
        if fault in (has_no_folder, is_empty):
            shutil.rmtree(func)
            func.mkdir()
        fault(func)
    for label in ("0first", "zlast"):
        copy_person(people, "01", data, label)
    change_image(only(copy_person(people, "01", data, "zodd"), BOLD), with_odd_voxels)
    return data, output, call(data, output, "participant", "--model", model, *COHORT)


def with_odd_voxels(data, affine):
    data[10:12, 12:15, 10:12] = np.nan
    data[6, 10, 10, 3] = np.inf
    data[14, 14, 14] = 7
    return data, affine


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_is_told_with_its_place_and_its_remedy(cohort, fault):
    data, output, ended = cohort
    place, found, remedy = FAULTS[fault]
    n = n_volumes_of(data / "sub-0first" / "func")
    found = found.format(n=n, rest=n - N_MISSING)
    row = outcomes(output)[label_of(fault)]
    assert (row["status"], row["n_maps"]) == ("failed", "0")
    reason = " ".join(row["reason"].split())
    assert [part for part in (found, remedy) if part not in reason] == []
    assert reason.index(found) < reason.index(remedy)
    named = [word.rstrip(".:;,") for word in reason.split() if str(data / f"sub-{label_of(fault)}") in word]
    assert named, "no file or folder is named"
    # Of two that contradict each other, both.
    assert len(set(named)) == 1 + (fault is has_two_files_of_one_run), "a path is more than enough once"
    assert named[0].endswith(place)
    # It is a sentence for people: short, and without the words of the libraries below.
    assert len(reason.split()) < 60
    assert not {"Traceback", "Error:", "Errno", "codec", "object"} & set(reason.split())
    # The table at the end says the same.
    assert reason in ended.out


def test_the_others_of_the_chunk_are_done_and_the_exit_code_says_that_somebody_failed(cohort):
    _, output, ended = cohort
    assert ended.code == 1
    done = {label for label, row in outcomes(output).items() if row["status"] == "done"}
    assert done == {"0first", "zlast", "zodd"}
    first, last = maps_of(output, "0first"), maps_of(output, "zlast")
    assert len(first) == 3
    # The one before all faults and the one after them, who are the same person.
    assert first == last


def test_nothing_is_half_written(cohort):
    _, output, _ = cohort
    assert {path.name for path in output.glob("sub-*")} == {"sub-0first", "sub-zlast", "sub-zodd"}
    assert leftovers(output) == []
    assert not list((output / "logs").glob("crash*"))


def test_nobody_sees_a_traceback(cohort):
    _, _, ended = cohort
    assert "Traceback" not in ended.err + ended.out
    assert "internal error" not in ended.err + ended.out


def test_the_failed_are_listed_so_that_they_can_be_done_again(cohort):
    _, output, ended = cohort
    (failed,) = (output / "logs").glob("*_failed.txt")
    assert failed.read_text().split() == sorted(f"sub-{label_of(fault)}" for fault in FAULTS)
    assert f"{len(FAULTS)} of {len(FAULTS) + 3} people failed" in ended.out
    assert f"--participant-label @{failed}" in ended.out


def test_the_exit_code_tells_nobody_from_somebody(cohort, model, tmp_path):
    data, _, _ = cohort
    asked = [label_of(fault) for fault in (has_other_tasks_only, has_no_mask, was_cut_off)]
    words = (data, tmp_path / "maps", "participant", "--model", model, *COHORT, "--participant-label")
    ended = call(*words, *asked)
    assert ended.code == 3
    assert list(outcomes(tmp_path / "maps")) == sorted(asked)
    assert not list((tmp_path / "maps").glob("sub-*"))
    assert leftovers(tmp_path / "maps") == []


def test_voxels_that_are_not_finite_or_constant_do_not_kill_a_person(cohort):
    _, output, _ = cohort
    counts = {}
    for label in ("0first", "zodd"):
        func = output / f"sub-{label}" / "func"
        for path in func.glob("*_statmap.nii.gz"):
            values = nib.load(path).get_fdata()
            assert np.isfinite(values).all()
            assert values.std() > 0
        counts[label] = json.loads(only(func, "metrics.json").read_text())["n_voxels_without_variance"]
    assert counts["zodd"] > counts["0first"] == 0
    assert maps_of(output, "zodd") != maps_of(output, "0first")


def run(places, *options):
    """Run the app at the given places."""
    words = (places["data"], places["output"], "participant", "--model", places["model"])
    return call(*words, *SMALL, *options)


def refused(code, *words, folder, **places):
    """Run the app on what must stop it before anything is computed or written; give what it said last."""
    options = places.pop("options", ())
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    ended = run(places, *options)
    assert ended.code == code, ended.err
    assert [word for word in words if str(word) not in ended.sentence] == []
    assert "Traceback" not in ended.err
    assert "connectome" not in ended.err
    assert len(ended.sentence.split()) < 80
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return ended.sentence


@pytest.fixture
def raw(tmp_path):
    """A dataset without derivatives."""
    for subject in ("01", "02"):
        func = tmp_path / "raw" / f"sub-{subject}" / "func"
        func.mkdir(parents=True)
        (func / f"sub-{subject}_task-rest_bold.nii.gz").touch()
    description = {"Name": "raw", "BIDSVersion": "1.9.0"}
    (tmp_path / "raw" / "dataset_description.json").write_text(json.dumps(description))
    return tmp_path / "raw"


@pytest.fixture
def places(people, model, tmp_path):
    """Where things are; a test replaces one of them by something that cannot be used."""
    return {"data": people, "output": tmp_path / "maps", "model": model, "folder": tmp_path}


def test_a_dataset_that_is_not_there(places, tmp_path):
    missing = tmp_path / "nowhere"
    refused(3, missing, "no such folder", "sub-* folders", **places | {"data": missing})


def test_a_dataset_that_is_empty(places, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(3, empty, "the folder is empty", "sub-* folders", **places | {"data": empty})


def test_a_dataset_that_is_a_file(places, tmp_path):
    file = tmp_path / "file"
    file.touch()
    refused(3, file, "is a file, not a folder", "sub-* folders", **places | {"data": file})


def test_raw_data_only(places, raw):
    words = ("raw data of 2 participants", "--output-spaces MNI152NLin6Asym:res-2", "-d fmriprep=PATH")
    refused(3, raw, *words, **places | {"data": raw})


def test_derivatives_that_are_not_where_they_are_said_to_be(places, raw, tmp_path):
    options = ("-d", f"fmriprep={tmp_path / 'gone'}")
    refused(3, tmp_path / "gone", "no such folder", options=options, **places | {"data": raw})


def test_an_output_folder_that_is_a_file_or_below_one(places, tmp_path):
    file = tmp_path / "file"
    file.touch()
    for output in (file, file / "maps"):
        words = (f"OUTPUT_DIR is {output}", f"{file} is a file", "Choose another folder")
        refused(2, *words, **places | {"output": output})
        refused(2, *words, options=["--dry-run"], **places | {"output": output})
    refused(2, f"--work-dir is {file}", "is a file", options=["-w", file], **places)


def test_an_output_folder_that_is_the_input(places, people, raw, tmp_path):
    words = (f"OUTPUT_DIR and BIDS_DIR are both {people}", "choose another folder")
    refused(2, *words, **places | {"output": people, "folder": people})
    # Whatever name it goes by: the description of fMRIPrep's dataset would be lost.
    link = tmp_path / "link"
    link.symlink_to(people)
    words = (f"OUTPUT_DIR is {link}", "holds another dataset", "Choose a new folder")
    refused(2, *words, **places | {"output": link, "folder": people})
    refused(
        2,
        "holds another dataset",
        options=["-d", f"fmriprep={people}"],
        **places | {"data": raw, "output": people, "folder": people},
    )


def test_people_whose_volumes_are_all_left_out(places):
    options = ("--fd-threshold", "1e-6", "--dummy-scans", "1", "--nprocs", "1")
    ended = run(places, *options)
    assert ended.code == 3
    n = n_volumes_of(places["data"] / "sub-01" / "func")
    told = (
        f"none of the {n} volumes is left (dummies: 1; over --fd-threshold 1e-06 mm: {n - 1}). "
        "Raise --fd-threshold, or leave this person or run out."
    )
    assert ended.out.count(told) == 4
    assert not list(places["output"].glob("sub-*"))
    assert leftovers(places["output"]) == []


def test_people_who_are_not_there(places):
    ended = run(places, "--participant-label", "1")
    assert ended.code == 3
    assert f"no folder sub-1 in {places['data']} (4 participants found; nearest: 01)" in ended.out
    assert "mend --participant-label" in ended.out
    assert not places["output"].exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--fd-treshold", "0.5"],
            "unrecognized arguments: --fd-treshold 0.5 (did you mean --fd-threshold?)",
        ),
        (["--fd-threshold", "-1"], "--fd-threshold: -1 was given; it must be a number of mm, 0 or more."),
        (["--participant-label", "sub_1/.."], "it must be a label of letters and digits"),
        (["--nuisance-regressors", "12P"], "it must be one of auto, none, 24P"),
        (["participants"], "unrecognized arguments: participants"),
    ],
)
def test_words_that_mean_nothing(places, words, told):
    ended = call(places["data"], places["output"], "participant", *words)
    assert ended.code == 2
    assert told in ended.err
    assert not places["output"].exists()


def hashed(folder):
    """Make the card's hashes those of the files, so that only what does not fit is at fault."""
    card = json.loads((folder / "card.json").read_text())
    card["sha256"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in card["sha256"]
    }
    (folder / "card.json").write_text(json.dumps(card))


def on_the_mirrored_grid(folder):
    """ROI maps of the same shape, in the order of fMRIPrep's voxels."""
    change_image(
        folder / "rois.nii.gz",
        lambda data, affine: (data[::-1], np.array([[2, 0, 0, -74], *affine[1:].tolist()])),
    )
    hashed(folder)


def for_another_space(folder):
    card = json.loads((folder / "card.json").read_text())
    card["grid"]["space"] = "MNI152NLin2009cAsym"
    (folder / "card.json").write_text(json.dumps(card))


def with_a_map_too_few(folder):
    change_image(folder / "rois.nii.gz", lambda data, affine: (data[..., :-1], affine))
    hashed(folder)


def with_other_weights(folder):
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-5] ^= 1
    (folder / "weights.safetensors").write_bytes(content)


def without_a_mask(folder):
    (folder / "brain_mask.nii.gz").unlink()


def with_a_broken_card(folder):
    (folder / "card.json").write_text("{")


def without_a_card(folder):
    (folder / "card.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "found", "remedy"),
    [
        (on_the_mirrored_grid, "first voxel at (-74, -108, -72) mm", "Fetch or import the model again"),
        (for_another_space, "MNI152NLin2009cAsym", "Fetch or import the model again"),
        (with_a_map_too_few, "5 ROI maps for 6 input channels", "Fetch or import the model again"),
        (with_other_weights, "weights.safetensors is not the file that", "Fetch or import the model again"),
        (without_a_mask, "brain_mask.nii.gz is missing", "Fetch or import the model again"),
        (with_a_broken_card, "card.json: cannot be read as JSON", "Fetch or import the model again"),
        (without_a_card, "is not a model's folder (with card.json)", "--model embedded"),
    ],
)
def test_a_model_whose_parts_do_not_fit(places, tmp_path, spoil, found, remedy):
    folder = shutil.copytree(places["model"], tmp_path / "bundle")
    spoil(folder)
    refused(2, folder, found, remedy, **places | {"model": folder})


def test_a_model_that_is_not_there(places, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPTASKGEN_HOME", str(tmp_path / "home"))
    shutil.copytree(places["model"], tmp_path / "home" / "models" / "mine")
    said = refused(2, "There is no model 'hcp-yb'", "Models found", **places | {"model": "hcp-yb"})
    assert f"{tmp_path / 'home' / 'models'}: mine" in said
    assert "deeptaskgen models import" in said
