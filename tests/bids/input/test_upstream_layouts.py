"""Preflight of the file names that upstream pipelines write, by their documentation and test datasets.

The lists are short extracts of the documentation of fMRIPrep, XCP-D, fMRIPost-AROMA, HALFpipe, NiBabies and
giga_connectome, and of fMRIPrep's test datasets ds005, ds054, ds210 and ds000001.
"""

import json
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.input.preflight import preflight
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.runs import group_runs, list_session_files, match_run
from bids_deeptaskgen.bids.input.sources import locate, preflight_dataset
from bids_deeptaskgen.pipeline.dry_run import rerun_command
from tests.bids.trees import touch

STD = "space-MNI152NLin6Asym_res-2"
STD_2009 = "space-MNI152NLin2009cAsym"
RERUN = "re-run fMRIPrep with --output-spaces MNI152NLin6Asym:res-2"
# fMRIPrep, all releases since 1.2: reference images and transforms, confounds.
MINIMAL = (
    "desc-brain_mask.nii.gz",
    "desc-coreg_boldref.nii.gz",
    "desc-hmc_boldref.nii.gz",
    "from-orig_to-boldref_mode-image_desc-hmc_xfm.txt",
    "from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
    "from-boldref_to-auto00000_mode-image_desc-fmap_xfm.txt",
)
# Names of development versions after 25.2.
MINIMAL_NEXT = (
    "space-orig_desc-hmc_boldref.nii.gz",
    "space-run_boldref.nii.gz",
    "from-orig_to-run_mode-image_desc-hmc_xfm.txt",
    "from-run_to-T1w_mode-image_desc-coreg_xfm.txt",
)
CONFOUNDS = ("desc-confounds_timeseries.json", "desc-confounds_timeseries.tsv")
SURFACES = (
    "hemi-L_space-fsaverage5_bold.func.gii",
    "hemi-L_space-fsnative_bold.json",
    "space-fsLR_den-91k_bold.dtseries.nii",
    "space-fsLR_den-91k_bold.json",
    "space-T1w_desc-goodvoxels_mask.nii.gz",
)
XCP_D_TABLES = (
    "motion.tsv",
    "motion.json",
    "outliers.tsv",
    "outliers.json",
    "design.tsv",
    "desc-abcc_qc.hdf5",
)


def resampled(space: str) -> tuple[str, ...]:
    """Return the names that fMRIPrep writes for a series in a space."""
    return (
        f"{space}_boldref.nii.gz",
        f"{space}_desc-brain_mask.json",
        f"{space}_desc-brain_mask.nii.gz",
        f"{space}_desc-preproc_bold.json",
        f"{space}_desc-preproc_bold.nii.gz",
        f"{space}_desc-aparcaseg_dseg.nii.gz",
    )


def dataset(folder: Path, name: str, version: str, names, run: str = "sub-01_task-rest_run-01") -> Path:
    """Write a dataset of one participant with reports and folders beside it, as pipelines do."""
    description = {"DatasetType": "derivative", "GeneratedBy": [{"Name": name, "Version": version}]}
    touch(folder / "dataset_description.json", json.dumps(description))
    for path in (
        "sub-01.html",
        "sub-01_ses-1_executive_summary.html",
        "logs/CITATION.md",
        "desc-aseg_dseg.tsv",
    ):
        touch(folder / path)
    for path in ("sub-01/figures/sub-01_task-rest_desc-summary_bold.html", "sub-01/log/x/fmriprep.toml"):
        touch(folder / path)
    touch(folder / "sub-01" / "anat" / "sub-01_desc-preproc_T1w.nii.gz")
    touch(folder / "sourcedata" / "freesurfer" / "sub-01" / "func" / f"{run}_desc-preproc_bold.nii.gz")
    for file_name in names:
        touch(folder / "sub-01" / "func" / f"{run}_{file_name}")
    return folder


def only_row(folder: Path, query: Query | None = None):
    (row,) = preflight(folder, query or Query(needs_confounds=True))
    return row


@pytest.mark.parametrize("version", ["20.2.7", "23.2.3", "25.2.0"])
def test_fmriprep_in_several_spaces_is_usable(tmp_path, version):
    names = (*MINIMAL, *CONFOUNDS, *SURFACES, *resampled(STD), *resampled(STD_2009), *resampled("space-T1w"))
    folder = dataset(tmp_path / "out", "fMRIPrep", version, names)
    row = only_row(folder)
    assert (row.bold_names, row.reason) == ((f"sub-01_task-rest_run-01_{STD}_desc-preproc_bold.nii.gz",), "")
    assert locate(folder).root == folder


