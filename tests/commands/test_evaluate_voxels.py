"""Evaluation of maps with NaN, as SPM writes them, and of images with many contrasts."""

import logging

import numpy as np
import pytest

from bids_deeptaskgen.bids import measured_map_images
from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.io import work_array
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from tests.commands.test_evaluate import (
    CONTRASTS,
    GRID,
    N_PARTICIPANTS,
    SPACE,
    population,
    settings_of,
    table,
    write,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write measured and predicted maps of six participants, and measured maps of six others."""
    root, maps = tmp_path_factory.mktemp("data"), population()
    write(root / "measured", maps, range(N_PARTICIPANTS))
    write(root / "predicted", maps, range(N_PARTICIPANTS), desc="predicted", seed=3)
    write(root / "others", maps, range(N_PARTICIPANTS, 2 * N_PARTICIPANTS), seed=5)
    return root


def write_with_holes(root, holes, participants=range(N_PARTICIPANTS), seed=1):
    """Write measured maps with NaN in some slices of some participants."""
    values = population()
    for label in CONTRASTS:
        for participant, slices in holes.items():
            values[label][participant][slices] = np.nan
    return write(root, values, participants, seed=seed)


def run(data, out, **changes):
    """Run an evaluation and return its scores."""
    settings = settings_of(data, out, **({"predicted": (str(data / "predicted"),)} | changes))
    assert evaluate.run(settings) == 0
    return table(out, "scores")


def test_voxels_that_a_participant_lacks_are_not_scored_and_exclude_no_participant(data, tmp_path):
    # Alternating columns by participant; each column becomes two on the finer output grid.
    missing_slices = {
        participant: (slice(None), 12 + participant % 2, 11) for participant in range(N_PARTICIPANTS)
    }
    holes = write_with_holes(tmp_path / "measured", missing_slices)
    rows = run(data, tmp_path / "out", measured=holes)
    expected = run(data, tmp_path / "whole")
    assert {row["n_participants"] for row in rows} == {str(N_PARTICIPANTS)}
    n_voxels, n_expected = ({int(row["n_voxels"]) for row in scores} for scores in (rows, expected))
    assert len(n_voxels) == len(n_expected) == 1
    assert 0.9 < min(n_voxels) / min(n_expected) < 1
    r = [
        next(float(row["value"]) for row in scores if (row["predictor"], row["score"]) == ("predicted", "r"))
        for scores in (rows, expected)
    ]
    assert r[0] == pytest.approx(r[1], abs=0.02)
    assert "that all maps of a contrast have are scored" in (tmp_path / "out" / "evaluation.html").read_text()


def test_a_participant_without_many_voxels_is_excluded_and_named(data, tmp_path, caplog):
    holes = write_with_holes(tmp_path / "measured", {4: np.s_[:, :14]})
    rows = run(data, tmp_path / "out", measured=holes)
    expected = run(data, tmp_path / "whole", measured=holes, participant_label=("00", "01", "02", "03", "05"))
    assert {row["n_participants"] for row in rows} == {str(N_PARTICIPANTS - 1)}
    assert {row["n_voxels"] for row in rows} == {row["n_voxels"] for row in expected}
    assert "lack more than 10% of the voxels" in caplog.text
    assert "sub-04" in caplog.text
    assert "sub-04 (measured)" in (tmp_path / "out" / "evaluation.html").read_text()


def test_few_common_voxels_cause_a_warning(data, tmp_path, caplog):
    holes = write_with_holes(tmp_path / "measured", dict.fromkeys(range(N_PARTICIPANTS), np.s_[:, :14]))
    rows = run(data, tmp_path / "out", measured=holes)
    assert {row["n_participants"] for row in rows} == {str(N_PARTICIPANTS)}
    assert "have a value in all maps" in caplog.text


def test_the_group_average_of_a_voxel_is_over_the_participants_with_a_value(data, tmp_path):
    participants = range(N_PARTICIPANTS, 2 * N_PARTICIPANTS)
    holes = write_with_holes(
        tmp_path / "others", {N_PARTICIPANTS: np.s_[:, :14], N_PARTICIPANTS + 1: np.s_[:, 14:]}, participants
    )
    expected = run(data, tmp_path / "whole")
    rows = run(data, tmp_path / "out", baseline_train=holes)
    assert {row["n_voxels"] for row in rows} == {row["n_voxels"] for row in expected}
    assert {row["n_participants"] for row in rows} == {str(N_PARTICIPANTS)}


def write_4d(root, source, order):
    """Write the maps of a dataset in one image per participant."""
    for participant in range(N_PARTICIPANTS):
        volumes = [source[label][participant] for label in order]
        path = (
            root
            / f"sub-{participant:02d}"
            / "func"
            / f"sub-{participant:02d}_{SPACE}_stat-z_desc-predicted_statmap"
        )
        save_nifti(path.with_suffix(".nii.gz"), np.stack(volumes, axis=-1).astype(np.float32), GRID.matrix)
        sidecar = {"DeepTaskGen": {"Contrasts": [{"Label": label} for label in order]}}
        write_json(path.with_suffix(".json"), sidecar)
    return root


@pytest.mark.parametrize("in_memory", [0, 1_000_000_000])
def test_images_of_many_contrasts_are_read_once_and_score_as_single_ones(
    data, tmp_path, monkeypatch, in_memory
):
    monkeypatch.setattr(work_array, "_IN_MEMORY_BYTES", in_memory)
    source = population()
    write_4d(tmp_path / "net", source, CONTRASTS[::-1])
    write(tmp_path / "single" / "net", source, range(N_PARTICIPANTS), desc="predicted", noise=0)
    paths, load = [], measured_map_images.load_image
    monkeypatch.setattr(measured_map_images, "load_image", lambda path: paths.append(path) or load(path))
    rows = run(data, tmp_path / "out", predicted=(str(tmp_path / "net"),))
    of_net = [path for path in paths if path.is_relative_to(tmp_path / "net")]
    assert len(of_net) == len(set(of_net)) == N_PARTICIPANTS
    assert rows == run(data, tmp_path / "other", predicted=(str(tmp_path / "single" / "net"),))
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".work")]


def test_an_unusable_volume_does_not_exclude_the_other_volumes(data, tmp_path, caplog):
    source = population()
    source[CONTRASTS[0]][2] = 0
    write_4d(tmp_path / "net", source, CONTRASTS)
    with caplog.at_level(logging.WARNING):
        rows = run(data, tmp_path / "out", predicted=(str(tmp_path / "net"),))
    n_participants = {row["contrast"]: row["n_participants"] for row in rows if row["predictor"] == "net"}
    assert n_participants == {CONTRASTS[0]: str(N_PARTICIPANTS - 1), CONTRASTS[1]: str(N_PARTICIPANTS)}
    assert "sub-02 wm2bk: the task map is 0 or NaN" in caplog.text
