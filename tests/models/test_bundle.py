"""Bundles are loaded only if they are complete and consistent."""

import hashlib
import json
import os
import shutil
import subprocess

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.connectome.roi_projection import roi_projection
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import FULL_MODEL_GRID, MODEL_GRID, OUTPUT_GRID, unmask
from bids_deeptaskgen.io.atomic import process_namespace
from bids_deeptaskgen.models.bundle import FILES, load_bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from tests.bundles import TINY, ellipsoid, tiny_bundle, tiny_card, tiny_network


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny").folder


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def edit(folder, change):
    """Replace the card's JSON by a changed one."""
    card = json.loads((folder / "card.json").read_text("utf-8"))
    change(card)
    (folder / "card.json").write_text(json.dumps(card), "utf-8")


def replace_file(folder, name, write):
    """Replace a file and its hash in the card."""
    write(folder / name)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    edit(folder, lambda card: card["sha256"].update({name: digest}))


def image(data, affine):
    return lambda path: nib.save(nib.Nifti1Image(data, np.array(affine)), path)


def test_a_bundle_is_loaded_as_saved(folder):
    bundle = load_bundle(folder)
    network = tiny_network()
    np.testing.assert_array_equal(bundle.brain_mask, ellipsoid())
    np.testing.assert_array_equal(bundle.output_mask, ellipsoid(0.5))
    weights = bundle.weights()
    assert bundle.shapes() == {key: tuple(value.shape) for key, value in network.state_dict().items()}
    for key, value in network.state_dict().items():
        np.testing.assert_array_equal(weights[key], value.numpy())
        assert weights[key].dtype == value.numpy().dtype
    rng = np.random.default_rng(0)
    rois = rng.standard_normal((3, int(ellipsoid().sum())), np.float32)
    np.testing.assert_array_equal(bundle.rois(), rois)
    np.testing.assert_array_equal(bundle.projection(), roi_projection(rois))


def test_the_weights_are_identified_by_their_hash(folder):
    expected = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    assert load_bundle(folder).weights_sha256 == expected


@pytest.mark.parametrize(
    ("change", "is_science"),
    [
        ({"input_mask": "gm"}, True),
        ({"units": "beta"}, True),
        ({"window_minutes": 4.0}, True),
        ({"contrasts": tiny_card().contrasts[::-1]}, True),
        ({"mean_roi_connectome": None}, True),
        ({"description": "Other words."}, False),
        ({"licence": "MIT"}, False),
    ],
)
def test_fields_about_input_and_output_change_the_science_hash(folder, tmp_path, change, is_science):
    bundle = tiny_bundle(tmp_path / "changed", **change)
    assert (bundle.science_sha256 != load_bundle(folder).science_sha256) == is_science


def test_each_file_changes_the_science_hash(folder, tmp_path):
    hashes = {
        load_bundle(folder).science_sha256,
        tiny_bundle(tmp_path / "a", tiny_network(seed=1)).science_sha256,
    }
    for name in ("rois", "brain", "output"):
        changed = parts()
        changed["rois"] = changed["rois"] + (name == "rois") * np.eye(76, 93)[None, :, :, None]
        changed["masks"] = (
            ellipsoid(0.9 if name == "brain" else 1),
            ellipsoid(0.4 if name == "output" else 0.5),
        )
        hashes.add(save_bundle(tmp_path / name, **changed).science_sha256)
    assert len(hashes) == 5


def test_the_same_model_gives_the_same_bytes(folder, tmp_path):
    copy = tiny_bundle(tmp_path / "copy").folder
    for name in (*FILES, "card.json"):
        assert (folder / name).read_bytes() == (copy / name).read_bytes()


def test_permissions_of_a_bundle_follow_the_umask(tmp_path):
    umask = os.umask(0o022)
    try:
        folder = tiny_bundle(tmp_path / "model").folder
    finally:
        os.umask(umask)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


def remove_key(key):
    return lambda card: card.pop(key)


