"""Reliability of measured maps and shares of the ceiling, on maps whose truth is known."""

import logging
import re
import shutil

import numpy as np
import pytest

from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.errors import InputError, UserError
from tests.commands.test_evaluate import CONTRASTS, population, settings_of, table, write

N = 5
# Variances of the simulated maps: common pattern 4, pattern of the participant 1, noise.
NOISE_VARIANCE = 0.5
RELIABILITY = 5 / (5 + NOISE_VARIANCE)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write two measurements, halves, predictions without noise, and maps of other participants."""
    root, maps = tmp_path_factory.mktemp("data"), population(2 * N)
    noise, half_noise = np.sqrt([NOISE_VARIANCE, 2 * NOISE_VARIANCE])
    write(root / "measured", maps, range(N), noise=noise, seed=1)
    write(root / "retest", maps, range(N), noise=noise, seed=2)
    write(root / "half1", maps, range(N), noise=half_noise, seed=3)
    write(root / "half2", maps, range(N), noise=half_noise, seed=4)
    write(root / "good", maps, range(N), desc="predicted", noise=0)
    write(root / "others", maps, range(N, 2 * N), noise=noise, seed=5)
    return root


def run(data, out, **changes):
    """Run an evaluation with the halves, and return its table of reliabilities."""
    values = {"halves": (data / "half1", data / "half2"), "n_permutations": 9}
    assert evaluate.run(settings_of(data, out, **(values | changes))) == 0
    return table(out, "reliability")


@pytest.fixture(scope="module")
def output(data, tmp_path_factory):
    """Run an evaluation with a retest and halves."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    run(data, out, retest=data / "retest", baseline_train=data / "others")
    return out


def scores_of(out, score, predictor="good"):
    """Return the rows of a score, one per contrast."""
    return [row for row in table(out, "scores") if (row["score"], row["predictor"]) == (score, predictor)]


def test_retest_and_halves_recover_the_reliability(output):
    rows = table(output, "reliability")
    assert {(row["contrast"], row["source"]) for row in rows} == {
        (label, source) for label in CONTRASTS for source in ("retest", "halves")
    }
    for row in rows:
        assert float(row["reliability"]) == pytest.approx(RELIABILITY, abs=0.01)
        assert float(row["ci_low"]) < float(row["reliability"]) < float(row["ci_high"])
        assert float(row["ceiling_r"]) == pytest.approx(np.sqrt(float(row["reliability"])), abs=1e-5)
        assert row["n_participants"] == str(N)


def test_residual_reliability_includes_the_error_of_the_group_average(output):
    error = (1 + NOISE_VARIANCE) / N
    total = 1 + NOISE_VARIANCE + error
    for row in table(output, "reliability"):
        assert float(row["residual_reliability"]) == pytest.approx((1 + error) / total, abs=0.03)
        assert float(row["residual_chance"]) == pytest.approx(error / total, abs=0.05)


def test_a_prediction_without_noise_reaches_the_ceiling(output):
    for score in ("r", "residual_r"):
        for row in scores_of(output, score):
            assert float(row["share_of_ceiling"]) == pytest.approx(1, abs=0.015)
            assert float(row["share_ci_low"]) <= float(row["share_of_ceiling"]) <= float(row["share_ci_high"])


def test_the_share_that_chance_reaches_is_given_beside_the_share_of_the_ceiling(output):
    for row in scores_of(output, "residual_r"):
        assert float(row["chance_share"]) == pytest.approx(float(row["chance"]) / float(row["ceiling"]), 1e-4)
        assert 0.05 < float(row["chance_share"]) < float(row["share_of_ceiling"])
    assert {row["chance_share"] for row in scores_of(output, "r")} == {"n/a"}
    assert re.search(r"\d% of ceiling, chance \d+%", (output / "evaluation.html").read_text("utf-8"))


def test_ceilings_are_those_of_the_retest(output):
    ceilings = {row["contrast"]: row for row in table(output, "reliability") if row["source"] == "retest"}
    for predictor in ("good", "group average", "retest"):
        for row in scores_of(output, "r", predictor):
            assert row["ceiling"] == ceilings[row["contrast"]]["ceiling_r"]
        for row in scores_of(output, "residual_r", predictor):
            assert row["ceiling"] == ceilings[row["contrast"]]["ceiling_residual_r"]


