"""The same series gives the same maps, in whichever archive it lies."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.settings.flags import with_flags
from tests.conftest import N_SIMULATED
from tests.workflow import arrangements

# The fault of a series that is not there, and what is left of the first volumes, are tested elsewhere.
PLAIN = {"nuisance_regressors": "none", "dummy_scans": 2}


def maps_of(settings):
    paths = sorted(settings.output_dir.glob("sub-*/**/*_desc-predicted_statmap.nii.gz"))
    return np.stack([nib.load(path).get_fdata(dtype=np.float32) for path in paths])


def sidecar_of(settings):
    path = next(iter(sorted(settings.output_dir.glob("sub-*/**/*_desc-predicted_statmap.json"))))
    return json.loads(path.read_text("utf-8"))


def quality_of(settings):
    return json.loads(next(settings.output_dir.glob("sub-*/**/*_desc-qc_metrics.json")).read_text("utf-8"))


@pytest.fixture(scope="module")
def plain(simulated, model, tmp_path_factory):
    """Compute the maps of a participant whose fMRIPrep series is used as cleaned data."""
    from bids_deeptaskgen.settings.participant import ParticipantSettings

    settings = ParticipantSettings(
        simulated,
        tmp_path_factory.mktemp("plain") / "out",
        model=str(model),
        nprocs=1,
        min_minutes=1,
        min_dof=5,
        participant_label=("01",),
        **PLAIN,
    )
    assert participant.run(settings) == 0
    return maps_of(settings)


def test_hcp_is_found_masked_and_left_as_it_was_cleaned(simulated, settings_of, tmp_path, plain):
    root = tmp_path / "HCP"
    bold = arrangements.as_hcp(simulated, root, "01", "100307")
    settings = settings_of(root, dummy_scans=2)
    assert participant.run(settings) == 0
    np.testing.assert_array_equal(maps_of(settings), plain)
    sidecar = sidecar_of(settings)
    assert f"bids:hcp:{bold.relative_to(root).as_posix()}" in sidecar["Sources"]
    assert sidecar["DeepTaskGen"]["Settings"]["nuisance_regressors"] == "none"
    assert len(list(settings.output_dir.glob("sub-100307/func/sub-100307_task-rest_*"))) > 2
    assert quality_of(settings)["fd_mean_mm"] > 0


def test_ukb_in_standard_space_needs_no_fsl(simulated, settings_of, tmp_path, plain, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    arrangements.as_ukb(simulated, tmp_path / "ukb", "01", "1000015_20227_2_0")
    settings = settings_of(tmp_path / "ukb", dummy_scans=2)
    assert participant.run(settings) == 0
    # Without a mask: a voxel of the brain that happens to be 0 in the first volume is none.
    np.testing.assert_array_equal(maps_of(settings), plain)
    assert (settings.output_dir / "sub-1000015" / "ses-2").is_dir()
    assert quality_of(settings)["fd_mean_mm"] > 0


def test_ukb_in_the_scanners_space_is_refused_without_fsl(
    simulated, settings_of, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    arrangements.as_ukb(simulated, tmp_path / "ukb", "01", "1000015_20227_2_0", native=True)
    assert participant.run(settings_of(tmp_path / "ukb")) == 3
    words = capsys.readouterr().out
    assert "is in native space, and FSL's applywarp" in words
    assert "is not on the PATH. Install FSL or load its module" in words


def test_ukb_in_the_scanners_space_is_warped_where_fsl_is(
    simulated, settings_of, tmp_path, plain, monkeypatch
):
    for name, value in arrangements.put_applywarp(tmp_path / "fsl").items():
        monkeypatch.setenv(name, value)
    arrangements.as_ukb(simulated, tmp_path / "ukb", "01", "1000015_20227_2_0", native=True)
    settings = settings_of(tmp_path / "ukb", dummy_scans=2)
    assert participant.run(settings) == 0
    assert sidecar_of(settings)["DeepTaskGen"]["Runs"][0]["warped_with"] == "applywarp of FSL"
    own_value = maps_of(settings)
    pair = (own_value != 0) & (plain != 0)
    assert np.corrcoef(own_value[pair], plain[pair])[0, 1] > 0.97
    # Nothing of it stays, neither beside the input nor in the work folder.
    assert not list(settings.output_dir.rglob("fsl-*"))
    assert not list((tmp_path / "ukb").rglob("*bold*"))


def test_the_error_of_fsl_is_reported(simulated, settings_of, tmp_path, capsys, monkeypatch):
    for name, value in arrangements.put_applywarp(tmp_path / "fsl").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("APPLYWARP_FAILS", "1")
    arrangements.as_ukb(simulated, tmp_path / "ukb", "01", "1000015_20227_2_0", native=True)
    assert participant.run(settings_of(tmp_path / "ukb")) == 3
    words = capsys.readouterr().out
    assert "applywarp failed with exit code 1; it said: Could not open image" in words
    assert "Try it by hand:" in words


def test_the_runs_of_hcp_are_pooled_or_kept_apart(simulated, settings_of, tmp_path):
    for run in ("rfMRI_REST1_LR", "rfMRI_REST1_RL", "rfMRI_REST2_LR"):
        arrangements.as_hcp(simulated, tmp_path / "HCP", "01", "100307", run)
    together = settings_of(tmp_path / "HCP", "together")
    assert participant.run(together) == 0
    assert len(sidecar_of(together)["DeepTaskGen"]["Runs"]) == 3
    apart = settings_of(tmp_path / "HCP", "apart", combine_runs=False, run_id=("1",))
    assert participant.run(apart) == 0
    names = {path.name for path in apart.output_dir.glob("sub-100307/func/*_desc-qc_metrics.json")}
    assert names == {f"sub-100307_task-rest_dir-{way}_run-1_desc-qc_metrics.json" for way in ("LR", "RL")}


def test_what_xcpd_has_cleaned_is_not_cleaned_again(simulated, settings_of, tmp_path, plain):
    arrangements.as_xcpd(simulated, tmp_path / "xcp_d", "01")
    settings = settings_of(tmp_path / "xcp_d", desc="denoised", dummy_scans=2)
    assert participant.run(settings) == 0
    np.testing.assert_array_equal(maps_of(settings), plain)
    sidecar = sidecar_of(settings)
    assert all(source.startswith("bids:xcp_d:") for source in sidecar["Sources"])
    assert sidecar["DeepTaskGen"]["Settings"]["nuisance_regressors"] == "none"


@pytest.mark.parametrize("interpolated", [True, False])
def test_volumes_that_xcpd_interpolated_or_took_out_count_for_nothing(
    simulated, settings_of, tmp_path, interpolated
):
    keep = np.ones(N_SIMULATED, bool)
    keep[[0, 1, 17, 18, 40]] = False
    arrangements.as_xcpd(simulated, tmp_path / "xcp_d", "01", keep=keep, interpolated=interpolated)
    settings = settings_of(tmp_path / "xcp_d", desc="denoised", smoothing=0)
    assert participant.run(settings) == 0
    assert quality_of(settings)["n_volumes_kept"] == N_SIMULATED - 5
    expected = settings_of(tmp_path / "same", "wanted", desc="denoised")
    arrangements.as_xcpd(simulated, tmp_path / "same", "01", keep=keep, interpolated=not interpolated)
    assert participant.run(expected) == 0
    np.testing.assert_allclose(maps_of(settings), maps_of(expected), atol=1e-5)


def test_what_fmripost_aroma_has_cleaned_takes_mask_and_motion_from_fmriprep(
    simulated, settings_of, tmp_path, plain
):
    arrangements.as_aroma(simulated, tmp_path / "aroma", "01")
    settings = settings_of(
        tmp_path / "aroma",
        desc="nonaggrDenoised",
        derivatives=(("fmriprep", simulated),),
        dummy_scans=2,
    )
    assert participant.run(settings) == 0
    np.testing.assert_array_equal(maps_of(settings), plain)
    sources = sidecar_of(settings)["Sources"]
    assert {source.split(":")[1] for source in sources} == {"aroma", "fmriprep"}
    links = json.loads((settings.output_dir / "dataset_description.json").read_text("utf-8"))["DatasetLinks"]
    assert set(links) == {"aroma", "fmriprep"}
    assert quality_of(settings)["fd_mean_mm"] > 0


def test_series_that_are_not_masked_want_a_mask(simulated, settings_of, tmp_path, capsys):
    arrangements.as_aroma(simulated, tmp_path / "aroma", "01")
    bold = next((tmp_path / "aroma").rglob("*_bold.nii.gz"))
    image = nib.load(bold)
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32) + 500, image.affine, image.header), bold)
    assert participant.run(settings_of(tmp_path / "aroma", desc="nonaggrDenoised")) == 3
    words = capsys.readouterr().out
    assert "there is no brain mask, and the" in words
    assert "-d fmriprep=PATH" in words


def test_noise_components_of_fmripost_aroma_are_regressed_out(simulated, settings_of, tmp_path, plain):
    arrangements.as_aroma(simulated, tmp_path / "aroma", "01")
    settings = settings_of(
        simulated,
        derivatives=(("aroma", tmp_path / "aroma"),),
        nuisance_regressors="aroma",
        participant_label=("01",),
    )
    assert participant.run(settings) == 0
    runs = sidecar_of(settings)["DeepTaskGen"]["Runs"]
    assert runs[0]["regressors"][:4] == [
        "csf",
        "white_matter",
        "aroma_orth_motion_01",
        "aroma_orth_motion_04",
    ]
    assert any(source.startswith("bids:aroma:") for source in sidecar_of(settings)["Sources"])
    assert np.abs(maps_of(settings) - plain).max() > 1e-3


def test_noise_components_that_are_not_used_are_no_silent_gift(simulated, settings_of, tmp_path):
    arrangements.as_aroma(simulated, tmp_path / "aroma", "01")
    with pytest.raises(UserError, match="does not use.\nAdd `nuisance_regressors` aroma"):
        participant.run(settings_of(simulated, derivatives=(("aroma", tmp_path / "aroma"),)))


@pytest.mark.parametrize("preset", ["27P", "36P", "acompcor_gsr", "gsr_only"])
def test_who_removes_the_global_signal_is_warned(simulated, settings_of, preset, caplog):
    settings = settings_of(simulated, nuisance_regressors=preset, dry_run=True, participant_label=("01",))
    assert participant.run(settings) == 0
    assert f"--nuisance-regressors {preset} removes the global signal" in with_flags(caplog.text)


def test_cleaning_what_was_cleaned_is_warned_of(simulated, settings_of, tmp_path, caplog):
    arrangements.as_xcpd(simulated, tmp_path / "xcp_d", "01")
    participant.run(settings_of(tmp_path / "xcp_d", desc="denoised", nuisance_regressors="24P", dry_run=True))
    assert "on series that were denoised before" in caplog.text


def test_custom_confounds_must_exist_for_each_run(simulated, settings_of, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    settings = settings_of(simulated, custom_confounds=tmp_path / "mine", participant_label=("01",))
    assert participant.run(settings) == 3
    words = capsys.readouterr().out
    assert "no table of custom regressors for" in words
    assert "searched for sub-01_task-rest_desc-confounds_timeseries.tsv" in words
    (tmp_path / "one.tsv").touch()
    settings = settings_of(simulated, custom_confounds=tmp_path / "one.tsv", participant_label=("01",))
    assert participant.run(settings) == 3
    assert (
        "is a file, but --custom-confounds expects a folder with one table for each run"
        in capsys.readouterr().out
    )


def test_nothing_of_the_input_is_copied_or_changed(simulated, settings_of, tmp_path):
    arrangements.as_hcp(simulated, tmp_path / "HCP", "01", "100307")
    initial_state = {path: path.stat().st_mtime_ns for path in (tmp_path / "HCP").rglob("*")}
    participant.run(settings_of(tmp_path / "HCP"))
    assert initial_state == {path: path.stat().st_mtime_ns for path in (tmp_path / "HCP").rglob("*")}


def test_a_folder_without_participants_is_no_archive(settings_of, tmp_path):
    shutil.copytree(tmp_path, tmp_path / "empty", ignore=lambda *_: ["empty"])
    with pytest.raises(InputError, match="the folder is empty"):
        participant.run(settings_of(tmp_path / "empty"))
