import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.input.participant_folders import ParticipantFolders
from bids_deeptaskgen.bids.input.preflight import preflight
from bids_deeptaskgen.bids.input.query import Query, fits
from tests.bids.trees import BOLD, MASK, SPACE, run, touch
from tests.strategies import labels

SKELETONS = Path(__file__).parents[4] / "shared" / "data" / "skeletons"
RERUN = "re-run fMRIPrep with --output-spaces MNI152NLin6Asym:res-2"
SKELETON = pytest.mark.skipif(not SKELETONS.is_dir(), reason=f"{SKELETONS} is not on this machine")


def func_of(root, *names):
    """Write files of a participant, and the mask of each fMRIPrep series among them."""
    for name in names:
        touch(root / "sub-01" / "func" / f"sub-01_{name}")
        if name.endswith("desc-preproc_bold.nii.gz"):
            mask = name.replace("desc-preproc_bold", "desc-brain_mask")
            touch(root / "sub-01" / "func" / f"sub-01_{mask}")


def only_row(root, query=None):
    (row,) = preflight(root, query or Query())
    return row


@given(res=st.none() | labels())
def test_any_resolution_label_matches(res):
    label = f"_res-{res}" if res else ""
    assert fits(parse_name(f"sub-01_task-rest_{SPACE}{label}_desc-preproc_bold.nii.gz"), Query())


@pytest.mark.parametrize("entity", ["echo-1", "part-phase", "part-imag", "part-real"])
def test_single_echoes_and_phase_images_do_not_match(tmp_path, entity):
    func_of(tmp_path, f"task-rest_{entity}_{BOLD}")
    row = only_row(tmp_path)
    assert row.bold_names == ()
    reason = "single echoes only: no optimal combination" if "echo" in entity else "only phase images found"
    assert reason in row.reason
    assert ("re-run fMRIPrep with all echoes" in row.reason) == ("echo" in entity)
    assert ("--output-spaces" in row.reason) == ("echo" not in entity)
    assert fits(parse_name(f"sub-01_task-rest_part-mag_{BOLD}"), Query())


def test_row_lists_matching_files_only(tmp_path):
    run(tmp_path, "01", "task-rest_run-1")
    run(tmp_path, "01", "task-nback")
    row = only_row(tmp_path)
    assert row.bold_names == (f"sub-01_task-rest_run-1_{BOLD}",)
    assert row.reason == ""


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([f"task-nback_{BOLD}", "task-motor_bold.json"], ["no task-rest", "tasks found: motor, nback"]),
        ([], ["tasks found: none"]),
        (
            ["task-rest_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz"],
            [
                "no desc-preproc BOLD",
                "in space-MNI152NLin6Asym",
                "spaces found: MNI152NLin2009cAsym)",
                f"{RERUN} (or accept less exact maps with `allow_template_warp`)",
            ],
        ),
        (
            [
                "task-rest_space-T1w_desc-preproc_bold.nii.gz",
                "task-rest_space-MNIPediatricAsym_cohort-2_desc-preproc_bold.nii.gz",
            ],
            ["spaces found: MNIPediatricAsym, T1w", RERUN],
        ),
        (
            ["task-rest_desc-preproc_bold.nii.gz", "task-rest_space-T1w_desc-preproc_bold.nii.gz"],
            ["only native space found: T1w, native", RERUN],
        ),
        (
            [
                "task-rest_space-fsLR_den-91k_bold.dtseries.nii",
                "task-rest_hemi-L_space-fsaverage5_bold.func.gii",
            ],
            ["only surface or CIFTI series", RERUN],
        ),
        (
            [
                "task-rest_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz",
                f"task-rest_{SPACE}_desc-smoothAROMAnonaggr_bold.nii.gz",
            ],
            [
                "spaces found: MNI152NLin2009cAsym)",
                f"choose the cleaned series with `desc` smoothAROMAnonaggr, or {RERUN}",
            ],
        ),
        (
            ["task-rest_space-MNI152NLin2009cAsym_desc-denoised_bold.nii.gz"],
            [
                "desc found in other spaces: denoised",
                f"func; {RERUN}, then XCP-D again, and choose its series with `desc` denoised",
            ],
        ),
        (
            ["task-rest_desc-hmc_boldref.nii.gz", "task-rest_desc-brain_mask.nii.gz"],
            ["--level minimal", f"{RERUN} --level full"],
        ),
        (
            [f"task-rest_{SPACE}_desc-smoothAROMAnonaggr_bold.nii.gz"],
            [
                "desc found in that space: smoothAROMAnonaggr",
                f"choose the cleaned series with `desc` smoothAROMAnonaggr, or {RERUN}",
            ],
        ),
        (
            [f"task-rest_{SPACE}_desc-preproc_bold.json", f"task-rest_{SPACE}_desc-preproc_boldref.nii.gz"],
            ["no series at all"],
        ),
    ],
    ids=[
        "task",
        "empty",
        "2009c",
        "spaces",
        "native",
        "surface",
        "aroma",
        "cleaned elsewhere",
        "minimal",
        "desc",
        "sidecar",
    ],
)
def test_reason_names_problem_folder_and_remedy(tmp_path, names, words):
    (tmp_path / "sub-01" / "func").mkdir(parents=True)
    func_of(tmp_path, *names)
    row = only_row(tmp_path)
    assert row.bold_names == ()
    assert str(tmp_path / "sub-01" / "func") in row.reason
    assert [word for word in words if word not in row.reason] == []
    assert "\n" not in row.reason


