"""Unusable datasets, folders, participants, options and models: each message has a remedy."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from tests.failing_participants import change_image, n_volumes_of
from tests.inprocess import call
from tests.processes import SMALL, leftovers


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
    """Create a dataset without derivatives."""
    for subject in ("01", "02"):
        func = tmp_path / "raw" / f"sub-{subject}" / "func"
        func.mkdir(parents=True)
        (func / f"sub-{subject}_task-rest_bold.nii.gz").touch()
    description = {"Name": "raw", "BIDSVersion": "1.9.0"}
    (tmp_path / "raw" / "dataset_description.json").write_text(json.dumps(description))
    return tmp_path / "raw"


@pytest.fixture
def places(participants, model, tmp_path):
    """Return the paths of a run; a test replaces one of them by an unusable one."""
    return {"data": participants, "output": tmp_path / "maps", "model": model, "folder": tmp_path}


def test_a_dataset_that_does_not_exist(places, tmp_path):
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


def test_derivatives_that_do_not_exist(places, raw, tmp_path):
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


def test_an_output_folder_that_is_the_input(places, participants, raw, tmp_path):
    words = (f"OUTPUT_DIR and BIDS_DIR are both {participants}", "choose another folder")
    refused(2, *words, **places | {"output": participants, "folder": participants})
    # Whatever name it goes by: the description of fMRIPrep's dataset would be lost.
    link = tmp_path / "link"
    link.symlink_to(participants)
    words = (f"OUTPUT_DIR is {link}", "holds another dataset", "Choose a new folder")
    refused(2, *words, **places | {"output": link, "folder": participants})
    refused(
        2,
        "holds another dataset",
        options=["-d", f"fmriprep={participants}"],
        **places | {"data": raw, "output": participants, "folder": participants},
    )


def test_participants_without_remaining_volumes(places):
    options = ("--fd-threshold", "1e-6", "--dummy-scans", "1", "--nprocs", "1")
    ended = run(places, *options)
    assert ended.code == 3
    n = n_volumes_of(places["data"] / "sub-01" / "func")
    told = (
        f"No volumes remain: 1 dummy scan and {n - 1} volumes with FD > 1e-06 mm were removed. "
        "Increase --fd-threshold or exclude this run."
    )
    assert ended.out.count(told) == 4
    assert not list(places["output"].glob("sub-*"))
    assert leftovers(places["output"]) == []


def test_participants_that_do_not_exist(places):
    ended = run(places, "--participant-label", "1")
    assert ended.code == 3
    assert f"no folder sub-1 in {places['data']} (4 participants found; nearest: 01)" in ended.out
    assert "correct --participant-label" in ended.out
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
    """Update the card's hashes to those of the files."""
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
        (with_other_weights, "sha256 of weights.safetensors differs", "Fetch or import the model again"),
        (without_a_mask, "brain_mask.nii.gz is missing", "Fetch or import the model again"),
        (with_a_broken_card, "card.json: cannot be read as JSON", "Fetch or import the model again"),
        (without_a_card, "contains a card.json", "--model embedded"),
    ],
)
def test_a_model_whose_parts_do_not_fit(places, tmp_path, spoil, found, remedy):
    folder = shutil.copytree(places["model"], tmp_path / "bundle")
    spoil(folder)
    refused(2, folder, found, remedy, **places | {"model": folder})


def test_a_model_that_does_not_exist(places, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPTASKGEN_HOME", str(tmp_path / "home"))
    shutil.copytree(places["model"], tmp_path / "home" / "models" / "mine")
    said = refused(2, "There is no model 'hcp-yb'", "Models found", **places | {"model": "hcp-yb"})
    assert f"{tmp_path / 'home' / 'models'}: mine" in said
    assert "deeptaskgen models import" in said
