import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds

from bids_deeptaskgen.bids.measured_maps import measured_folder
from bids_deeptaskgen.connectome.censoring import framewise_displacement
from bids_deeptaskgen.connectome.template_masks import brain_mask
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import OUTPUT_GRID, Grid
from bids_deeptaskgen.simulation.dataset import simulate_dataset

# Every fourth point of fMRIPrep's grid.
COARSE = Grid.from_image(
    (23, 28, 23), np.array([[8.0, 0, 0, -90], [0, 8, 0, -126], [0, 0, 8, -72], [0, 0, 0, 1]])
)
SMALL = {"n_participants": 2, "n_volumes": 40, "n_dummies": 2, "motion": 8.0, "grid": COARSE}
STEM = "sub-01_task-rest"
IN_SPACE = f"{STEM}_space-MNI152NLin6Asym_res-8"


def contents(folder):
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items()}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return simulate_dataset(tmp_path_factory.mktemp("first") / "data", **SMALL)


@pytest.fixture(scope="module")
def func(dataset):
    return dataset / "sub-01" / "func"


@pytest.fixture(scope="module")
def table(func):
    return pd.read_csv(func / f"{STEM}_desc-confounds_timeseries.tsv", sep="\t", keep_default_na=False)


def test_the_same_seed_gives_the_same_bytes(dataset, tmp_path):
    again = simulate_dataset(tmp_path / "data", **SMALL)
    assert contents(again) == contents(dataset)


def test_simulating_into_the_same_folder_again_changes_nothing(dataset):
    before = contents(dataset)
    simulate_dataset(dataset, **SMALL)
    assert contents(dataset) == before


def test_a_participant_does_not_depend_on_the_number_of_participants(dataset, tmp_path):
    fewer = contents(simulate_dataset(tmp_path, **SMALL | {"n_participants": 1}))
    more = contents(dataset)
    of_participant = {name for name in fewer if "sub-01" in name}
    assert len(of_participant) == 47 + 6
    assert all(fewer[name] == more[name] for name in of_participant)


def test_another_seed_gives_other_participants(dataset, tmp_path):
    other = contents(simulate_dataset(tmp_path, **SMALL | {"n_participants": 1, "seed": 1}))
    images = [name for name in other if name.endswith((".nii.gz", ".tsv")) and "sub-01" in name]
    assert not any(other[name] == contents(dataset)[name] for name in images)


def test_files_are_named_as_fmriprep_names_them(func):
    expected = {
        f"{IN_SPACE}_desc-preproc_bold.nii.gz",
        f"{IN_SPACE}_desc-preproc_bold.json",
        f"{IN_SPACE}_desc-brain_mask.nii.gz",
        f"{IN_SPACE}_desc-brain_mask.json",
        f"{STEM}_desc-confounds_timeseries.tsv",
        f"{STEM}_desc-confounds_timeseries.json",
    }
    assert {path.name for path in func.iterdir()} == expected


def test_sessions_and_runs_are_in_file_names_and_differ(tmp_path):
    out = simulate_dataset(tmp_path, n_participants=1, n_volumes=12, n_runs=2, n_sessions=2, grid=COARSE)
    bolds = sorted(path.relative_to(out).as_posix() for path in out.rglob("*_bold.nii.gz"))
    assert bolds == [
        f"sub-01/ses-{s}/func/sub-01_ses-{s}_task-rest_run-{r}_space-MNI152NLin6Asym_res-8_desc-preproc_bold.nii.gz"
        for s in (1, 2)
        for r in (1, 2)
    ]
    assert len({(out / bold).read_bytes() for bold in bolds}) == 4
    maps = sorted(measured_folder(out).rglob("*contrast-wm2bk_*.nii.gz"))
    assert [path.parent.parent.name for path in maps] == ["ses-1", "ses-2"]
    assert maps[0].read_bytes() != maps[1].read_bytes()


def test_the_dataset_says_that_it_is_simulated(dataset):
    for folder in (dataset, measured_folder(dataset)):
        about = json.loads((folder / "dataset_description.json").read_text())
        assert about["DatasetType"] == "derivative"
        assert about["GeneratedBy"][0]["Name"] == "bids-deeptaskgen simulate"
        assert about["GeneratedBy"][1] == {
            "Name": "fMRIPrep",
            "Version": "25.2.5",
            "Description": "layout only: simulated data",
        }


