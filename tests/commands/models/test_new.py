"""An untrained model of a user's ROI maps: what it holds, what it is for, and what is refused."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.output.connectome_files import find_connectomes
from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, model_to_output
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois
from bids_deeptaskgen.simulation.random_model import random_bundle
from tests.commands.learning import one_thread, write_statmap

CONTRASTS = ["MOTOR LF-AVG", "WM 2BK-0BK"]
SMALL = ("--architecture", "unetminimal", "--fdim", "1")


def save_maps(path, maps, grid=MODEL_GRID):
    nib.save(nib.Nifti1Image(np.moveaxis(maps, 0, -1), np.array(grid.affine)), path)
    return path


@pytest.fixture(scope="module")
def rois(tmp_path_factory):
    """Write three ROI maps on the full grid."""
    return save_maps(
        tmp_path_factory.mktemp("rois") / "ica.nii.gz", model_to_output(coordinate_rois(3)), OUTPUT_GRID
    )


@pytest.fixture(scope="module")
def contrasts(tmp_path_factory):
    path = tmp_path_factory.mktemp("contrasts") / "two.json"
    path.write_text(json.dumps(CONTRASTS), "utf-8")
    return path


def make(folder, rois, contrasts, *options):
    """Return the exit code of ``models new``."""
    words = ["models", "new", folder, "--rois", rois, "--contrasts", contrasts, *SMALL, *options]
    return workbench.main([str(word) for word in words])


@pytest.fixture(scope="module")
def mine(rois, contrasts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "mine"
    assert make(folder, rois, contrasts) == 0
    return load_bundle(folder)


def test_the_model_has_the_users_roi_maps_and_the_masks_of_an_import(mine):
    np.testing.assert_array_equal(mine.brain_mask, brain_mask())
    np.testing.assert_array_equal(mine.output_mask, grey_matter_mask())
    np.testing.assert_allclose(mine.rois(), coordinate_rois(3)[:, brain_mask()], rtol=0, atol=1e-7)
    assert mine.card.roi_set == "ica.nii.gz"
    assert [contrast.source_name for contrast in mine.card.contrasts] == CONTRASTS
    assert mine.card.architecture == Architecture("unetminimal", in_channels=3, out_channels=2, fdim=1)


def test_its_card_says_that_it_is_untrained(mine, capsys):
    card = mine.card
    assert (card.name, card.untrained, card.for_science) == ("mine", True, False)
    assert card.notice.startswith("This model is untrained: its weights are random.")
    assert card.training == "none: random weights (seed 42)"
    assert workbench.main(["models", "info", str(mine.folder)]) == 0
    assert "Notice:       This model is untrained" in capsys.readouterr().out


def test_the_weights_follow_from_the_seed(mine, rois, contrasts, tmp_path):
    for name, seed in (("same", "42"), ("other", "43")):
        assert make(tmp_path / name, rois, contrasts, "--seed", seed) == 0
    assert load_bundle(tmp_path / "same").weights_sha256 == mine.weights_sha256
    assert load_bundle(tmp_path / "other").weights_sha256 != mine.weights_sha256


def test_every_option_of_the_card_is_in_it(rois, tmp_path):
    mask = tmp_path / "mask.nii.gz"
    nib.save(nib.Nifti1Image(brain_mask().astype(np.uint8), np.array(MODEL_GRID.affine)), mask)
    options = {
        "name": "ica3", "output-mask": mask, "input-mask": "gm", "window-minutes": "7.2",
        "description": "Three maps.", "licence": "CC0", "citation": "Nobody 2026", "max-level": "2",
    }  # fmt: skip
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    assert make(tmp_path / "model", rois, "hcp-ya", *words) == 0
    bundle = load_bundle(tmp_path / "model")
    card = bundle.card
    assert (card.name, card.description, card.licence) == ("ica3", "Three maps.", "CC0")
    assert (card.input_mask, card.window_minutes, card.citation) == ("gm", 7.2, "Nobody 2026")
    assert (card.contrasts, card.architecture.max_level) == (load_contrasts("hcp-ya"), 2)
    np.testing.assert_array_equal(bundle.output_mask, brain_mask())


def test_connectomes_are_computed_and_a_network_is_trained_on_them(mine, simulated, tmp_path, capsys):
    out, tasks, trained = tmp_path / "out", tmp_path / "tasks", tmp_path / "trained"
    words = [simulated, out, "participant", "--model", mine.folder, "--save-connectome", "--nprocs", "1"]
    words += ["--min-minutes", "0.5", "--min-dof", "5"]
    assert app.main([str(word) for word in words]) == 0
    assert "WARNING" in (entry := capsys.readouterr().err)
    assert mine.card.notice in entry
    sidecar = next(out.glob("sub-01/func/*_desc-predicted_statmap.json"))
    assert mine.card.notice in json.loads(sidecar.read_text("utf-8"))["Description"]
    files = find_connectomes(out)
    assert [file.subject for file in files] == ["01", "02", "03"]
    rng = np.random.default_rng(0)
    for file in files:
        for contrast in mine.card.contrasts:
            values = rng.standard_normal(int(mine.output_mask.sum()))
            write_statmap(tasks, mine, file.subject, contrast.label, values)
    words = ["train", trained, "--model", mine.folder, "--connectomes", out, "--statmaps", tasks, *SMALL]
    words += ["--epochs", 1, "--batch-size", 3, "--schedule", "constant", "--device", "cpu"]
    words += ["--validation-share", 0, "--test-share", 0]
    with one_thread():
        assert workbench.main([str(word) for word in words]) == 0
    card = load_bundle(trained).card
    # The trained model has the ROI maps of the untrained one, and nothing of its warning.
    assert card.sha256["rois.nii.gz"] == mine.card.sha256["rois.nii.gz"]
    assert (card.untrained, card.for_science, card.notice) == (False, True, "")
    assert load_bundle(trained).weights_sha256 != mine.weights_sha256


def test_an_untrained_model_is_not_fine_tuned(mine, tmp_path, capsys):
    words = ["finetune", tmp_path / "child", "--parent", mine.folder, "--strategy", "new-head"]
    words += ["--connectomes", tmp_path, "--statmaps", tmp_path]
    assert workbench.main([str(word) for word in words]) == 2
    assert "is untrained" in (entry := capsys.readouterr().err)
    assert "deeptaskgen train" in entry


def two_alike(path):
    maps = coordinate_rois(3)
    return save_maps(path, maps[[0, 1, 1]])


def constant(path):
    maps = coordinate_rois(3)
    maps[2] = 1
    return save_maps(path, maps)


def coarse(path):
    nib.save(nib.Nifti1Image(np.ones((40, 48, 40, 5), np.uint8), np.diag([4.0, 4, 4, 1])), path)
    return path


def labels(path):
    nib.save(nib.Nifti1Image(np.ones(MODEL_GRID.shape, np.uint8), np.array(MODEL_GRID.affine)), path)
    return path


def text(path):
    path.write_text("no image", "utf-8")
    return path


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (two_alike, "cannot be told apart"),
        (constant, "ROI maps 3 of 3 are constant"),
        (coarse, "not the model's grid"),
        (labels, "expected a 4-D image with one map per ROI"),
        (text, "maps.nii"),
        (lambda path: path, "maps.nii"),
    ],
    ids=["alike", "constant", "coarse", "labels", "no image", "no file"],
)
def test_roi_maps_that_cannot_be_used_are_refused_and_nothing_is_written(
    write, words, contrasts, tmp_path, capsys
):
    maps = write(tmp_path / "maps.nii")
    initial_state = sorted(tmp_path.iterdir())
    assert make(tmp_path / "model", maps, contrasts) in (2, 3)
    entry = capsys.readouterr().err
    assert words in entry
    assert str(maps) in entry
    assert sorted(tmp_path.iterdir()) == initial_state


@pytest.mark.parametrize("choice", ["unknown", "nowhere.json", "numbered"])
def test_contrasts_that_do_not_exist_are_refused(choice, rois, tmp_path, capsys):
    assert make(tmp_path / "model", rois, choice) == 2
    assert choice in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_never_replaced(rois, contrasts, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work", "utf-8")
    for options in ((), ("--overwrite",)):
        assert make(tmp_path, rois, contrasts, *options) == 2
        assert "is not a model" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_model_is_replaced_on_request_alone(rois, contrasts, tmp_path, capsys):
    folder = tmp_path / "model"
    assert make(folder, rois, contrasts, "--name", "first") == 0
    assert make(folder, rois, contrasts, "--name", "second") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert load_bundle(folder).card.name == "first"
    assert make(folder, rois, contrasts, "--name", "second", "--overwrite") == 0
    assert load_bundle(folder).card.name == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_model_of_the_simulator_is_an_untrained_one(tmp_path):
    bundle = load_bundle(random_bundle(Path(tmp_path, "model"), fdim=1))
    assert bundle.card.untrained
    assert bundle.card.architecture.in_channels == 50
