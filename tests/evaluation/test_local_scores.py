"""Maps of r across participants, and scores in ROIs, on the grids of the project."""

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.evaluation.across_participants import AcrossParticipants, mean_map_path
from bids_deeptaskgen.evaluation.roi_scores import load_roi_sets, roi_rows
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID
from bids_deeptaskgen.stats.map_rows import LeaveOneOut
from bids_deeptaskgen.stats.scores import correlations, residual_correlations
from tests.cohort_store.atlas_files import write_image

N_PARTICIPANTS = 12
CONTRASTS = ("wm2bk", "motorLh")


@pytest.fixture(scope="module")
def mask():
    """Return a box that is not symmetric in any axis."""
    volume = np.zeros(MODEL_GRID.shape, bool)
    volume[20:50, 30:50, 25:40] = True
    return volume


@pytest.fixture(scope="module")
def points_mm(mask):
    """Return the position of each voxel of the mask."""
    return np.argwhere(mask) @ MODEL_GRID.matrix[:3, :3].T + MODEL_GRID.matrix[:3, 3]


@pytest.fixture(scope="module")
def is_planted(points_mm):
    """Choose voxels on the left, in front of the middle and above the lower third of the box."""
    centre = points_mm.mean(axis=0)
    return (
        (points_mm[:, 0] < centre[0] - 6)
        & (points_mm[:, 1] > centre[1] + 4)
        & (points_mm[:, 2] > centre[2] - 5)
    )


@pytest.fixture(scope="module")
def maps(is_planted):
    """Draw measured maps, and predictions with information about participants in the planted voxels."""
    rng = np.random.default_rng(0)
    measured, predicted = rng.standard_normal((2, N_PARTICIPANTS, len(is_planted))).astype(np.float32)
    predicted[:, is_planted] = measured[:, is_planted]
    return measured, predicted


@pytest.fixture(scope="module")
def output(tmp_path_factory, mask, maps):
    """Write the maps of two contrasts, the second without information, and return the folder and the rows."""
    out = tmp_path_factory.mktemp("across")
    study = SimpleNamespace(mask=mask, families=np.arange(N_PARTICIPANTS))
    across = AcrossParticipants(out, study)
    measured, predicted = maps
    all_voxels = np.ones(measured.shape[1], bool)
    rows = [across.add("my, model", "wm2bk", measured, predicted, all_voxels)]
    scored = np.arange(measured.shape[1]) % 2 == 0
    noise = np.random.default_rng(1).standard_normal((N_PARTICIPANTS, scored.sum()))
    rows.append(across.add("my, model", "motorLh", measured[:, scored], noise, scored))
    rows.append(across.add("My model", "motorLh", measured[:, scored], noise, scored))
    across.finish()
    return out, rows


def read(path):
    """Read an image, with the position of the voxels above 0.9 in mm."""
    image = nib.load(path)
    values = image.get_fdata()
    return image, values, nib.affines.apply_affine(image.affine, np.argwhere(values > 0.9))


def test_a_planted_region_lies_on_its_side_of_the_map(output, points_mm, is_planted):
    out, rows = output
    image, values, found_mm = read(out / rows[0]["map"])
    assert image.shape == OUTPUT_GRID.shape
    np.testing.assert_allclose(image.affine, OUTPUT_GRID.matrix)
    expected = points_mm[is_planted]
    assert {tuple(point) for point in found_mm.round().tolist()} >= {
        tuple(p) for p in expected.round().tolist()
    }
    assert len(found_mm) < 1.01 * len(expected) + 5
    assert (values != 0).sum() <= len(points_mm)


def test_the_map_has_r_of_numpy_with_four_digits(output, maps, points_mm):
    out, rows = output
    image, values, _ = read(out / rows[0]["map"])
    voxels = np.random.default_rng(2).choice(len(points_mm), 50)
    indices = nib.affines.apply_affine(np.linalg.inv(image.affine), points_mm[voxels]).round().astype(int)
    expected = [np.corrcoef(maps[0][:, voxel], maps[1][:, voxel])[0, 1] for voxel in voxels]
    np.testing.assert_allclose(values[tuple(indices.T)], expected, atol=6e-5)


