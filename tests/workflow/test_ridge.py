"""A ridge model predicts the maps of a dataset and of a single image, and the output says what it is."""

import json
import logging

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.output.connectome_files import find_connectomes, read_window
from bids_deeptaskgen.cli import workbench
from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.grid import model_to_output, unmask
from bids_deeptaskgen.models.bundle import load_bundle
from tests.bundles import brute_force_ridge, ridge_bundle
from tests.workflow.arrangements import files_of

WEIGHTS = (0.25, 0.0, 1.0)
N_WINDOWS = 2


@pytest.fixture(scope="module")
def ridge(model, tmp_path_factory):
    """Return a calibrated ridge model with the masks of the small model."""
    folder = tmp_path_factory.mktemp("models") / "ridge"
    training = "12 participants, ridge regression"
    ridge_bundle(folder, load_bundle(model), name="ridge1", calibration=WEIGHTS, training=training)
    return load_bundle(folder)


def maps_of(output, subject="01", desc="predicted"):
    paths = sorted(output.glob(f"sub-{subject}/func/*_desc-{desc}_statmap.nii.gz"))
    sidecars = [
        json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text()) for path in paths
    ]
    return np.stack([nib.load(path).get_fdata(dtype=np.float32) for path in paths]), sidecars


def placed(maps, bundle):
    """Place maps on the grid of the output."""
    return np.stack([model_to_output(unmask(values, bundle.output_mask)) for values in maps])


@pytest.fixture(scope="module")
def output(simulated, ridge, tmp_path_factory):
    """Predict a participant in two windows, on a device and with a precision that only networks use."""
    out = tmp_path_factory.mktemp("ridge") / "out"
    from bids_deeptaskgen.settings.participant import ParticipantSettings

    settings = ParticipantSettings(
        simulated, out, model=str(ridge.folder), participant_label=("01",), n_windows=N_WINDOWS, nprocs=1,
        min_minutes=1.0, min_dof=5, save_connectome=True, device="cuda", precision="bf16", dummy_scans=2,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        messages = []
        patch.setattr(
            logging.getLogger("bids_deeptaskgen"),
            "warning",
            lambda text, *values: messages.append(text % values),
        )
        assert participant.run(settings) == 0
    return out, messages


def windows_of(output):
    (file,) = find_connectomes(output)
    return [read_window(file, number) for number in range(N_WINDOWS)]


def test_maps_and_their_sd_over_windows_equal_those_of_single_voxels(output, ridge):
    windows = windows_of(output[0])
    maps = [
        brute_force_ridge(ridge.ridge_model(), window, ridge.brain_mask, ridge.output_mask)
        for window in windows
    ]
    predicted, _ = maps_of(output[0])
    np.testing.assert_allclose(predicted, placed(np.mean(maps, axis=0), ridge), atol=1e-4)
    sd, _ = maps_of(output[0], desc="windowSD")
    np.testing.assert_allclose(sd, placed(np.std(maps, axis=0, ddof=1), ridge), atol=1e-4)
    assert predicted.std() > 0


def test_settings_of_networks_are_reported_to_have_no_effect(output):
    (message,) = [text for text in output[1] if "ridge regression" in text]
    assert message.startswith(
        "`device` cuda, `precision` bf16: no effect, since ridge1 is a ridge regression"
    )


def test_the_sidecars_name_the_architecture_the_device_and_the_training(output):
    for sidecar in maps_of(output[0])[1]:
        content = sidecar["DeepTaskGen"]
        assert content["Model"]["Architecture"] == "ridge regression, 6 -> 3 channels"
        assert content["Model"]["TrainingData"] == "12 participants, ridge regression"
        assert (content["Computed"]["Device"], content["Computed"]["Precision"]) == ("cpu", "fp32")
        assert content["Settings"]["precision"] == "fp32"
        assert "numpy" in content["Computed"]["Versions"]
        assert "torch" not in content["Computed"]["Versions"]


def test_the_methods_text_and_the_page_describe_a_ridge_regression(output):
    text = (output[0] / "CITATION.md").read_text("utf-8")
    methods = text.partition("## References")[0]
    sentence = 'model "ridge1" (ridge regression, 6 -> 3 channels: each voxel\'s deviation'
    assert sentence in " ".join(methods.split())
    assert "Hoerl AE, Kennard RW (1970)" in text
    assert "- torch" not in text
    page = (output[0] / "sub-01.html").read_text("utf-8")
    assert "ridge regression, 6 -&gt; 3 channels" in page or "ridge regression, 6 -> 3 channels" in page
    for words in (methods, page.partition("## References")[0]):
        assert "U-Net" not in words
        assert "Oktay" not in words
        assert "he network" not in words


def test_calibrated_maps_lie_between_mean_map_and_prediction(simulated, ridge, output, settings_of):
    settings = settings_of(
        simulated, "calibrated", model=str(ridge.folder), participant_label=("01",), n_windows=N_WINDOWS,
        calibrated=True, dummy_scans=2,
    )  # fmt: skip
    assert participant.run(settings) == 0
    maps, sidecars = maps_of(settings.output_dir)
    means, plain = placed(ridge.mean_statmaps(), ridge), maps_of(output[0])[0]
    for item, mean, predicted, weight in zip(maps, means, plain, WEIGHTS, strict=True):
        np.testing.assert_allclose(item, (1 - weight) * mean + weight * predicted, atol=1e-5)
    weights = [sidecar["DeepTaskGen"]["Contrast"]["CalibrationWeight"] for sidecar in sidecars]
    assert weights == list(WEIGHTS)


def test_the_command_predict_gives_the_same_maps(simulated, ridge, output, tmp_path):
    files = files_of(simulated, "01")
    inputs = ["--mask", files["mask"], "--confounds", files["confounds"], "--dummy-scans", 2]
    limits = ["--n-windows", N_WINDOWS, "--min-minutes", 1, "--min-dof", 5]
    run = ["--model", ridge.folder, "--nprocs", 1, "--reports", "none"]
    words = ["predict", files["bold"], tmp_path / "out", *inputs, *limits, *run]
    assert workbench.main([*map(str, words)]) == 0
    np.testing.assert_array_equal(maps_of(tmp_path / "out")[0], maps_of(output[0])[0])
