"""From connectomes to maps."""

import dataclasses
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.nn import inference as ready_network
from bids_deeptaskgen.nn import predict as predicting
from bids_deeptaskgen.nn.inference import load_network, make_network, resolve_device, set_threads
from bids_deeptaskgen.nn.predict import mean_and_sd, predict, predict_each, predict_windows
from bids_deeptaskgen.nn.unet import UNet
from tests.bundles import TINY, tiny_bundle, tiny_network
from tests.golden_files import NETWORKS, every_fourth, golden_input, golden_network

BOX = (9, 8, 11)
BRAIN = np.zeros(BOX, bool)
BRAIN[1:8, 1:7, 2:9] = True
OUTPUT = np.zeros(BOX, bool)
OUTPUT[3:9, 2:5, 4:8] = True  # reaches out of the brain on purpose
SEEDS = st.integers(0, 2**32 - 1)


def connectome_of(seed, n_windows=None):
    shape = (TINY.in_channels, int(BRAIN.sum()))
    values = np.random.default_rng(seed).uniform(-1, 1, shape if n_windows is None else (n_windows, *shape))
    return values.astype(np.float32)


def network_of(**options):
    return make_network(tiny_network(), BRAIN, OUTPUT, **options)


def plain_maps(connectome, brain=BRAIN):
    """The obvious way: the plain module on the whole box, then the mask."""
    with torch.no_grad():
        maps = tiny_network()(torch.from_numpy(unmask(connectome, brain))[None])[0].numpy()
    return maps * OUTPUT


@pytest.mark.parametrize("name", NETWORKS)
def test_the_fast_way_gives_the_published_output(name):
    network, golden = golden_network(name)
    everywhere = np.ones(golden_input().shape[2:], bool)
    ready = make_network(network, everywhere, everywhere)
    maps = np.stack([predict(ready, connectome) for connectome in golden_input().numpy()])
    np.testing.assert_allclose(every_fourth(maps), golden["output_eval"], rtol=0, atol=1e-6)


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_the_fast_way_is_the_plain_way(seed):
    connectome = connectome_of(seed)
    wanted = plain_maps(connectome)
    assert np.abs(predict(network_of(), connectome) - wanted).max() < 1e-5 * wanted[:, OUTPUT].std()


def test_maps_are_zero_outside_the_output_mask_and_nowhere_else():
    maps = predict(network_of(), connectome_of(0))
    assert maps.shape == (TINY.out_channels, *BOX)
    assert maps.dtype == np.float32
    np.testing.assert_array_equal(maps != 0, np.broadcast_to(OUTPUT, maps.shape))


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_what_a_connectome_holds_outside_the_brain_does_not_matter(seed):
    connectome = np.random.default_rng(seed).uniform(-1, 1, (TINY.in_channels, *BOX)).astype(np.float32)
    np.testing.assert_array_equal(
        predict(network_of(), connectome), predict(network_of(), connectome[:, BRAIN])
    )


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_with_a_grey_matter_input_the_rest_of_the_brain_is_not_shown(seed):
    connectome, network = connectome_of(seed), network_of(input_mask="gm")
    hidden = connectome * OUTPUT[BRAIN]
    np.testing.assert_array_equal(predict(network, connectome), predict(network, hidden))
    wanted = plain_maps(hidden)
    assert np.abs(predict(network, connectome) - wanted).max() < 1e-5 * wanted[:, OUTPUT].std()
    assert not np.array_equal(predict(network_of(), connectome), predict(network, connectome))