def test_the_table_describes_the_map(output, is_planted):
    out, rows = output
    planted, noise = rows[:2]
    assert planted["n_participants"] == N_PARTICIPANTS
    assert planted["n_voxels"] == len(is_planted)
    assert planted["chance_sd"] == pytest.approx(1 / np.sqrt(11))
    assert planted["q95_r"] > 0.99 > planted["median_r"] > planted["q05_r"]
    assert planted["share_above_0"] > noise["share_above_0"] == pytest.approx(0.5, abs=0.05)
    sidecar = json.loads(sidecar_path(out / planted["map"]).read_text())
    assert "Not a test" in sidecar["Description"]
    facts = sidecar["DeepTaskGen"]
    assert (facts["Predictor"], facts["Contrast"], facts["NumberOfParticipants"]) == (
        "my, model",
        "wm2bk",
        12,
    )


def test_the_mean_over_contrasts_uses_the_contrasts_that_scored_a_voxel(output):
    out, rows = output
    first, second = (nib.load(out / row["map"]).get_fdata() for row in rows[:2])
    mean = nib.load(mean_map_path(out / rows[0]["map"])).get_fdata()
    expected = np.where(second != 0, (first + second) / 2, first)
    np.testing.assert_allclose(mean, expected, atol=1.1e-4)


def test_names_of_predictors_that_make_one_label_have_files_of_their_own(output):
    _, rows = output
    names = [row["map"].partition("_")[0] for row in rows]
    assert names == ["maps/predictor-myModel", "maps/predictor-myModel", "maps/predictor-MyModel2"]


