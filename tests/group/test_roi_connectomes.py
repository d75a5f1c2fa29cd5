"""Mean ROI x ROI connectome of a group, and the typicality of each participant."""

import json
import weakref

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.results import read_dataset
from bids_deeptaskgen.bids.output.roi_connectome import read_roi_connectome, write_roi_connectome
from bids_deeptaskgen.group import roi_connectomes
from bids_deeptaskgen.group.roi_connectomes import average_connectomes, cohort_typicality
from bids_deeptaskgen.io.tsv import read_tsv
from tests.commands.test_group import add_session, run

N_ROIS = 4


def matrix_of(seed):
    return np.corrcoef(np.random.default_rng(seed).standard_normal((N_ROIS, 20)))


def add(output, subject, session, matrix, roi_set="r" * 64, spread=None):
    """Write a finished session with an ROI x ROI connectome."""
    add_session(output, subject, session, 1.0)
    path = output_path(
        output, "roi_connectome", subject=subject, session=session, entities=[("task", "rest")]
    )
    rois = [{"Name": f"ROI{number + 1}", "PeakMm": [0.0, 0.0, number]} for number in range(len(matrix))]
    if spread is not None:
        rois = [roi | {"CentroidMm": [1.0, 2.0, roi["PeakMm"][2]], "SpreadMm": spread} for roi in rois]
    facts = {"RoiSet": {"Sha256": roi_set}, "Rois": rois, "PooledRuns": 1}
    write_roi_connectome(path, matrix, {"DeepTaskGen": {"SettingsHash": "a" * 64, "RoiConnectome": facts}})
    return path


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "out"
    for subject, session, seed in (("01", "a", 1), ("01", "b", 2), ("02", "a", 3), ("03", "a", 4)):
        add(folder, subject, session, matrix_of(seed))
    return folder


def mean_path(output):
    return output_path(output, "group_connectome", entities=[("task", "rest")])


def column_of(output):
    (table,) = (output / "group").glob("*_desc-qc_metrics.tsv")
    return {(row["participant_id"], row["session_id"]): row["cohort_typicality"] for row in read_tsv(table)}


def test_participants_are_averaged_by_fisher_z_after_their_sessions(output):
    assert run(output) == 0
    z = [np.arctanh(matrix_of(seed) - np.eye(N_ROIS)) for seed in (1, 2, 3, 4)]
    expected = np.tanh(((z[0] + z[1]) / 2 + z[2] + z[3]) / 3) + np.eye(N_ROIS)
    path = mean_path(output)
    assert path.name == "task-rest_meas-PearsonCorrelation_stat-mean_relmat.tsv"
    names = path.read_text("utf-8").splitlines()[0].split("\t")
    assert names == [f"ROI{number + 1}" for number in range(N_ROIS)]
    table = np.array([[float(row[name]) for name in names] for row in read_tsv(path)])
    np.testing.assert_allclose(table, expected, atol=1e-5)
    sidecar = json.loads(sidecar_path(path).read_text("utf-8"))
    assert sidecar["DeepTaskGen"]["NumberOfParticipants"] == 3
    assert sidecar["DeepTaskGen"]["NumberOfSessions"] == 4
    assert sidecar["DeepTaskGen"]["RoiSet"]["Sha256"] == "r" * 64
    assert "Fisher" in sidecar["Description"]


def test_each_participant_is_compared_with_the_mean_of_the_others(output):
    run(output)
    pairs = np.triu_indices(N_ROIS, 1)
    z = [np.arctanh(matrix_of(seed)[pairs]) for seed in (1, 2, 3, 4)]
    expected = np.corrcoef(np.tanh((z[0] + z[1]) / 2), np.tanh((z[2] + z[3]) / 2))[0, 1]
    column = column_of(output)
    assert float(column["sub-01", "ses-a"]) == pytest.approx(expected, abs=1e-5)
    assert column["sub-01", "ses-b"] == column["sub-01", "ses-a"]
    (table,) = (output / "group").glob("*_desc-qc_metrics.json")
    description = json.loads(table.read_text("utf-8"))["cohort_typicality"]["Description"]
    assert "other participants" in description


