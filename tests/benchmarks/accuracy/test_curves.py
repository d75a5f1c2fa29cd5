"""Tests of the learning curves and shifts of the accuracy benchmark, with a small brain and small cohorts."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import learning_curve, models, predictors, shifts
from benchmarks.accuracy.__main__ import run_curves
from benchmarks.accuracy.cohort import SimulatedParticipant
from benchmarks.accuracy.curve_page import CURVES_TITLE, SHIFTS_TITLE
from benchmarks.accuracy.learning_curve import AVERAGE, CALIBRATED, LINEAR, NETWORK, RIDGE, CurveSettings
from benchmarks.accuracy.long_runs import MINUTES
from benchmarks.accuracy.page import TITLE, update
from benchmarks.accuracy.predictors import TrainingCohort, calibrated, mean_maps
from benchmarks.accuracy.scoring import score
from benchmarks.accuracy.shifts import COMBINED, PARENT, SCRATCH, SHIFTS, contrast_differences
from benchmarks.accuracy.steps import Steps
from benchmarks.accuracy.test_set import CURVE_SCORES, TestSet, slopes
from benchmarks.sections import read_section, replace_section
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.architecture import Architecture

SHAPE, N_ROIS, N_CONTRASTS = (16, 16, 16), 6, 5
BRAIN = np.zeros(SHAPE, bool)
BRAIN[4:12, 4:12, 4:12] = True
GREY = BRAIN & (np.indices(SHAPE)[0] < 10)


class SmallSettings(CurveSettings):
    """Settings with a network for few ROI maps and contrasts."""

    @property
    def architecture(self):
        return Architecture("unetminimal", N_ROIS, N_CONTRASTS, fdim=2, max_level=2, n_conv=1)


SETTINGS = SmallSettings(
    sizes=(4, 6),
    epochs=(1, 1),
    first_test=6,
    n_test=3,
    fdim=2,
    tuning_sizes=(4, 5),
    tuning_epochs=(1, 1),
    scratch_epochs=1,
    minutes_size=4,
)
PARTS = ["participants", "shifts", "minutes"]


def true_maps_of(rest):
    """Compute maps without noise: a pattern of the population, and one that depends on the connectome."""
    population = np.random.default_rng(0)
    shared = population.standard_normal((N_CONTRASTS, int(GREY.sum())))
    weights = population.standard_normal((N_CONTRASTS, N_ROIS))
    return shared + 0.3 * weights @ rest[:, GREY[BRAIN]]


def write_participant(path, seed, index):
    """Write connectome and maps of a participant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((seed, index))
    rest = rng.uniform(-1, 1, (N_ROIS, int(BRAIN.sum()))).astype(np.float32)
    signal = true_maps_of(rest)
    task, retest = (signal + 0.8 * rng.standard_normal(signal.shape) for _ in range(2))
    np.savez(path, rest=rest, task=np.float32(task), retest=np.float32(retest))
    return SimulatedParticipant(path)


@pytest.fixture(scope="module")
def small_brain():
    """Replace the masks, the ROI maps and the simulator by small ones; return the simulator of cohorts."""

    def cohort(site, participants, folder):
        numbers = range(participants) if isinstance(participants, int) else participants
        return [write_participant(folder / f"{site.seed}-{index}.npz", site.seed, index) for index in numbers]

    def long_runs(participants, folder):
        members = cohort(learning_curve.FIRST, participants, folder)
        for member in members:
            np.save(member.path.with_suffix(".npy"), np.stack([member.rest] * len(MINUTES)))
        return [replace(member, connectomes=member.path.with_suffix(".npy")) for member in members]

    rois = np.random.default_rng(1).random((N_ROIS, int(BRAIN.sum())))
    with pytest.MonkeyPatch.context() as patch:
        for module in (models, predictors):
            patch.setattr(module, "BRAIN", BRAIN)
            patch.setattr(module, "GREY", GREY)
            patch.setattr(module, "rois", lambda: rois)
        for module in (learning_curve, shifts):
            patch.setattr(module, "cohort", cohort)
        patch.setattr(learning_curve, "long_runs", long_runs)
        yield cohort


@pytest.fixture(scope="module")
def finished(small_brain, tmp_path_factory):
    """Return the folder of a finished benchmark."""
    folder = tmp_path_factory.mktemp("finished")
    run_curves(PARTS, SETTINGS, folder)
    return folder


@pytest.fixture
def work(finished, tmp_path):
    """Return a copy of the folder of a finished benchmark."""
    return Path(shutil.copytree(finished, tmp_path / "work"))


@pytest.fixture
def members(small_brain, tmp_path):
    return small_brain(learning_curve.FIRST, 9, tmp_path)


def test_curves_and_shifts_have_every_predictor_at_every_size(finished):
    results = json.loads((finished / "curves.json").read_text("utf-8"))
    of_cohort = {RIDGE, LINEAR, LINEAR + CALIBRATED, NETWORK, NETWORK + CALIBRATED}
    curve = results["participants"]
    assert set(curve) == {"0", "4", "6"}
    assert set(curve["4"]) == set(curve["6"]) == {AVERAGE} | of_cohort
    assert set(results["minutes"]) == {str(minutes) for minutes in MINUTES}
    assert all(set(rows) == of_cohort for rows in results["minutes"].values())
    for name, shift in SHIFTS.items():
        tuned = {f"fine-tuned ({strategy})" for strategy in shift.strategies}
        expected = {AVERAGE, RIDGE, PARENT + CALIBRATED} | tuned | {label + CALIBRATED for label in tuned}
        expected |= {COMBINED + CALIBRATED} if shift.is_combination else set()
        assert set(results[name]["4"]) == expected
        scratch = {SCRATCH, SCRATCH + CALIBRATED} if shift.from_scratch else set()
        assert set(results[name]["5"]) == expected | scratch
        assert PARENT in results[name]["0"]
    page = update("", finished)
    assert page.count("\n| ridge | ") == 2 + len(MINUTES) + 2 * len(SHIFTS)
    assert all(f"\n## {shift.title}\n" in page for shift in SHIFTS.values())
    assert "nan" not in page


