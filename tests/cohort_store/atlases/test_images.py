"""Atlases are read at the voxels of the maps: labels and probabilities, and what is neither is refused."""

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.atlases.sources import load_atlas
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID
from tests.cohort_store.atlas_files import BOXES, SPACE, label_volume, output_mask, write_image

N_VOXELS = {1: 64, 2: 64, 7: 32}


def load(path):
    return load_atlas(str(path), output_mask())


def affine_of(size_mm):
    """Return the affine of a voxel size, from the first voxel of the maps on."""
    affine = np.diag([size_mm, size_mm, size_mm, 1.0])
    affine[:3, 3] = OUTPUT_GRID.matrix[:3, 3]
    return affine


def voxels_of(atlas, row):
    """Return the weights of a region on the grid of the maps."""
    volume = np.zeros(OUTPUT_GRID.shape)
    volume[output_mask()] = atlas.weights[[row]].toarray()[0]
    return volume


def check_labels(atlas):
    mask, labels = output_mask(), label_volume()
    assert atlas.numbers == tuple(BOXES)
    for row, number in enumerate(BOXES):
        assert np.array_equal(voxels_of(atlas, row), (labels == number) & mask)
    assert list(atlas.total_weights) == list(N_VOXELS.values())
    assert not atlas.is_probabilistic


def test_labels_are_regions_also_outside_the_mask(tmp_path, caplog):
    atlas = load(write_image(tmp_path / "boxes.nii", label_volume()))
    check_labels(atlas)
    assert np.asarray(atlas.weights.sum(axis=1)).ravel().tolist() == [64, 32, 0]
    assert "1 of 3 regions have no voxel of the maps: label 7." in caplog.text


def test_an_image_of_intensities_is_read_with_a_warning(tmp_path, caplog):
    values = np.zeros(OUTPUT_GRID.shape, np.int16)
    values[40:60, 40:60, 30:36].flat = np.arange(2_400)
    atlas = load(write_image(tmp_path / "boxes.nii", values.clip(max=2_000)))
    assert "unusual for an atlas" not in caplog.text
    # Numbers with gaps are no problem.
    load(write_image(tmp_path / "boxes.nii", label_volume() * 4_000))
    assert "unusual for an atlas" not in caplog.text
    assert len(load(write_image(tmp_path / "t1w.nii", values)).numbers) == 2_399 > len(atlas.numbers)
    assert "has 2399 different labels, which is unusual for an atlas" in caplog.text


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.uint32])
def test_the_type_of_the_file_is_of_no_importance(tmp_path, dtype):
    check_labels(load(write_image(tmp_path / "boxes.nii", label_volume(), dtype=dtype)))


def test_scaled_labels_and_nan_outside_the_regions_are_read(tmp_path):
    image = nib.Nifti1Image((label_volume() * 10).astype(np.int16), OUTPUT_GRID.matrix)
    image.header.set_slope_inter(0.1, 0)
    nib.save(image, tmp_path / "scaled.nii")
    values = np.where(label_volume() == 0, np.nan, label_volume()).astype(np.float32)
    check_labels(load(write_image(tmp_path / "nan.nii", values)))


def test_labels_in_the_order_of_fsl_keep_their_place(tmp_path):
    affine = OUTPUT_GRID.matrix.copy()
    affine[0] = [-2, 0, 0, 90]
    check_labels(load(write_image(tmp_path / "fsl.nii", label_volume()[::-1], affine)))


def test_labels_of_1_mm_are_read_at_the_same_points(tmp_path):
    labels = np.kron(label_volume(), np.ones((2, 2, 2), np.int16))
    check_labels(load(write_image(tmp_path / "atlas-Boxes_res-1_dseg.nii", labels, affine_of(1))))


def test_labels_of_3_mm_are_read_at_the_nearest_voxels(tmp_path):
    labels = np.random.default_rng(0).integers(0, 4, (61, 73, 61)).astype(np.uint8)
    atlas = load(write_image(tmp_path / "atlas-Random_dseg.nii", labels, affine_of(3)))
    nearest = [np.rint(np.arange(n) * 2 / 3).astype(int) for n in OUTPUT_GRID.shape]
    expected = labels[np.ix_(*nearest)]
    for row in range(3):
        assert np.array_equal(voxels_of(atlas, row), (expected == row + 1) & output_mask())
    assert atlas.total_weights.tolist() == np.bincount(expected.ravel())[1:].tolist()


def test_probabilities_are_weights(tmp_path):
    values = np.stack([label_volume() == 1, 0.25 * (label_volume() > 0)], axis=-1).astype(np.float32)
    atlas = load(write_image(tmp_path / "atlas-Soft_probseg.nii", values))
    assert atlas.is_probabilistic
    assert atlas.numbers == (1, 2)
    assert np.array_equal(voxels_of(atlas, 1), 0.25 * (label_volume() > 0) * output_mask())
    assert atlas.total_weights == pytest.approx([64, 0.25 * 160])


def test_percent_are_probabilities_if_the_name_says_so(tmp_path):
    values = np.stack([label_volume() == 1, label_volume() > 0], axis=-1).astype(np.uint8) * 50
    atlas = load(write_image(tmp_path / "Boxes-prob-2mm.nii.gz", values))
    assert atlas.total_weights == pytest.approx([32, 80])
    assert np.array_equal(voxels_of(atlas, 0), 0.5 * (label_volume() == 1))
    with pytest.raises(InputError, match=r"values up to 50, .*\n.*If they are labels, choose one volume"):
        load(write_image(tmp_path / "boxes.nii", values))


def test_probabilities_of_another_resolution_are_interpolated(tmp_path):
    shape = (46, 55, 46)
    planes = np.broadcast_to(np.linspace(0, 1, 46)[:, None, None, None], (*shape, 2))
    atlas = load(write_image(tmp_path / "atlas-Ramp_probseg.nii", planes.astype(np.float32), affine_of(4)))
    expected = np.broadcast_to(np.linspace(0, 1, 91)[:, None, None], OUTPUT_GRID.shape)
    assert np.abs(voxels_of(atlas, 0) - expected * output_mask()).max() < 1e-6


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (label_volume() * 0.3, r"not labels, in 160 voxels \(for example 0.3, 0.6, 2.1\)"),
        (label_volume() - 1, "has the label -1"),
        (label_volume() * 1e12, "has the label 7000000000000"),
        (label_volume() * 0, "has no labels"),
        (np.where(label_volume() == 7, np.inf, 0), "not labels, in 32 voxels .for example inf"),
        (np.stack([label_volume(), label_volume()], -1), "several volumes with values up to 7"),
        (np.stack([label_volume() * -0.1] * 2, -1), "volume 1 has the value -0.7, which is no probability"),
        (np.zeros((*OUTPUT_GRID.shape, 2)), "has no regions"),
        (label_volume() * (label_volume() == 7), "no region of the atlas has a voxel of the maps"),
    ],
)
def test_other_values_are_refused_with_what_was_found(tmp_path, values, problem):
    path = write_image(tmp_path / "atlas.nii", values)
    with pytest.raises(InputError, match=problem):
        load(path)


def test_labels_of_several_volumes_are_refused(tmp_path):
    path = write_image(
        tmp_path / f"atlas-A_{SPACE}_dseg.nii", np.stack([label_volume() > 0] * 2, -1), dtype=np.uint8
    )
    with pytest.raises(InputError, match="has 2 volumes, but labels .dseg. are one volume"):
        load(path)
