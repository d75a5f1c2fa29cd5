"""Similarity, identification and reliability of participants."""

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.roi_parcels import roi_parcels_path
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group import individuality, pairs
from bids_deeptaskgen.group.individuality import (
    Identification,
    MeanMatrix,
    compute_icc,
    describe_similarity,
    embed_participants,
    find_complete_sessions,
    mean_off_diagonal,
    sample_participants,
)
from bids_deeptaskgen.group.map_rows import RowPlan
from bids_deeptaskgen.group.pairs import list_pairs
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import write_tsv
from tests.group.dataset import BLOCK, make_dataset
from tests.group.running import group_path, run, table


def row_plan(sessions=(), runs=()):
    """Return the plan of participants with these sessions and runs, as (participant, label)."""
    names = list(dict.fromkeys(name for name, _ in (*sessions, *runs)))
    numbers = iter(range(len(names), 1000))
    return RowPlan(
        tuple(names), {key: next(numbers) for key in sessions}, {key: next(numbers) for key in runs}, {}
    )


def everyone(n, *labels):
    return [(f"{number:02d}", label) for number in range(n) for label in labels]


def test_pairs_are_those_that_several_participants_have(monkeypatch):
    plan = row_plan([*everyone(5, "a", "b"), ("00", "c"), ("01", "c")])
    (pair,) = list_pairs(plan, np.random.default_rng(0))
    assert pair.title == "ses-a and ses-b"
    assert len(pair.participants) == 5
    assert [plan.sessions[name, "a"] for name in pair.participants] == pair.rows_a.tolist()
    assert [plan.sessions[name, "b"] for name in pair.participants] == pair.rows_b.tolist()
    monkeypatch.setattr(pairs, "MAX_PARTICIPANTS", 4)
    (pair,) = list_pairs(plan, np.random.default_rng(0))
    assert len(set(pair.participants)) == 4


def test_pairs_of_many_sessions_are_those_of_most_participants():
    plan = row_plan([*everyone(9, "a", "b"), *everyone(5, "c", "d", "e")])
    titles = [pair.title for pair in list_pairs(plan, np.random.default_rng(0))]
    assert titles[0] == "ses-a and ses-b"
    assert len(titles) == pairs.MAX_PAIRS


def test_files_in_and_outside_of_folders_of_sessions_have_a_title():
    (pair,) = list_pairs(row_plan(everyone(3, "", "1")), np.random.default_rng(0))
    assert pair.title == "no session and ses-1"


def test_runs_are_paired_by_their_names():
    (pair,) = list_pairs(row_plan(runs=everyone(3, "run-1", "run-2")), np.random.default_rng(0))
    assert pair.title == "run-1 and run-2"


def test_similarity_is_of_a_sample_of_very_many_participants(monkeypatch):
    assert sample_participants(7, np.random.default_rng(0)).tolist() == list(range(7))
    monkeypatch.setattr(individuality, "MAX_SIMILARITY", 5)
    sample = sample_participants(50, np.random.default_rng(0))
    assert len(set(sample)) == 5
    assert (np.diff(sample) > 0).all()


def test_the_mean_of_matrices_is_over_those_with_a_value():
    mean = MeanMatrix()
    assert mean.mean.shape == (0, 0)
    mean.add(np.array([[1.0, np.nan], [0.2, np.nan]]))
    mean.add(np.array([[1.0, 0.5], [0.4, np.nan]]))
    np.testing.assert_allclose(mean.mean, [[1, 0.5], [0.3, np.nan]])


def test_the_mean_of_different_participants_is_without_the_diagonal():
    assert mean_off_diagonal(np.array([[1, 0.2], [0.4, 1]])) == pytest.approx(0.3)
    assert np.isnan(mean_off_diagonal(np.ones((1, 1))))


def test_the_page_shows_a_sample_of_many_participants(monkeypatch):
    monkeypatch.setattr(individuality, "MAX_PAGE", 4)
    matrix = np.random.default_rng(0).uniform(size=(9, 9))
    content = describe_similarity("t", list("abcdefghi"), matrix, np.random.default_rng(0))
    assert len(content.participants) == 4
    assert content.n_participants == 9
    numbers = ["abcdefghi".index(name) for name in content.participants]
    np.testing.assert_array_equal(content.matrix, matrix[np.ix_(numbers, numbers)])
    assert content.mean_r == mean_off_diagonal(matrix)


def test_two_participants_have_no_embedding_and_those_without_maps_are_left_out():
    assert embed_participants(["a", "b"], np.eye(2), "t") is None
    maps = np.random.default_rng(0).standard_normal((5, 30))
    r = np.corrcoef(maps)
    r[2] = r[:, 2] = np.nan
    embedding = embed_participants(list("abcde"), r, "t")
    assert embedding.participants == ["a", "b", "d", "e"]
    assert np.isfinite(embedding.axes).all()
    r[0] = r[:, 0] = np.nan
    r[1] = r[:, 1] = np.nan
    assert embed_participants(list("abcde"), r, "t") is None


def test_maps_that_identify_no_one_have_no_row():
    identification = Identification(["a and b"])
    identification.add("x", [np.eye(3)], [np.full((3, 3), np.nan)])
    identification.add("y", [np.eye(3)], [np.full((3, 3), np.nan)])
    assert [(row.contrast, row.is_deviation) for row in identification.rows] == [
        ("mean over 2 contrasts", False), ("x", False), ("y", False),
    ]  # fmt: skip


