"""What an evaluation takes from a model: mask, mean maps, calibration, parcels of the linear model."""

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
TESTED, OTHERS = ("01", "02", "03"), ("11", "12", "13")
# The mean map, and the network's.
WEIGHTS = (0.0, 1.0, 0.5)


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    """Write a calibrated model whose mean maps are noise."""
    plain, folder = load_bundle(model), tmp_path_factory.mktemp("model") / "bundle"
    means = np.random.default_rng(7).standard_normal((3, int(plain.output_mask.sum())), np.float32)
    return save_bundle(
        folder,
        replace(plain.card, calibration=WEIGHTS),
        plain.weights(),
        coordinate_rois(plain.card.architecture.in_channels),
        (plain.brain_mask, plain.output_mask),
        mean_statmaps=unmask(means, plain.output_mask),
    )


def write_map(root, bundle, participant, label, values, desc, about=None):
    path = (
        root
        / f"sub-{participant}"
        / "func"
        / f"sub-{participant}_task-x_{SPACE}_contrast-{label}_stat-z_{desc}"
    )
    path = path.with_name(f"{path.name}_statmap.nii.gz")
    volume = model_to_output(unmask(values.astype(np.float32), bundle.output_mask))
    save_nifti(path, volume, OUTPUT_GRID.matrix)
    if about:
        write_json(sidecar_path(path), {"DeepTaskGen": about})


SPACE = "space-MNI152NLin6Asym_res-2"


@pytest.fixture(scope="module")
def data(bundle, tmp_path_factory):
    """Write maps that are linear in the connectomes, parcel by parcel, and predictions of noise."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    n_rois, pair = bundle.card.architecture.in_channels, bundle.output_mask[bundle.brain_mask]
    labels = winner_take_all(bundle.rois()[:, pair])
    slopes = rng.normal(size=(2, n_rois + 1, n_rois))
    shared = 0.3 * rng.standard_normal((n_rois, pair.size))
    mine = {"Model": {"WeightsSha256": bundle.weights_sha256}, "Settings": {"calibrated": False}}
    for participant in (*TESTED, *OTHERS):
        r = np.clip(shared + 0.3 * rng.standard_normal(shared.shape), -1, 1).astype(np.float32)
        names = {"subject": participant, "entities": [("task", "rest")]}
        about = {
            "Shape": [1, *r.shape],
            "WindowMinutes": [7.2],
            "RoiSet": {"Sha256": bundle.card.sha256[ROIS]},
            "BrainMask": {"Sha256": bundle.card.sha256[BRAIN_MASK]},
            "Grid": {"Shape": MODEL_GRID.shape, "Affine": MODEL_GRID.affine},
        }
        own_part = {"DeepTaskGen": {"Connectome": about, "SettingsHash": "same"}}
        save_connectomes(output_path(root / "connectomes", "connectome", **names), r[None], own_part)
        for number, label in enumerate(LABELS):
            values = np.zeros(pair.sum())
            for parcel in range(1, n_rois + 1):
                where = labels == parcel
                inside = r[:, pair][:, where]
                z = (inside - inside.mean(axis=1, keepdims=True)) / inside.std(axis=1, keepdims=True)
                values[where] = slopes[number, parcel] @ z
            values += 0.01 * rng.standard_normal(len(values))
            place = root / ("measured" if participant in TESTED else "others")
            write_map(place, bundle, participant, label, values, "desc-measured")
            if participant in TESTED:
                noise = values + 3 * rng.standard_normal(len(values))
                write_map(root / "predicted", bundle, participant, label, noise, "desc-predicted", mine)
                entry = mine | {"Settings": {"calibrated": True}}
                write_map(root / "calibrated", bundle, participant, label, noise, "desc-predicted", entry)
    return root


def scores_of(bundle, data, out, predicted="predicted", **changes):
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


def test_the_linear_model_predicts_linear_maps_of_new_participants(bundle, data, tmp_path):
    scores, facts = scores_of(
        bundle, data, tmp_path / "out", baseline_train=data / "others", connectomes=(data / "connectomes",)
    )
    for label in LABELS:
        assert float(scores["linear model", label, "r"]) > 0.99
        assert float(scores["linear model", label, "identification_rate"]) == 1
        assert float(scores["linear model", label, "r"]) > float(scores["group average", label, "r"])
    assert facts["Linear model"].startswith("fitted to 3 participants")


def test_calibrated_predictions_stand_beside_the_plain_ones(bundle, data, tmp_path):
    scores, facts = scores_of(bundle, data, tmp_path / "out")
    assert "tiny was trained on" in facts["Group average"]
    assert f"{int(bundle.output_mask.sum()):,}" in facts["Voxels"]
    for score in ("r", "dice_auc"):
        of_mean = scores["predicted, calibrated", "contrast0", score]
        assert of_mean == scores["group average", "contrast0", score]
        of_network = scores["predicted, calibrated", "contrast1", score]
        assert of_network == scores["predicted", "contrast1", score]
    assert scores["predicted, calibrated", "contrast0", "residual_r"] == "n/a"


def test_an_unmeasured_contrast_has_no_mean_map(bundle, data, tmp_path):
    # As fine-tuning leaves them whose parent had no mean maps.
    means = bundle.mean_statmaps()
    means[1] = 0
    tuned = save_bundle(
        tmp_path / "tuned",
        bundle.card,
        bundle.weights(),
        bundle.folder / ROIS,
        (bundle.brain_mask, bundle.output_mask),
        mean_statmaps=unmask(means, bundle.output_mask),
    )
    scores, facts = scores_of(tuned, data, tmp_path / "out")
    assert facts["Group average"] == (
        "of the people that tiny was trained on; of the tested people themselves, without the one at hand"
    )
    assert np.isfinite(float(scores["predicted", "contrast1", "residual_r"]))
    assert scores["predicted, calibrated", "contrast1", "r"] == scores["predicted", "contrast1", "r"]
    assert scores["group average", "contrast1", "r"] != "n/a"


def test_what_is_calibrated_already_or_of_another_model_is_not_calibrated(bundle, data, model, tmp_path):
    for number, (of, predicted) in enumerate([(bundle, "calibrated"), (load_bundle(model), "predicted")]):
        scores, _ = scores_of(of, data, tmp_path / str(number), predicted)
        assert {predictor for predictor, _, _ in scores} == {predicted, "group average"}
