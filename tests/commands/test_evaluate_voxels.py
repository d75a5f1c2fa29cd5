"""Maps with holes, as SPM writes them, and images of many contrasts."""

import logging

import numpy as np
import pytest

from bids_deeptaskgen.bids import measured_map_images as statmap_images
from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.evaluation import map_reader as maps
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
    root, full_result = tmp_path_factory.mktemp("data"), population()
    write(root / "measured", full_result, range(N_PARTICIPANTS))
    write(root / "predicted", full_result, range(N_PARTICIPANTS), desc="predicted", seed=3)
    write(root / "others", full_result, range(N_PARTICIPANTS, 2 * N_PARTICIPANTS), seed=5)
    return root


def with_holes(root, holes, participants=range(N_PARTICIPANTS), seed=1):
    """Write measured maps with NaN in some slices of some participants."""
    values = population()
    for label in CONTRASTS:
        for participant, slices in holes.items():
            values[label][participant][slices] = np.nan
    return write(root, values, participants, seed=seed)


def run(data, out, **changes):
    settings = settings_of(data, out, **({"predicted": (str(data / "predicted"),)} | changes))
    assert evaluate.run(settings) == 0
    return table(out, "scores")


def test_voxels_missing_in_some_participants_are_not_scored_and_exclude_no_participant(data, tmp_path):
    # Another column in every participant; interpolation extends it to two columns of the model.
    lacking = {participant: (slice(None), 12 + participant % 2, 11) for participant in range(N_PARTICIPANTS)}
    holes = with_holes(tmp_path / "measured", lacking)
    rows = run(data, tmp_path / "out", measured=holes)
    full_result = run(data, tmp_path / "whole")
    assert {row["n_people"] for row in rows} == {str(N_PARTICIPANTS)}
    n_voxels, n_whole = ({int(row["n_voxels"]) for row in item} for item in (rows, full_result))
    assert len(n_voxels) == len(n_whole) == 1
    assert 0.9 < min(n_voxels) / min(n_whole) < 1
    r = [
        next(float(row["value"]) for row in item if (row["predictor"], row["score"]) == ("predicted", "r"))
        for item in (rows, full_result)
    ]
    assert r[0] == pytest.approx(r[1], abs=0.02)
    assert "that all maps of a contrast have are scored" in (tmp_path / "out" / "evaluation.html").read_text()


def test_who_lacks_much_is_left_out_and_named(data, tmp_path, caplog):
    holes = with_holes(tmp_path / "measured", {4: np.s_[:, :14]})
    rows = run(data, tmp_path / "out", measured=holes)
    full_result = run(
        data, tmp_path / "whole", measured=holes, participant_label=("00", "01", "02", "03", "05")
    )
    assert {row["n_people"] for row in rows} == {str(N_PARTICIPANTS - 1)}
    assert {row["n_voxels"] for row in rows} == {row["n_voxels"] for row in full_result}
    assert "left out for lacking more than 10%" in caplog.text
    assert "sub-04 (measured)" in (tmp_path / "out" / "evaluation.html").read_text()


def test_few_common_voxels_are_warned_of(data, tmp_path, caplog):
    holes = with_holes(tmp_path / "measured", dict.fromkeys(range(N_PARTICIPANTS), np.s_[:, :14]))
    rows = run(data, tmp_path / "out", measured=holes)
    assert {row["n_people"] for row in rows} == {str(N_PARTICIPANTS)}
    assert "have a value in all maps; only these are scored" in caplog.text


def test_the_average_of_others_is_that_of_those_who_have_the_voxel(data, tmp_path):
    participants = range(N_PARTICIPANTS, 2 * N_PARTICIPANTS)
    holes = with_holes(
        tmp_path / "others", {N_PARTICIPANTS: np.s_[:, :14], N_PARTICIPANTS + 1: np.s_[:, 14:]}, participants
    )
    full_result = run(data, tmp_path / "whole")
    rows = run(data, tmp_path / "out", baseline_train=holes)
    assert {row["n_voxels"] for row in rows} == {row["n_voxels"] for row in full_result}
    assert {row["n_people"] for row in rows} == {str(N_PARTICIPANTS)}


def write_4d(root, source, order):
    """Write the maps of a dataset as one image per participant."""
    for participant in range(N_PARTICIPANTS):
        volumes = [source[label][participant] for label in order]
        path = (
            root
            / f"sub-{participant:02d}"
            / "func"
            / f"sub-{participant:02d}_{SPACE}_stat-z_desc-predicted_statmap"
        )
        save_nifti(path.with_suffix(".nii.gz"), np.stack(volumes, axis=-1).astype(np.float32), GRID.matrix)
        about = {"DeepTaskGen": {"Contrasts": [{"Label": label} for label in order]}}
        write_json(path.with_suffix(".json"), about)
    return root


@pytest.mark.parametrize("in_memory", [0, 1_000_000_000])
def test_images_of_many_contrasts_are_read_once_and_score_as_single_ones(
    data, tmp_path, monkeypatch, in_memory
):
    monkeypatch.setattr(maps, "_IN_MEMORY_BYTES", in_memory)
    source = population()
    write_4d(tmp_path / "net", source, CONTRASTS[::-1])
    write(tmp_path / "single" / "net", source, range(N_PARTICIPANTS), desc="predicted", noise=0)
    opened, load = [], statmap_images.load_image
    monkeypatch.setattr(statmap_images, "load_image", lambda path: opened.append(path) or load(path))
    result = run(data, tmp_path / "out", predicted=(str(tmp_path / "net"),))
    of_net = [path for path in opened if path.is_relative_to(tmp_path / "net")]
    assert len(of_net) == len(set(of_net)) == N_PARTICIPANTS
    assert result == run(data, tmp_path / "other", predicted=(str(tmp_path / "single" / "net"),))
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".work")]


def test_one_volume_that_cannot_be_used_does_not_take_the_others_along(data, tmp_path, caplog):
    source = population()
    source[CONTRASTS[0]][2] = 0
    write_4d(tmp_path / "net", source, CONTRASTS)
    with caplog.at_level(logging.WARNING):
        rows = run(data, tmp_path / "out", predicted=(str(tmp_path / "net"),))
    n_participants = {row["contrast"]: row["n_people"] for row in rows if row["predictor"] == "net"}
    assert n_participants == {CONTRASTS[0]: str(N_PARTICIPANTS - 1), CONTRASTS[1]: str(N_PARTICIPANTS)}
    assert "sub-02 wm2bk: the task map is 0 or NaN" in caplog.text
