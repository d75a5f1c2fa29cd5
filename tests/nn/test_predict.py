"""Prediction of maps from connectomes."""

import dataclasses
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen import machine
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.nn import predict as predict_module
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.network import (
    Network,
    make_network,
    max_batch_size,
    resolve_device,
    set_threads,
)
from bids_deeptaskgen.nn.predict import mean_and_sd, predict, predict_each, predict_windows
from bids_deeptaskgen.nn.unet import UNet
from tests.bundles import TINY, tiny_bundle, tiny_network
from tests.golden_files import NETWORKS, every_fourth, golden_input, golden_network

BOX = (9, 8, 11)
BRAIN = np.zeros(BOX, bool)
BRAIN[1:8, 1:7, 2:9] = True
OUTPUT = np.zeros(BOX, bool)
OUTPUT[3:9, 2:5, 4:8] = True  # extends beyond the brain on purpose
SEEDS = st.integers(0, 2**32 - 1)


def make_connectome(seed, n_windows=None):
    shape = (TINY.in_channels, int(BRAIN.sum()))
    values = np.random.default_rng(seed).uniform(-1, 1, shape if n_windows is None else (n_windows, *shape))
    return values.astype(np.float32)


def build_network(**options):
    return make_network(tiny_network(), BRAIN, OUTPUT, **options)


def reference_maps(connectome, brain=BRAIN):
    """Predict with the original module on the whole box and mask the maps."""
    with torch.no_grad():
        maps = tiny_network()(torch.from_numpy(unmask(connectome, brain))[None])[0].numpy()
    return maps * OUTPUT


@pytest.mark.parametrize("name", NETWORKS)
def test_the_prepared_network_gives_the_published_output(name):
    network, golden = golden_network(name)
    full_mask = np.ones(golden_input().shape[2:], bool)
    ready = make_network(network, full_mask, full_mask)
    maps = np.stack([predict(ready, connectome) for connectome in golden_input().numpy()])
    np.testing.assert_allclose(every_fourth(maps), golden["output_eval"], rtol=0, atol=1e-6)


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_the_prepared_network_gives_the_output_of_the_original_module(seed):
    connectome = make_connectome(seed)
    expected = reference_maps(connectome)
    assert np.abs(predict(build_network(), connectome) - expected).max() < 1e-5 * expected[:, OUTPUT].std()


def test_maps_are_zero_only_outside_the_output_mask():
    maps = predict(build_network(), make_connectome(0))
    assert maps.shape == (TINY.out_channels, *BOX)
    assert maps.dtype == np.float32
    np.testing.assert_array_equal(maps != 0, np.broadcast_to(OUTPUT, maps.shape))


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_values_of_a_connectome_outside_the_brain_are_ignored(seed):
    connectome = np.random.default_rng(seed).uniform(-1, 1, (TINY.in_channels, *BOX)).astype(np.float32)
    np.testing.assert_array_equal(
        predict(build_network(), connectome), predict(build_network(), connectome[:, BRAIN])
    )


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_with_grey_matter_input_other_brain_voxels_are_ignored(seed):
    connectome, network = make_connectome(seed), build_network(input_mask="gm")
    grey_matter = connectome * OUTPUT[BRAIN]
    np.testing.assert_array_equal(predict(network, connectome), predict(network, grey_matter))
    expected = reference_maps(grey_matter)
    assert np.abs(predict(network, connectome) - expected).max() < 1e-5 * expected[:, OUTPUT].std()
    assert not np.array_equal(predict(build_network(), connectome), predict(network, connectome))


