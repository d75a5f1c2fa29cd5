"""Laws of ROI x ROI connectomes as features."""

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.features import roi_connectome
from bids_deeptaskgen.biomarkers.features.reader import Selection
from bids_deeptaskgen.biomarkers.features.roi_connectome import open_roi_connectomes
from bids_deeptaskgen.errors import InputError, UserError
from tests.biomarkers.features.stores import (
    N_PARTICIPANTS,
    draw_connectomes,
    draw_maps,
    make_rows,
    source_of,
    write_store,
)

EDGES = ("ROI1-ROI2", "ROI1-ROI3", "ROI2-ROI3")


def open_reader(path, rows, connectomes, **selection):
    write_store(path, rows, draw_maps(len(rows)), connectomes)
    return open_roi_connectomes(source_of(path, "connectome"), Selection(**selection))


@pytest.mark.parametrize("max_bytes", [1, 10**9])
def test_columns_are_the_upper_triangle(tmp_path, monkeypatch, max_bytes):
    monkeypatch.setattr(roi_connectome, "_MAX_BYTES", max_bytes)
    matrices = draw_connectomes(N_PARTICIPANTS)
    features = open_reader(tmp_path / "store", make_rows(), matrices).read(["03", "01"])
    assert features.columns == EDGES
    assert features.participants == ("03", "01")
    expected = [[matrices[row][i, j] for i, j in ((0, 1), (0, 2), (1, 2))] for row in (2, 0)]
    np.testing.assert_array_equal(features.values, np.array(expected))
    assert "3 edges" in features.description


@pytest.mark.parametrize("max_bytes", [1, 10**9])
def test_sessions_are_averaged(tmp_path, monkeypatch, max_bytes):
    monkeypatch.setattr(roi_connectome, "_MAX_BYTES", max_bytes)
    rows = make_rows(sessions=("ses-1", "ses-2"))
    matrices = draw_connectomes(len(rows))
    reader = open_reader(tmp_path / "store", rows, matrices)
    np.testing.assert_allclose(reader.values[:, 0], matrices[:, 0, 1].reshape(-1, 2).mean(axis=1), rtol=1e-6)
    second = open_roi_connectomes(source_of(tmp_path / "store", "connectome"), Selection(session="2"))
    np.testing.assert_array_equal(second.values[:, 2], matrices[1::2, 1, 2])


def test_a_participant_without_connectome_is_left_out(tmp_path):
    matrices = list(draw_connectomes(N_PARTICIPANTS))
    matrices[4] = None
    reader = open_reader(tmp_path / "store", make_rows(), matrices)
    assert reader.reasons == {"05": "no ROI connectome"}
    assert "05" not in reader.participants


def test_an_roi_without_signal_removes_columns_or_participants(tmp_path):
    labels = [f"sub-{number:02d}" for number in range(1, 21)]
    matrices = draw_connectomes(20)
    for row in (1, 2, 3):
        matrices[row][2], matrices[row][:, 2] = np.nan, np.nan
    reader = open_reader(tmp_path / "many", make_rows(labels), matrices)
    assert not reader.is_predicted
    assert reader.columns == EDGES[:1]
    assert "2 columns of 3 dropped" in reader.notes[0]
    assert len(reader.participants) == 20
    matrices = draw_connectomes(20)
    matrices[1][2], matrices[1][:, 2] = np.nan, np.nan
    reader = open_reader(tmp_path / "few", make_rows(labels), matrices)
    assert reader.columns == EDGES
    assert reader.reasons == {"02": "missing values in 2 of 3 columns"}


def test_a_store_without_connectomes_is_refused(tmp_path):
    write_store(tmp_path / "none", make_rows(), draw_maps(N_PARTICIPANTS), n_rois=0)
    with pytest.raises(UserError, match="has no ROI connectomes"):
        open_roi_connectomes(source_of(tmp_path / "none", "connectome"), Selection())
    with pytest.raises(InputError, match=r"no participant .* has features \(sub-01: no ROI connectome\)"):
        open_reader(tmp_path / "store", make_rows(), None)
