from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.bids.input.preflight import preflight
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.grid import FULL_MODEL_GRID, OUTPUT_GRID
from tests.bids.collecting import REST, collect, complaint, only_run
from tests.bids.trees import BOLD, CONFOUNDS, MASK, SPACE, describe, image, isotropic, run, touch
from tests.strategies import series


def test_single_run_has_all_files_and_no_entities(tmp_path):
    func = run(describe(tmp_path), "01", t_r=0.72)
    (session,) = collect(tmp_path)
    assert (session.subject, session.session, session.entities) == ("01", None, REST)
    (inputs,) = session.runs
    assert inputs.bold == func / f"sub-01_task-rest_{BOLD}"
    assert inputs.mask == func / f"sub-01_task-rest_{MASK}"
    assert inputs.confounds == func / f"sub-01_task-rest_{CONFOUNDS}"
    assert (inputs.t_r, inputs.entities, inputs.space) == (0.72, (), "MNI152NLin6Asym")


@pytest.mark.parametrize("file_name", [BOLD, MASK, CONFOUNDS])
@pytest.mark.parametrize("prefix", ["sub-02", "sub-01_ses-1"])
def test_file_named_as_another_participant_is_refused(tmp_path, file_name, prefix):
    func = run(describe(tmp_path), "01")
    (func / f"sub-01_task-rest_{file_name}").rename(func / f"{prefix}_task-rest_{file_name}")
    message = complaint(tmp_path)
    assert message.startswith(f"{func}: {prefix}_task-rest_{file_name}: named as another participant")
    assert "sub-01; move each file to the folder" in message


def test_misplaced_files_of_other_tasks_and_sessions_are_ignored(tmp_path):
    run(describe(tmp_path), "01", session="1")
    other_func = run(tmp_path, "01", session="2")
    (other_func / f"sub-01_ses-2_task-rest_{CONFOUNDS}").rename(
        other_func / f"sub-02_ses-2_task-rest_{CONFOUNDS}"
    )
    touch(tmp_path / "sub-01" / "ses-1" / "func" / f"sub-02_task-nback_{CONFOUNDS}")
    (session,) = collect(tmp_path, query=Query(sessions=("1",)))
    assert session.session == "1"


def test_runs_and_directions_are_pooled_in_order(tmp_path):
    for entities in ("dir-PA_run-1", "dir-AP_run-10", "dir-AP_run-2"):
        run(tmp_path, "01", f"task-rest_{entities}")
    (session,) = collect(tmp_path)
    assert session.entities == REST
    assert [inputs.entities for inputs in session.runs] == [
        (("dir", "AP"), ("run", "2")),
        (("dir", "AP"), ("run", "10")),
        (("dir", "PA"), ("run", "1")),
    ]


@pytest.mark.parametrize("entity", ["acq-fast", "ce-gad", "rec-nordic", "part-mag"])
def test_different_acquisitions_are_never_pooled(tmp_path, entity):
    run(tmp_path, "01", "task-rest_run-1")
    run(tmp_path, "01", f"task-rest_{entity}_run-1")
    run(tmp_path, "01", f"task-rest_{entity}_run-2")
    sessions = collect(tmp_path)
    assert {session.entities: len(session.runs) for session in sessions} == {
        REST: 1,
        (*REST, tuple(entity.split("-"))): 2,
    }


def test_sessions_are_separate_and_sorted(tmp_path):
    for label in ("post", "pre"):
        run(tmp_path, "01", "task-rest_run-1", session=label)
        run(tmp_path, "01", "task-rest_run-2", session=label)
    assert [(session.session, len(session.runs)) for session in collect(tmp_path)] == [
        ("post", 2),
        ("pre", 2),
    ]
    (session,) = collect(tmp_path, query=Query(sessions=("pre",), runs=("02",)))
    assert (session.session, [inputs.entities for inputs in session.runs]) == ("pre", [(("run", "2"),)])


def test_uncombined_runs_are_separate_records(tmp_path):
    run(tmp_path, "01", "task-rest_acq-a_dir-AP_run-1")
    run(tmp_path, "01", "task-rest_acq-a_dir-AP_run-2")
    sessions = collect(tmp_path, combine_runs=False)
    run_entities = (*REST, ("acq", "a"), ("dir", "AP"))
    assert [session.entities for session in sessions] == [(*run_entities, ("run", n)) for n in "12"]
    assert [len(session.runs) for session in sessions] == [1, 1]


def series_key(entities):
    """Return a key that is unique for each series: run-1 and run-01 are one run."""
    return frozenset((key, value.lstrip("0") if key == "run" else value) for key, value in entities)


