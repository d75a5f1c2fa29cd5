"""Planted bad participants: a verdict or a flag catches each of them, and none of the intact ones."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import affine_transform, gaussian_filter

from bids_deeptaskgen import load_bundle
from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.data_checks.checks import RunEvidence, check_session
from bids_deeptaskgen.connectome.data_checks.observer import SeriesObserver
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.connectome.prepare_run import prepare_run
from bids_deeptaskgen.connectome.qc_verdicts import judge_metrics
from bids_deeptaskgen.connectome.quality import describe_volumes
from bids_deeptaskgen.connectome.session import kept_volumes
from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.simulation.dataset import simulate_dataset
from tests.inprocess import BOLD, CONFOUNDS, MASK, only

N_VOLUMES = 100
CORNER = np.array([[4, 0, 0, -90.0], [0, 4, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1]])
# Too little data is no fault of these participants.
EXPECTED = {"minutes_kept", "n_residual_dof"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted") / "fmriprep"
    grid = Grid.from_image((46, 55, 46), CORNER)
    return simulate_dataset(folder, statmaps=False, grid=grid, n_participants=2, n_volumes=N_VOLUMES)


@pytest.fixture(scope="module")
def embedded():
    return load_bundle("embedded")


@pytest.fixture
def verdicts(dataset, embedded, tmp_path):
    """Return the names of the metrics beyond their thresholds, for changed files of a participant."""

    def judge(series=None, mask=None, table=None, *, confounds_of="01", **cleaning):
        func = dataset / "sub-01" / "func"
        paths = [
            only(func, BOLD),
            only(func, MASK),
            only(dataset / f"sub-{confounds_of}" / "func", CONFOUNDS),
        ]
        for number, change in enumerate((series, mask)):
            if change:
                image = nib.load(paths[number])
                data = change(np.asarray(image.dataobj).copy())
                paths[number] = tmp_path / f"{number}.nii"
                header = image.header.copy()
                header.set_data_dtype(data.dtype)
                nib.Nifti1Image(data, image.affine, header).to_filename(paths[number])
        if table:
            columns = pd.read_csv(paths[2], sep="\t", na_values="n/a")
            paths[2] = tmp_path / "confounds.tsv"
            table(columns).to_csv(paths[2], sep="\t", index=False, na_rep="n/a")
        run = RunInputs(*paths, t_r=2.0)
        plan = prepare_run(run, embedded.brain_mask, Cleaning("none", **cleaning))
        observer = SeriesObserver(plan.places, len(plan.kept_volumes))
        for _ in observer.watch(kept_volumes(plan)):
            pass
        rois = np.zeros((len(plan.kept_volumes), 1))
        evidence = RunEvidence("01", observer.finish(), plan.reference, plan.kept_volumes, rois)
        checks = check_session([evidence], "sub-01")
        metrics = checks.metrics | describe_volumes([plan])
        return {item.name: item.verdict for item in judge_metrics(metrics) if item.message} | {
            finding.name: "flag" for finding in checks.findings
        }

    return judge


def rotate(mask, axis, shift_mm=8, degrees=5):
    """Shift a mask along an axis and rotate it about the first one."""
    angle = np.deg2rad(degrees)
    rotation = np.eye(3)
    rotation[1:, 1:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    centre, shift = (np.array(mask.shape) - 1) / 2, np.zeros(3)
    shift[axis] = shift_mm / 4
    offset = centre - rotation @ (centre + shift)
    return (affine_transform((mask > 0).astype(np.float32), rotation, offset, order=1) > 0.5).astype(np.uint8)


def noise_image(data, share, seed=0):
    """Repeat the first volume with independent noise, as a share of the brain's level."""
    volume = data[..., :1].astype(np.float32)
    noise = np.random.default_rng(seed).standard_normal(data.shape, np.float32)
    return volume + noise * np.float32(share * np.median(volume[volume > volume.mean()]))


def test_an_intact_participant_is_not_caught(verdicts):
    assert set(verdicts()) <= EXPECTED


def test_half_of_the_brain_missing_fails(verdicts):
    def upper_half_missing(data):
        data[:, :, data.shape[2] // 2 :] = 0
        return data

    caught = verdicts(upper_half_missing)
    # The flag has the name of the metric.
    assert caught["mask_without_signal"] in ("fail", "flag")


def test_nine_tenths_of_the_volumes_censored_fail(verdicts):
    def moving(table):
        return table.assign(framewise_displacement=np.where(np.arange(len(table)) % 10, 0.9, 0.1))

    caught = verdicts(table=moving, fd_threshold=0.5)
    assert caught["removed_share"] == caught["motion_censored_share"] == "fail"
    assert caught["fd_mean_mm"] == "fail"


def test_the_confounds_of_another_participant_fail(verdicts):
    caught = verdicts(confounds_of="02")
    assert caught["global_signal_r"] == "fail"
    assert caught["foreign_confounds"] == "flag"


def test_a_repeated_image_has_frozen_volumes(verdicts):
    """The app even refuses it: no voxel varies."""
    caught = verdicts(lambda data: np.repeat(data[..., :1], data.shape[3], axis=3))
    assert caught["frozen_volumes"] == "flag"


@pytest.mark.parametrize("share", [0.001, 0.01])
def test_a_repeated_image_with_noise_fails(verdicts, share):
    caught = verdicts(lambda data: noise_image(data, share))
    assert caught["global_signal_share"] == caught["global_signal_r"] == "fail"
    assert ("dvars_median_percent" in caught) == (share < 0.002)


def test_smooth_noise_is_caught_by_the_confounds(verdicts):
    def smooth_noise(data):
        noise = np.random.default_rng(0).standard_normal(data.shape, np.float32)
        noise = np.stack([gaussian_filter(volume, 1) for volume in np.moveaxis(noise, 3, 0)], axis=3)
        return (data[..., :1] + noise * (10 / noise.std())).astype(np.float32)

    assert verdicts(smooth_noise)["global_signal_r"] == "fail"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shifted_and_rotated_mask_is_caught(verdicts, axis):
    caught = verdicts(mask=lambda data: rotate(data, axis))
    assert caught["mask_without_signal"] in ("warn", "flag")


def test_mirrored_content_is_not_detectable(verdicts):
    """A mirrored brain has the quality of the brain: metrics cannot tell left from right."""
    caught = verdicts(lambda data: data[::-1].copy(), lambda data: data[::-1].copy())
    assert set(caught) <= EXPECTED | {"global_signal_share"}
