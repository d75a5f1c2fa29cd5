"""Tests of the benchmark on real participants, with made-up data of the same layout."""

import argparse
import json
import sys

import nibabel as nib
import numpy as np
import pytest

from benchmarks.accuracy.cohort import BRAIN, GREY, GRID, projection
from benchmarks.real import page as page_module
from benchmarks.real import run as run_module
from benchmarks.real.__main__ import main
from benchmarks.real.page import ACKNOWLEDGEMENT, section
from benchmarks.real.participants import (
    CONTRASTS,
    parcel_connectome,
    parcel_projection,
    parcels_of_voxels,
    read_participants,
)
from benchmarks.real.predictors import divide
from benchmarks.real.run import NAMES, NETWORK, RIDGE, run
from benchmarks.real.scoring import AVERAGE, CALIBRATED, SCORES, compare, contributions
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.stats.identification import IdentificationScores

N_PARTICIPANTS, N_LABELS, N_VOLUMES = 9, 40, 150
CONDITIONS = sorted({name for sides in CONTRASTS.values() for side in sides for name in side})


def write_atlas(path):
    """Write parcels that are blocks, the same in both hemispheres, and without a gap in the middle."""
    x_mm, y_mm, z_mm = np.moveaxis(
        nib.affines.apply_affine(GRID.matrix, np.moveaxis(np.indices(GRID.shape), 0, -1)), -1, 0
    )
    labels = 1 + (np.abs(x_mm) > 32) + 2 * np.digitize(y_mm, [-70, -40, -10, 20])
    labels += 10 * np.digitize(z_mm, [-20, 5, 30])
    labels[np.abs(x_mm) < 6] = 0
    nib.Nifti1Image(labels.astype(np.int16), GRID.matrix).to_filename(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write participants whose activation deviates as their connectivity with three ROIs does."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    write_atlas(folder / "atlas-Blocks_dseg.nii.gz")
    parcels, n_parcels = parcels_of_voxels(folder / "atlas-Blocks_dseg.nii.gz")
    mixing = rng.standard_normal((N_PARTICIPANTS, n_parcels, 12)) + 2 * rng.standard_normal((n_parcels, 12))
    rest = np.stack([maps @ rng.standard_normal((12, N_VOLUMES)) for maps in mixing]).astype(np.float16)
    weights = parcel_projection(projection(), parcels, n_parcels)
    connectivity = np.stack([parcel_connectome(series, weights) for series in rest])
    deviation = connectivity - connectivity.mean(axis=0)
    effect = rng.standard_normal((len(CONDITIONS), 3))
    beta = 6 * np.einsum("ck,pkv->pcv", effect, deviation[:, :3])
    beta += rng.standard_normal((len(CONDITIONS), n_parcels)) * 4
    beta += rng.standard_normal(beta.shape) * 0.3
    np.savez(folder / "rest.npz", rest=rest)
    np.savez(folder / "task.npz", beta=beta.astype(np.float32), conditions=CONDITIONS)
    return folder


def options_of(data, work, **changes):
    options = {
        "n_folds": 3, "n_validation": 2, "n_epochs": 1, "fdim": 2, "loss": "mse", "seed": 0,
    } | changes  # fmt: skip
    return argparse.Namespace(data=data, work=work, **options)


@pytest.fixture(scope="module")
def benchmark(data, tmp_path_factory):
    options = options_of(data, tmp_path_factory.mktemp("work"))
    return options, run(options)


def test_a_connectome_is_that_of_the_voxels(data):
    participant = read_participants(data)[0]
    with np.load(data / "rest.npz") as arrays:
        voxels = arrays["rest"][0].astype(float)[participant.parcels]
    rois = projection() @ voxels
    chosen = np.arange(0, len(voxels), 997)
    expected = np.corrcoef(rois, voxels[chosen])[: len(rois), len(rois) :]
    np.testing.assert_allclose(participant.rest[:, chosen], expected, atol=1e-5)
    assert participant.rest.shape[1] == BRAIN.sum()
    assert participant.task.shape == (len(CONTRASTS), (GREY & BRAIN).sum())


def test_a_contrast_is_the_difference_of_means_of_conditions(data):
    participant = read_participants(data)[2]
    with np.load(data / "task.npz") as arrays:
        beta = dict(zip(arrays["conditions"], arrays["beta"][2], strict=True))
    contrasts = dict(zip(CONTRASTS, participant.activation, strict=True))
    faces = (beta["EMOTION fear"] - beta["EMOTION neut"]) / 4
    np.testing.assert_allclose(contrasts["emotionFacesMinusShapes"], faces, atol=1e-6)
    motor = sum(beta[f"MOTOR {name}"] for name in ("lf", "rf", "lh", "rh", "t")) / 5 / 4
    np.testing.assert_allclose(contrasts["motorAvg"], motor, atol=1e-6)


def test_the_left_hemisphere_comes_first_and_gaps_get_the_nearest_parcel(data):
    parcels, n_parcels = parcels_of_voxels(data / "atlas-Blocks_dseg.nii.gz")
    assert n_parcels == 2 * N_LABELS
    x_mm = nib.affines.apply_affine(GRID.matrix, np.argwhere(BRAIN))[:, 0]
    assert (parcels[x_mm < -6] < N_LABELS).all()
    assert (parcels[x_mm > 6] >= N_LABELS).all()
    assert parcels.min() >= 0


def test_every_participant_is_tested_once_by_models_of_others():
    folds = divide(20, 5, 4, seed=3)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(20))
    for fold in folds:
        parts = np.concatenate([fold.test, fold.validation, fold.training])
        assert sorted(parts) == list(range(20))
        assert (len(fold.validation), len(fold.training)) == (4, 12)


