"""A ridge model is a bundle like any other: it is loaded as it was saved, or refused."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.architecture import Architecture, read_architecture, ridge_architecture
from bids_deeptaskgen.models.bundle import MEAN_STATMAPS, WEIGHTS, load_bundle
from bids_deeptaskgen.models.describe import describe
from bids_deeptaskgen.nn.inference import check_inference, load_network
from tests.bundles import ridge_bundle, tiny_bundle

N_CONTRASTS, N_ROIS = 2, 3


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def saved(base, tmp_path_factory):
    """Return the folder of a ridge model, and the model."""
    folder = tmp_path_factory.mktemp("ridge") / "ridge"
    return folder, ridge_bundle(folder, base)


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "copy")


def change_arrays(folder, **changes):
    """Replace arrays of the weights, and the hash in the card."""
    path = folder / WEIGHTS
    save_file(load_file(path) | changes, path)
    card = json.loads((folder / "card.json").read_text("utf-8"))
    card["sha256"][WEIGHTS] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "card.json").write_text(json.dumps(card), "utf-8")


def test_a_ridge_model_is_loaded_as_saved(saved):
    folder, model = saved
    loaded = load_bundle(folder).ridge_model()
    for name in ("coefficients", "parcels", "mean_connectome", "mean_maps"):
        values, expected = getattr(loaded, name), getattr(model, name)
        np.testing.assert_array_equal(values, expected)
        assert values.dtype == expected.dtype


def test_its_architecture_has_no_layers_and_names_its_channels(saved):
    architecture = load_bundle(saved[0]).card.architecture
    assert architecture == ridge_architecture(N_ROIS, N_CONTRASTS)
    assert not architecture.is_network
    assert Architecture().is_network
    assert (architecture.fdim, architecture.max_level, architecture.n_conv) == (0, 0, 0)
    assert str(ridge_architecture(50, 47)) == "ridge regression, 50 -> 47 channels"
    assert read_architecture(load_bundle(saved[0]).shapes(), "x") == architecture


def test_the_description_counts_its_coefficients(saved):
    text = describe(load_bundle(saved[0]))
    assert "Architecture: ridge regression, 3 -> 2 channels\n" in text
    assert f"Parameters:   {N_CONTRASTS * 5 * N_ROIS}\n" in text


def test_the_hash_of_the_model_covers_its_mean_maps(saved, base, tmp_path):
    ridge_bundle(tmp_path / "other", base, seed=1)
    change_arrays(tmp_path / "other", **load_file(saved[0] / WEIGHTS))
    first, second = load_bundle(saved[0]), load_bundle(tmp_path / "other")
    assert first.weights_sha256 == second.weights_sha256
    assert first.card.sha256[MEAN_STATMAPS] != second.card.sha256[MEAN_STATMAPS]
    assert first.science_sha256 != second.science_sha256


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parcels": np.zeros(7, np.int16)}, r"parcels has shape \(7,\), but 3 ROIs and \d+ voxels"),
        ({"mean_connectome": np.zeros((3, 7), np.float32)}, r"mean_connectome has shape \(3, 7\)"),
        ({"coefficients": np.zeros((3, 5, 3), np.float32)}, "the weights are of ridge regression, 3 -> 3 "),
        ({"coefficients": np.zeros((2, 2, 3), np.float32)}, "parcels must be integers from 0 to 1"),
        ({"coefficients": np.full((2, 5, 3), np.nan, np.float32)}, "coefficients are empty or not finite"),
        (
            {"coefficients": np.zeros((2, 3), np.float32)},
            r"model have shape \(2, 3\); expected \(contr",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused_before_anything_is_computed(copy, changes, words):
    change_arrays(copy, **changes)
    with pytest.raises(UserError, match=words):
        load_bundle(copy)


def test_a_card_with_layers_is_refused_by_the_name_of_the_field(copy):
    card = json.loads((copy / "card.json").read_text("utf-8"))
    card["architecture"]["fdim"] = 64
    (copy / "card.json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(UserError, match="channels, so fdim is 0, but 64 in the card"):
        load_bundle(copy)


def test_a_ridge_model_without_mean_maps_is_refused(copy):
    (copy / MEAN_STATMAPS).unlink()
    card = json.loads((copy / "card.json").read_text("utf-8"))
    del card["sha256"][MEAN_STATMAPS]
    (copy / "card.json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(UserError, match=r"a ridge model needs mean_statmaps\.nii\.gz"):
        load_bundle(copy)


def test_a_mean_connectome_that_is_not_finite_is_refused(copy, saved):
    change_arrays(copy, mean_connectome=np.full_like(saved[1].mean_connectome, np.inf))
    with pytest.raises(UserError, match=r"contain NaN or infinite values\.\nTrain the model again"):
        load_network(load_bundle(copy))
    with pytest.raises(UserError, match=r"contain NaN or infinite values\.\nTrain the model again"):
        check_inference(load_bundle(copy), "cpu")


def test_a_network_has_no_ridge_model(base):
    with pytest.raises(ValueError, match="the model is of the architecture attentionunet"):
        base.ridge_model()
