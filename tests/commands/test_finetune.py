"""A model that goes on learning: what moves, what is put back, and what its card tells."""

from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.commands import finetune
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.bundle import MEAN_STATMAPS, load_bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.nn.network_state import HEAD
from bids_deeptaskgen.settings.training import FinetuneSettings
from bids_deeptaskgen.training.work_folder import work_folder
from tests.bundles import TINY, tiny_bundle, tiny_network
from tests.commands.learning import FAST, one_thread, statmap_path

MEASURED = ("running_mean", "running_var", "num_batches_tracked")
# In front of batch normalisation, which takes away what these add: only rounding moves them, or nothing does.
IDLE = ".conv.0.bias"


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


def tuned(world, parent, out, strategy, **changes):
    """Train a child model for one epoch."""
    settings = FinetuneSettings(
        out=out, parent=str(parent), strategy=strategy, **(world.data | FAST | {"epochs": 1} | changes)
    )
    assert finetune.run(settings) == 0
    return load_bundle(out)


def moved(child, parent):
    """Return names of weights that differ, without parts that batch normalisation changes."""
    own_value, reference_value = child.weights(), parent.weights()
    differing = {key for key in own_value if not np.array_equal(own_value[key], reference_value[key])}
    return {key for key in differing if not key.endswith((*MEASURED, IDLE))}


def test_the_backbone_moves_and_the_parents_last_layer_is_put_back_for_all_contrasts(
    world, trained, tmp_path
):
    parent = load_bundle(trained)
    child = tuned(world, trained, tmp_path / "child", "backbone", contrasts=("contrast0",))
    assert child.card.contrasts == parent.card.contrasts
    assert child.card.architecture == parent.card.architecture
    assert moved(child, parent) == {
        key for key in parent.weights() if key not in HEAD and not key.endswith((*MEASURED, IDLE))
    }
    # Contrasts without measured maps are those of the parent.
    assert child.card.calibration[1] == parent.card.calibration[1]
    np.testing.assert_array_equal(child.mean_statmaps()[1], parent.mean_statmaps()[1])
    card = child.card
    assert (card.name, card.parent, card.licence) == ("child", "mine", parent.card.licence)
    assert (card.for_science, card.notice) == (parent.card.for_science, parent.card.notice)
    for words in (
        f"fine-tuned from mine (weights sha256 {parent.weights_sha256}) by backbone (all but the last layer)",
        "trained on 1 of its 2 contrasts (contrast0); the last layer is that of mine",
    ):
        assert words in card.training
    assert not list(work_folder(FinetuneSettings(
        out=tmp_path / "child", parent="mine", strategy="backbone", **world.data
    ), tmp_path / "child").glob("targets"))  # fmt: skip


def test_batch_normalisation_alone_moves_and_the_card_says_so(world, trained, tmp_path):
    parent = load_bundle(trained)
    child = tuned(world, trained, tmp_path / "child", "batchnorm", calibration=False, licence="CC-BY-4.0")
    norms = {key.replace("running_mean", end) for key in parent.weights() for end in ("weight", "bias")
             if key.endswith("running_mean")}  # fmt: skip
    assert moved(child, parent) == norms
    assert child.card.calibration is None
    assert child.card.licence == "CC-BY-4.0"
    assert "batchnorm (batch normalisation alone)" in child.card.training


def test_a_new_head_predicts_what_the_parent_did_not(world, tmp_path):
    for participant in ("01", "02", "03", "04", "05", "06"):
        place = statmap_path(tmp_path / "measured", participant, "painHot")
        place.parent.mkdir(parents=True)
        place.symlink_to(statmap_path(world.root / "measured", participant, "contrast0"))
    parent = world.model
    child = tuned(world, parent.folder, tmp_path / "child", "new-head", statmaps=tmp_path / "measured")
    assert [item.label for item in child.card.contrasts] == ["painHot"]
    assert child.weights()[HEAD[0]].shape[0] == 1
    assert moved(child, parent) == {key for key in parent.weights() if not key.endswith((*MEASURED, IDLE))}
    assert "everything, with a new last layer" in child.card.training
    assert child.mean_statmaps().shape[0] == 1


def test_a_parent_without_mean_maps_has_children_whose_other_contrasts_are_the_networks_own(world, tmp_path):
    child = tuned(world, world.model.folder, tmp_path / "child", "batchnorm", contrasts=("contrast0",))
    assert child.card.calibration[1] == 1
    assert 0 <= child.card.calibration[0] <= 1
    assert not child.mean_statmaps()[1].any()
    assert MEAN_STATMAPS in child.card.sha256


def refusal(world, parent, out, strategy, **changes):
    with pytest.raises(UserError) as caught:
        tuned(world, parent, out, strategy, **changes)
    assert not (out / "card.json").exists() or out == parent
    return str(caught.value)


def test_contrasts_that_the_parent_does_not_have_want_a_new_head(world, tmp_path):
    touchable = tmp_path / "measured"
    place = statmap_path(touchable, "01", "painHot")
    place.parent.mkdir(parents=True)
    place.symlink_to(statmap_path(world.root / "measured", "01", "contrast0"))
    parent = world.model.folder
    assert "train a new head" in refusal(world, parent, tmp_path / "out", "backbone", statmaps=touchable)
    assert "no such contrast" in refusal(world, parent, tmp_path / "out", "backbone", contrasts=("painHot",))


def test_a_parent_without_batch_normalisation_has_none_to_move(world, tmp_path):
    tiny_bundle(tmp_path / "plain", tiny_network(replace(TINY, batch_norm=False)))
    sentence = refusal(world, tmp_path / "plain", tmp_path / "out", "batchnorm")
    assert "has no batch normalisation" in sentence


def test_connectomes_of_another_parent_are_refused(world, tmp_path):
    tiny_bundle(tmp_path / "other")
    assert "another ROI set" in refusal(world, tmp_path / "other", tmp_path / "out", "backbone")


def test_a_parent_is_not_replaced_by_its_child(world, trained):
    sentence = refusal(world, trained, trained, "backbone", overwrite=True)
    assert "is the model that the training begins with" in sentence


def test_a_copied_roi_file_keeps_its_hash(world, trained, tmp_path):
    parent = load_bundle(trained)
    names = ("rois.nii.gz", "brain_mask.nii.gz", "output_mask.nii.gz")
    rois, brain, output = (trained / name for name in names)
    copy = save_bundle(
        tmp_path / "copy", replace(parent.card, calibration=None), parent.weights(), rois, (brain, output)
    )
    assert {name: copy.card.sha256[name] for name in names} == {
        name: parent.card.sha256[name] for name in names
    }