def test_every_participant_is_in_the_table_of_participants(dataset):
    participants = pd.read_csv(dataset / "participants.tsv", sep="\t")
    assert list(participants.participant_id) == ["sub-01", "sub-02"]
    assert participants.age.between(18, 90).all()


def test_header_and_json_agree_on_the_repetition_time_and_the_space(func):
    image = nib.load(func / f"{IN_SPACE}_desc-preproc_bold.nii.gz")
    about = json.loads((func / f"{IN_SPACE}_desc-preproc_bold.json").read_text())
    assert about["RepetitionTime"] == image.header.get_zooms()[3] == 2.0
    assert about["SkullStripped"] is False
    assert about["TaskName"] == "rest"
    assert image.shape == (*COARSE.shape, 40)
    for form, code in (image.header.get_sform(coded=True), image.header.get_qform(coded=True)):
        assert code == 4
        np.testing.assert_allclose(form, COARSE.matrix, atol=1e-5)


def test_the_mask_is_nearly_the_brain_and_the_image_goes_on_around_it(func):
    mask = np.asanyarray(nib.load(func / f"{IN_SPACE}_desc-brain_mask.nii.gz").dataobj) > 0
    brain = brain_mask(COARSE)
    assert 0.9 < 2 * (mask & brain).sum() / (mask.sum() + brain.sum()) < 1
    volumes = nib.load(func / f"{IN_SPACE}_desc-preproc_bold.nii.gz").get_fdata()
    assert (volumes[mask].std(axis=-1) > 0).all()
    assert (volumes[~mask].std(axis=-1) > 0).any()


def test_integers_hold_the_same_run_to_half_a_step(func, tmp_path):
    out = simulate_dataset(tmp_path, **SMALL | {"n_participants": 1, "dtype": "int16", "statmaps": False})
    stored = nib.load(out / "sub-01" / "func" / f"{IN_SPACE}_desc-preproc_bold.nii.gz")
    exact = nib.load(func / f"{IN_SPACE}_desc-preproc_bold.nii.gz")
    assert stored.get_data_dtype() == np.int16
    assert np.abs(stored.get_fdata() - exact.get_fdata()).max() <= stored.dataobj.slope / 2 + 1e-3
    assert not measured_folder(out).exists()


def test_confounds_have_the_columns_of_fmriprep(table):
    for name in ("global_signal", "csf", "white_matter", "trans_x", "rot_z"):
        for suffix in ("", "_derivative1", "_power2", "_derivative1_power2"):
            assert name + suffix in table
    for name in ("std_dvars", "dvars", "framewise_displacement", "rmsd", "non_steady_state_outlier01"):
        assert name in table
    for letter in "cwa":
        assert f"{letter}_comp_cor_04" in table
    assert "non_steady_state_outlier02" not in table


def test_what_needs_a_volume_before_is_not_available_in_the_first_row_only(table):
    first = table.iloc[0] == "n/a"
    assert set(table.columns[first]) == {
        name
        for name in table
        if "derivative1" in name or name in ("std_dvars", "dvars", "framewise_displacement", "rmsd")
    }
    assert not (table.iloc[1:] == "n/a").any(axis=None)


def test_displacement_and_derivatives_follow_from_the_motion_parameters(table):
    motion = table[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]].astype(float).to_numpy()
    fd = table.framewise_displacement[1:].astype(float)
    np.testing.assert_allclose(fd, framewise_displacement(motion)[1:], atol=1e-6)
    np.testing.assert_allclose(table.trans_y_derivative1[1:].astype(float), np.diff(motion[:, 1]), atol=1e-8)
    np.testing.assert_allclose(table.rot_x_power2.astype(float), motion[:, 3] ** 2, atol=1e-12)


def test_each_outlier_column_marks_one_volume(table):
    columns = [name for name in table if "outlier" in name]
    assert any(name.startswith("motion_outlier") for name in columns), "eight times the usual motion"
    for name in columns:
        assert sorted(table[name].astype(float)) == [0.0] * 39 + [1.0]
    dummies = table[["non_steady_state_outlier00", "non_steady_state_outlier01"]].astype(float)
    np.testing.assert_array_equal(dummies.to_numpy()[:2], np.eye(2))