def set_value(*keys, value):
    def change(card):
        for key in keys[:-1]:
            card = card[key]
        card[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            set_value("architecture", "fdim", value=4),
            "the weights are of attentionunet, 3 -> 2 channels, fdim 2",
        ),
        (
            set_value("architecture", "in_channels", value=4),
            "mean_roi_connectome has 3 values, but 4 ROIs have 6 pairs",
        ),
        (
            set_value("architecture", "batch_norm", value=False),
            "the card says .* without batch normalisation",
        ),
        (set_value("architecture", "name", value="unet"), "the card says unet"),
        (set_value("architecture", "out_channels", value=3), "2 contrasts for 3 output channels"),
        (lambda card: card["contrasts"].pop(), "1 contrasts for 2 output channels"),
        (set_value("contrasts", 0, "label", value="contrast1"), "labels must be unique"),
        (set_value("contrasts", 0, "label", value="a-b"), "letters and digits"),
        (set_value("contrasts", 0, "label", value="naïve"), "letters and digits"),
        (set_value("contrasts", 0, "label", value=""), "letters and digits"),
        (
            set_value("grid", "space", value="MNI152NLin2009cAsym"),
            "grid is 76x93x78 voxels .* in MNI152NLin2009cAsym res-2; this version computes on 76x93x78",
        ),
        (set_value("grid", "resolution", value="1"), "grid is"),
        (set_value("grid", "shape", value=[91, 109, 91]), "grid is"),
        (set_value("grid", "affine", value=[list(row) for row in OUTPUT_GRID.affine]), "grid is"),
        (set_value("input_mask", value="head"), "input_mask is 'head'"),
        (set_value("window_minutes", value=0), "window_minutes is 0"),
        (set_value("mean_roi_connectome", value=[0.1, 0.2]), "mean_roi_connectome has 2 values"),
        (remove_key("licence"), "missing 'licence'"),
        (set_value("secret", value=1), "unknown 'secret'"),
        (lambda card: card["sha256"].pop("rois.nii.gz"), "the card has hashes of"),
        (set_value("sha256", "../elsewhere", value="0"), "the card has hashes of"),
        (set_value("sha256", "rois.nii.gz", value="0" * 64), "sha256 of rois.nii.gz differs"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(copy, change, words):
    edit(copy, change)
    with pytest.raises(UserError, match=words):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=5, deadline=None)
def test_a_changed_bit_of_a_file_is_an_error(folder, tmp_path_factory, name, position, bit):
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("tampered") / "copy")
    content = bytearray((copy / name).read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    (copy / name).write_bytes(content)
    with pytest.raises(UserError, match=f"sha256 of {name} differs"):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        load_bundle(copy)


BOX = MODEL_GRID.shape
HALF = np.ones(BOX, np.uint8)


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("rois.nii.gz", image(np.ones((*BOX, 4), np.uint8), MODEL_GRID.affine), "4 ROI maps for 3 input"),
        ("rois.nii.gz", image(np.ones(BOX, np.uint8), MODEL_GRID.affine), "1 ROI maps for 3 input"),
        ("rois.nii.gz", image(np.ones((*BOX, 3), np.uint8), OUTPUT_GRID.affine), "rois.nii.gz is on"),
        ("brain_mask.nii.gz", image(HALF, OUTPUT_GRID.affine), "brain_mask.nii.gz is on"),
        (
            "output_mask.nii.gz",
            image(np.ones(FULL_MODEL_GRID.shape, np.uint8), FULL_MODEL_GRID.affine),
            "is on 91x",
        ),
        ("output_mask.nii.gz", image(HALF[..., None], MODEL_GRID.affine), "output_mask.nii.gz has 4 axes"),
        ("brain_mask.nii.gz", image(HALF * 0, MODEL_GRID.affine), "brain_mask.nii.gz is empty"),
        ("output_mask.nii.gz", lambda path: path.write_bytes(b"no image"), "cannot be read as a NIfTI image"),
        (
            "weights.safetensors",
            lambda path: path.write_bytes(b"no weights"),
            "cannot be read as safetensors",
        ),
    ],
)
def test_inconsistent_parts_with_correct_hashes_are_refused(copy, name, write, words):
    replace_file(copy, name, write)
    with pytest.raises(UserError, match=words):
        load_bundle(copy)


