"""Rows of participants, sessions and runs, and the maps that are written to them."""

from contextlib import ExitStack

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.results import read_dataset
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.map_rows import fill_rows, plan_rows
from bids_deeptaskgen.io.voxel_rows import VoxelRows
from tests.group.dataset import BLOCK, add_session, make_dataset


def filled(folder, tmp_path, labels=("wm2bk",)):
    """Fill the rows of a dataset; return the plan, blocks by contrast, written rows and faults."""
    results, faults = read_dataset(folder)
    plan = plan_rows(results)
    with ExitStack() as files:
        rows = {
            label: files.enter_context(VoxelRows(tmp_path / label, plan.n_rows, OUTPUT_GRID.shape))
            for label in labels
        }
        written = fill_rows(folder, results, plan, rows, faults)
        blocks = {
            label: np.array([item.row(number)[BLOCK] for number in range(plan.n_rows)])
            for label, item in rows.items()
        }
    return plan, blocks, written, faults


def test_participants_sessions_and_runs_have_rows(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=2, runs=("1", "2"), contrasts=("wm2bk",))
    plan, blocks, written, faults = filled(cohort.folder, tmp_path)
    assert plan.participants == ("01", "02")
    assert plan.n_rows == 2 + 4 + 4
    assert set(plan.run_sessions.values()) == {"1"}
    assert written["wm2bk"] == set(range(10))
    assert faults == []
    np.testing.assert_allclose(blocks["wm2bk"][:2], cohort.participant_maps("wm2bk"), rtol=1e-5)
    for (subject, session), row in plan.sessions.items():
        runs = [cohort.maps[subject, session, run, "wm2bk"] for run in "12"]
        np.testing.assert_allclose(blocks["wm2bk"][row], np.mean(runs, axis=0), rtol=1e-5)
    for (subject, name), row in plan.runs.items():
        run = name.removeprefix("run-")
        np.testing.assert_allclose(blocks["wm2bk"][row], cohort.maps[subject, "1", run, "wm2bk"], rtol=1e-5)


def test_single_sessions_and_combined_runs_have_the_row_of_their_participant_alone(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=3, sessions=("1",), contrasts=("wm2bk",))
    plan, *_ = filled(cohort.folder, tmp_path)
    assert plan.n_rows == 3
    results, _ = read_dataset(cohort.folder)
    assert {result.run_name for result in results} == {""}


def test_a_session_that_lacks_a_contrast_is_not_in_its_mean(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=2)
    maps = {"motorLh": cohort.maps["01", "2", None, "motorLh"]}
    for path in (cohort.folder / "sub-01" / "ses-2").rglob("*wm2bk*"):
        path.unlink()
    add_session(cohort.folder, "01", "2", maps, plan=cohort.plan)
    plan, blocks, written, faults = filled(cohort.folder, tmp_path, ("wm2bk", "motorLh"))
    assert faults == []
    np.testing.assert_allclose(blocks["wm2bk"][0], cohort.maps["01", "1", None, "wm2bk"], rtol=1e-6)
    assert plan.sessions["01", "2"] not in written["wm2bk"]
    assert plan.sessions["01", "2"] in written["motorLh"]
    assert not blocks["wm2bk"][plan.sessions["01", "2"]].any()


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_voxels_without_a_value_in_one_session_have_that_of_the_other(tmp_path, value):
    cohort = make_dataset(tmp_path / "out", n=1, contrasts=("wm2bk",))
    damaged = cohort.maps["01", "1", None, "wm2bk"].copy()
    damaged[0] = value
    add_session(cohort.folder, "01", "1", {"wm2bk": damaged}, plan=cohort.plan)
    _, blocks, _, faults = filled(cohort.folder, tmp_path)
    other = cohort.maps["01", "2", None, "wm2bk"]
    np.testing.assert_allclose(blocks["wm2bk"][0][0], other[0], rtol=1e-5)
    np.testing.assert_allclose(blocks["wm2bk"][0][1:], (damaged[1:] + other[1:]) / 2, rtol=1e-5)
    assert faults == []


def test_a_map_without_values_is_a_fault(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=2, sessions=("1",), contrasts=("wm2bk",))
    block = np.zeros_like(cohort.maps["01", "1", None, "wm2bk"])
    add_session(cohort.folder, "01", "1", {"wm2bk": block}, plan=cohort.plan)
    _, _, written, faults = filled(cohort.folder, tmp_path)
    assert written["wm2bk"] == {1}
    assert [(fault.subject, fault.contrasts) for fault in faults] == [("01", ("wm2bk",))]
    assert "0 or NaN everywhere" in faults[0].reason
