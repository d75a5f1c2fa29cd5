"""Kinds of input, and their participants, by folder and file names."""

import gzip
import time

import nibabel as nib
import pytest

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import SessionFault
from bids_deeptaskgen.bids.input.sources import find_sessions, is_cleaned, locate, preflight_dataset
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import FULL_MODEL_GRID
from tests.bids.trees import BOLD, describe, image, isotropic, run, touch

XCPD = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "xcp_d"}, {"Name": "fMRIPrep"}]}
AROMA = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPost-AROMA"}, {"Name": "fMRIPrep"}]}
DENOISED = BOLD.replace("preproc", "denoised")


def hcp(root, participant, *runs, kind="hp2000", other_files=()):
    for name in runs:
        touch(root / participant / "MNINonLinear" / "Results" / name / f"{name}_{kind}_clean.nii.gz")
    for name in other_files:
        touch(root / participant / "MNINonLinear" / "Results" / name)


def ukb(root, participant, *names):
    for name in names or ("filtered_func_data_clean.nii.gz",):
        touch(root / participant / "fMRI" / "rfMRI.ica" / name)


def rows_by_name(dataset, query=None):
    return {
        row.name: row.reason or list(row.bold_names) for row in preflight_dataset(dataset, query or Query())
    }


def test_hcp_is_detected_by_folder_names(tmp_path):
    hcp(
        tmp_path, "100307", "rfMRI_REST1_LR", "rfMRI_REST1_RL", other_files=["tfMRI_WM_LR/tfMRI_WM_LR.nii.gz"]
    )
    hcp(tmp_path, "100408")
    touch(tmp_path / "100408" / "MNINonLinear" / "T1w.nii.gz")
    touch(tmp_path / "logs" / "x.txt")
    touch(tmp_path / "readme.txt")
    dataset = locate(tmp_path)
    assert (dataset.kind, dataset.link, is_cleaned(dataset, "preproc")) == ("hcp", "hcp", True)
    rows = rows_by_name(dataset)
    assert rows["sub-100307"] == [
        f"rfMRI_REST1_{direction}_hp2000_clean.nii.gz" for direction in ("LR", "RL")
    ]
    assert (
        "no MNINonLinear/Results/rfMRI_REST*/*_hp2000_clean.nii.gz, *_hp0_clean.nii.gz or the same with "
        in rows["sub-100408"]
    )
    assert set(rows) == {"sub-100307", "sub-100408"}


def test_hcp_d_file_of_all_runs_is_ignored_if_single_runs_exist(tmp_path):
    for visit, runs in (("V1", ["rfMRI_REST"]), ("V2", ["rfMRI_REST", "rfMRI_REST1_AP", "rfMRI_REST1_PA"])):
        hcp(tmp_path, f"HCD0001305_{visit}_MR", *runs, kind="hp0")
    dataset = locate(tmp_path)
    rows = rows_by_name(dataset)
    assert rows["sub-HCD0001305 ses-V1"] == ["rfMRI_REST_hp0_clean.nii.gz"]
    assert rows["sub-HCD0001305 ses-V2"] == [
        "rfMRI_REST1_AP_hp0_clean.nii.gz",
        "rfMRI_REST1_PA_hp0_clean.nii.gz",
    ]
    sessions = find_sessions(dataset, "HCD0001305", Query(), combine_runs=True)
    assert [(record.session, len(record.runs)) for record in sessions] == [("V1", 1), ("V2", 2)]
    sessions = find_sessions(dataset, "HCD0001305", Query(sessions=("V2",)), combine_runs=False)
    assert [record.entities for record in sessions] == [
        (("task", "rest"), ("dir", direction), ("run", "1")) for direction in ("AP", "PA")
    ]
    assert [row.reason for row in preflight_dataset(dataset, Query(sessions=("V3",)))] == [
        "no ses-V3 (visits found: ses-V1, ses-V2); correct `session_label`"
    ]


def test_runs_and_directions_of_hcp_are_selected(tmp_path):
    hcp(tmp_path, "100307", *(f"rfMRI_REST{n}_{direction}" for n in "12" for direction in ("LR", "RL")))
    dataset = locate(tmp_path)
    assert len(rows_by_name(dataset, Query(runs=("01",)))["sub-100307"]) == 2
    query = Query(runs=("2",), filters=(("dir", ("RL",)),))
    assert rows_by_name(dataset, query)["sub-100307"] == ["rfMRI_REST2_RL_hp2000_clean.nii.gz"]
    (session,) = find_sessions(dataset, "100307", query, combine_runs=True)
    assert [run.name for run in session.runs] == ["dir-RL_run-2"]
    assert "runs found: 1, 2); correct `run_id`" in rows_by_name(dataset, Query(runs=("3",)))["sub-100307"]


