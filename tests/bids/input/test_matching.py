"""Files that belong to a run: entities that do not contradict, indices as numbers, labels as text."""

import json
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.input.custom_confounds import find_custom
from bids_deeptaskgen.bids.input.layout import File
from bids_deeptaskgen.bids.input.matching import fits_run, require_single
from bids_deeptaskgen.bids.input.preflight import preflight
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from bids_deeptaskgen.errors import InputError
from tests.bids.collecting import collect, complaint
from tests.bids.trees import BOLD, CONFOUNDS, MASK, SPACE, describe, image, run, touch

STRICT = Query(needs_confounds=True)
DENOISED = Query(desc="denoised")
OUTLIERS = "outliers.tsv"


def denoised(root, entities, *files):
    """Write a series of XCP-D and its tables; return its folder."""
    func = root / "sub-01" / "func"
    image(func / f"sub-01_{entities}_{SPACE}_res-2_desc-denoised_bold.nii.gz", n_volumes=10)
    for name in files:
        touch(func / f"sub-01_{name}")
    return func


def table_names(root, query=None):
    """Return the name of each run's confounds table, None where it has none."""
    return [
        inputs.confounds and inputs.confounds.name
        for session in collect(root, query=query)
        for inputs in session.runs
    ]


def refusal(root, query=STRICT):
    """Return the message of the only session, which preflight predicts."""
    (row,) = [row for row in preflight(root, query) if row.reason]
    (fault,) = collect_sessions(root, "01", query)
    message = str(fault.error)
    assert row.reason == "; ".join(line.strip().rstrip(".") for line in message.splitlines())
    return message


def test_a_table_without_run_is_not_used_beside_tables_with_one(tmp_path):
    func = run(describe(tmp_path), "01", "task-rest_run-1")
    run(tmp_path, "01", "task-rest_run-2", omitted_files=["confounds"])
    touch(func / f"sub-01_task-rest_{CONFOUNDS}")
    assert table_names(tmp_path) == [f"sub-01_task-rest_run-1_{CONFOUNDS}", None]
    message = refusal(tmp_path)
    assert f"sub-01_task-rest_run-2_{BOLD}: no confounds table for this run" in message
    assert (
        f"sub-01_task-rest_{CONFOUNDS} has no run-, which sub-01_task-rest_run-1_{CONFOUNDS} has" in message
    )
    assert f"Put sub-01_task-rest_run-2_{CONFOUNDS} there" in message


@pytest.mark.parametrize("key", ["dir", "acq", "rec", "ce"])
def test_the_same_holds_for_every_entity_that_distinguishes_runs(tmp_path, key):
    func = run(describe(tmp_path), "01", f"task-rest_{key}-a")
    run(tmp_path, "01", f"task-rest_{key}-b", omitted_files=["confounds"])
    touch(func / f"sub-01_task-rest_{CONFOUNDS}")
    assert table_names(tmp_path) == [f"sub-01_task-rest_{key}-a_{CONFOUNDS}", None]
    fault = next(record for record in collect_sessions(tmp_path, "01", STRICT) if hasattr(record, "error"))
    assert f"has no {key}-, which" in str(fault.error)


def test_one_table_is_not_used_for_two_runs(tmp_path):
    func = run(describe(tmp_path), "01", "task-rest_run-1", omitted_files=["confounds"])
    touch(func / f"sub-01_task-rest_{CONFOUNDS}")
    assert table_names(tmp_path) == [f"sub-01_task-rest_{CONFOUNDS}"]
    run(tmp_path, "01", "task-rest_run-2", omitted_files=["confounds"])
    assert table_names(tmp_path) == [None, None]
    assert f"sub-01_task-rest_{CONFOUNDS} fits task-rest_run-2 as well" in refusal(tmp_path)
    # A selection of one run does not make the table that run's.
    assert table_names(tmp_path, Query(runs=("1",))) == [None]


def test_indices_of_all_files_of_a_run_compare_as_numbers(tmp_path):
    func = run(describe(tmp_path), "01", "task-rest_run-1", omitted_files=["mask", "confounds", "json"])
    prefix = "sub-01_task-rest_run-01"
    mask = image(func / f"{prefix}_{MASK}")
    confounds = touch(func / f"{prefix}_{CONFOUNDS}")
    aroma = touch(func / f"{prefix}_desc-aroma_timeseries.tsv")
    custom = touch(tmp_path / "mine" / f"{prefix}_{CONFOUNDS}")
    touch(func / f"{prefix}_{BOLD}".replace(".nii.gz", ".json"), json.dumps({"RepetitionTime": 0.7}))
    (session,) = collect(tmp_path, query=Query(custom=tmp_path / "mine", needs_confounds=True))
    (inputs,) = session.runs
    assert (inputs.mask, inputs.confounds, inputs.aroma, inputs.custom) == (mask, confounds, aroma, custom)
    assert (inputs.t_r, inputs.findings) == (0.7, ())


