"""Which input a command line means, and who is in it: told by folders and file names."""

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


def hcp(root, participant, *runs, kind="hp2000", also=()):
    for name in runs:
        touch(root / participant / "MNINonLinear" / "Results" / name / f"{name}_{kind}_clean.nii.gz")
    for name in also:
        touch(root / participant / "MNINonLinear" / "Results" / name)


def ukb(root, participant, *names):
    for name in names or ("filtered_func_data_clean.nii.gz",):
        touch(root / participant / "fMRI" / "rfMRI.ica" / name)


def select_rows(located, query=None):
    return {
        row.name: row.reason or list(row.bold_names) for row in preflight_dataset(located, query or Query())
    }


def test_hcp_is_told_by_its_folders_and_its_people_by_their_numbers(tmp_path):
    hcp(tmp_path, "100307", "rfMRI_REST1_LR", "rfMRI_REST1_RL", also=["tfMRI_WM_LR/tfMRI_WM_LR.nii.gz"])
    hcp(tmp_path, "100408")
    touch(tmp_path / "100408" / "MNINonLinear" / "T1w.nii.gz")
    touch(tmp_path / "logs" / "x.txt")
    touch(tmp_path / "readme.txt")
    located = locate(tmp_path)
    assert (located.kind, located.link, is_cleaned(located, "preproc")) == ("hcp", "hcp", True)
    rows = select_rows(located)
    assert rows["sub-100307"] == [f"rfMRI_REST1_{way}_hp2000_clean.nii.gz" for way in ("LR", "RL")]
    assert (
        "no MNINonLinear/Results/rfMRI_REST*/*_hp2000_clean.nii.gz or *_hp0_clean.nii.gz in"
        in rows["sub-100408"]
    )
    assert set(rows) == {"sub-100307", "sub-100408"}


def test_all_runs_of_hcp_d_in_one_file_do_not_count_beside_single_ones(tmp_path):
    for visit, runs in (("V1", ["rfMRI_REST"]), ("V2", ["rfMRI_REST", "rfMRI_REST1_AP", "rfMRI_REST1_PA"])):
        hcp(tmp_path, f"HCD0001305_{visit}_MR", *runs, kind="hp0")
    located = locate(tmp_path)
    rows = select_rows(located)
    assert rows["sub-HCD0001305 ses-V1"] == ["rfMRI_REST_hp0_clean.nii.gz"]
    assert rows["sub-HCD0001305 ses-V2"] == [
        "rfMRI_REST1_AP_hp0_clean.nii.gz",
        "rfMRI_REST1_PA_hp0_clean.nii.gz",
    ]
    pooled = find_sessions(located, "HCD0001305", Query(), combine_runs=True)
    assert [(one.session, len(one.runs)) for one in pooled] == [("V1", 1), ("V2", 2)]
    apart = find_sessions(located, "HCD0001305", Query(sessions=("V2",)), combine_runs=False)
    assert [one.entities for one in apart] == [
        (("task", "rest"), ("dir", way), ("run", "1")) for way in ("AP", "PA")
    ]
    assert [row.reason for row in preflight_dataset(located, Query(sessions=("V3",)))] == [
        "no ses-V3 (visits found: ses-V1, ses-V2); mend --session-label"
    ]


def test_runs_and_directions_of_hcp_can_be_chosen(tmp_path):
    hcp(tmp_path, "100307", *(f"rfMRI_REST{n}_{way}" for n in "12" for way in ("LR", "RL")))
    located = locate(tmp_path)
    assert len(select_rows(located, Query(runs=("01",)))["sub-100307"]) == 2
    only = Query(runs=("2",), allowed=(("dir", ("RL",)),))
    assert select_rows(located, only)["sub-100307"] == ["rfMRI_REST2_RL_hp2000_clean.nii.gz"]
    (session,) = find_sessions(located, "100307", only, combine_runs=True)
    assert [run.name for run in session.runs] == ["dir-RL_run-2"]
    assert "runs found: 1, 2); mend --run-id" in select_rows(located, Query(runs=("3",)))["sub-100307"]


def test_a_run_of_hcp_under_two_filters_counts_once(tmp_path):
    hcp(tmp_path, "100307", "rfMRI_REST1_LR")
    hcp(tmp_path, "100307", "rfMRI_REST1_LR", "rfMRI_REST1_RL", kind="hp0")
    wanted = ["rfMRI_REST1_LR_hp2000_clean.nii.gz", "rfMRI_REST1_RL_hp0_clean.nii.gz"]
    assert select_rows(locate(tmp_path))["sub-100307"] == wanted
    (session,) = find_sessions(locate(tmp_path), "100307", Query(), combine_runs=True)
    assert [run.bold.name for run in session.runs] == wanted