def test_other_scores_have_no_ceiling_but_dice(output):
    rows = [row for row in table(output, "scores") if row["score"] not in ("r", "residual_r", "dice_auc")]
    assert {row["ceiling"] for row in rows} == {"n/a"}
    assert {row["share_of_ceiling"] for row in rows} == {"n/a"}
    assert {row["ceiling"] for row in scores_of(output, "dice_auc")} == {"0.45"}


def test_amplitudes_are_those_of_the_simulated_maps(output):
    expected = {"slope": 1, "sd_ratio": np.sqrt(RELIABILITY), "own_vs_others_auc": 1, "own_vs_others_ks": 1}
    for score, value in expected.items():
        for row in scores_of(output, score):
            assert float(row["value"]) == pytest.approx(value, abs=0.02)
    participants = [row for row in table(output, "participant_scores") if row["predictor"] == "good"]
    assert {"slope", "sd_ratio", "residual_slope", "residual_sd_ratio"} <= participants[0].keys()
    for row in participants:
        assert float(row["slope"]) * float(row["sd_ratio"]) == pytest.approx(float(row["r"]), abs=1e-4)


def test_tasks_are_means_over_their_contrasts(output):
    rows = table(output, "task_scores")
    values = {(row["task"], row["score"]): float(row["value"]) for row in rows if row["predictor"] == "good"}
    n_contrasts = {row["task"]: row["n_contrasts"] for row in rows if row["score"] == "r"}
    assert n_contrasts == {"all": "2", "WM": "1", "GAMBLING": "1"}
    for score in ("r", "difference", "residual_r", "dice_auc", "slope", "sd_ratio"):
        by_contrast = [float(row["value"]) for row in scores_of(output, score)]
        by_task = [values[task, score] for task in ("WM", "GAMBLING")]
        assert sorted(by_task) == pytest.approx(sorted(by_contrast), abs=1e-5)
        assert values["all", score] == pytest.approx(np.mean(by_contrast), abs=1e-5)


def test_the_page_shows_reliability_ceilings_and_tasks(output):
    page = (output / "evaluation.html").read_text("utf-8")
    for text in (
        'id="reliability"',
        'id="tasks"',
        "% of ceiling",
        "Ceilings of the scores are those of the retest",
    ):
        assert text in page
    assert "nan" not in page.lower().split("<style>")[0]


def test_with_halves_alone_ceilings_are_theirs_and_old_tables_disappear(data, tmp_path):
    halves = run(data, tmp_path / "out")
    assert {row["source"] for row in halves} == {"halves"}
    (row,) = [row for row in scores_of(tmp_path / "out", "r") if row["contrast"] == halves[0]["contrast"]]
    assert row["ceiling"] == halves[0]["ceiling_r"]
    assert evaluate.run(settings_of(data, tmp_path / "out", n_permutations=9, overwrite=True)) == 0
    assert not (tmp_path / "out" / "reliability.tsv").exists()
    assert {row["ceiling"] for row in scores_of(tmp_path / "out", "r")} == {"n/a"}
    assert "of ceiling)" not in (tmp_path / "out" / "evaluation.html").read_text("utf-8")


def test_participants_without_both_halves_or_without_a_prediction_do_not_count(data, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "bids_deeptaskgen")
    first, predicted = (shutil.copytree(data / name, tmp_path / name) for name in ("half1", "good"))
    shutil.rmtree(first / "sub-01")
    shutil.rmtree(predicted / "sub-02")
    changes = {"halves": (first, data / "half2"), "predicted": (f"good={predicted}",)}
    rows = run(data, tmp_path / "out", **changes)
    assert {row["n_participants"] for row in rows} == {str(N - 2)}
    assert {row["n_participants"] for row in scores_of(tmp_path / "out", "r")} == {str(N - 1)}
    assert {row["n_scored"] for row in rows} == {str(N - 1)}
    assert "Contrasts without a map (half 1): sub-01 (2 of 2)" in caplog.text
    assert "fewer than half" not in caplog.text


def test_a_reliability_of_few_participants_is_reported(data, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "bids_deeptaskgen")
    retest = shutil.copytree(data / "retest", tmp_path / "retest")
    for label in ("sub-00", "sub-01", "sub-02"):
        shutil.rmtree(retest / label)
    run(data, tmp_path / "out", retest=retest)
    text = "eliability from fewer than half of the scored participants"
    assert text in caplog.text
    assert "wm2bk (retest: 2 of 5)" in caplog.text
    assert text in (tmp_path / "out" / "evaluation.html").read_text("utf-8")