def test_labels_are_no_numbers(tmp_path):
    run(describe(tmp_path), "01", "task-rest_acq-1", omitted_files=["confounds"])
    touch(tmp_path / "sub-01" / "func" / f"sub-01_task-rest_acq-001_{CONFOUNDS}")
    assert table_names(tmp_path) == [None]
    assert f"tables of that task: sub-01_task-rest_acq-001_{CONFOUNDS}" in refusal(tmp_path)
    assert collect(tmp_path, query=Query(filters=(("acq", ("001",)),))) == []


def test_a_hash_of_the_processing_distinguishes_no_runs(tmp_path):
    func = denoised(
        describe(tmp_path / "xcp_d"),
        "task-rest_dir-AP_run-1_hash-b2c3",
        f"task-rest_dir-AP_run-1_hash-b2c3_{OUTLIERS}",
        "task-rest_dir-AP_run-1_hash-b2c3_motion.tsv",
    )
    other = run(describe(tmp_path / "fmriprep"), "01", "task-rest_dir-AP_run-1")
    (session,) = collect(tmp_path / "xcp_d", query=DENOISED, extra_roots={"fmriprep": tmp_path / "fmriprep"})
    (inputs,) = session.runs
    assert inputs.mask == other / f"sub-01_task-rest_dir-AP_run-1_{MASK}"
    assert inputs.outliers == func / f"sub-01_task-rest_dir-AP_run-1_hash-b2c3_{OUTLIERS}"
    assert inputs.entities == (("dir", "AP"), ("run", "1"))
    assert [finding.name for finding in inputs.findings] == ["repetition_time_from_header"]


def test_two_processings_of_one_run_are_ambiguous(tmp_path):
    for value in ("aaa", "bbb"):
        denoised(tmp_path, f"task-rest_hash-{value}")
    message = refusal(tmp_path, DENOISED)
    assert "fit equally well as the BOLD series of one run" in message
    assert "hash- stands for settings of the pipeline" in message
    assert "Keep one of them in XCP-D's derivatives, or write each setting to a folder of its own." in message


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (("desc-preproc_bold.nii", "desc-preproc_bold.nii.gz"), "in fMRIPrep's derivatives"),
        (("desc-confounds_timeseries.tsv", "desc-confounds_regressors.tsv"), "in fMRIPrep's derivatives"),
        (("desc-denoised_bold.nii", "desc-denoised_bold.nii.gz"), "in XCP-D's derivatives"),
        (("outliers.tsv", "run-1_outliers.tsv"), "in XCP-D's derivatives"),
        (("desc-aroma_timeseries.tsv", "acq-a_desc-aroma_timeseries.tsv"), "in fMRIPost-AROMA's derivatives"),
        (("desc-brain_mask.nii", "desc-brain_mask.nii.gz"), "there"),
    ],
)
def test_of_equal_files_one_is_to_be_kept_where_their_kind_is(names, place):
    files = [
        File(Path("func") / f"sub-01_task-rest_{name}", parse_name(f"sub-01_task-rest_{name}"), None)
        for name in names
    ]
    with pytest.raises(InputError, match=f"Keep one of them {place}\\.$"):
        require_single(files, "fit equally well")


def test_of_equal_custom_regressors_one_is_to_be_kept_in_their_folder(tmp_path):
    func = run(describe(tmp_path / "data"), "01", "task-rest_run-1")
    for label in ("run-1", "run-01"):
        touch(tmp_path / "own" / f"sub-01_task-rest_{label}_{CONFOUNDS}")
    name = f"sub-01_task-rest_run-1_{BOLD}"
    bold = File(func / name, parse_name(name), None)
    with pytest.raises(InputError, match="Keep one of them in the folder of `custom_confounds`"):
        find_custom(tmp_path / "own", bold, tmp_path / "data", [bold])


def test_each_processing_has_its_own_tables(tmp_path):
    func = denoised(
        tmp_path, "task-rest_hash-aaa", *(f"task-rest_hash-{value}_{OUTLIERS}" for value in ("aaa", "bbb"))
    )
    (session,) = collect(tmp_path, query=DENOISED)
    assert session.runs[0].outliers == func / f"sub-01_task-rest_hash-aaa_{OUTLIERS}"