@given(seed=SEEDS, n_windows=st.integers(2, 5))
@settings(max_examples=8, deadline=None)
def test_windows_give_the_mean_and_the_spread_of_their_maps(seed, n_windows):
    windows, network = connectome_of(seed, n_windows), network_of()
    maps = np.stack([predict(network, window)[:, OUTPUT] for window in windows]).astype(np.float64)
    mean, sd = predict_windows(network, iter(windows))
    np.testing.assert_allclose(mean, maps.mean(axis=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(sd, maps.std(axis=0, ddof=1), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(predict(network, windows), unmask(mean, OUTPUT))


def test_windows_that_are_alike_have_no_spread():
    mean, sd = predict_windows(network_of(), [connectome_of(0)] * 3)
    np.testing.assert_array_equal(sd, 0)
    np.testing.assert_array_equal(unmask(mean, OUTPUT), predict(network_of(), connectome_of(0)))


def test_one_window_has_no_spread_to_tell():
    connectome = connectome_of(0)
    mean, sd = predict_windows(network_of(), [connectome])
    assert sd is None
    np.testing.assert_array_equal(unmask(mean, OUTPUT), predict(network_of(), connectome))
    np.testing.assert_array_equal(predict(network_of(), connectome[None]), predict(network_of(), connectome))


def test_the_same_input_gives_the_same_bytes():
    network, connectome = network_of(), connectome_of(1)
    assert predict(network, connectome).tobytes() == predict(network, connectome).tobytes()


def test_the_connectome_is_left_as_it_was():
    connectome = connectome_of(2)
    predict_windows(network_of(), [connectome, connectome])
    np.testing.assert_array_equal(connectome, connectome_of(2))


@pytest.mark.parametrize(
    "shape", [(4, BRAIN.sum()), (3, BRAIN.sum() - 1), (3, 2, 2, 2), (BRAIN.sum(),), (1, 1, 3, *BOX)]
)
def test_a_connectome_of_another_shape_is_refused(shape):
    with pytest.raises(UserError, match=r"the network takes 3 ROIs by 294 voxels"):
        predict(network_of(), np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_connectome_that_is_not_finite_is_refused(value):
    connectome = connectome_of(0)
    connectome[1, 7] = value
    with pytest.raises(UserError, match="NaN or infinite"):
        predict(network_of(), connectome)


def test_no_window_at_all_is_refused():
    with pytest.raises(UserError, match="no window"):
        predict_windows(network_of(), [])


@pytest.mark.parametrize("value", [True, False])
def test_predicting_leaves_the_switches_of_torch_as_they_were(value):
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = value
        predict(network_of(), connectome_of(0))
        assert [switch.allow_tf32 for switch in switches] == [value, value]
    finally:
        for switch, old in zip(switches, before, strict=True):
            switch.allow_tf32 = old


def dense(n_batch=1):
    """A network as a GPU has it: the whole box, several connectomes at once."""
    return dataclasses.replace(network_of(), voxelwise=None, n_batch=n_batch)


@pytest.mark.parametrize("n_batch", [1, 2, 3, 8])
def test_batches_give_what_each_connectome_alone_gives_in_the_same_order(n_batch):
    connectomes = {f"person {seed}": connectome_of(seed) for seed in range(5)}
    got = dict(predict_each(dense(n_batch), iter(connectomes.items())))
    assert list(got) == list(connectomes)
    for name, connectome in connectomes.items():
        wanted = plain_maps(connectome)[:, OUTPUT]
        assert np.abs(got[name] - wanted).max() < 1e-5 * wanted.std()


@pytest.mark.parametrize("n_batch", [1, 2, 4])
def test_what_is_wrong_with_one_connectome_of_a_batch_is_told_in_its_place(n_batch):
    unread, holed = OSError("no such file"), connectome_of(1)
    holed[0, 3] = np.nan
    given = [connectome_of(0), unread, holed, connectome_of(2)[:2], connectome_of(3)]
    maps = [one for _, one in predict_each(dense(n_batch), enumerate(given))]
    assert maps[1] is unread
    assert "NaN" in str(maps[2])
    assert "has shape (2, 294)" in str(maps[3])
    for number in (0, 4):
        np.testing.assert_allclose(unmask(maps[number], OUTPUT), predict(dense(), given[number]), atol=1e-6)


def crowded(monkeypatch, n_that_fit):
    """Let the memory be too small for batches of more than so many."""
    features = UNet.features

    def limited(self, box):
        if len(box) > n_that_fit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return features(self, box)

    monkeypatch.setattr(UNet, "features", limited)


def test_a_batch_that_does_not_fit_the_memory_is_taken_one_by_one(monkeypatch):
    given = [connectome_of(seed) for seed in range(4)]
    wanted = [predict(dense(), one) for one in given]
    crowded(monkeypatch, 1)
    maps = [unmask(one, OUTPUT) for _, one in predict_each(dense(4), enumerate(given))]
    np.testing.assert_array_equal(maps, wanted)


def test_what_does_not_fit_alone_is_told_for_each(monkeypatch):
    crowded(monkeypatch, 0)
    maps = [one for _, one in predict_each(dense(2), enumerate([connectome_of(0)] * 3))]
    assert [type(one) for one in maps] == [torch.OutOfMemoryError] * 3


def test_what_a_batch_held_is_let_go_before_its_connectomes_are_tried_alone(monkeypatch):
    features, held = UNet.features, []

    def limited(self, box):
        if len(box) > 1:
            large = torch.zeros(10)
            held.append(weakref.ref(large))
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert held[0]() is None
        return features(self, box)

    monkeypatch.setattr(UNet, "features", limited)
    maps = [one for _, one in predict_each(dense(2), enumerate([connectome_of(0), connectome_of(1)]))]
    assert [type(one) for one in maps] == [np.ndarray] * 2


def test_what_is_found_wrong_while_maps_are_waited_for_is_told_for_each(monkeypatch):
    def broken():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(predicting, "_pass", lambda network, connectomes: broken)
    unread = OSError("no such file")
    maps = [one for _, one in predict_each(dense(3), enumerate([connectome_of(0), unread, connectome_of(1)]))]
    assert maps[1] is unread
    assert all("illegal memory access" in str(maps[number]) for number in (0, 2))


def test_on_a_gpu_the_next_batch_is_started_before_the_last_is_waited_for(monkeypatch):
    done = []

    def started(network, connectomes):
        number = len([step for step in done if step.startswith("start")])
        done.append(f"start {number}")
        return lambda: done.append(f"wait {number}") or [np.full((1, 1), number)] * len(connectomes)

    monkeypatch.setattr(predicting, "_started", started)
    network = dataclasses.replace(dense(2), device=torch.device("cuda"))
    maps = [int(one[0, 0]) for _, one in predict_each(network, enumerate([connectome_of(0)] * 5))]
    assert maps == [0, 0, 1, 1, 2]
    assert done == ["start 0", "start 1", "wait 0", "start 2", "wait 1", "wait 2"]


def test_the_maps_of_windows_are_left_as_they_were():
    maps = [np.full((2, 3), float(number), np.float32) for number in range(3)]
    mean_and_sd(maps)
    assert [float(one[0, 0]) for one in maps] == [0, 1, 2]


def test_connectomes_are_asked_for_only_a_batch_at_a_time():
    asked = []

    def asking():
        for seed in range(6):
            asked.append(seed)
            yield seed, connectome_of(seed)

    maps = predict_each(dense(2), asking())
    next(maps)
    assert asked == [0, 1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


def test_a_bundle_predicts_what_its_network_predicts(bundle):
    connectome = np.random.default_rng(0).uniform(-1, 1, (3, int(bundle.brain_mask.sum()))).astype(np.float32)
    wanted = make_network(tiny_network(), bundle.brain_mask, bundle.output_mask)
    output = predict(load_network(bundle, "cpu"), connectome)
    np.testing.assert_array_equal(output, predict(wanted, connectome))
    assert output.any()


@pytest.mark.parametrize(
    ("card", "asked", "all_shown"),
    [("brain", "card", True), ("gm", "card", False), ("gm", "brain", True), ("brain", "gm", False)],
)
def test_the_card_says_what_is_shown_unless_it_is_asked_otherwise(tmp_path, card, asked, all_shown):
    bundle = tiny_bundle(tmp_path / "model", input_mask=card)
    assert load_network(bundle, "cpu", input_mask=asked).shown.all() == all_shown


def test_weights_that_lack_a_layer_are_refused(bundle, monkeypatch):
    shapes = bundle.shapes()
    del shapes["bottleneck.conv.0.bias"]
    monkeypatch.setattr(type(bundle), "shapes", lambda _: shapes)
    with pytest.raises(UserError, match=r"do not fit the architecture.*bottleneck\.conv\.0\.bias is missing"):
        load_network(bundle, "cpu")


@pytest.mark.parametrize(
    ("n_gpus", "name", "device"),
    [(0, "auto", "cpu"), (2, "auto", "cuda"), (0, "cpu", "cpu"), (2, "cuda:1", "cuda:1"), (2, "cpu", "cpu")],
)
def test_devices_that_are_there_are_found(monkeypatch, n_gpus, name, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    assert resolve_device(name) == torch.device(device)


@pytest.mark.parametrize(("n_gpus", "name"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2")])
def test_a_gpu_that_is_not_there_is_refused_with_what_to_do(monkeypatch, n_gpus, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    with pytest.raises(UserError, match=rf"(?s)device {name} .* sees {n_gpus} GPUs.*--device cpu"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "", "CUDA"])
def test_a_device_that_nobody_knows_is_refused(name):
    with pytest.raises(UserError, match="is not known"):
        resolve_device(name)


def test_threads_can_be_set():
    before = torch.get_num_threads()
    try:
        set_threads(2)
        assert torch.get_num_threads() == 2
    finally:
        set_threads(before)


@pytest.mark.parametrize(("free_gb", "n_batch"), [(0.01, 1), (6, 1), (14, 4), (80, 8)])
def test_a_gpu_takes_as_many_connectomes_as_half_of_its_free_memory_holds(monkeypatch, free_gb, n_batch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free_gb * 1e9), int(80e9)))
    assert ready_network.batch_that_fits(torch.device("cuda"), 64 * 76 * 93 * 78) == n_batch