def test_halved_runs_of_hcp_d_are_pooled_and_those_of_7_t_are_kept_apart(tmp_path):
    hcp(tmp_path, "HCD0001305_V1_MR", "rfMRI_REST1a_PA", "rfMRI_REST1b_PA", "rfMRI_REST2a_AP", kind="hp0")
    hcp(tmp_path, "100307", "rfMRI_REST1_LR", "rfMRI_REST1_7T_PA", "rfMRI_REST2_7T_AP")
    located = locate(tmp_path)
    (child,) = find_sessions(located, "HCD0001305", Query(), combine_runs=True)
    assert [run.name for run in child.runs] == [
        "dir-PA_run-1_chunk-1",
        "dir-PA_run-1_chunk-2",
        "dir-AP_run-2_chunk-1",
    ]
    assert len(select_rows(located, Query(runs=("1",)))["sub-HCD0001305 ses-V1"]) == 2
    adult = find_sessions(located, "100307", Query(), combine_runs=True)
    assert {one.entities: len(one.runs) for one in adult} == {
        (("task", "rest"),): 1,
        (("task", "rest"), ("acq", "7T")): 2,
    }


@pytest.mark.parametrize("combine", [True, False])
def test_the_preflight_knows_the_results_of_an_archive_by_their_names(tmp_path, combine):
    hcp(tmp_path, "100307", *(f"rfMRI_REST{n}_{way}" for n in "12" for way in ("LR", "RL")))
    located = locate(tmp_path)
    (row,) = preflight_dataset(located, Query())
    found = find_sessions(located, "100307", Query(), combine_runs=combine)
    assert row.series(combine_runs=combine) == {one.entities for one in found}
    assert len(found) == (1 if combine else 4)


def test_cifti_of_hcp_is_told_from_nothing(tmp_path):
    for participant, name in (
        ("100307", "rfMRI_REST1_LR_Atlas_hp2000_clean.dtseries.nii"),
        ("100408", "Physio.txt"),
    ):
        touch(tmp_path / participant / "MNINonLinear" / "Results" / "rfMRI_REST1_LR" / name)
    rows = select_rows(locate(tmp_path))
    assert "(only surface or CIFTI series found); fetch that part of the archive" in rows["sub-100307"]
    assert "CIFTI" not in rows["sub-100408"]