def test_a_planted_relation_is_found_and_calibration_does_no_harm(benchmark):
    results = benchmark[1]["results"]
    assert results[RIDGE]["residual difference"][1] > 0.1
    assert results[RIDGE]["identified"][0] > 0.8
    for name in NAMES:
        assert results[name + CALIBRATED]["r"][0] > results[AVERAGE]["r"][0] - 0.005
    assert results[RIDGE + CALIBRATED]["r"][1] > results[AVERAGE]["r"][0]
    (test,) = [
        row
        for row in benchmark[1]["tests"]
        if (row["first"], row["score"], row["second"]) == (RIDGE, "residual difference", "")
    ]
    assert test["p"] == pytest.approx(2 / 2**N_PARTICIPANTS)


def test_a_repeated_call_fits_nothing_again(benchmark, monkeypatch):
    options, results = benchmark

    def fail(*_, **__):
        raise AssertionError

    for name in ("predict_by_linear_model", "predict_by_ridge", "predict_by_network"):
        monkeypatch.setattr(run_module, name, fail)
    assert json.dumps(run(options)) == json.dumps(results)


def test_an_interrupted_call_continues_with_the_absent_predictor(benchmark):
    options, results = benchmark
    path = options.work / "fold-1" / f"{NETWORK}.npz"
    modified = {file: file.stat().st_mtime_ns for file in options.work.rglob("*.npz") if file != path}
    path.unlink()
    repeated = run(options)
    assert {file: file.stat().st_mtime_ns for file in modified} == modified
    for name, scores in results["results"].items():
        for key in SCORES:
            np.testing.assert_allclose(repeated["results"][name][key], scores[key], atol=1e-4)


def test_other_options_need_another_folder(benchmark, data):
    with pytest.raises(InputError, match="other values of n_epochs"):
        run(options_of(data, benchmark[0].work, n_epochs=2))


@pytest.mark.parametrize("n_participants", [3, 4, 7])
def test_contributions_are_free_of_noisy_maps_and_good_predictions(n_participants):
    rng = np.random.default_rng(n_participants)
    rows, columns = rng.normal(size=(2, n_participants))
    r = rows[:, None] + columns + 0.3 * np.eye(n_participants)
    others = ~np.eye(n_participants, dtype=bool)
    matches = IdentificationScores(
        self_r=np.diag(r),
        others_r=np.array([r[i, others[i]].mean() for i in range(n_participants)]),
        incoming_r=np.array([r[others[i], i].mean() for i in range(n_participants)]),
        rank=np.ones(n_participants),
        n_candidates=n_participants,
    )
    np.testing.assert_allclose(contributions(matches), 0.3)
    assert contributions(matches).mean() == pytest.approx(matches.difference.mean())


def test_a_test_over_participants_compares_means_over_contrasts():
    values = np.array([[1.0, 3], [2, 4], [0, 2], [1, 1]])
    scores = {name: dict.fromkeys(SCORES, array) for name, array in (("a", values), ("b", values - 1))}
    (difference, chance) = compare(scores, [("a", "b", "r"), ("b", "", "r")])
    assert difference["mean"] == difference["lower"] == difference["upper"] == 1
    assert difference["p"] == pytest.approx(2 / 2**4)
    assert chance["mean"] == pytest.approx(values.mean() - 1)


def test_the_page_has_all_predictors_keeps_its_text_and_thanks_for_the_data(benchmark, tmp_path, monkeypatch):
    path, source = tmp_path / "results.md", tmp_path / "results.json"
    first_section = "# Accuracy on simulated participants\n\nMuch.\n"
    path.write_text(f"{first_section}\n{section(benchmark[1], 'Little is certain.')}")
    source.write_text(json.dumps(benchmark[1]))
    monkeypatch.setattr(sys, "argv", ["page", str(source), str(path)])
    page_module.main()
    text = path.read_text()
    assert text.startswith(first_section)
    assert text.count("Little is certain.\n") == 1
    assert text.count("Wall time of all folds") == 1
    assert ACKNOWLEDGEMENT in text
    for name in (AVERAGE, *NAMES, *(name + CALIBRATED for name in NAMES)):
        assert f"\n| {name} | " in text
    page_module.main()
    assert path.read_text() == text


def test_a_folder_without_data_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["real", str(tmp_path), str(tmp_path / "work")])
    assert main() == 1
    assert f"{tmp_path / 'rest.npz'}: no such file" in capsys.readouterr().err
