"""The distribution of training connectomes in a bundle."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bids_deeptaskgen.connectome.typicality import ConnectomeDistribution
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.checksum import file_sha256
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.models.describe import describe
from bids_deeptaskgen.models.roi_connectomes import ROI_CONNECTOMES
from tests.bundles import tiny_bundle

QUANTILES = {"q05": None, "q50": 1.0, "q95": 1.5, "q99": None, "max": 2.0}


def distribution(n_pairs=3, scale=1.0):
    basis = np.eye(2, n_pairs, dtype=np.float32)
    mean = np.linspace(0, 0.5, n_pairs, dtype=np.float32)
    return ConnectomeDistribution(mean, basis, np.array([2.0, 1.0]) * scale, 0.25, scale, 24, QUANTILES)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


def with_distribution(bundle, folder, values):
    masks = (bundle.folder / "brain_mask.nii.gz", bundle.folder / "output_mask.nii.gz")
    rois = bundle.folder / "rois.nii.gz"
    return save_bundle(folder, bundle.card, bundle.weights(), rois, masks, roi_connectomes=values)


@pytest.fixture(scope="module")
def bundle(plain, tmp_path_factory):
    return with_distribution(plain, tmp_path_factory.mktemp("models") / "typical", distribution())


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle.folder, tmp_path / "copy")


def test_a_distribution_is_loaded_as_saved(bundle):
    loaded, saved = load_bundle(bundle.folder).connectome_distribution(), distribution()
    for name in ("mean", "basis", "variances"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name))
        assert getattr(loaded, name).dtype == getattr(saved, name).dtype
    assert (loaded.shrinkage, loaded.isotropic_variance, loaded.n_participants) == (0.25, 1.0, 24)
    assert loaded.quantiles == QUANTILES
    connectome = np.array([[1, 0.1, 0.3], [0.1, 1, -0.2], [0.3, -0.2, 1]])
    assert loaded.mahalanobis_distance(connectome) == saved.mahalanobis_distance(connectome)


def test_it_is_read_once(bundle):
    assert bundle.connectome_distribution() is bundle.connectome_distribution()


def test_a_bundle_without_it_has_none(plain):
    assert plain.connectome_distribution() is None
    assert ROI_CONNECTOMES not in plain.card.sha256


def test_it_changes_the_science_hash(plain, bundle, tmp_path):
    other = with_distribution(plain, tmp_path / "other", distribution(scale=2.0))
    assert len({plain.science_sha256, bundle.science_sha256, other.science_sha256}) == 3


def test_equal_distributions_give_equal_bytes(plain, bundle, tmp_path):
    again = with_distribution(plain, tmp_path / "again", distribution())
    for name in (ROI_CONNECTOMES, "card.json"):
        assert (again.folder / name).read_bytes() == (bundle.folder / name).read_bytes()


def test_the_description_of_a_model_names_it(plain, bundle):
    assert "of 24 training participants" in " ".join(describe(bundle).split())
    assert "mean ROI-by-ROI connectome only" in describe(plain)


def test_a_changed_or_missing_file_is_refused(copy):
    (copy / ROI_CONNECTOMES).write_bytes(b"other")
    with pytest.raises(UserError, match=f"sha256 of {ROI_CONNECTOMES} differs"):
        load_bundle(copy)
    (copy / ROI_CONNECTOMES).unlink()
    with pytest.raises(UserError, match=f"{ROI_CONNECTOMES} is missing"):
        load_bundle(copy)


def replace_arrays(folder, change):
    """Change the arrays of the file, and its hash in the card."""
    path = folder / ROI_CONNECTOMES
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path)
    card = json.loads((folder / "card.json").read_text("utf-8"))
    card["sha256"][ROI_CONNECTOMES] = file_sha256(path)
    (folder / "card.json").write_text(json.dumps(card), "utf-8")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean": np.zeros(6, np.float32)}, r"mean has shape \(6,\); 3 ROIs need \(3,\)"),
        ({"basis": np.zeros((2, 6), np.float32)}, r"basis has shape \(2, 6\); 3 ROIs need \(2, 3\)"),
        ({"variances": np.ones(1)}, r"basis has shape \(2, 3\); 3 ROIs need \(1, 3\)"),
        ({"quantiles": np.ones(2)}, r"quantiles has shape \(2,\)"),
        ({"mean": np.full(3, np.nan, np.float32)}, "mean has values that are not finite"),
        ({"shrinkage": np.array(1.5)}, "shrinkage must be from 0 to 1"),
        ({"isotropic_variance": np.array(0.0)}, "isotropic_variance"),
        ({"variances": np.array([1.0, -1.0])}, "greater than 0"),
        ({"more": np.ones(1)}, "it has the arrays"),
    ],
)
def test_arrays_that_do_not_fit_the_model_are_refused(copy, changes, words):
    replace_arrays(copy, lambda arrays: arrays.update(changes))
    with pytest.raises(UserError, match=words):
        load_bundle(copy)


def test_a_file_that_is_not_safetensors_is_refused(copy):
    (copy / ROI_CONNECTOMES).write_bytes(b"no arrays")
    card = json.loads((copy / "card.json").read_text("utf-8"))
    card["sha256"][ROI_CONNECTOMES] = file_sha256(copy / ROI_CONNECTOMES)
    (copy / "card.json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        load_bundle(copy)