def test_under_three_participants_there_is_no_comparison(output):
    run(output, "01", "02")
    assert set(column_of(output).values()) == {"n/a"}
    assert cohort_typicality(np.ones((2, 6))) == [None, None]


def test_sessions_without_a_usable_connectome_are_named_and_stop_nothing(output, caplog):
    add_session(output, "04", "a", 1.0)
    add(output, "05", "a", matrix_of(5), roi_set="s" * 64)
    damaged = add(output, "06", "a", matrix_of(6))
    damaged.write_text("ROI1\tROI2\n1\t2\n", "utf-8")
    assert run(output) == 0
    assert all(f"sub-{label} ses-a: its ROI x ROI connectome" in caplog.text for label in ("04", "05", "06"))
    assert json.loads(sidecar_path(mean_path(output)).read_text("utf-8"))["DeepTaskGen"][
        "NumberOfParticipants"
    ] == 3  # fmt: skip
    column = column_of(output)
    assert column["sub-04", "ses-a"] == column["sub-05", "ses-a"] == column["sub-06", "ses-a"] == "n/a"
    assert column["sub-02", "ses-a"] != "n/a"


def test_one_connectome_is_in_memory_at_a_time(output, monkeypatch):
    alive = []

    def read(path):
        connectome = read_roi_connectome(path)
        assert not [reference for reference in alive[:-1] if reference()]
        alive.append(weakref.ref(connectome.matrix))
        return connectome

    monkeypatch.setattr(roi_connectomes, "read_roi_connectome", read)
    average = average_connectomes(output, read_dataset(output)[0])
    assert (len(alive), average.n_sessions, average.values.shape) == (4, 4, (3, 6))
    assert not [reference for reference in alive[:-1] if reference()]


def test_rois_without_signal_are_left_out_of_the_mean(output):
    matrix = matrix_of(3)
    matrix[1] = matrix[:, 1] = np.nan
    add(output, "02", "a", matrix)
    results, _ = read_dataset(output)
    average = average_connectomes(output, results)
    assert np.isfinite(average.matrix).all()
    z = [np.arctanh(matrix_of(seed)[0, 1]) for seed in (1, 2, 4)]
    assert average.matrix[0, 1] == pytest.approx(np.tanh(((z[0] + z[1]) / 2 + z[2]) / 2), abs=1e-5)
    assert all(value is not None for value in average.typicality.values())


def test_the_connectome_of_an_earlier_group_is_removed_if_no_session_has_any(output):
    run(output)
    assert mean_path(output).is_file()
    for path in output.rglob("sub-*_relmat.tsv"):
        path.unlink()
    run(output)
    assert not mean_path(output).exists()


def average_of(output, spread):
    for label, seed in (("01", 1), ("02", 2), ("03", 3)):
        add(output, label, None, matrix_of(seed), spread=spread)
    return average_connectomes(output, read_dataset(output)[0])


def test_compact_rois_have_centres(tmp_path):
    average = average_of(tmp_path / "out", 10.0)
    np.testing.assert_array_equal(average.centres_mm, [[1, 2, number] for number in range(N_ROIS)])
    assert not average.distance_remark


def test_spread_rois_have_no_centres_and_the_remark_says_why(tmp_path):
    average = average_of(tmp_path / "out", 31.2)
    assert average.centres_mm is None
    assert "31 mm" in average.distance_remark
    assert "spread over the brain" in average.distance_remark


def test_connectomes_of_an_earlier_version_have_no_centres_and_the_remark_says_why(tmp_path):
    average = average_of(tmp_path / "out", None)
    assert average.centres_mm is None
    assert "earlier version" in average.distance_remark