def test_ukb_is_told_by_its_folders_and_visits_are_sessions(tmp_path):
    ukb(tmp_path, "1000015_20227_2_0")
    ukb(tmp_path, "1000015_20227_3_0")
    touch(tmp_path / "1000015_20249_2_0" / "fMRI" / "tfMRI.feat" / "x.nii.gz")
    touch(tmp_path / "1000023_20227_2_0" / "fMRI" / "rfMRI_SBREF.nii.gz")
    touch(tmp_path / "1000031_20252_2_0" / "T1" / "T1.nii.gz")
    touch(tmp_path / "1000040_20227_1_0" / "fMRI" / "rfMRI.ica" / "filtered_func_data_clean.nii.gz")
    located = locate(tmp_path)
    assert located.kind == "ukb"
    rows = select_rows(located)
    assert set(rows) == {"sub-1000015 ses-2", "sub-1000015 ses-3", "sub-1000023 ses-2", "sub-1000031 ses-2"}
    assert rows["sub-1000015 ses-2"] == ["filtered_func_data_clean.nii.gz"]
    assert "fetch that part of the archive for this person" in rows["sub-1000023 ses-2"]
    assert list(select_rows(located, Query(sessions=("3",)))) == [
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
    (found,) = find_sessions(locate(root), "1000015", Query(), combine_runs=True)
    return found


@pytest.mark.parametrize(("grid", "code"), [(FULL_MODEL_GRID, 1), (isotropic(3), 4)])
def test_the_series_of_ukb_in_standard_space_is_taken_whatever_it_is_called(tmp_path, grid, code):
    series_at(tmp_path, "filtered_func_data_clean.nii.gz", isotropic(2.4))
    wanted = series_at(tmp_path, "filtered_func_data_clean_MNI.nii.gz", grid, code)
    (run_of,) = read(tmp_path).runs
    assert (run_of.bold, run_of.fsl_warp) == (wanted, None)


def test_a_native_series_of_ukb_comes_with_its_warp_or_is_refused(tmp_path):
    bold = series_at(tmp_path, "filtered_func_data_clean.nii.gz", isotropic(2.4))
    fault = read(tmp_path)
    assert isinstance(fault, SessionFault)
    assert "is not there: reg/example_func2standard_warp.nii.gz, mask.nii.gz" in str(fault.error)
    warp = touch(bold.parent / "reg" / "example_func2standard_warp.nii.gz")
    touch(bold.parent / "mask.nii.gz")
    (run_of,) = read(tmp_path).runs
    assert (run_of.bold, run_of.fsl_warp) == (bold, warp)


def test_what_fits_equally_well_in_an_archive_is_refused(tmp_path):
    for name in ("a", "b"):
        series_at(tmp_path, f"filtered_func_data_clean_{name}.nii.gz", FULL_MODEL_GRID)
    assert "are one run in standard space" in str(read(tmp_path).error)
    ukb(tmp_path, "1000015_20228_2_0")
    assert "hold runs of the same person and visit" in str(read(tmp_path).error)


def test_people_who_are_not_in_an_archive_have_a_row(tmp_path):
    ukb(tmp_path, "1000015_20227_2_0")
    rows = select_rows(locate(tmp_path), Query(participants=("1000016",)))
    assert "nearest: 1000015" in rows["sub-1000016"]


@pytest.mark.parametrize("said", ["auto", "hcp"])
def test_the_folder_of_one_person_is_told_from_the_archive(tmp_path, said):
    hcp(tmp_path, "100307", "rfMRI_REST1_LR")
    with pytest.raises(InputError, match=f"one person of the Human.*\nGive the folder above it, {tmp_path};"):
        locate(tmp_path / "100307", input_type=said)


def test_the_type_of_the_input_may_be_said(tmp_path):
    run(describe(tmp_path / "fmriprep"), "01")
    assert locate(tmp_path / "fmriprep").kind == "fmriprep"
    with pytest.raises(
        InputError, match="--input-type hcp wants folders called as 100307.*found: dataset_desc"
    ):
        locate(tmp_path / "fmriprep", input_type="hcp")
    with pytest.raises(InputError, match="no such folder"):
        locate(tmp_path / "absent", input_type="ukb")
    with pytest.raises(
        UserError, match="-d named fmriprep=.*the input is input of type hcp|-d named fmriprep="
    ):
        locate(tmp_path, (("fmriprep", tmp_path / "fmriprep"),), input_type="hcp")


@pytest.mark.parametrize("spelt", ["xcp_d", "xcpd", "xcp-d"])
def test_a_raw_dataset_that_has_derivatives_of_both_gives_those_that_wrote_the_series(tmp_path, spelt):
    raw = describe(tmp_path / "raw", DatasetType="raw")
    run(describe(raw / "derivatives" / "fmriprep"), "01")
    denoised = describe(raw / "derivatives" / spelt, **XCPD)
    touch(denoised / "sub-01" / "func" / f"sub-01_task-rest_{DENOISED}")
    located = locate(raw, desc="denoised")
    assert (located.root, located.link) == (denoised, "xcp_d")
    assert located.other("fmriprep") == raw / "derivatives" / "fmriprep"
    assert locate(raw).root == raw / "derivatives" / "fmriprep"


def test_datasets_go_by_what_made_them_whatever_they_are_called(tmp_path):
    fmriprep = describe(tmp_path / "a")
    run(fmriprep, "01")
    aroma = describe(tmp_path / "b", **AROMA)
    touch(aroma / "sub-01" / "func" / "sub-01_task-rest_desc-aroma_timeseries.tsv")
    located = locate(tmp_path, (("one", fmriprep), ("two", aroma)))
    assert (located.root, located.others) == (fmriprep, (("aroma", aroma),))
    cleaned = locate(tmp_path, (("one", fmriprep), ("two", aroma)), desc="nonaggrDenoised")
    assert (cleaned.root, cleaned.others) == (aroma, (("fmriprep", fmriprep),))
    with pytest.raises(UserError, match="two datasets of aroma"):
        locate(tmp_path, (("one", aroma), ("aroma", aroma)))


def test_derivatives_that_were_named_and_are_not_there_are_refused(tmp_path):
    run(describe(tmp_path / "fmriprep"), "01")
    with pytest.raises(InputError, match="no such folder"):
        locate(tmp_path / "fmriprep", (("aroma", tmp_path / "absent"),))


def test_xcpds_cifti_is_told_from_what_can_be_used(tmp_path):
    folder = describe(tmp_path / "xcp_d", **XCPD)
    touch(folder / "sub-01/func/sub-01_task-rest_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii")
    touch(folder / "sub-02/func/sub-02_task-rest_space-MNI152NLin2009cAsym_res-2_desc-denoised_bold.nii.gz")
    rows = select_rows(locate(folder, desc="denoised"), Query(desc="denoised"))
    assert "re-run XCP-D with --file-format nifti" in rows["sub-01"]
    assert "re-run fMRIPrep with --output-spaces MNI152NLin6Asym:res-2, then XCP-D again" in rows["sub-02"]


def test_a_uri_names_the_dataset_that_holds_a_file(tmp_path):
    run(describe(tmp_path / "fmriprep"), "01")
    located = locate(tmp_path / "fmriprep").with_custom(tmp_path / "mine")
    assert located.uri(tmp_path / "fmriprep" / "sub-01" / "x") == "bids:fmriprep:sub-01/x"
    assert located.uri(tmp_path / "mine" / "y.tsv") == "bids:custom:y.tsv"
    assert located.uri(tmp_path / "other" / "z") == (tmp_path / "other" / "z").as_uri()


@pytest.mark.parametrize("kind", ["hcp", "ukb"])
def test_a_thousand_people_of_an_archive_take_seconds(tmp_path, kind):
    for number in range(1000):
        if kind == "hcp":
            hcp(
                tmp_path,
                f"{100000 + number}",
                *(f"rfMRI_REST{n}_{way}" for n in "12" for way in ("LR", "RL")),
            )
        else:
            ukb(tmp_path, f"{1000000 + number}_20227_2_0")
    start = time.perf_counter()
    rows = preflight_dataset(locate(tmp_path), Query())
    assert time.perf_counter() - start < 60
    assert sum(len(row.bold_names) for row in rows) == (4000 if kind == "hcp" else 1000)
