"""Maps that a GPU predicts, compared with those of the CPU."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.models.store import embedded_bundle
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.network import make_network
from bids_deeptaskgen.nn.precision import MAX_CHANGE
from bids_deeptaskgen.nn.predict import predict, predict_each
from tests.golden_files import NETWORKS, every_fourth, golden_input, golden_network
from tests.inprocess import call

pytestmark = pytest.mark.slow
# Both devices compute in float32, but add up in another order.
TOLERANCE_SD = 1e-4


def connectome_of(bundle, seed):
    """Draw a connectome of shape (n_rois, n_brain_voxels), smooth in space: maps of noise are constant."""
    coarse = torch.rand((1, bundle.card.architecture.in_channels, 6, 5, 4), generator=generator(seed)) - 0.5
    box = F.interpolate(coarse, size=bundle.brain_mask.shape, mode="trilinear")
    return box[0].numpy()[:, bundle.brain_mask]


def generator(seed):
    return torch.Generator().manual_seed(seed)


def in_brain(bundle, maps):
    """Select the predicted voxels of maps, shape (n_contrasts, n_voxels)."""
    return maps[:, bundle.output_mask]


def largest_difference(maps, expected):
    """Return the largest difference as a fraction of the SD of the contrast's expected map."""
    return (np.abs(maps - expected).max(1) / expected.std(1)).max()


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(embedded_bundle())


@pytest.fixture(scope="module")
def cpu_maps(bundle):
    """Predict the maps of three connectomes on the CPU."""
    network = load_network(bundle, "cpu")
    return [in_brain(bundle, predict(network, connectome_of(bundle, seed))) for seed in range(3)]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_architecture_gives_the_published_output(gpu, name):
    network, golden = golden_network(name)
    full_mask = np.ones(golden_input().shape[2:], bool)
    ready = make_network(network, full_mask, full_mask, device=gpu)
    assert ready.device.type == torch.device(gpu).type
    maps = np.stack([predict(ready, connectome) for connectome in golden_input().numpy()])
    np.testing.assert_allclose(every_fourth(maps), golden["output_eval"], rtol=0, atol=1e-5)


def test_the_maps_are_those_of_the_cpu(gpu, bundle, cpu_maps):
    network = load_network(bundle, gpu)
    for seed, expected in enumerate(cpu_maps):
        maps = in_brain(bundle, predict(network, connectome_of(bundle, seed)))
        assert largest_difference(maps, expected) < TOLERANCE_SD


def test_connectomes_that_are_computed_together_have_the_same_maps(gpu, bundle, cpu_maps):
    network = load_network(bundle, gpu)
    items = [(seed, connectome_of(bundle, seed)) for seed in range(3)]
    maps = dict(predict_each(network, iter(items)))
    assert list(maps) == [0, 1, 2]
    for seed, expected in enumerate(cpu_maps):
        assert largest_difference(maps[seed], expected) < TOLERANCE_SD


def test_a_second_prediction_has_the_same_bytes(gpu, bundle):
    network, connectome = load_network(bundle, gpu), connectome_of(bundle, 0)
    first = predict(network, connectome)
    assert predict(network, connectome).tobytes() == first.tobytes()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_reduced_precision_changes_the_maps_little(gpu, bundle, cpu_maps, precision):
    # load_network refuses a precision that fails on its example; here, it must hold for other connectomes.
    network = load_network(bundle, gpu, precision=precision)
    for seed, expected in enumerate(cpu_maps):
        difference = in_brain(bundle, predict(network, connectome_of(bundle, seed))) - expected
        largest = (difference.std(1) / expected.std(1)).max()
        assert largest < 2 * MAX_CHANGE
        # Older GPUs compute in fp32 instead.
        if torch.cuda.get_device_capability(gpu) >= (8, 0):
            assert largest > 0


def test_the_app_writes_the_same_maps_with_a_gpu_and_says_so(gpu, simulated, tmp_path):
    maps = {}
    for device in ("cpu", gpu):
        output = tmp_path / device
        options = ("--model", "embedded", "--device", device, "--contrasts", "WM", "--min-dof", "5")
        ended = call(simulated, output, "participant", *options, "--min-minutes", "0.5", "--nprocs", "1")
        assert ended.code == 0, ended.err
        paths = sorted(output.glob("sub-*/**/*_statmap.nii.gz"))
        maps[device] = {path.relative_to(output): nib.load(path).get_fdata() for path in paths}
        sidecars = [path.with_name(path.name.replace(".nii.gz", ".json")) for path in paths]
        devices = {
            json.loads(path.read_text("utf-8"))["DeepTaskGen"]["Computed"]["Device"] for path in sidecars
        }
        assert {torch.device(name).type for name in devices} == {device}
    assert maps["cpu"]
    assert maps["cpu"].keys() == maps[gpu].keys()
    for name, expected in maps["cpu"].items():
        brain = expected != 0
        rows = maps[gpu][name][brain][None], expected[brain][None]
        assert largest_difference(*rows) < TOLERANCE_SD, name


def test_auto_selects_the_gpu(gpu, bundle, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert torch.device(load_network(bundle, "auto").device_name).type == gpu


def test_too_little_memory_is_recognised(gpu, bundle):
    network = load_network(bundle, gpu)
    with pytest.raises(torch.OutOfMemoryError) as raised:
        torch.empty(2**50, dtype=torch.float32, device=gpu)
    assert network.is_out_of_memory(raised.value)