def test_the_chance_sd_is_that_of_the_effective_number_of_families(tmp_path, mask, maps):
    measured, predicted = maps
    study = SimpleNamespace(mask=mask, families=np.arange(N_PARTICIPANTS) // 2)
    row = AcrossParticipants(tmp_path, study).add(
        "mine", "wm2bk", measured, predicted, np.ones(measured.shape[1], bool)
    )
    assert (row["n_participants"], row["n_effective"]) == (N_PARTICIPANTS, N_PARTICIPANTS / 2)
    assert row["chance_sd"] == pytest.approx(1 / np.sqrt(N_PARTICIPANTS / 2 - 1))
    facts = json.loads(sidecar_path(tmp_path / row["map"]).read_text())["DeepTaskGen"]
    assert facts["EffectiveNumberOfParticipants"] == N_PARTICIPANTS / 2
    assert facts["ChanceSD"] == pytest.approx(row["chance_sd"])


def test_too_few_participants_have_a_row_without_a_map(tmp_path, mask, maps):
    measured, predicted = (values.copy() for values in maps)
    measured[4:] = np.nan
    across = AcrossParticipants(tmp_path, SimpleNamespace(mask=mask, families=np.arange(N_PARTICIPANTS)))
    row = across.add("mine", "wm2bk", measured, predicted, np.ones(measured.shape[1], bool))
    across.finish()
    assert (row["n_participants"], row["n_voxels"], row["map"]) == (4, 0, None)
    assert np.isnan([row["median_r"], row["share_above_0"], row["chance_sd"]]).all()
    assert not (tmp_path / "maps").exists()


def load_atlas_set(path, mask):
    """Load the ROIs of an image."""
    (roi_set,) = load_roi_sets(SimpleNamespace(atlas=(str(path),)), SimpleNamespace(mask=mask, bundle=None))
    return roi_set


@pytest.fixture(scope="module")
def hemispheres(tmp_path_factory):
    """Write labels of both hemispheres: 3 left, 8 right."""
    x_mm = OUTPUT_GRID.matrix[0, 0] * np.arange(91) + OUTPUT_GRID.matrix[0, 3]
    labels = np.broadcast_to(np.where(x_mm < 0, 3, 8)[:, None, None], OUTPUT_GRID.shape).astype(np.int16)
    return write_image(tmp_path_factory.mktemp("atlas") / "sides_space-MNI152NLin6Asym_dseg.nii.gz", labels)


def test_an_atlas_has_its_voxels_on_their_side(hemispheres, mask, points_mm):
    roi_set = load_atlas_set(hemispheres, mask)
    assert roi_set.numbers == (3, 8)
    left, right = (row.nonzero()[0] for row in roi_set.weights.toarray())
    np.testing.assert_array_equal(left, np.flatnonzero(points_mm[:, 0] < 0))
    np.testing.assert_array_equal(right, np.flatnonzero(points_mm[:, 0] >= 0))


def test_the_table_of_rois_equals_a_loop_over_the_scored_voxels(hemispheres, mask, maps, points_mm):
    roi_set = load_atlas_set(hemispheres, mask)
    measured, predicted = (values.copy() for values in maps)
    measured[2] = np.nan
    scored = np.random.default_rng(3).random(measured.shape[1]) < 0.7
    x, y = measured[:, scored], predicted[:, scored]
    base = np.nanmean(x, axis=0)
    families = np.arange(N_PARTICIPANTS) // 2
    rows = list(roi_rows(roi_set, roi_set.restrict(scored), x, y, base, families))
    for row, is_roi in zip(rows, (points_mm[scored, 0] < 0, points_mm[scored, 0] >= 0), strict=True):
        assert (row["n_voxels"], row["n_participants"]) == (is_roi.sum(), N_PARTICIPANTS - 1)
        assert row["r"] == pytest.approx(np.nanmean(correlations(x[:, is_roi], y[:, is_roi])))
        residual_r = residual_correlations(x[:, is_roi], y[:, is_roi], base[is_roi])
        assert row["residual_r"] == pytest.approx(np.nanmean(residual_r))
        means = np.stack([values[:, is_roi].mean(axis=1) for values in (x, y)])
        assert row["r_across"] == pytest.approx(np.corrcoef(np.delete(means, 2, axis=1))[0, 1], abs=1e-5)
        assert (row["n_across"], row["n_effective"]) == (11, pytest.approx(11**2 / 21))
        assert row["ci_low"] < row["r_across"] < row["ci_high"]


def test_rois_with_few_voxels_are_left_out_and_counted(tmp_path, mask, points_mm, caplog):
    labels = np.full(OUTPUT_GRID.shape, 1, np.int16)
    voxels = nib.affines.apply_affine(np.linalg.inv(OUTPUT_GRID.matrix), points_mm[:6]).round().astype(int)
    labels[tuple(voxels.T)] = 2
    image = write_image(tmp_path / "space-MNI152NLin6Asym_atlas-few_dseg.nii.gz", labels)
    roi_set = load_atlas_set(image, mask)
    assert (roi_set.numbers, roi_set.n_skipped, roi_set.weights.shape[0]) == ((1,), 1, 1)
    assert "1 of 2 ROIs have fewer than 10 scored voxels" in caplog.text


def test_a_map_for_all_has_no_r_across_participants(hemispheres, mask, maps):
    roi_set = load_atlas_set(hemispheres, mask)
    measured, _ = maps
    average = LeaveOneOut(measured)
    for base in (average, measured.mean(axis=0)):
        rows = list(roi_rows(roi_set, roi_set.weights, measured, base, base, np.arange(N_PARTICIPANTS)))
        assert all(np.isfinite(row["r"]) for row in rows)
        assert all(np.isnan([row["residual_r"], row["r_across"], row["ci_low"]]).all() for row in rows)


def test_two_atlases_of_one_label_are_refused(hemispheres, mask, tmp_path):
    copy = tmp_path / hemispheres.name
    copy.write_bytes(hemispheres.read_bytes())
    settings = SimpleNamespace(atlas=(str(hemispheres), str(copy)))
    with pytest.raises(UserError, match="have the same label"):
        load_roi_sets(settings, SimpleNamespace(mask=mask, bundle=None))
