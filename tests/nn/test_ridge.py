"""Maps of a ridge model equal those computed voxel by voxel."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.nn.inference import check_inference, load_network
from bids_deeptaskgen.nn.predict import predict, predict_each, predict_windows
from bids_deeptaskgen.nn.ridge import ReadyRidge
from tests.bundles import brute_force_ridge, random_ridge, ridge_bundle, tiny_bundle

ROOT = Path(__file__).parents[2]
BOX = (9, 8, 11)
BRAIN = np.zeros(BOX, bool)
BRAIN[1:8, 1:7, 2:9] = True
OUTPUT = np.zeros(BOX, bool)
OUTPUT[3:9, 2:5, 4:8] = True  # extends beyond the brain on purpose


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    ridge_bundle(folder / "ridge", tiny_bundle(folder / "tiny"))
    return load_bundle(folder / "ridge")


@pytest.fixture
def ready():
    return ReadyRidge(random_ridge(2, 3, int(OUTPUT.sum())), BRAIN, OUTPUT)


def make_connectomes(n_windows, n_without_signal=5):
    values = np.random.default_rng(1).uniform(-1, 1, (n_windows, 3, int(BRAIN.sum()))).astype(np.float32)
    values[:, :, :n_without_signal] = 0
    values[:, :, 150:160] = 0
    return values


def test_maps_equal_those_of_single_voxels(ready):
    connectome = make_connectomes(1)[0]
    maps = predict(ready, connectome)
    assert maps.dtype == np.float32
    expected = brute_force_ridge(ready.model, connectome, BRAIN, OUTPUT)
    np.testing.assert_allclose(maps, unmask(expected, OUTPUT), atol=1e-5)


def test_voxels_outside_the_brain_and_without_signal_get_the_mean_map(ready):
    connectome = make_connectomes(1)[0]
    maps = predict(ready, connectome)[:, OUTPUT]
    has_signal = unmask(connectome.any(axis=0), BRAIN)[OUTPUT]
    assert not has_signal.all()
    np.testing.assert_array_equal(maps[:, ~has_signal], ready.model.mean_maps[:, ~has_signal])
    assert (maps[:, has_signal] != ready.model.mean_maps[:, has_signal]).all()


def test_the_mean_over_windows_is_the_prediction_of_the_mean_connectome(ready):
    windows = make_connectomes(4)
    mean, sd = predict_windows(ready, windows)
    np.testing.assert_allclose(mean, predict(ready, windows.mean(axis=0))[:, OUTPUT], atol=1e-5)
    single = [brute_force_ridge(ready.model, window, BRAIN, OUTPUT) for window in windows]
    np.testing.assert_allclose(sd, np.std(single, axis=0, ddof=1), atol=1e-5)


def test_errors_of_single_connectomes_are_values(ready):
    good, bad = make_connectomes(1)[0], make_connectomes(1)[0]
    bad[0, 0] = np.nan
    unread = OSError("no such file")
    values = [item for _, item in predict_each(ready, enumerate([good, unread, bad, good[:2]]))]
    assert values[0].shape == (2, int(OUTPUT.sum()))
    assert values[1] is unread
    assert "NaN" in str(values[2])
    assert "the model takes 3 ROIs by 294 voxels" in str(values[3])


def test_a_bundle_gives_the_maps_of_its_model(bundle):
    connectome = np.random.default_rng(0).uniform(-1, 1, (3, int(bundle.brain_mask.sum()))).astype(np.float32)
    maps = predict(load_network(bundle), connectome)
    expected = brute_force_ridge(bundle.ridge_model(), connectome, bundle.brain_mask, bundle.output_mask)
    np.testing.assert_allclose(maps, unmask(expected, bundle.output_mask), atol=1e-5)


def test_it_is_computed_on_the_cpu_whatever_device_a_network_would_use(bundle):
    check_inference(bundle, "cuda:7", "bf16")
    assert load_network(bundle, "cuda:7", precision="bf16").device_name == "cpu"


def test_settings_that_have_no_effect_are_a_warning(bundle, caplog):
    with caplog.at_level(logging.WARNING, "bids_deeptaskgen"):
        load_network(bundle, "cpu", input_mask="gm", n_threads=2)
        assert not caplog.text
        load_network(bundle, "cuda:7", precision="bf16", input_mask="brain")
    assert "`device` cuda:7, `precision` bf16, `input_mask` brain: no effect, since" in caplog.text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"device": "nonsense"}, "device 'nonsense' is not known. Choose auto, cpu, cuda or cuda:N."),
        ({"precision": "fp8"}, "`precision` is 'fp8', but must be one of fp32, tf32, bf16."),
        ({"input_mask": "xx"}, "`input_mask` is 'xx', but must be one of card, brain, gm."),
    ],
)
@pytest.mark.parametrize("architecture", ["ridge", "network"])
def test_unknown_values_are_refused_for_all_models(bundle, values, words, architecture):
    model = bundle if architecture == "ridge" else load_bundle(bundle.folder.parent / "tiny")
    with pytest.raises(UserError) as caught:
        load_network(model, **values)
    assert str(caught.value) == words
    if "input_mask" not in values:
        with pytest.raises(UserError):
            check_inference(model, **({"device": "cpu"} | values))


@pytest.mark.filterwarnings("ignore:overflow")
def test_maps_that_are_not_finite_are_an_error_of_their_session(ready):
    good = make_connectomes(1)[0]
    huge = np.full_like(good, 3e38)
    first, second, third = (item for _, item in predict_each(ready, enumerate([good, huge, good])))
    assert "The predicted maps contain NaN or infinite values" in str(second)
    np.testing.assert_array_equal(first, third)


def test_another_shape_of_the_connectome_is_refused(ready):
    with pytest.raises(UserError, match="the model takes 3 ROIs by 294 voxels"):
        predict(ready, np.zeros((4, 294), np.float32))


def test_prediction_does_not_import_torch(bundle):
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from bids_deeptaskgen import load_bundle, load_network, predict\n"
        "network = load_network(load_bundle(Path(sys.argv[1])))\n"
        "predict(network, np.zeros((3, int(network.brain_mask.sum())), np.float32))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle.folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