def test_hcp_run_with_two_filters_counts_once(tmp_path):
    hcp(tmp_path, "100307", "rfMRI_REST1_LR")
    hcp(tmp_path, "100307", "rfMRI_REST1_LR", "rfMRI_REST1_RL", kind="hp0")
    expected_names = ["rfMRI_REST1_LR_hp2000_clean.nii.gz", "rfMRI_REST1_RL_hp0_clean.nii.gz"]
    assert rows_by_name(locate(tmp_path))["sub-100307"] == expected_names
    (session,) = find_sessions(locate(tmp_path), "100307", Query(), combine_runs=True)
    assert [run.bold.name for run in session.runs] == expected_names


CLEANINGS = (
    "hp2000_clean",
    "hp0_clean",
    "hp2000_clean_rclean",
    "hp0_clean_rclean",
    "hp2000_clean_tclean",
    "hp2000_clean_rclean_tclean",
    "hp0_clean_rclean_tclean",
    "hppd2_clean_tclean",
)


@pytest.mark.parametrize("run_name", ["rfMRI_REST1_LR", "rfMRI_REST", "rfMRI_REST1_7T_PA"])
@pytest.mark.parametrize("cleaning", CLEANINGS)
def test_each_cleaning_of_hcp_is_taken_and_named(tmp_path, cleaning, run_name):
    folder = tmp_path / "100307" / "MNINonLinear" / "Results" / run_name
    bold = touch(folder / f"{run_name}_{cleaning}.nii.gz")
    touch(folder / f"{run_name}_Atlas_MSMAll_{cleaning}.dtseries.nii")
    touch(folder / f"{run_name}_{cleaning}_vn.nii.gz")
    assert rows_by_name(locate(tmp_path))["sub-100307"] == [bold.name]
    (session,) = find_sessions(locate(tmp_path), "100307", Query(), combine_runs=True)
    steps = session.runs[0].denoised_by.split("; ")
    assert steps[:2] == [cleaning.partition("_")[0], "ICA-FIX"]
    assert ("reclassified components (rclean)" in steps) == ("rclean" in cleaning)
    assert ("temporal ICA (tclean)" in steps) == ("tclean" in cleaning)


def test_cleanings_of_hcp_have_an_order(tmp_path):
    folder = tmp_path / "100307" / "MNINonLinear" / "Results" / "rfMRI_REST1_LR"
    order = (
        "hp2000_clean",
        "hp0_clean",
        "hp2000_clean_rclean",
        "hp0_clean_rclean",
        "hp2000_clean_tclean",
        "hp2000_clean_rclean_tclean",
        "hp0_clean_rclean_tclean",
    )
    for cleaning in reversed(order):
        touch(folder / f"rfMRI_REST1_LR_{cleaning}.nii.gz")
        assert rows_by_name(locate(tmp_path))["sub-100307"] == [f"rfMRI_REST1_LR_{cleaning}.nii.gz"]


def test_hcp_series_of_all_runs_of_7_t_does_not_count_beside_single_runs(tmp_path):
    hcp(tmp_path, "100307", "rfMRI_REST1_7T_PA", "rfMRI_REST_7T", "rfMRI_REST", kind="hp2000")
    assert rows_by_name(locate(tmp_path))["sub-100307"] == [
        "rfMRI_REST_hp2000_clean.nii.gz",
        "rfMRI_REST1_7T_PA_hp2000_clean.nii.gz",
    ]


@pytest.mark.parametrize("name", ["brainmask_fs.2.nii.gz", "Movement_Regressors.txt", "bold"])
def test_links_into_git_annex_of_hcp_are_refused_with_a_remedy(tmp_path, name):
    hcp(tmp_path, "100307", "rfMRI_REST1_LR")
    folder = tmp_path / "100307" / "MNINonLinear" / "Results" / "rfMRI_REST1_LR"
    path = folder / name.replace("bold", "rfMRI_REST1_LR_hp2000_clean.nii.gz")
    path.unlink(missing_ok=True)
    path.symlink_to("../../../.git/annex/objects/x/MD5E-s9--0123.nii.gz")
    (fault,) = find_sessions(locate(tmp_path), "100307", Query(), combine_runs=True)
    assert f"Run: datalad get {path}" in str(fault.error)


