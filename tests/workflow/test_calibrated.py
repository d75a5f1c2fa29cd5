"""Maps that are brought nearer to the mean map of measured participants, on request."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.pipeline.write_maps import PredictedMaps, calibrate
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois

WEIGHTS = (0.25, 0.0, 1.0)


@pytest.fixture(scope="module")
def calibrated(model, tmp_path_factory):
    """Return the model with a calibration, and mean maps of noise."""
    bundle, folder = load_bundle(model), tmp_path_factory.mktemp("calibrated") / "bundle"
    noise = np.random.default_rng(0).standard_normal((3, int(bundle.output_mask.sum())), np.float32)
    save_bundle(
        folder,
        replace(bundle.card, calibration=WEIGHTS),
        bundle.weights(),
        coordinate_rois(bundle.card.architecture.in_channels),
        (bundle.brain_mask, bundle.output_mask),
        mean_statmaps=unmask(noise, bundle.output_mask),
    )
    return folder, noise


def maps_of(settings):
    paths = sorted(settings.output_dir.glob("sub-01/func/*_desc-predicted_statmap.nii.gz"))
    sidecars = [
        json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text()) for path in paths
    ]
    return np.stack([nib.load(path).get_fdata(dtype=np.float32) for path in paths]), sidecars


def test_maps_go_as_far_from_the_mean_map_as_the_card_says_and_say_so(settings_of, simulated, calibrated):
    folder, _ = calibrated
    runs = {}
    for name, choice in (("plain", False), ("calibrated", True)):
        settings = settings_of(
            simulated, name, model=str(folder), calibrated=choice, participant_label=("01",), n_windows=2
        )
        assert participant.run(settings) == 0
        runs[name] = maps_of(settings)
    mean = maps_of_mean(folder)
    plain, result = runs["plain"][0], runs["calibrated"][0]
    for item, counterpart, average, weight in zip(result, plain, mean, WEIGHTS, strict=True):
        np.testing.assert_allclose(item, (1 - weight) * average + weight * counterpart, atol=1e-5)
    for sidecar, weight in zip(runs["calibrated"][1], WEIGHTS, strict=True):
        assert "CALIBRATED" in sidecar["Description"]
        assert sidecar["DeepTaskGen"]["Contrast"]["CalibrationWeight"] == weight
        assert sidecar["DeepTaskGen"]["Settings"]["calibrated"] is True
    for sidecar in runs["plain"][1]:
        assert "CALIBRATED" not in sidecar["Description"]
        assert "CalibrationWeight" not in sidecar["DeepTaskGen"]["Contrast"]
    hashes = {name: run[1][0]["DeepTaskGen"]["SettingsHash"] for name, run in runs.items()}
    assert hashes["plain"] != hashes["calibrated"]


def maps_of_mean(folder):
    """Return the mean maps of a bundle on the output grid: (n_contrasts, 91, 109, 91)."""
    from bids_deeptaskgen.grid import model_to_output

    bundle = load_bundle(folder)
    return model_to_output(unmask(bundle.mean_statmaps(), bundle.output_mask))


def test_the_spread_over_windows_shrinks_with_the_maps(calibrated):
    folder, noise = calibrated
    mean, sd = np.ones_like(noise), np.full_like(noise, 2)
    result, spread, *_ = calibrate(load_bundle(folder), PredictedMaps(mean, sd))
    np.testing.assert_array_equal(result[1], noise[1])
    np.testing.assert_array_equal(spread[:, 0], [0.5, 0, 2])
    assert calibrate(load_bundle(folder), PredictedMaps(mean, None)).sd is None


def test_a_model_without_a_calibration_is_refused_before_anything_is_computed(settings_of, simulated):
    settings = settings_of(simulated, calibrated=True)
    with pytest.raises(UserError, match="holds no calibration"):
        participant.run(settings)
    assert not list(settings.output_dir.glob("sub-*"))