def test_two_spellings_of_one_run_are_ambiguous(tmp_path):
    run(tmp_path, "01", "task-rest_run-1")
    run(tmp_path, "01", "task-rest_run-01")
    assert "run-01_" in complaint(tmp_path)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(series(), min_size=1, max_size=4, unique_by=series_key),
    session=st.none() | st.just("a"),
    combine_runs=st.booleans(),
)
def test_each_series_is_in_one_record_and_record_names_are_unique(
    tmp_path_factory, names, session, combine_runs
):
    root = tmp_path_factory.mktemp("tree")
    func = None
    for entities in names:
        func = run(root, "01", "_".join(f"{key}-{value}" for key, value in entities), session=session)
    sessions = collect(root, combine_runs=combine_runs)
    bolds = sorted(inputs.bold for record in sessions for inputs in record.runs)
    assert bolds == sorted(func.glob("*_bold.nii.gz"))
    (row,) = preflight(root, Query())
    assert sorted(path.name for path in bolds) == sorted(row.bold_names)
    paths = [
        output_path(Path(), "qc_metrics", subject="01", session=record.session, entities=record.entities)
        for record in sessions
    ]
    assert len(set(paths)) == len(paths)


def test_single_echoes_other_tasks_and_other_descs_are_excluded(tmp_path):
    run(tmp_path, "01")
    for entities in ("task-rest_echo-1", "task-rest_part-phase", "task-nback"):
        run(tmp_path, "01", entities)
    image(tmp_path / "sub-01" / "func" / f"sub-01_task-rest_{SPACE}_res-2_desc-smooth_bold.nii.gz")
    (session,) = collect(tmp_path)
    assert [inputs.bold.name for inputs in session.runs] == [f"sub-01_task-rest_{BOLD}"]


def test_no_match_is_an_empty_list(tmp_path):
    run(tmp_path, "01", "task-nback")
    assert collect(tmp_path) == []
    assert collect(tmp_path, "02") == []


@pytest.mark.parametrize(
    ("grids", "label"),
    [
        ({"_res-1": OUTPUT_GRID, "_res-2": isotropic(1.0)}, "_res-1"),
        ({"_res-02": FULL_MODEL_GRID, "_res-native": isotropic(2.4)}, "_res-02"),
        ({"": OUTPUT_GRID, "_res-2": isotropic(3.0)}, ""),
        ({"_res-1": isotropic(1.0), "_res-2": OUTPUT_GRID}, "_res-2"),
        ({"_res-2": isotropic(3.0), "": isotropic(2.4)}, ""),
        ({"_res-2": isotropic(4.0), "_res-3": isotropic(3.0), "_res-9": isotropic(2.4)}, "_res-9"),
    ],
)
def test_resolution_is_selected_by_affine_and_not_by_label(tmp_path, grids, label):
    run(tmp_path, "01", grids=grids)
    inputs = only_run(tmp_path)
    assert inputs.bold.name == f"sub-01_task-rest_{SPACE}{label}_desc-preproc_bold.nii.gz"
    assert inputs.mask.name == f"sub-01_task-rest_{SPACE}{label}_desc-brain_mask.nii.gz"


@pytest.mark.parametrize("grid", [OUTPUT_GRID, FULL_MODEL_GRID], ids=["same", "mirrored"])
def test_message_names_both_ambiguous_files(tmp_path, grid):
    func = run(tmp_path, "01", grids={"_res-2": OUTPUT_GRID, "_res-02": grid})
    message = complaint(tmp_path)
    assert str(func / f"sub-01_task-rest_{BOLD}") in message
    assert str(func / f"sub-01_task-rest_{BOLD.replace('res-2', 'res-02')}") in message


def test_header_of_a_single_candidate_is_not_read(tmp_path):
    func = run(tmp_path, "01")
    (func / f"sub-01_task-rest_{BOLD}").write_bytes(b"")
    assert only_run(tmp_path).bold.stat().st_size == 0


def test_message_names_missing_mask(tmp_path):
    run(tmp_path, "01", "task-rest_run-1", omitted_files=["mask"])
    run(tmp_path, "01", "task-rest_run-2")
    message = complaint(tmp_path)
    assert f"sub-01_task-rest_run-1_{MASK}" in message
    assert f"sub-01_task-rest_run-1_{BOLD}" in message


def test_mask_with_another_resolution_label_is_used_if_on_the_grid(tmp_path):
    func = run(tmp_path, "01", omitted_files=["mask"])
    image(func / f"sub-01_task-rest_{SPACE}_res-3_desc-brain_mask.nii.gz", isotropic(3.0))
    assert "is on its grid (masks of that run and space: sub-01_task-rest" in complaint(tmp_path)
    expected_path = image(func / f"sub-01_task-rest_{SPACE}_desc-brain_mask.nii.gz")
    assert only_run(tmp_path).mask == expected_path


def test_unusable_run_excludes_its_session_only(tmp_path):
    run(tmp_path, "01", "task-rest_run-1", session="a")
    run(tmp_path, "01", "task-rest_run-2", session="a", omitted_files=["mask"])
    run(tmp_path, "01", session="b")
    fault, usable_session = collect_sessions(tmp_path, "01", Query())
    assert (fault.session, fault.entities) == ("a", REST)
    assert (usable_session.session, len(usable_session.runs)) == ("b", 1)
    assert "no brain mask for sub-01_ses-a_task-rest_run-2" in str(fault.error)
    first_run, fault, _ = collect_sessions(tmp_path, "01", Query(), combine_runs=False)
    assert (len(first_run.runs), fault.entities) == (1, (*REST, ("run", "2")))


