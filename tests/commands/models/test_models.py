"""Telling what a model is, and making one of a published checkpoint."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_deeptaskgen.commands.models.import_checkpoint import run as import_checkpoint
from bids_deeptaskgen.commands.models.info import run as info
from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import CROP, FULL_MODEL_GRID, MODEL_GRID, OUTPUT_GRID, unmask
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.models.channels import name_channels
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.models.describe import describe
from bids_deeptaskgen.nn.checkpoint import read_checkpoint
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.predict import predict
from bids_deeptaskgen.nn.unet import FAMILY, UNet
from bids_deeptaskgen.settings.models import ModelsImportSettings, ModelsInfoSettings
from tests.bundles import tiny_bundle, tiny_network
from tests.golden_files import GOLDEN

LIGHTNING = GOLDEN / "lightning_tiny.ckpt"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def maps():
    """Return five ROI maps on the full LAS grid, different in every voxel, also outside the brain."""
    return np.random.default_rng(0).standard_normal((5, *FULL_MODEL_GRID.shape)).astype(np.float32)


def on(grid, full):
    """Return the same values on another grid with the same points."""
    if grid == MODEL_GRID:
        return full[(..., *CROP)]
    return full[..., ::-1, :, :] if grid == OUTPUT_GRID else full


def write(path, maps, grid):
    nib.save(
        nib.Nifti1Image(np.moveaxis(maps, 0, -1) if maps.ndim == 4 else maps, np.array(grid.affine)), path
    )
    return path


@pytest.fixture(scope="module")
def rois(maps, tmp_path_factory):
    return write(tmp_path_factory.mktemp("rois") / "ica.nii", on(MODEL_GRID, maps), MODEL_GRID)


def asked(out, rois, **more):
    values = {"checkpoint": LIGHTNING, "name": "ours", "contrasts": "numbered"} | more
    return ModelsImportSettings(out=out, rois=rois, **values)


def test_info_shows_contrasts_licence_and_notice(bundle, capsys):
    assert info(ModelsInfoSettings(bundle.folder)) == 0
    text = capsys.readouterr().out
    for words in (
        "Model:        tiny",
        "Notice:       For tests.",
        "no, for trying the software only",
        "attentionunet, 3 -> 2 channels, fdim 2",
        "2 (contrast0 ... contrast1)",
        f"{int(bundle.output_mask.sum()):,} voxels",
        "MNI152NLin6Asym res-2",
        "7.2 minutes",
        "CC0",
        bundle.weights_sha256,
        "4, all verified",
    ):
        assert words in text


def test_info_refuses_a_model_that_was_tampered_with(tmp_path):
    folder = tiny_bundle(tmp_path / "model").folder
    with (folder / "weights.safetensors").open("ab") as file:
        file.write(b"more")
    with pytest.raises(UserError, match=r"sha256 of weights\.safetensors differs"):
        info(ModelsInfoSettings(folder))


def test_every_line_of_a_description_fits_a_terminal(bundle):
    card = replace(bundle.card, description="word " * 100)
    assert max(map(len, describe(replace(bundle, card=card)).splitlines())) <= 100


def test_a_published_checkpoint_becomes_a_bundle(tmp_path, rois, maps, capsys):
    assert import_checkpoint(asked(tmp_path / "model", rois, licence="GPL-3.0", window_minutes=7.2)) == 0
    bundle = load_bundle(tmp_path / "model")
    np.testing.assert_array_equal(bundle.brain_mask, brain_mask())
    np.testing.assert_array_equal(bundle.output_mask, grey_matter_mask())
    np.testing.assert_array_equal(bundle.rois(), on(MODEL_GRID, maps)[:, brain_mask()])
    assert [contrast.label for contrast in bundle.card.contrasts] == [
        "channel001",
        "channel002",
        "channel003",
    ]
    assert (bundle.card.name, bundle.card.licence, bundle.card.window_minutes) == ("ours", "GPL-3.0", 7.2)
    assert bundle.card.for_science
    text = capsys.readouterr().out
    assert "was imported as" in text
    assert "13,845" in text


def checkpoint_of(name, folder):
    """Write a Lightning checkpoint of the published or another network."""
    if name == "attentionunet":
        return LIGHTNING
    state = tiny_network(Architecture(name, in_channels=5, out_channels=2, fdim=2)).state_dict()
    torch.save({"epoch": 1, "state_dict": state, "optimizer_states": []}, folder / "last.ckpt")
    return folder / "last.ckpt"


@pytest.mark.parametrize("name", FAMILY)
def test_an_imported_checkpoint_predicts_what_its_network_predicts(tmp_path, rois, name):
    checkpoint = checkpoint_of(name, tmp_path)
    assert import_checkpoint(asked(tmp_path / "model", rois, checkpoint=checkpoint)) == 0
    bundle = load_bundle(tmp_path / "model")
    assert bundle.card.architecture.name == name
    architecture, weights = read_checkpoint(checkpoint)
    network = UNet(architecture).eval()
    network.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    rng = np.random.default_rng(0)
    connectome = rng.uniform(-1, 1, (5, int(bundle.brain_mask.sum()))).astype(np.float32)
    with torch.no_grad():
        plain = network(torch.from_numpy(unmask(connectome, bundle.brain_mask))[None])[0].numpy()
    output = predict(load_network(bundle, "cpu"), connectome)
    assert np.abs(output - plain * bundle.output_mask).max() < 1e-5 * plain[:, bundle.output_mask].std()


@pytest.mark.parametrize("grid", [FULL_MODEL_GRID, OUTPUT_GRID], ids=["las", "ras"])
def test_roi_maps_and_mask_may_be_on_either_whole_grid(tmp_path, rois, maps, grid):
    mask = np.random.default_rng(1).random(FULL_MODEL_GRID.shape) < 0.5
    import_checkpoint(
        asked(
            tmp_path / "model",
            write(tmp_path / "maps.nii", on(grid, maps), grid),
            output_mask=write(tmp_path / "mask.nii", on(grid, mask).astype(np.uint8), grid),
        )
    )
    bundle = load_bundle(tmp_path / "model")
    np.testing.assert_array_equal(bundle.rois(), on(MODEL_GRID, maps)[:, brain_mask()])
    np.testing.assert_array_equal(bundle.output_mask, mask[CROP])


def test_values_of_maps_that_are_not_finite_count_as_zero(tmp_path, maps):
    holes = on(MODEL_GRID, maps).copy()
    where = np.argwhere(brain_mask())[[10, 20, 30]].T
    holes[(0, *where)] = [np.nan, np.inf, -np.inf]
    import_checkpoint(asked(tmp_path / "model", write(tmp_path / "maps.nii", holes, MODEL_GRID)))
    result = load_bundle(tmp_path / "model").rois()
    np.testing.assert_array_equal(result[0, [10, 20, 30]], 0)
    np.testing.assert_array_equal(result[1:], holes[1:, brain_mask()])


def refused(settings, words):
    initial_state = sorted(settings.out.parent.iterdir())
    with pytest.raises(UserError, match=words):
        import_checkpoint(settings)
    assert sorted(settings.out.parent.iterdir()) == initial_state


def test_another_number_of_maps_is_refused(tmp_path, maps):
    path = write(tmp_path / "maps.nii", on(MODEL_GRID, maps)[:4], MODEL_GRID)
    refused(asked(tmp_path / "model", path), "has 4 ROI maps, but the network takes 5")


def test_maps_on_another_grid_are_refused(tmp_path):
    nib.save(
        nib.Nifti1Image(np.ones((40, 48, 40, 5), np.uint8), np.diag([4.0, 4, 4, 1])), tmp_path / "maps.nii"
    )
    refused(asked(tmp_path / "model", tmp_path / "maps.nii"), "not the model's grid")


def test_linearly_dependent_maps_are_refused(tmp_path, maps):
    same = on(MODEL_GRID, maps).copy()
    same[4] = same[3]
    refused(asked(tmp_path / "model", write(tmp_path / "maps.nii", same, MODEL_GRID)), "cannot be told apart")


@pytest.mark.parametrize(
    ("shape", "affine", "words"),
    [
        ((46, 55, 46), np.diag([4.0, 4, 4, 1]), "grid"),
        ((*MODEL_GRID.shape, 2), np.array(MODEL_GRID.affine), "must have three axes"),
        ((20, 20, 20), np.array(MODEL_GRID.affine) + np.outer([1000, 0, 0, 0], [0, 0, 0, 1]), "no voxel"),
    ],
)
def test_an_output_mask_that_does_not_fit_is_refused(tmp_path, rois, shape, affine, words):
    nib.save(nib.Nifti1Image(np.ones(shape, np.uint8), affine), tmp_path / "mask.nii")
    refused(asked(tmp_path / "model", rois, output_mask=tmp_path / "mask.nii"), words)


def test_another_number_of_contrasts_is_refused_with_a_way_out(tmp_path, rois):
    refused(asked(tmp_path / "model", rois, contrasts="hcp-ya"), r"(?s)3 output channels.*47.*numbered")


def test_an_existing_folder_is_refused(tmp_path, rois):
    (tmp_path / "model").mkdir()
    refused(asked(tmp_path / "model", rois), "exists already")


def test_published_contrasts_name_the_channels_of_a_published_model():
    assert name_channels("hcp-ya", 47) == load_contrasts("hcp-ya")


def test_contrasts_can_be_listed_in_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(["MOTOR LF-AVG", "WM 2BK_BODY"]), "utf-8")
    assert [contrast.label for contrast in name_channels(str(path), 2)] == ["motorLfMinusAvg", "wm2bkBody"]
    with pytest.raises(UserError, match="3 output channels"):
        name_channels(str(path), 3)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[""]', '["_"]', '"MOTOR"'])
def test_a_file_that_lists_no_contrasts_is_refused(tmp_path, text):
    path = tmp_path / "mine.json"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match=r"mine\.json"):
        name_channels(str(path), 2)


@pytest.mark.parametrize("choice", ["unknown", "nowhere.json"])
def test_contrasts_that_are_not_there_are_refused(choice):
    with pytest.raises(UserError, match=choice):
        name_channels(choice, 2)