def test_fmriprep_is_not_suggested_for_desc_of_other_pipelines(tmp_path):
    run(tmp_path, "01")
    row = only_row(tmp_path, Query(desc="denoised"))
    assert "desc found in that space: preproc" in row.reason
    assert "fMRIPrep" not in row.reason


def test_runs_are_selected_by_number(tmp_path):
    run(tmp_path, "01", "task-rest_run-01")
    run(tmp_path, "01", "task-rest_run-02")
    assert only_row(tmp_path, Query(runs=("2",))).bold_names == (f"sub-01_task-rest_run-02_{BOLD}",)
    row = only_row(tmp_path, Query(runs=("3",)))
    assert "no run-3 of task-rest (runs found: 01, 02)" in row.reason


def test_each_session_and_data_outside_sessions_have_a_row(tmp_path):
    run(tmp_path, "01", session="pre")
    (tmp_path / "sub-01" / "ses-post" / "anat").mkdir(parents=True)
    run(tmp_path, "02")
    rows = preflight(tmp_path, Query())
    assert [(row.subject, row.session, bool(row.bold_names)) for row in rows] == [
        ("01", "post", False),
        ("01", "pre", True),
        ("02", None, True),
    ]
    assert "no folder" in rows[0].reason
    assert [row.name for row in rows] == ["sub-01 ses-post", "sub-01 ses-pre", "sub-02"]
    run(tmp_path, "01")
    assert [row.name for row in preflight(tmp_path, Query()) if row.bold_names] == [
        "sub-01",
        "sub-01 ses-pre",
        "sub-02",
    ]


def test_rows_are_restricted_to_requested_sessions(tmp_path):
    run(tmp_path, "01", session="pre")
    run(tmp_path, "01", session="post")
    run(tmp_path, "02", session="pre")
    rows = preflight(tmp_path, Query(sessions=("post",)))
    assert [(row.subject, row.session, bool(row.bold_names)) for row in rows] == [
        ("01", "post", True),
        ("02", None, False),
    ]
    assert "no ses-post" in rows[1].reason
    assert "sessions found: pre" in rows[1].reason