def test_fmriprep_after_25_2_is_usable(tmp_path):
    names = (*MINIMAL_NEXT, *CONFOUNDS, *resampled(STD))
    assert only_row(dataset(tmp_path, "fMRIPrep", "26.0.0", names)).reason == ""


def test_fmriprep_20_2_with_aroma_is_usable_as_cleaned_series(tmp_path):
    names = (
        *CONFOUNDS,
        *resampled(f"{STD_2009}_res-2"),
        "AROMAnoiseICs.csv",
        "desc-MELODIC_mixing.tsv",
        "from-T1w_to-scanner_mode-image_xfm.txt",
        "space-MNI152NLin6Asym_desc-smoothAROMAnonaggr_bold.nii.gz",
        "space-fsaverage5_hemi-L_bold.func.gii",
    )
    folder = dataset(tmp_path, "fMRIPrep", "20.2.0rc0", names)
    reason = only_row(folder).reason
    assert "spaces found: MNI152NLin2009cAsym" in reason
    assert f"choose the cleaned series with `desc` smoothAROMAnonaggr, or {RERUN}" in reason
    assert only_row(folder, Query(desc="smoothAROMAnonaggr")).reason == ""


@pytest.mark.parametrize(
    ("names", "finding", "advice"),
    [
        ((*MINIMAL, *SURFACES), "only surface or CIFTI series found", RERUN),
        (MINIMAL, "only what fMRIPrep's --level minimal writes", f"{RERUN} --level full"),
        (MINIMAL_NEXT, "only what fMRIPrep's --level minimal writes", f"{RERUN} --level full"),
        (resampled(STD_2009), "spaces found: MNI152NLin2009cAsym", RERUN),
        (
            ("desc-preproc_bold.nii.gz", *resampled("space-T1w")),
            "only native space found: T1w, native",
            RERUN,
        ),
        (
            ("echo-1_desc-preproc_bold.nii.gz", "echo-2_desc-preproc_bold.nii.gz", *MINIMAL),
            "single echoes only: no optimal combination",
            "re-run fMRIPrep with all echoes of the run (without --echo-idx)",
        ),
    ],
    ids=["surfaces", "minimal", "next minimal", "2009c", "native", "echoes"],
)
def test_unusable_output_of_fmriprep_is_explained(tmp_path, names, finding, advice):
    row = only_row(dataset(tmp_path, "fMRIPrep", "25.2.0", (*names, *CONFOUNDS)))
    assert row.bold_names == ()
    assert finding in row.reason
    assert advice in row.reason


def test_echoes_beside_their_combination_are_ignored(tmp_path):
    names = (
        *(f"echo-{n}_desc-preproc_bold.nii.gz" for n in "123"),
        f"{STD}_T2starmap.nii.gz",
        *resampled(STD),
    )
    row = only_row(dataset(tmp_path, "fMRIPrep", "25.2.0", (*names, *CONFOUNDS)))
    assert row.bold_names == (f"sub-01_task-rest_run-01_{STD}_desc-preproc_bold.nii.gz",)


XCP_D_LINC = (
    f"{STD}_desc-denoised_bold.nii.gz",
    f"{STD}_desc-denoised_bold.json",
    f"{STD}_desc-denoisedSmoothed_bold.nii.gz",
    f"{STD}_atlas-4S156Parcels_stat-coverage_bold.tsv",
    f"{STD}_atlas-4S156Parcels_stat-mean_timeseries.tsv",
    f"{STD}_stat-alff_boldmap.nii.gz",
    f"{STD}_stat-alff_desc-smooth_boldmap.nii.gz",
    f"{STD}_desc-linc_qc.tsv",
    *XCP_D_TABLES,
)


def test_xcp_d_26_1_is_usable_with_its_desc_only(tmp_path):
    folder = dataset(tmp_path / "xcp_d", "XCP-D", "26.1.0", XCP_D_LINC)
    touch(folder / "sourcedata" / "atlases" / "dataset_description.json", "{}")
    row = only_row(folder, Query(desc="denoised"))
    assert (row.bold_names, row.reason) == ((f"sub-01_task-rest_run-01_{STD}_desc-denoised_bold.nii.gz",), "")
    located = locate(folder)
    rows = preflight_dataset(located, Query())
    assert rows[0].reason.endswith("; choose the cleaned series with `desc` denoised")
    assert rerun_command(located, "rest", rows) == ""