def parts(**changes):
    network = tiny_network()
    weights = {key: value.numpy() for key, value in network.state_dict().items()}
    rois = np.random.default_rng(0).standard_normal((3, *BOX)).astype(np.float32)
    return {
        "card": tiny_card(TINY),
        "weights": weights,
        "rois": rois,
        "masks": (ellipsoid(), ellipsoid(0.5)),
    } | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rois": np.zeros((5, *BOX), np.float32)}, "5 ROI maps"),
        ({"masks": (ellipsoid(), ellipsoid(0))}, "output_mask.nii.gz is empty"),
        ({"card": tiny_card(TINY, input_mask="head")}, "input_mask"),
        ({"weights": {}}, "not one of the published"),
    ],
)
def test_inconsistent_parts_are_not_saved_and_leave_no_files(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        save_bundle(tmp_path / "model", **parts(**changes))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_overwritten(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(UserError, match="exists already"):
        save_bundle(tmp_path / "model", **parts())
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(NotADirectoryError) as caught:
        save_bundle(tmp_path / "file" / "model", **parts())
    assert caught.value.filename == str(tmp_path / "file" / "model")


def test_what_a_killed_process_has_left_of_a_bundle_is_removed(tmp_path):
    with subprocess.Popen(["true"]) as ended:
        pass
    for name, pid in (("model", ended.pid), ("model", os.getppid()), ("other", ended.pid)):
        (tmp_path / f".{name}.new.{process_namespace()}.{pid}.tmp").mkdir()
    save_bundle(tmp_path / "model", **parts())
    assert {path.name.split(".")[1] for path in tmp_path.glob(f".*.{ended.pid}.tmp")} == {"other"}
    assert len(list(tmp_path.iterdir())) == 3


@given(seed=st.integers(0, 2**32 - 1))
def test_unmasking_restores_each_voxel_and_is_zero_elsewhere(seed):
    rng = np.random.default_rng(seed)
    volumes, mask = rng.standard_normal((2, 3, 4, 5)), rng.random((3, 4, 5)) < 0.5
    np.testing.assert_array_equal(unmask(volumes[:, mask], mask), volumes * mask)


def calibrated_bundle(folder, calibration=(0.5, 1.0), n_maps=2):
    """Save a bundle with the given calibration and number of mean maps."""
    card, network, brain = tiny_card(calibration=calibration), tiny_network(), ellipsoid()
    weights = {key: value.numpy() for key, value in network.state_dict().items()}
    rng = np.random.default_rng(0)
    rois = rng.standard_normal((3, *brain.shape), np.float32) * brain
    means = rng.standard_normal((n_maps, *brain.shape), np.float32) if n_maps else None
    return save_bundle(folder, card, weights, rois, (brain, ellipsoid(0.5)), mean_statmaps=means)


def test_calibration_and_mean_maps_are_loaded_as_saved(tmp_path):
    bundle = calibrated_bundle(tmp_path / "tiny")
    assert bundle.card.calibration == (0.5, 1.0)
    rng = np.random.default_rng(0)
    rng.standard_normal((3, *MODEL_GRID.shape), np.float32)
    expected = rng.standard_normal((2, *MODEL_GRID.shape), np.float32)[:, ellipsoid(0.5)]
    np.testing.assert_array_equal(bundle.mean_statmaps(), expected)
    assert load_bundle(bundle.folder).card == bundle.card


def test_a_bundle_without_mean_maps_returns_none(folder):
    assert load_bundle(folder).mean_statmaps() is None


def test_a_calibration_changes_the_science_hash(tmp_path, folder):
    hashes = {
        calibrated_bundle(tmp_path / str(number), calibration).science_sha256
        for number, calibration in enumerate([(0.5, 1.0), (0.5, 0.9), None])
    }
    assert len(hashes) == 3
    assert calibrated_bundle(tmp_path / "uncalibrated", None).science_sha256 in hashes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"calibration": (0.5,)}, "2 weights from 0 to 1"),
        ({"calibration": (0.5, 1.5)}, "2 weights from 0 to 1"),
        ({"n_maps": 0}, "mean_statmaps.nii.gz is missing"),
        ({"n_maps": 3}, "expected 2 maps"),
    ],
)
def test_an_invalid_calibration_is_refused(tmp_path, options, words):
    with pytest.raises(UserError, match=words):
        calibrated_bundle(tmp_path / "tiny", **options)
    assert not list(tmp_path.iterdir())


def test_mean_maps_with_another_hash_are_refused(tmp_path):
    bundle = calibrated_bundle(tmp_path / "tiny")
    (bundle.folder / "mean_statmaps.nii.gz").write_bytes(b"other")
    with pytest.raises(UserError, match="sha256 of mean_statmaps.nii.gz differs"):
        load_bundle(bundle.folder)