@given(seed=SEEDS, n_windows=st.integers(2, 5))
@settings(max_examples=8, deadline=None)
def test_windows_give_mean_and_sd_of_their_maps(seed, n_windows):
    windows, network = make_connectome(seed, n_windows), build_network()
    maps = np.stack([predict(network, window)[:, OUTPUT] for window in windows]).astype(np.float64)
    mean, sd = predict_windows(network, iter(windows))
    np.testing.assert_allclose(mean, maps.mean(axis=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(sd, maps.std(axis=0, ddof=1), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(predict(network, windows), unmask(mean, OUTPUT))


def test_identical_windows_have_zero_sd():
    mean, sd = predict_windows(build_network(), [make_connectome(0)] * 3)
    np.testing.assert_array_equal(sd, 0)
    np.testing.assert_array_equal(unmask(mean, OUTPUT), predict(build_network(), make_connectome(0)))


def test_a_single_window_has_no_sd():
    connectome = make_connectome(0)
    mean, sd = predict_windows(build_network(), [connectome])
    assert sd is None
    np.testing.assert_array_equal(unmask(mean, OUTPUT), predict(build_network(), connectome))
    np.testing.assert_array_equal(
        predict(build_network(), connectome[None]), predict(build_network(), connectome)
    )


def test_the_same_input_gives_the_same_bytes():
    network, connectome = build_network(), make_connectome(1)
    assert predict(network, connectome).tobytes() == predict(network, connectome).tobytes()


def test_the_connectome_is_not_changed():
    connectome = make_connectome(2)
    predict_windows(build_network(), [connectome, connectome])
    np.testing.assert_array_equal(connectome, make_connectome(2))


@pytest.mark.parametrize(
    "shape", [(4, BRAIN.sum()), (3, BRAIN.sum() - 1), (3, 2, 2, 2), (BRAIN.sum(),), (1, 1, 3, *BOX)]
)
def test_a_connectome_of_another_shape_is_refused(shape):
    with pytest.raises(UserError, match=r"the model takes 3 ROIs by 294 voxels"):
        predict(build_network(), np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_connectome_that_is_not_finite_is_refused(value):
    connectome = make_connectome(0)
    connectome[1, 7] = value
    with pytest.raises(UserError, match="NaN or infinite"):
        predict(build_network(), connectome)


def test_a_connectome_without_windows_is_refused():
    with pytest.raises(UserError, match="no windows"):
        predict_windows(build_network(), [])


@pytest.mark.parametrize("value", [True, False])
def test_prediction_restores_the_settings_of_torch(value):
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    values = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = value
        predict(build_network(), make_connectome(0))
        assert [switch.allow_tf32 for switch in switches] == [value, value]
    finally:
        for switch, original in zip(switches, values, strict=True):
            switch.allow_tf32 = original


def dense(n_batch=1):
    """Build a network that computes the whole box in batches, as on a GPU."""
    return dataclasses.replace(build_network(), voxelwise=None, n_batch=n_batch)


@pytest.mark.parametrize("n_batch", [1, 2, 3, 8])
def test_batches_give_the_same_maps_as_single_connectomes_in_the_same_order(n_batch):
    connectomes = {f"participant {seed}": make_connectome(seed) for seed in range(5)}
    maps = dict(predict_each(dense(n_batch), iter(connectomes.items())))
    assert list(maps) == list(connectomes)
    for name, connectome in connectomes.items():
        expected = reference_maps(connectome)[:, OUTPUT]
        assert np.abs(maps[name] - expected).max() < 1e-5 * expected.std()


@pytest.mark.parametrize("n_batch", [1, 2, 4])
def test_the_error_of_a_connectome_takes_its_place_in_the_batch(n_batch):
    unread, with_nan = OSError("no such file"), make_connectome(1)
    with_nan[0, 3] = np.nan
    connectomes = [make_connectome(0), unread, with_nan, make_connectome(2)[:2], make_connectome(3)]
    maps = [item for _, item in predict_each(dense(n_batch), enumerate(connectomes))]
    assert maps[1] is unread
    assert "NaN" in str(maps[2])
    assert "has shape (2, 294)" in str(maps[3])
    for number in (0, 4):
        np.testing.assert_allclose(
            unmask(maps[number], OUTPUT), predict(dense(), connectomes[number]), atol=1e-6
        )


def limit_memory(monkeypatch, n_max):
    """Raise an out-of-memory error for batches of more than `n_max` connectomes."""
    features = UNet.features

    def limited(self, box):
        if len(box) > n_max:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return features(self, box)

    monkeypatch.setattr(UNet, "features", limited)


def test_a_batch_that_exceeds_the_memory_is_predicted_in_single_steps(monkeypatch):
    connectomes = [make_connectome(seed) for seed in range(4)]
    expected = [predict(dense(), connectome) for connectome in connectomes]
    limit_memory(monkeypatch, 1)
    maps = [unmask(item, OUTPUT) for _, item in predict_each(dense(4), enumerate(connectomes))]
    np.testing.assert_array_equal(maps, expected)


def test_a_connectome_that_exceeds_the_memory_gets_the_error(monkeypatch):
    limit_memory(monkeypatch, 0)
    maps = [item for _, item in predict_each(dense(2), enumerate([make_connectome(0)] * 3))]
    assert [type(item) for item in maps] == [torch.OutOfMemoryError] * 3


def test_memory_of_a_failed_batch_is_freed_before_the_next_attempt(monkeypatch):
    features, references = UNet.features, []

    def limited(self, box):
        if len(box) > 1:
            large = torch.zeros(10)
            references.append(weakref.ref(large))
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert references[0]() is None
        return features(self, box)

    monkeypatch.setattr(UNet, "features", limited)
    maps = [item for _, item in predict_each(dense(2), enumerate([make_connectome(0), make_connectome(1)]))]
    assert [type(item) for item in maps] == [np.ndarray] * 2


def test_an_error_while_waiting_for_maps_is_given_to_each_connectome(monkeypatch):
    def broken():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Network, "start", lambda network, connectomes: broken)
    unread = OSError("no such file")
    maps = [
        item
        for _, item in predict_each(dense(3), enumerate([make_connectome(0), unread, make_connectome(1)]))
    ]
    assert maps[1] is unread
    assert all("illegal memory access" in str(maps[number]) for number in (0, 2))


def test_on_a_gpu_the_next_batch_starts_before_the_previous_is_collected(monkeypatch):
    steps = []

    def start_batch(network, connectomes):
        number = len([step for step in steps if step.startswith("start")])
        steps.append(f"start {number}")
        return lambda: steps.append(f"wait {number}") or [np.full((1, 1), number)] * len(connectomes)

    monkeypatch.setattr(predict_module, "_start_batch", start_batch)
    network = dataclasses.replace(dense(2), device=torch.device("cuda"))
    maps = [int(item[0, 0]) for _, item in predict_each(network, enumerate([make_connectome(0)] * 5))]
    assert maps == [0, 0, 1, 1, 2]
    assert steps == ["start 0", "start 1", "wait 0", "start 2", "wait 1", "wait 2"]


def test_the_maps_of_windows_are_not_changed():
    maps = [np.full((2, 3), float(number), np.float32) for number in range(3)]
    mean_and_sd(maps)
    assert [float(item[0, 0]) for item in maps] == [0, 1, 2]


def test_connectomes_are_requested_one_batch_at_a_time():
    seeds = []

    def connectomes():
        for seed in range(6):
            seeds.append(seed)
            yield seed, make_connectome(seed)

    maps = predict_each(dense(2), connectomes())
    next(maps)
    assert seeds == [0, 1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


def test_a_bundle_gives_the_maps_of_its_network(bundle):
    connectome = np.random.default_rng(0).uniform(-1, 1, (3, int(bundle.brain_mask.sum()))).astype(np.float32)
    expected = make_network(tiny_network(), bundle.brain_mask, bundle.output_mask)
    output = predict(load_network(bundle, "cpu"), connectome)
    np.testing.assert_array_equal(output, predict(expected, connectome))
    assert output.any()


@pytest.mark.parametrize(
    ("card", "input_mask", "is_full"),
    [("brain", "card", True), ("gm", "card", False), ("gm", "brain", True), ("brain", "gm", False)],
)
def test_the_input_mask_is_that_of_the_card_unless_chosen(tmp_path, card, input_mask, is_full):
    bundle = tiny_bundle(tmp_path / "model", input_mask=card)
    assert load_network(bundle, "cpu", input_mask=input_mask).is_input.all() == is_full


def test_weights_without_a_layer_are_refused(bundle, monkeypatch):
    shapes = bundle.shapes()
    del shapes["bottleneck.conv.0.bias"]
    monkeypatch.setattr(type(bundle), "shapes", lambda _: shapes)
    with pytest.raises(UserError, match=r"do not fit the architecture.*bottleneck\.conv\.0\.bias is missing"):
        load_network(bundle, "cpu")


@pytest.mark.parametrize(
    ("n_gpus", "name", "device"),
    [(0, "auto", "cpu"), (2, "auto", "cuda"), (0, "cpu", "cpu"), (2, "cuda:1", "cuda:1"), (2, "cpu", "cpu")],
)
def test_available_devices_are_resolved(monkeypatch, n_gpus, name, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert resolve_device(name) == torch.device(device)


@pytest.mark.parametrize(("job_gpus", "device"), [("", "cpu"), ("1", "cuda")])
def test_in_a_slurm_job_auto_uses_only_a_gpu_of_the_job(monkeypatch, job_gpus, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("SLURM_STEP_GPUS", "GPU_DEVICE_ORDINAL", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_GPUS", job_gpus)
    assert resolve_device("auto") == torch.device(device)


def test_a_gpu_of_the_slurm_job_that_torch_cannot_use_is_a_warning(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_GPUS", "1")
    machine._log_once.cache_clear()
    with caplog.at_level("WARNING", logger="bids_deeptaskgen"):
        assert [resolve_device("auto") for _ in range(2)] == [torch.device("cpu")] * 2
    assert [record.getMessage()[:23] for record in caplog.records] == ["The Slurm job has a GPU"]


@pytest.mark.parametrize(("n_gpus", "name"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2")])
def test_an_unavailable_gpu_is_refused_with_advice(monkeypatch, n_gpus, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    with pytest.raises(UserError, match=rf"(?s)device {name} .* sees {n_gpus} GPUs.*`device` cpu"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "", "CUDA"])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(UserError, match="is not known"):
        resolve_device(name)


def test_threads_can_be_set():
    n_threads = torch.get_num_threads()
    try:
        set_threads(2)
        assert torch.get_num_threads() == 2
    finally:
        set_threads(n_threads)


@pytest.mark.parametrize(("free_gb", "n_batch"), [(0.01, 1), (6, 1), (14, 4), (80, 8)])
def test_the_batch_size_fits_half_of_the_free_memory(monkeypatch, free_gb, n_batch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free_gb * 1e9), int(80e9)))
    assert max_batch_size(torch.device("cuda"), 64 * 76 * 93 * 78) == n_batch