def test_a_repeated_call_computes_nothing_again(work, monkeypatch):
    first = (work / "curves.json").read_bytes()
    monkeypatch.setattr(TestSet, "score", None)
    for module in (learning_curve, shifts):
        monkeypatch.setattr(module, "train", None)
    run_curves(PARTS, SETTINGS, work)
    assert (work / "curves.json").read_bytes() == first


def test_an_interrupted_call_repeats_only_the_unfinished_step(work, monkeypatch):
    first = json.loads((work / "curves.json").read_text("utf-8"))
    removed = work / "curves" / "participants" / "ridge-6.json"
    removed.unlink()
    monkeypatch.setattr(learning_curve, "train", None)
    run_curves(["participants"], SETTINGS, work)
    assert removed.exists()
    assert json.loads((work / "curves.json").read_text("utf-8")) == first


def test_results_of_other_settings_are_refused(tmp_path):
    Steps(tmp_path, {"fdim": 8})
    Steps(tmp_path, {"fdim": 8})
    with pytest.raises(UserError, match="choose another folder"):
        Steps(tmp_path, {"fdim": 16})


def test_sections_without_results_and_handwritten_text_stay(finished):
    first = replace_section("", TITLE, f"# {TITLE}\n\nOld numbers.\n")
    page = update(first, finished)
    page = page.replace("## What the curves say\n\nNot written yet.", "## What the curves say\n\nThey rise.")
    assert update(page, finished) == page
    assert "Old numbers." in read_section(page, TITLE)
    assert "They rise." in read_section(page, CURVES_TITLE)
    assert "They rise." not in read_section(page, SHIFTS_TITLE)


def test_validation_participants_count_among_those_of_a_cohort(members):
    assert [TrainingCohort(range(n)).n_validation for n in (10, 20, 50, 100, 200)] == [2, 2, 5, 10, 20]
    chosen = TrainingCohort(members).first(5)
    assert [*chosen.training, *chosen.validation] == members[:5]


def test_the_mean_that_calibrates_excludes_the_participant(members):
    # A prediction without information must not be preferred to the mean of the others, nor lose to it only
    # because that mean contains the measured map.
    chosen = TrainingCohort(members)
    numbers = {member.path: index for index, member in enumerate(members)}

    def mean_of_others(participant):
        index = numbers[participant.path]
        return mean_maps(members[:index] + members[index + 1 :])

    mean = mean_maps(members)
    maps = calibrated(mean_of_others, members, chosen)(members[0])
    np.testing.assert_allclose(maps, mean, atol=1e-5)


def test_scores_equal_those_of_the_comparison_of_two_cohorts(members):
    test_set = TestSet(members, mean_maps(members))
    predicted = np.random.default_rng(0).standard_normal(test_set.measured.shape) + test_set.measured
    slow = score(test_set.measured, predicted, test_set.average)
    fast = test_set.score_maps(predicted.astype(np.float32))
    for name, values in slow.items():
        np.testing.assert_allclose(fast[name][0], values.mean(), atol=1e-5)
    constant = test_set.score(lambda participant: test_set.average)
    slow = score(test_set.measured, test_set.average, test_set.average)
    for name, values in slow.items():
        np.testing.assert_allclose(constant[name][0], values.mean(), atol=1e-5)


def test_maps_without_noise_reach_the_ceiling_and_a_retest_does_not(members):
    average = true_maps_of(np.zeros((N_ROIS, int(BRAIN.sum()))))
    test_set = TestSet(members, average)
    true_maps = np.stack([true_maps_of(member.rest) for member in members])
    retest = test_set.score(lambda participant: participant.retest)
    assert set(retest) == set(CURVE_SCORES)
    for name in ("share of ceiling", "share of residual ceiling"):
        np.testing.assert_allclose(test_set.score_maps(true_maps)[name][0], 1, atol=0.03)
        assert retest[name][0] < 0.98


def test_an_error_of_the_mean_map_lowers_residual_r_and_not_deviation_r(members):
    test_set = TestSet(members, mean_maps(members))
    error = np.random.default_rng(0).standard_normal(test_set.average.shape)
    right = test_set.score_maps(test_set.measured)
    wrong = test_set.score_maps(np.float32(test_set.measured + error))
    np.testing.assert_allclose(right["deviation r"][0], 1, atol=1e-5)
    np.testing.assert_allclose(wrong["deviation r"][0], 1, atol=1e-5)
    assert wrong["residual r"][0] < 0.9


def test_the_slope_tells_the_amplitude_of_a_prediction():
    measured = np.random.default_rng(0).standard_normal((3, 2, 50))
    np.testing.assert_allclose(slopes(measured, 2 * measured + 1), 0.5)


def test_contrast_differences_are_linear_and_use_another_contrast():
    maps = np.arange(float(N_CONTRASTS))[:, None]
    np.testing.assert_allclose(contrast_differences(2 * maps), 2 * contrast_differences(maps))
    assert (contrast_differences(maps) != 0).all()