def test_halves_are_read_from_tables_and_their_session_is_that_of_the_measured_maps(data, tmp_path):
    for name in ("measured", "half1", "half2"):
        for path in sorted((data / name).rglob("*.nii.gz")):
            sub = path.name.split("_")[0]
            target = tmp_path / name / sub / "ses-a" / "func" / path.name.replace(sub, f"{sub}_ses-a")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    # Of another session, there is one half only.
    write(tmp_path / "half1", population(2 * N), range(N), session="b", seed=8)
    lines = [
        f"{path.name.split('_')[0]}\t{path.name.split('_contrast-')[1].split('_')[0]}\t{path}"
        for path in sorted((tmp_path / "half2").rglob("*.nii.gz"))
    ]
    half_table = tmp_path / "half2.tsv"
    half_table.write_text("\n".join(["participant_id\tcontrast\tpath", *lines]) + "\n")
    expected = run(data, tmp_path / "expected")
    changes = {"measured": tmp_path / "measured", "measured_session": "a"}
    halves = (tmp_path / "half1", half_table)
    assert run(data, tmp_path / "out", halves=halves, **changes) == expected


def test_halves_must_be_two_datasets(data):
    for names in (["half1"], ["half1", "half1"], ["half1", "half2", "measured"]):
        n = len(set(names))
        with pytest.raises(UserError, match=f"--halves: {n} different datasets were given. Name two"):
            settings_of(data, data / "out", halves=tuple(data / name for name in names))


def test_halves_must_not_be_the_same_maps(data, tmp_path):
    (tmp_path / "link").symlink_to(data / "half1")
    with pytest.raises(InputError, match="`halves`: .*are the same dataset"):
        run(data, tmp_path / "out", halves=(data / "half1", tmp_path / "link"))
    shutil.copytree(data / "half1", tmp_path / "copy")
    with pytest.raises(InputError, match=r"`halves`: the maps of .* of 5 participants are the same"):
        run(data, tmp_path / "out", halves=(data / "half1", tmp_path / "copy"))


def test_a_half_must_be_neither_the_measured_maps_nor_predicted_ones(data, tmp_path):
    shutil.copytree(data / "half1", tmp_path / "measured")
    with pytest.raises(InputError, match=r"are the same in .*measured and .*half1(.|\n)*not of a half"):
        run(data, tmp_path / "out", measured=tmp_path / "measured")
    with pytest.raises(InputError, match=r"`halves`: the maps of 5 participants in .*good are predicted"):
        run(data, tmp_path / "out", halves=(data / "half1", data / "good"))


def test_a_failed_replacement_leaves_the_former_evaluation(data, tmp_path):
    out = tmp_path / "out"
    run(data, out, predicted=(f"former={data / 'good'}",), retest=data / "retest")
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    shutil.copytree(data / "half1", tmp_path / "copy")
    with pytest.raises(InputError, match="are the same"):
        run(data, out, halves=(data / "half1", tmp_path / "copy"), overwrite=True)
    with pytest.raises(UserError, match="nowhere"):
        run(data, out, atlas=("/nowhere.nii.gz",), overwrite=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == files
    # Nothing of the former evaluation remains after a complete one.
    assert any("former" in path.name for path in files)
    run(data, out, overwrite=True)
    assert not any("former" in path.name for path in out.rglob("*"))
    assert not any(path.name.startswith(".work_") for path in out.iterdir())


def test_a_missing_half_is_refused(data, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no task maps were found|nowhere: .*does not exist"):
        run(data, tmp_path / "out", halves=(data / "half1", tmp_path / "nowhere"))


def test_a_retest_that_is_a_copy_gives_no_reliability(data, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "bids_deeptaskgen")
    shutil.copytree(data / "measured", tmp_path / "retest")
    settings = settings_of(data, tmp_path / "out", retest=tmp_path / "retest", n_permutations=9)
    assert evaluate.run(settings) == 0
    assert "are the measured maps themselves" in caplog.text
    assert not (tmp_path / "out" / "reliability.tsv").exists()
