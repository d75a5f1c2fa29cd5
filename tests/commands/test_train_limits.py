"""A training with unusable measured maps, few participants or little memory."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.commands import train
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.training import run as training
from bids_deeptaskgen.training.cached_participants import read_cached_participants, usable_pairs
from bids_deeptaskgen.training.data import gather
from bids_deeptaskgen.training.devices import bytes_of_step
from bids_deeptaskgen.training.masked_unet import MaskedUNet
from bids_deeptaskgen.training.split_file import write_split
from bids_deeptaskgen.training.target_contrasts import measured_contrasts
from tests.commands.learning import MINIMAL, SPLIT, one_thread, statmap_path
from tests.commands.test_train import refusal


def damaged_world(world, folder, *labels):
    """Copy the measured maps, with truncated files of some participants and contrasts."""
    shutil.copytree(world.root / "measured", folder)
    for subject, contrast in labels:
        path = statmap_path(folder, subject, contrast)
        path.write_bytes(path.read_bytes()[:500])
    return folder


def read_targets(world, measured, cache):
    contrasts = measured_contrasts(world.root / "measured", world.model.card.contrasts, ())
    data = gather(world.settings(cache.parent / "out", statmaps=measured), world.model, contrasts)
    read_cached_participants(data, cache)
    return data


def test_an_unusable_map_is_left_out_and_named(world, tmp_path, caplog):
    measured = damaged_world(world, tmp_path / "measured", ("01", "contrast0"))
    path = statmap_path(measured, "03", "contrast0")
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.full(image.shape, np.nan, np.float32), image.affine), path)
    data = read_targets(world, measured, tmp_path / "cache")
    assert str(statmap_path(measured, "01", "contrast0")) in caplog.text
    assert "sub-03 contrast0: the task map is 0 or NaN" in caplog.text
    kept_rows = np.load(tmp_path / "cache" / "sub-01.npy")
    assert np.isnan(kept_rows[0]).all()
    assert np.isfinite(kept_rows[1]).all()
    assert len(usable_pairs(data, "train", tmp_path / "cache")) == 3


def test_participants_without_a_usable_map_are_left_out_and_named(world, tmp_path, caplog):
    labels = [("04", "contrast0"), ("04", "contrast1"), ("02", "contrast0")]
    measured = damaged_world(world, tmp_path / "measured", *labels)
    data = read_targets(world, measured, tmp_path / "cache")
    assert (
        "1 sessions (train) are left out, since none of their measured maps can be used: sub-02"
        in caplog.text
    )
    assert "1 sessions (validation) are left out" in caplog.text
    names = {
        name: [pair.name for pair in usable_pairs(data, name, tmp_path / "cache")] for name in data.pairs
    }
    assert names == {"train": ["sub-01", "sub-03"], "validation": ["sub-05"], "test": ["sub-06"]}


def test_a_contrast_without_a_usable_training_map_is_refused(world, tmp_path):
    measured = damaged_world(world, tmp_path / "measured", ("01", "contrast1"), ("03", "contrast1"))
    with pytest.raises(InputError, match="has a usable measured map for contrast1; the log names the files"):
        read_targets(world, measured, tmp_path / "cache")


def needed_gb(world, n_participants):
    """Estimate the memory of a training step."""
    module = MaskedUNet(new_network(MINIMAL, seed=0), world.model.brain_mask, world.model.output_mask)
    return bytes_of_step(module, n_participants) / 2**30


def test_more_memory_than_there_is_is_refused_with_the_batch_that_would_fit(world, tmp_path, monkeypatch):
    # There are three training participants, so a larger batch needs no more memory.
    monkeypatch.setattr(training, "available_gb", lambda: needed_gb(world, 2.5))
    sentence = refusal(world.settings(tmp_path / "out", batch_size=1000))
    assert "`batch_size` 3 needs" in sentence
    assert "\n`batch_size` 2 would fit" in sentence
    monkeypatch.setattr(training, "available_gb", lambda: 0.001)
    assert "Not even one participant" in refusal(world.settings(tmp_path / "out"))


def test_two_participants_are_trained_on_with_the_default_batch(world, tmp_path, monkeypatch):
    split = SPLIT | {"02": "test", "05": "test"}
    write_split(tmp_path / "split.tsv", split)
    monkeypatch.setattr(training, "available_gb", lambda: needed_gb(world, 2.5))
    settings = world.settings(tmp_path / "out", split=tmp_path / "split.tsv", batch_size=10, epochs=1)
    with one_thread():
        assert train.run(settings) == 0