@pytest.mark.parametrize(
    "labels", [("run-1", "run-2"), ("dir-AP", "dir-PA"), ("dir-AP_run-1", "dir-PA_run-1")]
)
def test_a_series_of_all_runs_does_not_count_beside_single_runs(tmp_path, labels):
    for entities in (*(f"task-rest_{label}" for label in labels), "task-rest", "task-rest_acq-mb"):
        denoised(tmp_path, entities)
    sessions = collect(tmp_path, query=DENOISED)
    names = [[inputs.bold.name.partition("_space")[0] for inputs in session.runs] for session in sessions]
    assert names == [[f"sub-01_task-rest_{label}" for label in labels], ["sub-01_task-rest_acq-mb"]]


def test_magnitude_is_the_default_part(tmp_path):
    func = run(describe(tmp_path), "01", "task-rest_part-mag", omitted_files=["mask", "confounds"])
    mask = image(func / f"sub-01_task-rest_{MASK}")
    confounds = touch(func / f"sub-01_task-rest_{CONFOUNDS}")
    (session,) = collect(tmp_path)
    assert (session.runs[0].mask, session.runs[0].confounds) == (mask, confounds)


def test_a_mask_without_run_is_not_used_beside_masks_with_one(tmp_path):
    func = run(describe(tmp_path), "01", "task-rest_run-1")
    run(tmp_path, "01", "task-rest_run-2", omitted_files=["mask"])
    image(func / f"sub-01_task-rest_{MASK}")
    assert f"no brain mask for sub-01_task-rest_run-2_{BOLD}" in complaint(tmp_path)


def test_a_mask_for_all_runs_of_a_session_is_used(tmp_path):
    for number in "12":
        func = run(describe(tmp_path), "01", f"task-rest_run-{number}", omitted_files=["mask"])
    mask = image(func / f"sub-01_task-rest_{MASK}")
    assert [inputs.mask for inputs in collect(tmp_path)[0].runs] == [mask, mask]


def test_filtered_motion_of_xcp_d_is_not_confused_with_the_complete_table(tmp_path):
    func = denoised(
        tmp_path,
        "task-rest",
        f"task-rest_{OUTLIERS}",
        "task-rest_motion.tsv",
        "task-rest_desc-filtered_motion.tsv",
    )
    (session,) = collect(tmp_path, query=DENOISED)
    assert session.runs[0].confounds == func / "sub-01_task-rest_motion.tsv"


def test_custom_tables_follow_the_rules_of_confounds(tmp_path):
    for number in "12":
        run(describe(tmp_path / "data"), "01", f"task-rest_run-{number}")
    mine = tmp_path / "mine"
    touch(mine / f"sub-01_task-rest_run-01_{SPACE}_res-2_desc-preproc_bold.tsv")
    touch(mine / f"sub-01_task-rest_{CONFOUNDS}")
    query = Query(custom=mine)
    message = refusal(tmp_path / "data", query)
    assert f"no table of custom regressors for {tmp_path / 'data' / 'sub-01' / 'func'}" in message
    assert f"sub-01_task-rest_{CONFOUNDS} fits task-rest_run-1 as well" in message
    touch(mine / f"sub-01_task-rest_run-2_{CONFOUNDS}")
    (session,) = collect(tmp_path / "data", query=query)
    assert [inputs.custom.name for inputs in session.runs] == [
        f"sub-01_task-rest_run-01_{SPACE}_res-2_desc-preproc_bold.tsv",
        f"sub-01_task-rest_run-2_{CONFOUNDS}",
    ]


def test_custom_tables_of_other_participants_are_ignored(tmp_path):
    run(describe(tmp_path / "data"), "01")
    touch(tmp_path / "mine" / f"sub-02_task-rest_{CONFOUNDS}")
    assert "no table of custom regressors" in refusal(tmp_path / "data", Query(custom=tmp_path / "mine"))


def test_a_name_with_fewer_entities_fits_and_one_with_more_does_not():
    bold = parse_name(f"sub-01_task-rest_run-1_{BOLD}")
    assert fits_run(parse_name(f"sub-01_task-rest_{CONFOUNDS}"), bold)
    assert not fits_run(parse_name(f"sub-01_task-rest_run-1_dir-AP_{CONFOUNDS}"), bold)


def test_tables_of_archives_are_found_by_the_exact_name_of_the_series(tmp_path):
    name = "rfMRI_REST1_LR_hp2000_clean"
    bold = tmp_path / "HCP" / "100307" / "Results" / f"{name}.nii.gz"
    table = touch(tmp_path / "mine" / "100307" / "Results" / f"{name}.tsv")
    touch(tmp_path / "mine" / f"{name}.tsv")
    file = File(bold, parse_name(bold.name), None)
    assert find_custom(tmp_path / "mine", file, tmp_path / "HCP", ()) == table
