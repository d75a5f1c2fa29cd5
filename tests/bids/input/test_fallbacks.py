"""Each fallback of the search for files is a finding, which names what was searched and what exists."""

import json

import pytest

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sources import find_sessions, locate
from bids_deeptaskgen.connectome.data_checks.measurement import flag_names
from tests.bids.collecting import collect
from tests.bids.trees import BOLD, CONFOUNDS, MASK, SPACE, describe, image, isotropic, run, touch

DENOISED = Query(desc="denoised")


def findings(root, query=None, **options):
    """Return the messages of a run's findings by name."""
    (session,) = collect(root, query=query, **options)
    (inputs,) = session.runs
    messages = {finding.name: finding.message for finding in inputs.findings}
    assert set(messages) <= set(flag_names())
    return messages


def xcp_d(root, *names):
    func = root / "sub-01" / "func"
    bold = image(func / f"sub-01_task-rest_{SPACE}_res-2_desc-denoised_bold.nii.gz", n_volumes=10)
    touch(bold.with_name(bold.name.replace(".nii.gz", ".json")), json.dumps({"RepetitionTime": 2}))
    for name in names:
        image(func / name) if name.endswith(".nii.gz") else touch(func / name)
    return func


TABLES = ("sub-01_task-rest_outliers.tsv", "sub-01_task-rest_motion.tsv")


def test_a_complete_run_has_no_findings(tmp_path):
    run(describe(tmp_path / "fmriprep"), "01")
    assert findings(tmp_path / "fmriprep") == {}
    xcp_d(tmp_path / "xcp_d", *TABLES, f"sub-01_task-rest_{MASK}")
    assert findings(tmp_path / "xcp_d", DENOISED) == {}


@pytest.mark.parametrize(
    "name",
    [
        f"sub-01_task-rest_{SPACE}_res-2_brain_mask.nii.gz",
        f"sub-01_task-rest_{SPACE}_res-2_desc-Brain_mask.nii.gz",
        f"sub-01_task-rest_{MASK.replace('NLin6Asym', 'NLin2009cAsym')}",
        "sub-01_task-rest_desc-brain_mask.nii.gz",
    ],
)
def test_a_mask_of_a_slightly_different_name_is_named(tmp_path, name):
    func = xcp_d(tmp_path, *TABLES, name)
    message = findings(tmp_path, DENOISED)["mask_not_found"]
    assert message.startswith(f"{func}: no brain mask for sub-01_task-rest_{SPACE}_res-2_desc-denoised")
    assert f"(masks of that run: {name})" in message
    assert f"voxels that are not 0 count as brain instead. Put sub-01_task-rest_{MASK} there" in message
    assert "-d fmriprep=PATH" in message


def test_a_mask_of_another_grid_is_named(tmp_path):
    func = xcp_d(tmp_path, *TABLES)
    name = f"sub-01_task-rest_{SPACE}_res-3_desc-brain_mask.nii.gz"
    image(func / name, isotropic(3.0))
    assert (
        f"is on its grid (masks of that run and space: {name})"
        in findings(tmp_path, DENOISED)["mask_not_found"]
    )


def test_a_mask_of_the_same_grid_under_another_name_is_named(tmp_path):
    func = run(describe(tmp_path), "01", omitted_files=["mask"])
    name = f"sub-01_task-rest_{SPACE}_desc-brain_mask.nii.gz"
    image(func / name)
    assert f"{name}, which is on the same grid, is used" in findings(tmp_path)["mask_of_another_name"]


def test_the_repetition_time_of_the_header_is_a_finding(tmp_path):
    run(describe(tmp_path), "01", omitted_files=["json"])
    message = findings(tmp_path)["repetition_time_from_header"]
    name = BOLD.replace(".nii.gz", ".json")
    assert f"no JSON gives its RepetitionTime (searched for sub-01_task-rest_{name}" in message


def test_missing_outliers_of_xcp_d_are_a_finding(tmp_path):
    xcp_d(tmp_path, "sub-01_task-rest_run-1_outliers.tsv", "sub-01_task-rest_motion.tsv")
    message = findings(tmp_path, DENOISED)["outliers_not_found"]
    assert "(tables of that task: sub-01_task-rest_run-1_outliers.tsv)" in message
    assert "Put task-rest_outliers.tsv beside the series" in message


def test_missing_confounds_are_a_finding_where_none_are_required(tmp_path):
    run(describe(tmp_path), "01", omitted_files=["confounds"])
    message = findings(tmp_path)["confounds_not_found"]
    assert "there is none beside the BOLD. Motion and dummy scans are unknown" in message


def test_the_choice_among_resolutions_off_the_output_grid_is_a_finding(tmp_path):
    run(describe(tmp_path), "01", grids={"_res-2": isotropic(3.0), "_res-3": isotropic(2.4)})
    message = findings(tmp_path)["no_resolution_on_output_grid"]
    assert "the finest of 2 resolutions is resampled" in message


def test_fallbacks_of_archives_are_findings(tmp_path):
    results = tmp_path / "HCP" / "100307" / "MNINonLinear" / "Results" / "rfMRI_REST1_LR"
    touch(results / "rfMRI_REST1_LR_hp2000_clean.nii.gz")
    touch(results / "brainmask_fs.1.60.nii.gz")
    (session,) = find_sessions(locate(tmp_path / "HCP"), "100307", Query(), combine_runs=True)
    messages = {finding.name: finding.message for finding in session.runs[0].findings}
    assert (
        f"{results / 'brainmask_fs.2.nii.gz'}: no such mask (masks there: brainmask_fs.1.60.nii.gz)"
        in (messages["mask_not_found"])
    )
    assert f"{results / 'Movement_Regressors.txt'}: no such file" in messages["confounds_not_found"]


def test_several_fmriprep_datasets_beside_xcp_d_are_a_warning(tmp_path, caplog):
    raw = describe(tmp_path / "raw", DatasetType="raw")
    xcp_d(describe(raw / "derivatives" / "xcp_d", DatasetType="derivative", GeneratedBy=[{"Name": "XCP-D"}]))
    for name in ("prep-20", "prep-23"):
        run(describe(raw / "derivatives" / name), "01")
    assert locate(raw, desc="denoised").extra_roots == ()
    assert "2 fMRIPrep derivatives were found" in caplog.text
    assert "-d fmriprep=PATH" in caplog.text


def test_a_second_folder_of_the_usual_name_is_a_warning(tmp_path, caplog):
    raw = describe(tmp_path / "raw", DatasetType="raw")
    for folder in (raw / "derivatives" / "fmriprep", raw / "fmriprep"):
        run(describe(folder), "01")
    assert locate(raw).root == raw / "derivatives" / "fmriprep"
    assert f"{raw / 'derivatives' / 'fmriprep'} is used, {raw / 'fmriprep'} not" in caplog.text


def test_confounds_of_the_fmriprep_dataset_are_no_fallback(tmp_path):
    xcp_d(tmp_path / "xcp_d", TABLES[0])
    run(describe(tmp_path / "fmriprep"), "01")
    names = findings(tmp_path / "xcp_d", DENOISED, extra_roots={"fmriprep": tmp_path / "fmriprep"})
    assert list(names) == ["confounds_not_found"]
    assert CONFOUNDS not in names["confounds_not_found"]
