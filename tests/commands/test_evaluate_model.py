"""Use of a model in an evaluation: mask, mean maps, calibration, parcels of the linear model."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.connectome_files import save_connectomes
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.models.bundle import BRAIN_MASK, ROIS, load_bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois
from bids_deeptaskgen.stats.linear_model import winner_take_all

LABELS = ("contrast0", "contrast1")
TESTED, TRAINING = ("01", "02", "03"), ("11", "12", "13")
# The mean map, the network's map, and a third contrast that is not measured.
WEIGHTS = (0.0, 1.0, 0.5)


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    """Save a calibrated model whose mean maps are noise."""
    source, folder = load_bundle(model), tmp_path_factory.mktemp("model") / "bundle"
    means = np.random.default_rng(7).standard_normal((3, int(source.output_mask.sum())), np.float32)
    return save_bundle(
        folder,
        replace(source.card, calibration=WEIGHTS),
        source.weights(),
        coordinate_rois(source.card.architecture.in_channels),
        (source.brain_mask, source.output_mask),
        mean_statmaps=unmask(means, source.output_mask),
    )


def write_map(root, bundle, participant, label, values, desc, sidecar=None):
    """Write a map of the output mask, and a sidecar if there is one."""
    path = (
        root
        / f"sub-{participant}"
        / "func"
        / f"sub-{participant}_task-x_{SPACE}_contrast-{label}_stat-z_{desc}"
    )
    path = path.with_name(f"{path.name}_statmap.nii.gz")
    volume = model_to_output(unmask(values.astype(np.float32), bundle.output_mask))
    save_nifti(path, volume, OUTPUT_GRID.matrix)
    if sidecar:
        write_json(sidecar_path(path), {"DeepTaskGen": sidecar})


SPACE = "space-MNI152NLin6Asym_res-2"


@pytest.fixture(scope="module")
def data(bundle, tmp_path_factory):
    """Write maps that are linear in the connectomes within each parcel, and noisy predictions."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    n_rois, is_scored = bundle.card.architecture.in_channels, bundle.output_mask[bundle.brain_mask]
    labels = winner_take_all(bundle.rois()[:, is_scored])
    slopes = rng.normal(size=(2, n_rois + 1, n_rois))
    common_pattern = 0.3 * rng.standard_normal((n_rois, is_scored.size))
    uncalibrated_sidecar = {
        "Model": {"WeightsSha256": bundle.weights_sha256},
        "Settings": {"calibrated": False},
    }
    for participant in (*TESTED, *TRAINING):
        r = np.clip(common_pattern + 0.3 * rng.standard_normal(common_pattern.shape), -1, 1).astype(
            np.float32
        )
        names = {"subject": participant, "entities": [("task", "rest")]}
        description = {
            "Shape": [1, *r.shape],
            "WindowMinutes": [7.2],
            "RoiSet": {"Sha256": bundle.card.sha256[ROIS]},
            "BrainMask": {"Sha256": bundle.card.sha256[BRAIN_MASK]},
            "Grid": {"Shape": MODEL_GRID.shape, "Affine": MODEL_GRID.affine},
        }
        sidecar = {"DeepTaskGen": {"Connectome": description, "SettingsHash": "same"}}
        save_connectomes(output_path(root / "connectomes", "connectome", **names), r[None], sidecar)
        for number, label in enumerate(LABELS):
            values = np.zeros(is_scored.sum())
            for parcel in range(1, n_rois + 1):
                in_parcel = labels == parcel
                x = r[:, is_scored][:, in_parcel]
                z = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
                values[in_parcel] = slopes[number, parcel] @ z
            values += 0.01 * rng.standard_normal(len(values))
            folder = root / ("measured" if participant in TESTED else "training")
            write_map(folder, bundle, participant, label, values, "desc-measured")
            if participant in TESTED:
                noise = values + 3 * rng.standard_normal(len(values))
                write_map(
                    root / "predicted",
                    bundle,
                    participant,
                    label,
                    noise,
                    "desc-predicted",
                    uncalibrated_sidecar,
                )
                calibrated_sidecar = uncalibrated_sidecar | {"Settings": {"calibrated": True}}
                write_map(
                    root / "calibrated",
                    bundle,
                    participant,
                    label,
                    noise,
                    "desc-predicted",
                    calibrated_sidecar,
                )
    return root


def scores_of(bundle, data, out, predicted="predicted", **changes):
    """Run an evaluation; return its scores by predictor, contrast and score, and its description."""
    settings = EvaluateSettings(
        out=out,
        predicted=(str(data / predicted),),
        measured=data / "measured",
        model=str(bundle.folder),
        n_permutations=9,
        **changes,
    )
    assert evaluate.run(settings) == 0
    with (out / "scores.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    facts = json.loads((out / "evaluation.json").read_text("utf-8"))
    return {(row["predictor"], row["contrast"], row["score"]): row["value"] for row in rows}, facts


def test_the_linear_model_predicts_linear_maps_of_tested_participants(bundle, data, tmp_path):
    scores, facts = scores_of(
        bundle, data, tmp_path / "out", baseline_train=data / "training", connectomes=(data / "connectomes",)
    )
    for label in LABELS:
        assert float(scores["linear model", label, "r"]) > 0.99
        assert float(scores["linear model", label, "identification_rate"]) == 1
        assert float(scores["linear model", label, "r"]) > float(scores["group average", label, "r"])
    assert facts["Linear model"].startswith("fitted to 3 ")


def test_calibrated_predictions_are_scored_in_addition(bundle, data, tmp_path):
    scores, facts = scores_of(bundle, data, tmp_path / "out")
    assert "training participants of tiny" in facts["Group average"]
    assert f"{int(bundle.output_mask.sum()):,}" in facts["Voxels"]
    for score in ("r", "dice_auc"):
        of_mean = scores["predicted, calibrated", "contrast0", score]
        assert of_mean == scores["group average", "contrast0", score]
        of_network = scores["predicted, calibrated", "contrast1", score]
        assert of_network == scores["predicted", "contrast1", score]
    assert scores["predicted, calibrated", "contrast0", "residual_r"] == "n/a"


def test_a_contrast_without_training_participants_has_no_mean_map(bundle, data, tmp_path):
    # Fine-tuning writes such mean maps if the parent model had none.
    means = bundle.mean_statmaps()
    means[1] = 0
    finetuned_bundle = save_bundle(
        tmp_path / "tuned",
        bundle.card,
        bundle.weights(),
        bundle.folder / ROIS,
        (bundle.brain_mask, bundle.output_mask),
        mean_statmaps=unmask(means, bundle.output_mask),
    )
    scores, facts = scores_of(finetuned_bundle, data, tmp_path / "out")
    assert facts["Group average"] == (
        "mean of the training participants of tiny; leave-one-out mean of the tested participants"
    )
    assert np.isfinite(float(scores["predicted", "contrast1", "residual_r"]))
    assert scores["predicted, calibrated", "contrast1", "r"] == scores["predicted", "contrast1", "r"]
    assert scores["group average", "contrast1", "r"] != "n/a"


def test_calibrated_maps_and_maps_of_another_model_are_not_calibrated(bundle, data, model, tmp_path):
    for number, (evaluated_model, predicted) in enumerate(
        [(bundle, "calibrated"), (load_bundle(model), "predicted")]
    ):
        scores, _ = scores_of(evaluated_model, data, tmp_path / str(number), predicted)
        assert {predictor for predictor, _, _ in scores} == {predicted, "group average"}