def test_the_global_signal_is_the_mean_of_the_brain(func, table):
    volumes = nib.load(func / f"{IN_SPACE}_desc-preproc_bold.nii.gz").get_fdata()
    found = volumes[brain_mask(COARSE)].mean(axis=0)
    np.testing.assert_allclose(table.global_signal.astype(float), found, rtol=1e-3)


def test_nilearn_finds_components_cosines_and_dummies(func):
    confounds, sample_mask = load_confounds(
        str(func / f"{IN_SPACE}_desc-preproc_bold.nii.gz"),
        strategy=("motion", "high_pass", "compcor"),
        motion="derivatives",
        compcor="anat_separated",
        n_compcor=5,
    )
    assert confounds.filter(regex="^c_comp_cor").shape[1] == 5
    assert confounds.filter(regex="^w_comp_cor").shape[1] == 5
    assert confounds.filter(regex="^(trans|rot)").shape[1] == 12
    assert list(sample_mask) == list(range(2, 40))


def test_components_are_orthonormal_and_ordered_by_the_variance_in_their_json(func, table):
    about = json.loads((func / f"{STEM}_desc-confounds_timeseries.json").read_text())
    for letter, mask in (("c", "CSF"), ("w", "WM"), ("a", "combined")):
        names = [name for name in table if name.startswith(f"{letter}_comp_cor")]
        components = table[names].astype(float).to_numpy()
        np.testing.assert_allclose(components.T @ components, np.eye(len(names)), atol=1e-8)
        assert (components[:2] == 0).all(), "zero in dummies"
        explained = [about[name]["VarianceExplained"] for name in names]
        assert explained == sorted(explained, reverse=True)
        assert about[names[-1]]["CumulativeVarianceExplained"] == pytest.approx(sum(explained))
        assert {about[name]["Mask"] for name in names} == {mask}


def test_cosines_are_those_of_128_seconds_and_zero_in_dummies(tmp_path):
    settings = SMALL | {"n_participants": 1, "n_volumes": 130, "statmaps": False}
    simulate_dataset(tmp_path, **settings)
    path = tmp_path / "sub-01" / "func" / f"{STEM}_desc-confounds_timeseries.tsv"
    cosines = pd.read_csv(path, sep="\t").filter(like="cosine").to_numpy()
    # 2 * 128 volumes * 2 s / 128 s = 4, of which fMRIPrep keeps one fewer.
    assert cosines.shape == (130, 3)
    assert (cosines[:2] == 0).all()
    np.testing.assert_allclose(cosines.T @ cosines, np.eye(3), atol=1e-8)


def test_task_maps_are_named_by_task_and_contrast(dataset):
    maps = sorted((measured_folder(dataset) / "sub-01" / "func").iterdir())
    assert len(maps) == 47
    name = "sub-01_task-wm_space-MNI152NLin6Asym_res-8_contrast-wm2bkMinus0bk_stat-z_desc-measured"
    image = nib.load(maps[0].parent / f"{name}_statmap.nii.gz")
    np.testing.assert_allclose(image.affine, COARSE.matrix)
    assert image.header["intent_code"] == 0
    assert (image.get_fdata()[~brain_mask(COARSE)] == 0).all()


def test_a_folder_with_other_content_is_refused_and_unchanged(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="not empty"):
        simulate_dataset(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_simulation_with_other_settings_is_not_mixed_in(dataset):
    before = contents(dataset)
    with pytest.raises(UserError, match="not of this simulation"):
        simulate_dataset(dataset, **SMALL | {"seed": 5})
    assert contents(dataset) == before


def test_the_default_grid_is_that_of_fmriprep(tmp_path):
    out = simulate_dataset(tmp_path, n_participants=1, n_volumes=10, statmaps=False)
    path = next(out.rglob("*_res-2_desc-preproc_bold.nii.gz"))
    image = nib.load(path)
    assert image.shape[:3] == OUTPUT_GRID.shape
    np.testing.assert_array_equal(
        image.affine, [[2, 0, 0, -90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]]
    )