@pytest.mark.parametrize(("n", "is_possible"), [(19, False), (20, True)])
def test_reliability_needs_twenty_participants(n, is_possible):
    complete = find_complete_sessions(row_plan(everyone(n, "a", "b")))
    assert (complete is not None) == is_possible
    if complete:
        assert complete.sessions == ("a", "b")
        assert complete.rows.shape == (20, 2)


def test_sessions_of_few_participants_do_not_reduce_those_of_the_reliability():
    plan = row_plan([*everyone(25, "a", "b"), *everyone(3, "c")])
    assert find_complete_sessions(plan).sessions == ("a", "b")
    plan = row_plan([*everyone(25, "a", "b"), *everyone(22, "c")])
    assert find_complete_sessions(plan).sessions == ("a", "b", "c")
    assert find_complete_sessions(plan).rows.shape == (22, 3)


def test_the_reliability_is_of_the_sessions_with_the_most_maps():
    # 100 participants with two sessions have more maps than 20 with three.
    plan = row_plan([*everyone(100, "a", "b"), *everyone(20, "c")])
    complete = find_complete_sessions(plan)
    assert complete.sessions == ("a", "b")
    assert complete.rows.shape == (100, 2)
    assert complete.n_left_out == 0
    assert [plan.sessions["07", "a"], plan.sessions["07", "b"]] == complete.rows[7].tolist()


def test_sessions_of_separate_participants_do_not_hide_complete_ones():
    others = [(f"x{number}", label) for number in range(30) for label in ("c", "e")]
    complete = find_complete_sessions(row_plan([*everyone(22, "a", "b", "d"), *others]))
    assert complete.sessions == ("a", "b", "d")
    assert complete.n_left_out == 30


def test_reliability_is_that_of_planted_variances():
    rng = np.random.default_rng(0)
    complete = find_complete_sessions(row_plan(everyone(200, "a", "b")))
    values = np.full((600, 3), np.nan)
    for roi, (between, within) in enumerate(((1, 1), (2, 0.5))):
        traits = between * rng.standard_normal((200, 1))
        values[complete.rows, roi] = traits + within * rng.standard_normal((200, 2))
    rows = compute_icc("x", values, complete, {1: "A", 2: "B", 3: "C"})
    assert [row.roi for row in rows] == ["A", "B"]
    assert rows[0].icc == pytest.approx(0.5, abs=0.15)
    assert rows[1].icc == pytest.approx(4 / 4.25, abs=0.05)
    assert all(row.lower_bound < row.icc < row.upper_bound for row in rows)
    assert {row.n_participants for row in rows} == {200}


def write_parcels(folder, labels, n_rois, roi_set="r" * 64):
    path = roi_parcels_path(folder, roi_set)
    save_nifti(path, labels.astype(np.int16), OUTPUT_GRID.matrix)
    write_json(sidecar_path(path), {"DeepTaskGen": {"RoiSet": {"Sha256": roi_set}}})
    columns = {"index": range(1, n_rois + 1), "name": [f"P{number}" for number in range(1, n_rois + 1)]}
    write_tsv(path.with_name(path.name.removesuffix(".nii.gz") + ".tsv"), columns)
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Write 21 participants with two sessions, and parcels of half of the block each."""
    folder = tmp_path_factory.mktemp("many") / "out"
    cohort = make_dataset(folder, n=21, contrasts=("wm2bk",), individual=0.5, noise=0.5)
    labels = np.zeros(OUTPUT_GRID.shape, int)
    labels[BLOCK][:5] = 1
    labels[BLOCK][5:] = 2
    write_parcels(folder, labels, 3)
    return cohort


def test_reliability_of_parcels_is_that_of_their_means(many):
    assert run(many.folder) == 0
    rows = table(many.folder, "group_icc")
    assert [row["roi"] for row in rows] == ["P1", "P2"]
    means = np.array(
        [
            [many.maps[label, session, None, "wm2bk"][:5].mean() for session in ("1", "2")]
            for label in many.plan.labels
        ]
    )
    n = len(means)
    between = 2 * means.mean(axis=1).var(ddof=1)
    rest = means - means.mean(axis=1, keepdims=True) - means.mean(axis=0) + means.mean()
    within = (rest**2).sum() / (n - 1)
    assert float(rows[0]["icc"]) == pytest.approx((between - within) / (between + within), abs=1e-3)
    assert {row["n_participants"] for row in rows} == {"21"}


def test_reliability_of_fewer_participants_is_not_computed(many):
    assert run(many.folder, exclude_participant_label=("01", "02"), overwrite=True) == 0
    assert not group_path(many.folder, "group_icc").exists()


def test_damaged_parcels_cost_the_reliability_alone(many, caplog):
    path = roi_parcels_path(many.folder, "r" * 64)
    content = path.read_bytes()
    try:
        path.write_bytes(content[:1000])
        assert run(many.folder, overwrite=True) == 0
    finally:
        path.write_bytes(content)
    assert not group_path(many.folder, "group_icc").exists()
    assert str(path) in caplog.text
