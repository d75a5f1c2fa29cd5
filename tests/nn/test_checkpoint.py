"""Reading of published checkpoints without executing pickled code."""

import os
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.checkpoint import read_checkpoint
from bids_deeptaskgen.nn.unet import FAMILY
from tests.bundles import TINY, tiny_network
from tests.golden_files import GOLDEN

LIGHTNING = GOLDEN / "lightning_tiny.ckpt"


def state(**changes):
    tensors = tiny_network().state_dict()
    tensors.update(changes)
    return tensors


def test_a_checkpoint_of_the_published_training_is_read():
    architecture, weights = read_checkpoint(LIGHTNING)
    assert architecture == Architecture(in_channels=5, out_channels=3, fdim=4)
    expected = torch.load(LIGHTNING, weights_only=True)["state_dict"]
    assert list(weights) == list(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(weights[key], value.numpy())
        assert weights[key].shape == value.shape


def save_plain(tensors, path):
    torch.save(tensors, path)


def save_lightning(tensors, path):
    torch.save({"epoch": 3, "state_dict": OrderedDict(tensors), "optimizer_states": [{"step": 1}]}, path)


def save_safetensors(tensors, path):
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("save", "file"),
    [(save_plain, "a.pt"), (save_lightning, "a.ckpt"), (save_safetensors, "a.safetensors")],
)
@pytest.mark.parametrize("name", FAMILY)
def test_each_network_is_read_from_all_kinds_of_file(tmp_path, name, save, file):
    network = tiny_network(replace(TINY, name=name, n_conv=2))
    save(network.state_dict(), tmp_path / file)
    architecture, weights = read_checkpoint(tmp_path / file)
    assert architecture == network.config
    assert weights.keys() == network.state_dict().keys()
    for key, value in network.state_dict().items():
        np.testing.assert_array_equal(weights[key], value.numpy())


def test_half_precision_becomes_float32(tmp_path):
    torch.save(
        {key: v.half() if v.is_floating_point() else v for key, v in state().items()}, tmp_path / "a.pt"
    )
    _, weights = read_checkpoint(tmp_path / "a.pt")
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float32), np.dtype(np.int64)}


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)  # noqa: PTH102 - a call that an attacker could pickle


@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"state_dict": state(), "callbacks": evil}])
def test_a_pickled_object_is_refused_and_never_run(tmp_path, wrap):
    torch.save(wrap(Evil(tmp_path / "run")), tmp_path / "evil.ckpt")
    with pytest.raises(UserError, match="would run code"):
        read_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 41000000\n",
        b"<!DOCTYPE html><html></html>",
        b"PK\x03\x04 not really",
        LIGHTNING.read_bytes()[:100_000],
    ],
    ids=["empty", "lfs pointer", "web page", "not a zip", "truncated"],
)
@pytest.mark.parametrize("name", ["a.ckpt", "a.safetensors"])
def test_a_file_that_is_not_a_checkpoint_is_refused_by_name(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: "):
        read_checkpoint(tmp_path / name)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.ckpt: no such file"):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "found: list"),
        ({"epoch": 3, "model": {}}, "found: epoch, model"),
        ({"state_dict": [1]}, "found: list"),
        ({}, "not one of the published"),
        (torch.zeros(3), "found: Tensor"),
    ],
)
def test_a_file_without_a_state_is_refused_with_its_content(tmp_path, content, words):
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=words):
        read_checkpoint(tmp_path / "a.ckpt")


def test_an_unknown_network_is_refused_with_its_groups_of_tensors(tmp_path):
    torch.save({key: v for key, v in state().items() if "bottleneck" not in key}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=r"attention_gates, downs, in_block, out_block, ups, upscale"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_unexpected_attention_gates_are_named(tmp_path):
    tensors = tiny_network(replace(TINY, name="resunet")).state_dict()
    tensors |= {key: value for key, value in state().items() if key.startswith("attention_gates.0.W_g")}
    torch.save(tensors, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=r"looks like resunet.*attention_gates\.0\.W_g\.weight is not known"):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize("key", ["downs.0.conv.0.bias", "attention_gates.1.psi.0.weight"])
def test_a_missing_tensor_is_named(tmp_path, key):
    tensors = state()
    del tensors[key]
    torch.save(tensors, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=f"{key} is missing"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_tensors_of_another_shape_and_unknown_tensors_are_named(tmp_path):
    torch.save(
        state(**{"upscale.1.bias": torch.zeros(9), "extra.weight": torch.zeros(1)}), tmp_path / "a.ckpt"
    )
    with pytest.raises(
        UserError, match=r"extra\.weight is not known; upscale\.1\.bias is \(9,\), not \(2,\)"
    ):
        read_checkpoint(tmp_path / "a.ckpt")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    torch.save(state(**{"in_block.conv.0.bias": torch.tensor([0.0, torch.nan])}), tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=r"NaN or infinite values, first in_block\.conv\.0\.bias"):
        read_checkpoint(tmp_path / "a.ckpt")
