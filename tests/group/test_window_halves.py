"""Identification of participants between the first and the second half of the windows."""

from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.completion import Maps
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.bids.output.window_halves import WindowHalves, read_halves, save_halves
from bids_deeptaskgen.group import window_halves
from bids_deeptaskgen.group.window_halves import TITLE, identify_by_halves

LABELS = ("a", "b")
N_BLOCKS = 300


def result_of(subject, session=None):
    return Result(subject, session, (("task", "rest"),), {}, "a" * 64, Maps("3d", LABELS))


def halves_of(seed, noise=0.5):
    """Simulate maps: a pattern of all participants, one of the participant, and noise of each half."""
    rng = np.random.default_rng(seed)
    common = 3 * np.random.default_rng(99).standard_normal((len(LABELS), N_BLOCKS))
    own = rng.standard_normal((len(LABELS), N_BLOCKS))
    values = common + own + noise * rng.standard_normal((2, len(LABELS), N_BLOCKS))
    blocks = np.argwhere(np.ones((10, 10, 3)))
    return WindowHalves(LABELS, values.astype(np.float32), blocks, (2, 2), "a" * 64)


@pytest.fixture
def results():
    return [result_of(f"{number:02d}") for number in range(1, 6)]


@pytest.fixture
def paths(tmp_path, results):
    paths = [result.path(tmp_path, "window_halves") for result in results]
    for seed, path in enumerate(paths):
        save_halves(path, halves_of(seed))
    return paths


def identify(output, results, contrasts=LABELS):
    return identify_by_halves(output, results, contrasts, np.random.default_rng(0))


def test_participants_are_identified_by_what_is_not_common(tmp_path, results, paths):
    rows = identify(tmp_path, results)
    assert [(row.contrast, row.is_deviation) for row in rows] == [
        (label, is_deviation)
        for label in ("mean over 2 contrasts", *LABELS)
        for is_deviation in (False, True)
    ]
    assert {(row.pair, row.n_participants, row.rate) for row in rows} == {(TITLE, 5, 1.0)}
    plain, deviation = rows[:2]
    # Variances 9 (common), 1 (participant) and 0.25 (noise); deviations of 5 lose a fifth.
    assert plain.own_r == pytest.approx(10 / 10.25, abs=0.02)
    assert plain.others_r == pytest.approx(9 / 10.25, abs=0.02)
    assert deviation.others_r == pytest.approx(-0.25 * 0.8, abs=0.05)
    assert deviation.idiff > plain.idiff


def test_passes_over_few_contrasts_give_the_same_scores(tmp_path, results, paths, monkeypatch):
    rows = identify(tmp_path, results)
    monkeypatch.setattr(window_halves, "_MAX_BYTES", 1)
    assert identify(tmp_path, results) == rows


def test_a_damaged_file_leaves_out_its_participant_alone(tmp_path, results, paths, caplog):
    expected = identify(tmp_path, results[:4])
    paths[4].write_bytes(paths[4].read_bytes()[:2000])
    assert identify(tmp_path, results) == expected
    assert f"{paths[4]}: the maps of halves cannot be read" in caplog.text


def test_a_file_with_other_blocks_is_left_out(tmp_path, results, paths, caplog):
    expected = identify(tmp_path, results[1:])
    content = read_halves(paths[0])
    save_halves(paths[0], replace(content, values=content.values[..., :-1], blocks=content.blocks[:-1]))
    assert identify(tmp_path, results) == expected
    assert f"{paths[0]}: has other settings or blocks" in caplog.text


def test_a_file_of_other_settings_is_left_out(tmp_path, results, paths, caplog):
    expected = identify(tmp_path, results[1:])
    save_halves(paths[0], replace(read_halves(paths[0]), settings_hash="b" * 64))
    assert identify(tmp_path, results) == expected
    assert "sub-01" in caplog.text


def test_participants_without_a_contrast_are_left_out_of_its_scores(tmp_path, results, paths):
    content = read_halves(paths[0])
    save_halves(paths[0], replace(content, contrasts=("b",), values=content.values[:, 1:]))
    by_contrast = {row.contrast: row.n_participants for row in identify(tmp_path, results)}
    assert by_contrast == {"mean over 2 contrasts": 5, "a": 4, "b": 5}


def test_equal_maps_and_contrasts_that_no_file_has_identify_no_one(tmp_path, results, paths):
    contents = [replace(halves_of(seed), contrasts=("b", "c")) for seed in range(5)]
    for path, content in zip(paths, contents, strict=True):
        save_halves(path, content)
    assert {row.contrast for row in identify(tmp_path, results)} == {"b"}
    for path in paths:
        save_halves(path, contents[0])
    # Deviations from the mean of equal maps are 0.
    assert {row.is_deviation for row in identify(tmp_path, results)} <= {False}


def test_blocks_without_values_are_compared_in_other_pairs_alone(tmp_path, results, paths):
    content = read_halves(paths[0])
    values = content.values.copy()
    values[..., :60] = np.nan
    save_halves(paths[0], replace(content, values=values))
    rows = identify(tmp_path, results)
    assert {(row.n_participants, row.rate) for row in rows} == {(5, 1.0)}
    assert all(np.isfinite(row.idiff) for row in rows)


def test_the_first_session_with_a_file_counts(tmp_path, results, paths):
    sessions = [result_of("01", "x"), result_of("01", "y")]
    save_halves(sessions[1].path(tmp_path, "window_halves"), halves_of(0))
    assert identify(tmp_path, [*sessions, *results[1:]]) == identify(tmp_path, results)


def test_a_single_contrast_has_no_mean(tmp_path, results, paths):
    assert [row.contrast for row in identify(tmp_path, results, ("b",))] == ["b", "b"]


def test_fewer_than_three_files_give_no_scores(tmp_path, results, paths):
    assert identify(tmp_path, results[:2]) == []
    assert identify(tmp_path / "absent", results) == []