def test_preflight_of_archives_reports_what_sessions_refuse(tmp_path):
    for name in ("1000015_20227_2_0", "1000015_20228_2_0"):
        ukb(tmp_path / "ukb", name)
    hcp(tmp_path / "hcp", "100307", "rfMRI_REST1_LR")
    (tmp_path / "mine").mkdir()
    for kind, subject, words in (
        ("ukb", "1000015", "hold runs of the same participant and visit"),
        ("hcp", "100307", "no table of custom regressors"),
    ):
        query = Query(custom=tmp_path / "mine")
        (fault,) = find_sessions(locate(tmp_path / kind), subject, query, combine_runs=True)
        (row,) = preflight_dataset(locate(tmp_path / kind), query)
        assert row.reason == "; ".join(str(fault.error).splitlines())
        assert words in row.reason


def test_sessions_of_archives_that_a_filter_excludes_are_no_failure(tmp_path):
    for name in ("1000015_20227_2_0", "1000015_20227_3_0", "1000023_20227_2_0"):
        ukb(tmp_path, name)
    rows = preflight_dataset(locate(tmp_path), Query(filters=(("ses", ("3",)),)))
    assert [(row.name, bool(row.bold_names), row.failed) for row in rows] == [
        ("sub-1000015 ses-3", True, False),
        ("sub-1000023", False, False),
    ]
    (session,) = find_sessions(
        locate(tmp_path), "1000015", Query(filters=(("ses", ("3",)),)), combine_runs=True
    )[:1]
    assert session.session == "3"


def test_split_runs_of_hcp_d_are_pooled_and_7_t_runs_are_separate(tmp_path):
    hcp(tmp_path, "HCD0001305_V1_MR", "rfMRI_REST1a_PA", "rfMRI_REST1b_PA", "rfMRI_REST2a_AP", kind="hp0")
    hcp(tmp_path, "100307", "rfMRI_REST1_LR", "rfMRI_REST1_7T_PA", "rfMRI_REST2_7T_AP")
    dataset = locate(tmp_path)
    (child,) = find_sessions(dataset, "HCD0001305", Query(), combine_runs=True)
    assert [run.name for run in child.runs] == [
        "dir-PA_run-1_chunk-1",
        "dir-PA_run-1_chunk-2",
        "dir-AP_run-2_chunk-1",
    ]
    assert len(rows_by_name(dataset, Query(runs=("1",)))["sub-HCD0001305 ses-V1"]) == 2
    adult = find_sessions(dataset, "100307", Query(), combine_runs=True)
    assert {record.entities: len(record.runs) for record in adult} == {
        (("task", "rest"),): 1,
        (("task", "rest"), ("acq", "7T")): 2,
    }


@pytest.mark.parametrize("combine", [True, False])
def test_preflight_predicts_entities_of_archive_results(tmp_path, combine):
    hcp(tmp_path, "100307", *(f"rfMRI_REST{n}_{direction}" for n in "12" for direction in ("LR", "RL")))
    dataset = locate(tmp_path)
    (row,) = preflight_dataset(dataset, Query())
    sessions = find_sessions(dataset, "100307", Query(), combine_runs=combine)
    assert row.series(combine_runs=combine) == {record.entities for record in sessions}
    assert len(sessions) == (1 if combine else 4)


def test_reason_mentions_cifti_series_of_hcp(tmp_path):
    for participant, name in (
        ("100307", "rfMRI_REST1_LR_Atlas_hp2000_clean.dtseries.nii"),
        ("100408", "Physio.txt"),
    ):
        touch(tmp_path / participant / "MNINonLinear" / "Results" / "rfMRI_REST1_LR" / name)
    rows = rows_by_name(locate(tmp_path))
    assert "(only surface or CIFTI series found); fetch that part of the archive" in rows["sub-100307"]
    assert "CIFTI" not in rows["sub-100408"]


