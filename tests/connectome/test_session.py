"""From files to connectomes: results do not depend on how an image is stored."""

import gzip
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_deeptaskgen.connectome import session as participant
from bids_deeptaskgen.connectome.accumulator import correlate_windows
from bids_deeptaskgen.connectome.brain_mask import nonzero_voxels
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.connectome.prepare_run import prepare_run
from bids_deeptaskgen.connectome.roi_projection import RoiSpace, roi_projection
from bids_deeptaskgen.connectome.session import compute_session_connectomes
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import MODEL_GRID, Grid
from bids_deeptaskgen.io import nifti_reader
from bids_deeptaskgen.io.nifti_reader import NiftiSeries

N_VOLUMES, T_R = 90, 2.0
NONE = Cleaning("none")
LENIENT = DataRequirements(min_minutes=1, min_dof=20)
# A small brain around the left motor cortex, off the midline, so that left and right differ.
BOX = (slice(55, 65), slice(40, 52), slice(55, 64))
# RAS, at the same points of space as the model's grid, a margin of two voxels around the brain.
RAS = np.array([[2, 0, 0, -56.0], [0, 2, 0, -32], [0, 0, 2, 34], [0, 0, 0, 1]])
SHAPE = (14, 16, 13)


@pytest.fixture(scope="module")
def space():
    mask = np.zeros(MODEL_GRID.shape, bool)
    mask[BOX] = True
    maps = np.random.default_rng(0).standard_normal((4, mask.sum()))
    return RoiSpace(mask, roi_projection(maps))


def phantom(seed=0, n_volumes=N_VOLUMES):
    """Return an asymmetric image and its mask, in RAS."""
    rng = np.random.default_rng(seed)
    sources = rng.standard_normal((3, n_volumes))
    weights = rng.random((*SHAPE, 3)) * np.linspace(0.2, 2, SHAPE[0])[:, None, None, None]
    data = 1000 + 20 * weights @ sources + 5 * rng.standard_normal((*SHAPE, n_volumes))
    mask = np.zeros(SHAPE, bool)
    mask[2:12, 2:14, 2:11] = True
    mask[2, 2, :] = False
    return data.astype(np.float32), mask


def write_run(folder, data, mask, affine=RAS, *, t_r=T_R, name="a", confounds=None):
    folder.mkdir(exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], T_R)[: data.ndim])
    image.to_filename(folder / f"{name}_bold.nii.gz")
    nib.Nifti1Image(mask.astype(np.uint8), affine).to_filename(folder / f"{name}_mask.nii.gz")
    table = None
    if confounds is not None:
        table = folder / f"{name}.tsv"
        pd.DataFrame(confounds).to_csv(table, sep="\t", index=False, na_rep="n/a")
    return RunInputs(folder / f"{name}_bold.nii.gz", folder / f"{name}_mask.nii.gz", table, t_r)


def connect(space, *runs, cleaning=NONE, requirements=LENIENT):
    return compute_session_connectomes(SessionInputs("01", None, runs), space, cleaning, requirements)


def test_the_same_brain_in_ras_and_las_gives_the_same_connectome_voxel_for_voxel(tmp_path, space):
    data, mask = phantom()
    las = RAS.copy()
    las[0] = [-2, 0, 0, RAS[0, 3] + 2 * (SHAPE[0] - 1)]
    reference = connect(space, write_run(tmp_path / "ras", data, mask))
    result = connect(space, write_run(tmp_path / "las", data[::-1], mask[::-1], las))
    np.testing.assert_array_equal(reference.connectomes, result.connectomes)
    np.testing.assert_array_equal(reference.mean, result.mean)
    # The phantom could tell: mirrored content gives something else.
    mirrored = connect(space, write_run(tmp_path / "wrong", data[::-1], mask[::-1]))
    assert np.abs(mirrored.connectomes - reference.connectomes).max() > 0.1