@pytest.mark.parametrize("desc", ["preproc", "denoised"])
def test_no_fmriprep_command_would_write_into_the_folder_of_xcp_d(tmp_path, desc):
    names = [name.replace(STD, STD_2009) for name in XCP_D_LINC]
    folder = dataset(tmp_path / "out", "XCP-D", "26.1.0", names)
    for description in (True, False):
        if not description:
            (folder / "dataset_description.json").unlink()
        located = locate(folder, desc=desc)
        rows = preflight_dataset(located, Query(desc=desc))
        assert f"{RERUN}, then XCP-D again" in rows[0].reason
        assert rerun_command(located, "rest", rows) == ""


def test_xcp_d_with_cifti_only_is_explained(tmp_path):
    names = ("space-fsLR_den-91k_desc-denoised_bold.dtseries.nii", *XCP_D_TABLES)
    row = only_row(dataset(tmp_path, "XCP-D", "26.1.0", names), Query(desc="denoised"))
    assert "re-run XCP-D with --file-format nifti" in row.reason


def test_fmripost_aroma_is_usable_with_fmriprep_beside_it(tmp_path):
    names = (
        f"{STD}_desc-nonaggrDenoised_bold.nii.gz",
        f"{STD}_desc-aggrDenoised_bold.nii.gz",
        "desc-melodic_mixing.tsv",
        "desc-aroma_metrics.tsv",
        "desc-aroma_timeseries.tsv",
    )
    folder = dataset(tmp_path / "aroma", "fMRIPost-AROMA", "0.0.12", names)
    fmriprep = dataset(tmp_path / "fmriprep", "fMRIPrep", "25.2.0", (*resampled(STD), *CONFOUNDS))
    query = Query(desc="nonaggrDenoised")
    located = locate(folder, (("fmriprep", fmriprep),), desc=query.desc)
    assert [row.reason for row in preflight_dataset(located, query)] == [""]
    # By its documentation, its components have the name of fMRIPrep's confounds.
    func = folder / "sub-01" / "func"
    touch(func / "sub-01_task-rest_run-01_desc-confounds_timeseries.tsv")
    files = list_session_files(folder, "01", None, {"fmriprep": fmriprep})
    ((bolds,),) = group_runs(files, query, combine_runs=True).values()
    assert match_run(bolds, files, query).confounds.path.is_relative_to(fmriprep)
    assert only_row(folder).reason.endswith("choose the cleaned series with `desc` aggrDenoised")


def test_halfpipe_is_used_by_its_fmriprep_derivatives(tmp_path):
    names = (
        "setting-preproc_bold.nii.gz",
        "setting-preproc_desc-brain_mask.nii.gz",
        "setting-preproc_desc-confounds_regressors.tsv",
        "feature-reho_reho.nii.gz",
    )
    halfpipe = dataset(tmp_path / "derivatives" / "halfpipe", "HALFpipe", "1.2.2", names)
    fmriprep = dataset(
        tmp_path / "derivatives" / "fmriprep", "fMRIPrep", "20.2.7", (*resampled(STD), *CONFOUNDS)
    )
    assert locate(tmp_path).root == fmriprep
    assert only_row(fmriprep).reason == ""
    row = only_row(halfpipe)
    assert "only series of HALFpipe found, whose names do not state their space" in row.reason
    assert "name the folder derivatives/fmriprep of the same HALFpipe output" in row.reason
    assert rerun_command(locate(halfpipe), "rest", [row]) == ""


def test_nibabies_is_usable_and_an_infant_template_is_not(tmp_path):
    run = "sub-01_ses-3mo_task-rest_run-01"
    for space, reason in ((STD, ""), ("space-MNIInfant_cohort-1_res-2", "spaces found: MNIInfant")):
        folder = dataset(tmp_path / space, "NiBabies", "25.0.1", ())
        for name in (*resampled(space), *CONFOUNDS):
            touch(folder / "sub-01" / "ses-3mo" / "func" / f"{run}_{name}")
        row = only_row(folder)
        assert (row.session, bool(row.reason)) == ("3mo", bool(reason))
        assert reason in row.reason
        assert rerun_command(locate(folder), "rest", [row]) == ""


def test_connectomes_of_giga_connectome_are_no_series(tmp_path):
    names = (
        "seg-Schaefer2018_desc-100Parcels7Networks_meas-PearsonCorrelation_relmat.tsv",
        "seg-Schaefer2018_desc-100Parcels7Networks_timeseries.tsv",
    )
    folder = dataset(tmp_path, "giga_connectome", "0.6.0", names)
    row = only_row(folder)
    assert "no series at all, only files that end in: relmat, timeseries" in row.reason
    assert "name the folder that fMRIPrep wrote" in row.reason
    assert rerun_command(locate(folder), "rest", [row]) == ""