def test_ukb_is_detected_by_folder_names_and_visits_are_sessions(tmp_path):
    ukb(tmp_path, "1000015_20227_2_0")
    ukb(tmp_path, "1000015_20227_3_0")
    touch(tmp_path / "1000015_20249_2_0" / "fMRI" / "tfMRI.feat" / "x.nii.gz")
    touch(tmp_path / "1000023_20227_2_0" / "fMRI" / "rfMRI_SBREF.nii.gz")
    touch(tmp_path / "1000031_20252_2_0" / "T1" / "T1.nii.gz")
    touch(tmp_path / "1000040_20227_1_0" / "fMRI" / "rfMRI.ica" / "filtered_func_data_clean.nii.gz")
    dataset = locate(tmp_path)
    assert dataset.kind == "ukb"
    rows = rows_by_name(dataset)
    assert set(rows) == {"sub-1000015 ses-2", "sub-1000015 ses-3", "sub-1000023 ses-2", "sub-1000031 ses-2"}
    assert rows["sub-1000015 ses-2"] == ["filtered_func_data_clean.nii.gz"]
    assert "fetch that part of the archive for this participant" in rows["sub-1000023 ses-2"]
    assert list(rows_by_name(dataset, Query(sessions=("3",)))) == [
        "sub-1000015 ses-3",
        *[f"sub-10000{n}" for n in (23, 31)],
    ]


def series_at(root, name, grid, code=1):
    path = image(root / "1000015_20227_2_0" / "fMRI" / "rfMRI.ica" / name, grid, 10)
    loaded = nib.load(path)
    header = loaded.header.copy()
    header.set_sform(loaded.affine, code)
    header.set_qform(loaded.affine, code)
    path.write_bytes(gzip.compress(bytes(header.binaryblock) + bytes(4)))
    return path


def read(root):
    """Return the only session of the simulated UK Biobank participant."""
    (session,) = find_sessions(locate(root), "1000015", Query(), combine_runs=True)
    return session


@pytest.mark.parametrize(("grid", "code"), [(FULL_MODEL_GRID, 1), (isotropic(3), 4)])
def test_ukb_series_in_standard_space_is_used_under_any_name(tmp_path, grid, code):
    series_at(tmp_path, "filtered_func_data_clean.nii.gz", isotropic(2.4))
    expected_bold = series_at(tmp_path, "filtered_func_data_clean_MNI.nii.gz", grid, code)
    (run_of,) = read(tmp_path).runs
    assert (run_of.bold, run_of.fsl_warp) == (expected_bold, None)


def test_native_ukb_series_needs_its_warp(tmp_path):
    bold = series_at(tmp_path, "filtered_func_data_clean.nii.gz", isotropic(2.4))
    fault = read(tmp_path)
    assert isinstance(fault, SessionFault)
    assert "are missing: reg/example_func2standard_warp.nii.gz, mask.nii.gz" in str(fault.error)
    warp = touch(bold.parent / "reg" / "example_func2standard_warp.nii.gz")
    touch(bold.parent / "mask.nii.gz")
    (run_of,) = read(tmp_path).runs
    assert (run_of.bold, run_of.fsl_warp) == (bold, warp)


def test_ambiguous_files_of_an_archive_are_refused(tmp_path):
    for name in ("a", "b"):
        series_at(tmp_path, f"filtered_func_data_clean_{name}.nii.gz", FULL_MODEL_GRID)
    assert "are one run in standard space" in str(read(tmp_path).error)
    ukb(tmp_path, "1000015_20228_2_0")
    assert "hold runs of the same participant and visit" in str(read(tmp_path).error)


def test_absent_participants_of_an_archive_have_a_row(tmp_path):
    ukb(tmp_path, "1000015_20227_2_0")
    rows = rows_by_name(locate(tmp_path), Query(participants=("1000016",)))
    assert "nearest: 1000015" in rows["sub-1000016"]


@pytest.mark.parametrize("input_type", ["auto", "hcp"])
def test_folder_of_one_participant_is_refused(tmp_path, input_type):
    hcp(tmp_path, "100307", "rfMRI_REST1_LR")
    with pytest.raises(
        InputError, match=f"one participant of the Human.*\nName its parent folder, {tmp_path},"
    ):
        locate(tmp_path / "100307", input_type=input_type)