def test_streaming_from_disk_equals_the_array_in_memory_and_is_zero_outside_the_mask(tmp_path, space):
    data, mask = phantom()
    connectome = connect(space, write_run(tmp_path, data, mask))
    box, brain = data[2:12, 2:14, 2:11][::-1], mask[2:12, 2:14, 2:11][::-1].ravel()
    voxels = box.reshape(-1, N_VOLUMES).T
    basis = np.full((N_VOLUMES, 1), 1 / np.sqrt(N_VOLUMES))
    expected = correlate_windows(voxels[:, brain], space.projection[:, brain], basis)
    np.testing.assert_allclose(connectome.connectomes[0][:, brain], expected.connectome[0], atol=1e-6)
    assert not connectome.connectomes[0][:, ~brain].any()
    np.testing.assert_allclose(connectome.mean[brain], voxels[:, brain].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(
        connectome.tsnr[brain], (voxels.mean(0) / voxels.std(0, ddof=1))[brain], rtol=1e-4
    )


def test_signal_outside_the_mask_does_not_matter(tmp_path, space):
    data, mask = phantom()
    loud = data + 1e4 * ~mask[..., None] * np.random.default_rng(1).random(data.shape, np.float32)
    reference = connect(space, write_run(tmp_path / "a", data, mask))
    result = connect(space, write_run(tmp_path / "b", loud, mask))
    np.testing.assert_array_equal(reference.connectomes, result.connectomes)


def test_integers_with_slope_give_what_floats_give(tmp_path, space):
    data, mask = phantom()
    run = write_run(tmp_path, np.round(data * 8) / 8, mask)
    image = nib.Nifti1Image(np.round(data * 8) / 8, RAS)
    image.header.set_zooms((2, 2, 2, T_R))
    image.header.set_data_dtype(np.int16)
    image.to_filename(tmp_path / "int_bold.nii.gz")
    assert nib.load(tmp_path / "int_bold.nii.gz").dataobj.slope != 1
    reference, result = connect(space, run), connect(space, replace(run, bold=tmp_path / "int_bold.nii.gz"))
    np.testing.assert_allclose(reference.connectomes, result.connectomes, atol=2e-3)
    np.testing.assert_allclose(reference.mean, result.mean, rtol=1e-4)


@pytest.mark.parametrize("dtype", [">f4", "<i2", ">i2", "<i4", "<f8"])
@pytest.mark.parametrize(("slope", "inter"), [(1.0, 0.0), (0.125, 500.0), (-0.125, 1500.0)])
def test_a_run_gives_the_same_in_units_of_the_data_however_it_is_stored(tmp_path, space, dtype, slope, inter):
    data, mask = phantom()
    stored_values = np.round((data - inter) / slope)
    run = write_run(tmp_path, (slope * stored_values + inter).astype(np.float64), mask)
    image = nib.Nifti1Image(stored_values.astype(dtype), RAS, nib.Nifti1Header(endianness=dtype[0]))
    image.header.set_zooms((2, 2, 2, T_R))
    image.header.set_data_dtype(dtype)
    image.header.set_slope_inter(slope, inter)
    path = tmp_path / "stored_bold.nii"
    with path.open("wb") as file:  # as they are: nibabel would divide by the slope
        image.header["vox_offset"], image.header["magic"] = 352, b"n+1"
        image.header["scl_slope"], image.header["scl_inter"] = slope, inter
        file.write(bytes(image.header.binaryblock).ljust(352, b"\0"))
        file.write(stored_values.astype(dtype).tobytes(order="F"))
    assert np.allclose(nib.load(path).get_fdata(), slope * stored_values + inter)
    reference, result = connect(space, run), connect(space, replace(run, bold=path))
    np.testing.assert_allclose(result.connectomes, reference.connectomes, atol=1e-6)
    np.testing.assert_allclose(result.mean, reference.mean, rtol=1e-6)
    np.testing.assert_allclose(result.tsnr, reference.tsnr, rtol=1e-5)
    np.testing.assert_allclose(result.roi_connectome, reference.roi_connectome, atol=1e-6)


def test_a_file_that_ends_early_is_found_even_where_its_end_is_censored(tmp_path, space):
    data, mask = phantom()
    fd = np.zeros(N_VOLUMES)
    fd[80:] = 3.0
    run = write_run(tmp_path, data, mask, confounds={"framewise_displacement": fd})
    content = gzip.decompress(run.bold.read_bytes())
    run.bold.write_bytes(gzip.compress(content[: len(content) - data[..., 0].nbytes]))
    cleaning = Cleaning("none", fd_threshold=0.5)
    assert_refused(space, run, words="ends", cleaning=cleaning)


def test_another_resolution_is_resampled_and_logged(tmp_path, space):
    coarse = np.array([[4, 0, 0, -56.0], [0, 4, 0, -32], [0, 0, 4, 34], [0, 0, 0, 1]])
    ones = np.ones((7, 8, 7, N_VOLUMES), np.float32)
    smooth = ones * 100 + np.random.default_rng(2).standard_normal((7, 8, 7, N_VOLUMES)).astype(np.float32)
    mask = np.zeros((7, 8, 7), bool)
    mask[1:6, 1:7, 1:5] = True
    connectome = connect(space, write_run(tmp_path, smooth, mask, coarse))
    assert connectome.runs[0].sampler.resamples
    assert 0.5 < connectome.has_signal.mean() <= 1
    exact = prepare_run(write_run(tmp_path / "x", *phantom()), space.brain_mask, NONE)
    assert not exact.sampler.resamples


def test_censored_volumes_leave_no_trace(tmp_path, space):
    data, mask = phantom()
    fd = np.zeros(N_VOLUMES)
    fd[[5, 40, 41]] = 3.0
    spoiled = data.copy()
    spoiled[..., [5, 40, 41]] *= 1.7
    table = {"framewise_displacement": fd}
    cleaning = Cleaning("none", fd_threshold=0.5)
    reference = connect(space, write_run(tmp_path / "a", data, mask, confounds=table), cleaning=cleaning)
    result = connect(space, write_run(tmp_path / "b", spoiled, mask, confounds=table), cleaning=cleaning)
    np.testing.assert_allclose(reference.connectomes, result.connectomes, atol=1e-7)
    assert len(reference.runs[0].kept_volumes) == N_VOLUMES - 3


def test_the_gain_of_a_run_does_not_matter_when_runs_are_pooled(tmp_path, space):
    (first, mask), (second, _) = phantom(1), phantom(2)
    run = write_run(tmp_path / "a", first, mask)
    reference = connect(space, run, write_run(tmp_path / "b", second, mask))
    result = connect(space, run, write_run(tmp_path / "c", 7 * second, mask))
    np.testing.assert_allclose(reference.connectomes, result.connectomes, atol=1e-6)
    assert reference.connectomes.shape[0] == 1


@pytest.mark.parametrize(
    ("window_option", "window_minutes", "n_windows"),
    [(3, None, 3), (None, 1.0, 3), (None, 9.0, 1), (None, None, 1)],
)
def test_windows_are_as_asked_or_nearest_to_those_of_the_training(
    tmp_path, space, window_option, window_minutes, n_windows
):
    run = write_run(tmp_path, *phantom())
    requirements = replace(LENIENT, n_windows=window_option, window_minutes=window_minutes)
    assert connect(space, run, run, requirements=requirements).connectomes.shape[0] == (
        1 if n_windows == 1 else 2 * n_windows
    )


def assert_refused(space, *runs, words, cleaning=NONE, requirements=LENIENT):
    with pytest.raises(InputError, match=words):
        connect(space, *runs, cleaning=cleaning, requirements=requirements)


def test_a_mask_on_another_grid_is_refused(tmp_path, space):
    data, mask = phantom()
    run = write_run(tmp_path / "a", data, mask)
    shifted = RAS.copy()
    shifted[0, 3] += 2
    result = write_run(tmp_path / "b", data, mask, shifted)
    assert_refused(space, replace(run, mask=result.mask), words="the mask is not on the BOLD's grid")
    nib.Nifti1Image(mask[:-1].astype(np.uint8), RAS).to_filename(tmp_path / "m.nii.gz")
    assert_refused(
        space, replace(run, mask=tmp_path / "m.nii.gz"), words="the mask is not on the BOLD's grid"
    )


def test_a_mask_of_another_brain_is_refused(tmp_path, space):
    data, mask = phantom()
    assert_refused(space, write_run(tmp_path / "a", data, ~mask), words="Dice 0.0")
    assert_refused(space, write_run(tmp_path / "b", data, np.zeros_like(mask)), words=r"\(0 voxels\)")


def test_orientations_that_disagree_are_refused(tmp_path, space):
    run = write_run(tmp_path, *phantom())
    image = nib.load(run.bold)
    image.set_qform(RAS @ np.diag([-1, 1, 1, 1]), code=1)
    image.set_sform(RAS, code=4)
    image.to_filename(tmp_path / "two_bold.nii.gz")
    assert_refused(space, replace(run, bold=tmp_path / "two_bold.nii.gz"), words="axes LAS, not RAS")


def test_the_json_wins_over_the_header_and_a_difference_is_warned_of(tmp_path, space, caplog):
    run = write_run(tmp_path, *phantom())
    assert prepare_run(replace(run, t_r=None), space.brain_mask, NONE).t_r == T_R
    assert not caplog.records
    assert prepare_run(replace(run, t_r=0.8), space.brain_mask, NONE).t_r == 0.8
    assert "0.8 s in the JSON and 2 s in the header" in caplog.text


@pytest.mark.parametrize("requirements", [DataRequirements(), DataRequirements(min_minutes=0.1, min_dof=500)])
@pytest.mark.parametrize(("dummy_scans", "is_advised"), [(0, False), (10, True)])
def test_fewer_removed_volumes_are_advised_only_if_volumes_were_removed(
    tmp_path, space, requirements, dummy_scans, is_advised
):
    run = write_run(tmp_path, *phantom())
    with pytest.raises(InputError) as caught:
        connect(space, run, requirements=requirements, cleaning=Cleaning("none", dummy_scans=dummy_scans))
    assert ("`fd_threshold`" in str(caught.value)) == is_advised


def test_too_little_data_is_refused_with_numbers(tmp_path, space):
    run = write_run(tmp_path, *phantom())
    assert_refused(
        space,
        run,
        words="90 of 90 volumes are kept, 3.0 minutes; at least 4",
        requirements=DataRequirements(),
    )
    connect(space, run, run, requirements=DataRequirements())
    assert_refused(
        space, run, words="leaves 89 degrees of freedom", requirements=replace(LENIENT, min_dof=90)
    )
    assert_refused(
        space, run, words="10 windows leave 9 volumes", requirements=replace(LENIENT, n_windows=10)
    )


def test_values_that_are_not_finite_are_zero_and_counted(tmp_path, space):
    data, mask = phantom()
    data[5, 5, 5, 3] = np.nan
    data[6, 6, 6] = 42
    connectome = connect(space, write_run(tmp_path, data, mask))
    assert connectome.n_flat == 2
    assert np.isfinite(connectome.connectomes).all()


def test_tsnr_of_several_runs_is_weighted_by_their_volumes_where_they_have_signal(tmp_path, space):
    (first, mask), (second, _) = phantom(1), phantom(2, n_volumes=60)
    second[5, 5, 5] = 42
    runs = write_run(tmp_path / "a", first, mask), write_run(tmp_path / "b", second, mask)
    single_runs = [connect(space, run) for run in runs]
    connectome = connect(space, *runs)
    has_signal = single_runs[1].has_signal
    assert single_runs[0].has_signal.sum() == has_signal.sum() + 1
    for name in ("tsnr", "mean"):
        reference, result = (getattr(participant, name) for participant in single_runs)
        pooled_values = getattr(connectome, name)
        np.testing.assert_allclose(
            pooled_values[has_signal], ((90 * reference + 60 * result) / 150)[has_signal], rtol=1e-9
        )
        np.testing.assert_array_equal(pooled_values[~has_signal], reference[~has_signal])
    assert connectome.n_flat == 0


def test_masks_that_overlap_well_enough_are_taken_and_others_are_not(tmp_path, space):
    data, mask = phantom()
    brain = mask.sum()
    for share, good in ((0.70, True), (0.62, False)):
        # Dice of a part with the whole is 2 p / (1 + p): 0.82 and 0.77.
        part = mask & (np.cumsum(mask).reshape(mask.shape) <= share * brain)
        run = write_run(tmp_path / str(share), data, part)
        if good:
            connect(space, run)
        else:
            assert_refused(space, run, words="with Dice 0.7[67]; at least 0.8")


def test_a_window_may_have_ten_volumes_and_no_fewer(tmp_path, space):
    run = write_run(tmp_path, *phantom())
    connectome = connect(space, run, requirements=replace(LENIENT, n_windows=9))
    assert connectome.connectomes.shape[0] == 9
    assert_refused(
        space, run, words="10 windows leave 9 volumes", requirements=replace(LENIENT, n_windows=10)
    )


def test_minutes_are_those_that_are_kept(tmp_path, space):
    data, mask = phantom()
    fd = np.zeros(N_VOLUMES)
    fd[1:31] = 3.0
    run = write_run(tmp_path, data, mask, confounds={"framewise_displacement": fd})
    cleaning = Cleaning("none", fd_threshold=0.5)
    connectome = connect(space, run, cleaning=cleaning, requirements=replace(LENIENT, min_minutes=2.0))
    assert connectome.runs[0].minutes == 2.0
    words = "60 of 90 volumes are kept, 2.0 minutes; at least 2.1"
    assert_refused(space, run, words=words, cleaning=cleaning, requirements=replace(LENIENT, min_minutes=2.1))


def test_large_volumes_are_read_in_small_blocks_and_give_the_same(tmp_path, space, monkeypatch):
    run = write_run(tmp_path, *phantom())
    usual = connect(space, run)
    monkeypatch.setattr(nifti_reader, "BLOCK_BYTES", 3 * np.prod(SHAPE) * 4)
    sizes = []
    blocks = NiftiSeries.blocks
    monkeypatch.setattr(
        NiftiSeries,
        "blocks",
        lambda self, n_per_block: (sizes.append(n_per_block), blocks(self, n_per_block))[1],
    )
    small = connect(space, run)
    assert sizes == [3]
    np.testing.assert_allclose(small.connectomes, usual.connectomes, atol=1e-6)


@pytest.mark.parametrize(
    ("slope", "inter", "zero"), [(0.5, 0.0, 0), (0.25, 250.0, -1000), (0.3, 100.0, -333)]
)
def test_without_a_mask_the_brain_is_what_is_not_zero_in_units_of_the_data(tmp_path, slope, inter, zero):
    _, brain = phantom()
    stored_values = np.where(brain[..., None], 700, zero) * np.ones((1, 1, 1, 3))
    image = nib.Nifti1Image(stored_values.astype("<i2"), RAS)
    image.header["vox_offset"], image.header["magic"] = 352, b"n+1"
    image.header["scl_slope"], image.header["scl_inter"] = slope, inter
    path = tmp_path / "bold.nii"
    path.write_bytes(
        bytes(image.header.binaryblock).ljust(352, b"\0") + stored_values.astype("<i2").tobytes("F")
    )
    np.testing.assert_array_equal(nonzero_voxels(path, Grid.from_image(SHAPE, RAS)), brain)


def test_a_mask_beyond_the_limit_is_refused_even_if_it_is_not_flagged(monkeypatch):
    checks = SimpleNamespace(value=lambda _: 2.5, findings=())
    monkeypatch.setattr(participant, "check_session", lambda *_: checks)
    session = SessionInputs("01", None, (RunInputs(Path("a_bold.nii.gz"), None, None, 2.0),))
    plans = [SimpleNamespace(reference=None, kept_volumes=None)]
    with pytest.raises(
        InputError, match=r"a_bold.nii.gz: the brain mask lies 2.5 mm beside .* more than 2 mm"
    ):
        participant._check_data(session, plans, [None], [SimpleNamespace(rois=None)], 2.0)