def test_file_of_another_participant_excludes_its_session_only(tmp_path):
    func = run(tmp_path, "01", session="a")
    touch(func / f"sub-02_ses-a_task-rest_{CONFOUNDS}")
    run(tmp_path, "01", session="b")
    fault, usable_session = collect_sessions(tmp_path, "01", Query())
    assert (fault.session, fault.entities, usable_session.session) == ("a", (), "b")


def test_masks_of_another_space_are_ignored(tmp_path):
    func = run(tmp_path, "01", omitted_files=["mask"])
    image(func / "sub-01_task-rest_space-MNI152NLin2009cAsym_res-2_desc-brain_mask.nii.gz")
    image(func / "sub-01_task-rest_desc-brain_mask.nii.gz")
    assert "no brain mask" in complaint(tmp_path)


def test_message_names_both_ambiguous_masks(tmp_path):
    func = run(tmp_path, "01")
    image(func / f"sub-01_task-rest_{MASK}".removesuffix(".gz"))
    assert str(func / f"sub-01_task-rest_{MASK}") in complaint(tmp_path)


def test_confounds_named_regressors_are_found(tmp_path):
    func = run(tmp_path, "01", omitted_files=["confounds"])
    expected_path = touch(func / "sub-01_task-rest_desc-confounds_regressors.tsv")
    assert only_run(tmp_path).confounds == expected_path


def test_confounds_of_another_run_task_or_session_are_ignored(tmp_path):
    func = run(tmp_path, "01", "task-rest_run-1", session="a", omitted_files=["confounds"])
    touch(func / f"sub-01_ses-a_task-rest_run-2_{CONFOUNDS}")
    touch(func / f"sub-01_ses-a_task-nback_run-1_{CONFOUNDS}")
    touch(func / f"sub-01_ses-a_{CONFOUNDS}")
    run(tmp_path, "01", "task-rest_run-1", session="b")
    first, second = (session.runs[0].confounds for session in collect(tmp_path))
    assert first is None
    assert second is not None


def test_message_names_both_ambiguous_tables(tmp_path):
    func = run(tmp_path, "01")
    touch(func / "sub-01_task-rest_desc-confounds_regressors.tsv")
    message = complaint(tmp_path)
    assert "desc-confounds_regressors.tsv" in message
    assert CONFOUNDS in message


@pytest.mark.parametrize(
    "name", [BOLD, BOLD.replace(".nii.gz", ".json"), MASK, CONFOUNDS, "desc-aroma_timeseries.tsv"]
)
def test_broken_link_is_refused_with_remedy(tmp_path, name):
    path = run(tmp_path, "01") / f"sub-01_task-rest_{name}"
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "absent")
    assert complaint(tmp_path).startswith(f"{path}: is a link whose target does not exist")
    path.unlink()
    path.symlink_to("../../.git/annex/objects/x/MD5E-s9--0123.nii.gz")
    assert complaint(tmp_path) == (
        f"{path}: its content is not here (a link of git-annex).\nRun: datalad get {path}"
    )


def test_parent_folders_named_like_entities_are_ignored(tmp_path):
    root = tmp_path / "sub-9" / "ses-x" / "task-nback" / "run-7" / "desc-raw" / "fmriprep"
    run(root, "01", "task-rest_run-1", t_r=1.0)
    run(root, "01", "task-rest_run-2", t_r=1.0)
    (session,) = collect(root)
    assert session.session is None
    assert [(inputs.entities, inputs.t_r) for inputs in session.runs] == [
        ((("run", "1"),), 1.0),
        ((("run", "2"),), 1.0),
    ]


@pytest.mark.parametrize("name", ["my data", "Größe", "a+b (1)"])
def test_paths_may_have_spaces_umlauts_signs_and_links(tmp_path, name):
    run(tmp_path / name / "fmriprep", "01")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / name)
    for root in (tmp_path / name / "fmriprep", link / "fmriprep"):
        inputs = only_run(root)
        assert inputs.bold.is_file()
        assert inputs.bold.is_relative_to(root)
        assert inputs.t_r == 2.0


def test_paths_of_files_are_absolute(tmp_path, monkeypatch):
    run(tmp_path / "d", "01")
    monkeypatch.chdir(tmp_path)
    assert only_run(Path("d")).bold.is_absolute()


@pytest.mark.parametrize("name", [BOLD, MASK, CONFOUNDS])
def test_a_folder_with_the_name_of_a_file_is_refused(tmp_path, name):
    path = run(tmp_path, "01") / f"sub-01_task-rest_{name}"
    path.unlink()
    path.mkdir()
    assert f"{path}: is a folder, not a file" in complaint(tmp_path)


@pytest.mark.parametrize("content", ["3", '"x"', "[1]", "null", "{"])
def test_any_content_of_the_description_leaves_the_runs_readable(tmp_path, content):
    run(tmp_path, "01")
    (tmp_path / "dataset_description.json").write_text(content)
    assert only_run(tmp_path).bold.is_file()
