"""Relation of maps and of the ROI x ROI connectome to motion."""

import json

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.results import read_dataset
from bids_deeptaskgen.group.qc_fc import MIN_PARTICIPANTS, fd_map, relate_connectome, select_fd
from bids_deeptaskgen.group.roi_connectomes import average_connectomes
from bids_deeptaskgen.io.tsv import read_tsv
from tests.group.dataset import add_session, make_dataset
from tests.group.running import block as block_of
from tests.group.running import group_path, run, table


def test_few_participants_with_fd_have_no_relation_to_it():
    names = [f"{number:02d}" for number in range(MIN_PARTICIPANTS)]
    fd = {name: 0.1 * number for number, name in enumerate(names)}
    assert select_fd(names, fd)[1] == ""
    assert select_fd(names, fd | {"00": float("nan")})[0] is None
    assert "at least 10 are needed" in select_fd(names, fd | {"00": float("nan")})[1]
    assert "No session has a mean FD" in select_fd(names, {})[1]
    assert "the same mean FD" in select_fd(names, dict.fromkeys(names, 0.1))[1]
    values, remark = select_fd([*names, "99"], fd)
    assert remark == "1 participant without FD not included."
    assert np.isnan(values[-1])


def test_voxels_of_few_participants_are_0_in_the_map_of_r(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=12, sessions=(None,), contrasts=("wm2bk",), fd_slope=20.0)
    for label in cohort.plan.labels[:6]:
        block = cohort.maps[label, None, None, "wm2bk"].copy()
        block[7:, :4] = 0
        block[7:, 4:] *= label not in ("01", "02", "03")
        metrics = {"fd_mean_mm": float(cohort.fd[int(label) - 1])}
        add_session(cohort.folder, label, None, {"wm2bk": block}, metrics=metrics)
    assert run(cohort.folder) == 0
    r = block_of(cohort.folder, None, kind="group_qcfc_statmap")
    assert (r[:7] != 0).all()
    assert (r[7:] == 0).all()


@pytest.mark.parametrize(("n", "is_used"), [(MIN_PARTICIPANTS - 1, False), (MIN_PARTICIPANTS, True)])
def test_the_map_of_r_is_of_voxels_with_enough_participants(n, is_used):
    class Statistics:
        fd_r, fd_n = np.array([0.5, 0.9, np.nan]), np.array([n, 3, n])

    values = fd_map(Statistics)
    assert (values is not None) == is_used
    if is_used:
        np.testing.assert_array_equal(values, np.float32([0.5, 0, 0]))


def set_geometry(folder, spread):
    """Write centroids on a line, and a spread, into the sidecars of connectomes."""
    for path in folder.glob("sub-*/**/*_relmat.json"):
        content = json.loads(path.read_text())
        rois = content["DeepTaskGen"]["RoiConnectome"]["Rois"]
        for number, roi in enumerate(rois):
            roi |= {"CentroidMm": [20.0 * number**1.1, 0.0, 0.0], "SpreadMm": spread}
        path.write_text(json.dumps(content))


@pytest.mark.parametrize(("spread", "is_compact"), [(8.0, True), (40.0, False)])
def test_the_dependence_on_distance_is_that_of_compact_rois(tmp_path, spread, is_compact):
    folder = tmp_path / "out"
    cohort = make_dataset(folder, n=12, sessions=(None,), contrasts=("wm2bk",))
    set_geometry(folder, spread)
    results, _ = read_dataset(folder)
    connectome = average_connectomes(folder, results)
    relation = relate_connectome(connectome, dict(zip(cohort.plan.labels, cohort.fd, strict=True)))
    assert (relation.distances_mm is not None) == is_compact
    assert (relation.distance_r is not None) == is_compact
    assert bool(relation.remark) != is_compact
    pairs = np.triu_indices(6, 1)
    z = np.array([np.arctanh(cohort.connectomes[label, None, None][pairs]) for label in cohort.plan.labels])
    expected = [np.corrcoef(cohort.fd, column)[0, 1] for column in z.T]
    np.testing.assert_allclose(relation.r, expected, atol=1e-3)
    assert run(folder) == 0
    rows = table(folder, "group_qcfc_edges")
    assert len(rows) == 15
    assert (rows[0]["roi_a"], rows[0]["roi_b"], rows[-1]["roi_a"]) == ("ROI1", "ROI2", "ROI5")
    np.testing.assert_allclose([float(row["r"]) for row in rows], expected, atol=1e-3)
    assert (rows[0]["distance_mm"] == "n/a") != is_compact


def test_datasets_without_connectomes_have_a_single_warning(tmp_path, caplog):
    folder = tmp_path / "out"
    make_dataset(folder, n=10, sessions=(None,), contrasts=("wm2bk",), has_connectomes=False)
    assert run(folder) == 0
    lines = [line for line in caplog.messages if "ROI x ROI connectome" in line]
    assert lines == ["No session of 10 has an ROI x ROI connectome."]
    assert not group_path(folder, "group_qcfc_edges").exists()
    assert [row["name"] for row in table(folder, "group_qcfc_contrasts")] == ["wm2bk"]


def test_datasets_without_fd_have_no_relation_to_motion(tmp_path):
    folder = tmp_path / "out"
    make_dataset(folder, n=10, sessions=(None,), contrasts=("wm2bk",), has_fd=False)
    assert run(folder) == 0
    assert not list((folder / "group").glob("*qcfc*"))


def test_each_table_describes_its_columns(cohort):
    tables = [
        path for path in (cohort.folder / "group").rglob("*.tsv") if not path.name.endswith("relmat.tsv")
    ]
    assert len(tables) >= 10
    for path in tables:
        words = json.loads(sidecar_path(path).read_text())
        names = path.read_text().splitlines()[0].split("\t")
        participants = {f"sub-{label}" for label in cohort.plan.labels} | {"age", "mean_fd", "intercept"}
        unknown = [
            name
            for name in names
            if name not in words and name not in participants and not name.startswith("component_")
        ]
        assert not unknown, path.name
        assert all(len(row) == len(names) for row in read_tsv(path))
