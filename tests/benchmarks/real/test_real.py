"""Tests of the benchmark on real participants, with made-up data of the same layout."""

import argparse
import json
import sys

import nibabel as nib
import numpy as np
import pytest

from benchmarks.accuracy.cohort import BRAIN, GREY, GRID, projection
from benchmarks.accuracy.models import linear
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
from benchmarks.real.predictors import LinearFits, divide
from benchmarks.real.run import LINEAR, NAMES, NETWORK, RIDGE, run
from benchmarks.real.scoring import (
    AVERAGE,
    CALIBRATED,
    GAIN,
    SCORES,
    average_by_contrast,
    compare,
    contributions,
    join,
    summarise,
)
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
        "n_repeats": 2, "n_network_repeats": 1, "n_folds": 3, "n_validation": 2, "n_epochs": 1, "fdim": 2,
        "loss": "mse", "seed": 0,
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


def test_repeats_test_every_participant_once_in_different_folds():
    parts = [[fold.test.tolist() for fold in divide(20, 5, 4, seed=3, repeat=number)] for number in range(4)]
    assert all(sorted(sum(repeat, [])) == list(range(20)) for repeat in parts)
    assert len({str(sorted(repeat)) for repeat in parts}) == 4
    assert parts[0] == [fold.test.tolist() for fold in divide(20, 5, 4, seed=3)]
    assert parts[1] not in [
        [fold.test.tolist() for fold in divide(20, 5, 4, seed=seed)] for seed in range(10)
    ]


def test_the_linear_model_of_some_participants_is_that_fitted_to_them(data):
    participants = read_participants(data)
    fits = LinearFits(participants)
    for rows in ([0, 3, 5], [3, 4]):
        expected = linear([participants[row] for row in rows]).coefficients
        np.testing.assert_allclose(fits.model(np.array(rows)).coefficients, expected, atol=1e-8)


def test_the_network_has_the_first_repeat_only_and_others_have_all(benchmark):
    options, results = benchmark
    assert {name: len(folds) for name, folds in results["weights"].items()} == {
        LINEAR: 6,
        RIDGE: 6,
        NETWORK: 3,
    }
    assert {path.relative_to(options.work).parts[0] for path in options.work.rglob(f"{NETWORK}.npz")} == {
        "fold-0",
        "fold-1",
        "fold-2",
    }
    for test in results["tests"]:
        assert test["n_repeats"] == (1 if NETWORK in test["first"] + test["second"] else 2)


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
    first_repeat = run(options_of(options.data, options.work, n_repeats=1))["results"]
    assert first_repeat[NETWORK] == results["results"][NETWORK]
    assert first_repeat[RIDGE] != results["results"][RIDGE]


def test_an_interrupted_call_continues_with_the_absent_predictor(benchmark):
    options, results = benchmark
    paths = [
        options.work / "fold-1" / f"{NETWORK}.npz",
        options.work / "repeat-1" / "fold-2" / f"{RIDGE}.npz",
    ]
    modified = {file: file.stat().st_mtime_ns for file in options.work.rglob("*.npz") if file not in paths}
    for path in paths:
        path.unlink()
    repeated = run(options)
    assert {file: file.stat().st_mtime_ns for file in modified} == modified
    for name, scores in results["results"].items():
        for key in SCORES:
            np.testing.assert_allclose(repeated["results"][name][key], scores[key], atol=1e-4)


def test_other_options_need_another_folder(benchmark, data):
    with pytest.raises(InputError, match="other values of n_epochs"):
        run(options_of(data, benchmark[0].work, n_epochs=2))


@pytest.mark.parametrize("n_network_repeats", [0, 3])
def test_networks_have_some_of_the_repeats(n_network_repeats, data, tmp_path):
    with pytest.raises(InputError, match="not more than repeats"):
        run(options_of(data, tmp_path, n_network_repeats=n_network_repeats))
    assert not list(tmp_path.iterdir())


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
    values = np.array([[[1.0, 3], [2, 4], [0, 2], [1, 1]]])
    scores = {name: dict.fromkeys(SCORES, array) for name, array in (("a", values), ("b", values - 1))}
    (difference, chance) = compare(scores, [("a", "b", "r"), ("b", "", "r")])
    assert difference["mean"] == difference["lower"] == difference["upper"] == 1
    assert difference["p"] == pytest.approx(2 / 2**4)
    assert chance["mean"] == pytest.approx(values.mean() - 1)


def test_folds_are_joined_by_repeat_and_participant():
    folds = [fold for repeat in range(2) for fold in divide(6, 2, 1, 0, repeat)]
    scores = [
        {
            name: dict.fromkeys(SCORES, np.stack([fold.test, fold.test + 100], axis=1) + 10.0 * fold.repeat)
            for name in ((RIDGE,) if fold.repeat else (RIDGE, NETWORK))
        }
        for fold in folds
    ]
    joined = join(folds, scores)
    expected = np.arange(6)[:, None] + [0.0, 100]
    np.testing.assert_array_equal(joined[RIDGE]["r"], [expected, expected + 10])
    np.testing.assert_array_equal(joined[NETWORK]["slope"], [expected])


def test_scores_are_means_over_repeats_and_predictors_are_compared_in_common_repeats():
    values = np.random.default_rng(0).normal(size=(3, 8, 2))
    scores = {
        name: dict.fromkeys(SCORES, array)
        for name, array in ((RIDGE, values), (NETWORK, values[:1] - 0.5), (AVERAGE, values - 1))
    }
    pairs = [(RIDGE, NETWORK, "r"), (NETWORK, AVERAGE, "r"), (RIDGE, "", "r")]
    tests = compare(scores, pairs)
    assert [test["n_repeats"] for test in tests] == [1, 1, 3]
    assert [test["mean"] for test in tests] == pytest.approx([0.5, 0.5, values.mean()])
    assert [test["lower"] for test in tests[:2]] == pytest.approx([0.5, 0.5])
    mean, lower, upper = summarise(scores)[RIDGE]["r"]
    assert mean == pytest.approx(values.mean())
    # The interval is that of 8 means, not that of the 24 scores, which differ more.
    by_participant = values.mean(axis=(0, 2))
    assert by_participant.min() <= lower <= mean <= upper <= by_participant.max()
    by_contrast = average_by_contrast(scores, ["a", "b"])
    assert by_contrast["b"][NETWORK]["r"] == pytest.approx(values[0, :, 1].mean() - 0.5)
    assert by_contrast["b"][NETWORK][GAIN] == pytest.approx(0.5)
    assert by_contrast["a"][RIDGE][GAIN] == pytest.approx(1)


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
    assert "tested once in each of 2 repeats" in text
    assert "trained in 1 of the 2 repeats" in text
    repeats = benchmark[1]["repeats"]
    assert f"\n| {RIDGE} | {repeats[RIDGE][0]:.4f} | {repeats[RIDGE][1]:.4f} |\n" in text
    assert f"\n| {NETWORK} | {repeats[NETWORK][0]:.4f} | not trained |\n" in text
    assert np.mean(repeats[RIDGE]) == pytest.approx(benchmark[1]["results"][RIDGE]["residual difference"][0])
    for name in (AVERAGE, *NAMES, *(name + CALIBRATED for name in NAMES)):
        assert f"\n| {name} | " in text
    page_module.main()
    assert path.read_text() == text


def test_a_folder_without_data_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["real", str(tmp_path), str(tmp_path / "work")])
    assert main() == 1
    assert f"{tmp_path / 'rest.npz'}: no such file" in capsys.readouterr().err