def test_absent_participants_have_a_row_with_similar_labels(tmp_path):
    run(tmp_path, "control01")
    run(tmp_path, "patient01")
    absent_row, row = preflight(tmp_path, Query(participants=("patient01", "contrl01")))
    assert (row.subject, bool(row.bold_names)) == ("patient01", True)
    assert absent_row.bold_names == ()
    assert "2 participants found; nearest: control01" in absent_row.reason


def test_unreadable_folder_is_a_reason_for_one_participant_only(tmp_path, monkeypatch):
    func = run(tmp_path, "01")
    run(tmp_path, "02")
    scandir = os.scandir

    def scandir_or_refuse(path):
        if Path(path) == func:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scandir_or_refuse)
    unreadable_row, other_row = preflight(tmp_path, Query())
    assert unreadable_row.reason == f"{func} cannot be read (Permission denied); check its permissions"
    assert other_row.bold_names


def test_reports_and_files_in_root_are_no_participants(tmp_path):
    run(tmp_path / "real", "01")
    top = tmp_path / "top"
    touch(top / "sub-02.html")
    touch(top / "sub-03")
    (top / "sub-01").symlink_to(tmp_path / "real" / "sub-01")
    assert [row.subject for row in preflight(top, Query()) if row.bold_names] == ["01"]
    assert len(preflight(top, Query())) == 1


@pytest.mark.parametrize("session", [None, "1"])
def test_file_of_another_participant_or_session_is_a_reason(tmp_path, session):
    func = run(tmp_path, "01", session=session)
    row = only_row(tmp_path)
    assert row.bold_names
    misplaced_file = touch(func / f"sub-02_task-rest_{BOLD}")
    row = only_row(tmp_path)
    assert row.bold_names == ()
    assert f"{func}: {misplaced_file.name}: named as another participant" in row.reason
    misplaced_file.rename(func / f"sub-01_ses-2_task-rest_{BOLD}")
    assert "sub-01_ses-2" in only_row(tmp_path).reason
    (func / f"sub-01_ses-2_task-rest_{BOLD}").rename(func / f"sub-02_task-nback_{BOLD}")
    assert only_row(tmp_path).reason == ""


def test_preflight_of_twenty_thousand_labels_takes_seconds(tmp_path, monkeypatch):
    labels = [f"{number:05d}" for number in range(20_000)]
    folders = ParticipantFolders([f"sub-{label}" for label in labels[:10_000]], {})
    monkeypatch.setattr("bids_deeptaskgen.bids.input.preflight.scan_participants", lambda root: folders)
    monkeypatch.setattr("bids_deeptaskgen.bids.input.preflight._participant_rows", lambda *arguments: [])
    start = time.process_time()
    rows = preflight(tmp_path, Query(participants=tuple(labels)))
    assert time.process_time() - start < 10
    assert len(rows) == 10_000
    assert "nearest" in rows[0].reason
    assert all("no folder sub-" in row.reason for row in rows)


def test_preflight_of_a_thousand_participants_takes_seconds(tmp_path):
    names = [f"task-rest_{BOLD}", f"task-rest_{MASK}", "task-rest_desc-confounds_timeseries.tsv"]
    for number in range(1000):
        func = tmp_path / f"sub-{number:04d}" / "func"
        func.mkdir(parents=True)
        for name in names:
            (func / f"sub-{number:04d}_{name}").touch()
    start = time.process_time()
    rows = preflight(tmp_path, Query())
    assert time.process_time() - start < 5
    assert sum(len(row.bold_names) for row in rows) == 1000


@SKELETON
def test_real_fmriprep_20_tree_is_read():
    root = SKELETONS / "ds000001-fmriprep"
    task = "balloonanalogrisktask"
    reasons = {row.subject: row.reason for row in preflight(root, Query(tasks=(task,)))}
    assert len(reasons) == 4
    assert "spaces found: MNI152NLin2009cAsym" in reasons["16"]
    assert RERUN in reasons["16"]
    assert "choose the cleaned series with `desc` smoothAROMAnonaggr" in reasons["16"]
    others = {"space": "MNI152NLin2009cAsym"}, {"desc": "smoothAROMAnonaggr"}
    for query in (Query(tasks=(task,), **other) for other in others):
        assert {len(row.bold_names) for row in preflight(root, query)} == {3}