def test_input_type_is_checked(tmp_path):
    run(describe(tmp_path / "fmriprep"), "01")
    assert locate(tmp_path / "fmriprep").kind == "fmriprep"
    with pytest.raises(
        InputError, match="`input_type` hcp expects folders named like 100307.*found: dataset_desc"
    ):
        locate(tmp_path / "fmriprep", input_type="hcp")
    with pytest.raises(InputError, match="no such folder"):
        locate(tmp_path / "absent", input_type="ukb")
    with pytest.raises(UserError, match="-d named fmriprep=.*input of type hcp"):
        locate(tmp_path, (("fmriprep", tmp_path / "fmriprep"),), input_type="hcp")


@pytest.mark.parametrize("folder_name", ["xcp_d", "xcpd", "xcp-d"])
def test_desc_selects_among_derivatives_of_a_raw_dataset(tmp_path, folder_name):
    raw = describe(tmp_path / "raw", DatasetType="raw")
    run(describe(raw / "derivatives" / "fmriprep"), "01")
    denoised = describe(raw / "derivatives" / folder_name, **XCPD)
    touch(denoised / "sub-01" / "func" / f"sub-01_task-rest_{DENOISED}")
    dataset = locate(raw, desc="denoised")
    assert (dataset.root, dataset.link) == (denoised, "xcp_d")
    assert dataset.extra_root("fmriprep") == raw / "derivatives" / "fmriprep"
    assert locate(raw).root == raw / "derivatives" / "fmriprep"


def test_datasets_are_identified_by_description(tmp_path):
    fmriprep = describe(tmp_path / "a")
    run(fmriprep, "01")
    aroma = describe(tmp_path / "b", **AROMA)
    touch(aroma / "sub-01" / "func" / "sub-01_task-rest_desc-aroma_timeseries.tsv")
    dataset = locate(tmp_path, (("first", fmriprep), ("second", aroma)))
    assert (dataset.root, dataset.extra_roots) == (fmriprep, (("aroma", aroma),))
    denoised_dataset = locate(tmp_path, (("first", fmriprep), ("second", aroma)), desc="nonaggrDenoised")
    assert (denoised_dataset.root, denoised_dataset.extra_roots) == (aroma, (("fmriprep", fmriprep),))
    with pytest.raises(UserError, match="two datasets of aroma"):
        locate(tmp_path, (("first", aroma), ("aroma", aroma)))


def test_derivatives_that_do_not_exist_are_refused(tmp_path):
    run(describe(tmp_path / "fmriprep"), "01")
    with pytest.raises(InputError, match="no such folder"):
        locate(tmp_path / "fmriprep", (("aroma", tmp_path / "absent"),))


def test_reasons_for_unusable_xcp_d_series(tmp_path):
    folder = describe(tmp_path / "xcp_d", **XCPD)
    touch(folder / "sub-01/func/sub-01_task-rest_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii")
    touch(folder / "sub-02/func/sub-02_task-rest_space-MNI152NLin2009cAsym_res-2_desc-denoised_bold.nii.gz")
    rows = rows_by_name(locate(folder, desc="denoised"), Query(desc="denoised"))
    assert "re-run XCP-D with --file-format nifti" in rows["sub-01"]
    assert "re-run fMRIPrep with --output-spaces MNI152NLin6Asym:res-2, then XCP-D again" in rows["sub-02"]


def test_uri_names_the_dataset_of_a_file(tmp_path):
    run(describe(tmp_path / "fmriprep"), "01")
    dataset = locate(tmp_path / "fmriprep").with_custom(tmp_path / "mine")
    assert dataset.uri(tmp_path / "fmriprep" / "sub-01" / "x") == "bids:fmriprep:sub-01/x"
    assert dataset.uri(tmp_path / "mine" / "y.tsv") == "bids:custom:y.tsv"
    assert dataset.uri(tmp_path / "other" / "z") == (tmp_path / "other" / "z").as_uri()


@pytest.mark.parametrize("kind", ["hcp", "ukb"])
def test_preflight_of_a_thousand_archive_participants_takes_seconds(tmp_path, kind):
    for number in range(1000):
        if kind == "hcp":
            hcp(
                tmp_path,
                f"{100000 + number}",
                *(f"rfMRI_REST{n}_{direction}" for n in "12" for direction in ("LR", "RL")),
            )
        else:
            ukb(tmp_path, f"{1000000 + number}_20227_2_0")
    start = time.perf_counter()
    rows = preflight_dataset(locate(tmp_path), Query())
    assert time.perf_counter() - start < 60
    assert sum(len(row.bold_names) for row in rows) == (4000 if kind == "hcp" else 1000)