@SKELETON
@pytest.mark.parametrize(
    ("filelist", "task", "reason"),
    [
        ("ds005_outputs", "mixedgamblestask", "surface or CIFTI"),
        ("ds005_fasttrack_outputs", "mixedgamblestask", "surface or CIFTI"),
        ("ds054_outputs", "machinegame", "spaces found: MNI152NLin2009cAsym, T1w, native"),
        ("ds210_outputs", "cuedSGT", "spaces found: MNI152NLin2009cAsym"),
        ("ds005_partial_outputs", "mixedgamblestask", ""),
    ],
)
def test_published_file_lists_of_fmriprep_are_read(tmp_path, filelist, task, reason):
    for line in (SKELETONS / "filelists" / f"{filelist}.txt").read_text("utf-8").split():
        if "." in Path(line).name:
            touch(tmp_path / line)
    rows = preflight(tmp_path, Query(tasks=(task,)))
    assert rows
    for row in rows:
        assert bool(row.bold_names) == (not reason)
        assert reason in row.reason


def query_with(**filters):
    return Query(filters=tuple((key, tuple(values)) for key, values in filters.items()))


def test_filter_selects_by_entities(tmp_path):
    names = [
        f"task-rest_{part}{BOLD}" for part in ("", "acq-mb_", "acq-sb_dir-AP_run-01_", "acq-sb_dir-PA_run-2_")
    ]
    func_of(tmp_path, *names)

    names.sort()

    def selected(**filters):
        return [
            names.index(name.removeprefix("sub-01_"))
            for name in only_row(tmp_path, query_with(**filters)).bold_names
        ]

    mb, ap, pa, without_entities = range(4)
    assert selected() == [mb, ap, pa, without_entities]
    assert selected(acq=["mb"]) == [mb]
    assert selected(acq=[None]) == [without_entities]
    assert selected(acq=["*"]) == [mb, ap, pa]
    assert selected(acq=["sb", None]) == [ap, pa, without_entities]
    assert selected(run=["1"]) == [ap]
    assert selected(acq=["sb"], dir=["PA"]) == [pa]
    reason = only_row(tmp_path, query_with(acq=["none"])).reason
    assert "nothing of task-rest passes `bids_filter_file`" in reason
    assert "correct or remove this option" in reason


def test_filter_by_session_leaves_other_sessions_out_without_a_failure(tmp_path):
    for session in ("a", "b"):
        run(tmp_path, "01", session=session)
    rows = preflight(tmp_path, query_with(ses=["b"]))
    assert [(row.session, bool(row.bold_names)) for row in rows] == [("b", True)]
    row = only_row(tmp_path, query_with(ses=["c"]))
    assert (row.bold_names, row.is_selected, row.failed) == ((), False, False)
    assert "passes `bids_filter_file` (sessions found: a, b)" in row.reason


def test_fallback_space_is_used_only_without_series_in_the_main_space(tmp_path):
    other_bold = BOLD.replace("MNI152NLin6Asym", "MNI152NLin2009cAsym")
    func_of(
        tmp_path, f"task-rest_run-1_{BOLD}", f"task-rest_run-1_{other_bold}", f"task-rest_run-2_{other_bold}"
    )
    func_of(tmp_path / "only", f"task-rest_run-1_{other_bold}")
    with_fallback = Query(fallback="MNI152NLin2009cAsym")
    assert only_row(tmp_path, with_fallback).bold_names == (f"sub-01_task-rest_run-1_{BOLD}",)
    assert only_row(tmp_path / "only", with_fallback).bold_names == (f"sub-01_task-rest_run-1_{other_bold}",)
    assert only_row(tmp_path / "only").bold_names == ()
