"""Left stays left: laws of orientation, from the files that go in to the maps that come out."""

import json

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output
from bids_deeptaskgen.io.nifti_writer import save_nifti
from tests.bids.trees import MASK as MASK_NAME
from tests.bids.trees import describe
from tests.inprocess import MASK, call, copy_participant, maps_of, only
from tests.processes import SMALL

# The middle of the sphere, in mm of MNI152: left of the midline.
LESION_MM = (-40.0, -20.0, 24.0)
LESION_RADIUS_MM = 18.0
N_FULL_VOLUMES = 70
SERIES = "desc-preproc_bold.nii"


def mm_of(image):
    """Compute the coordinates of all voxels of an image in mm, shape (x, y, z, 3)."""
    indices = np.moveaxis(np.indices(image.shape[:3]), 0, -1)
    return indices @ image.affine[:3, :3].T + image.affine[:3, 3]


def distance_mm(image, point_mm):
    return np.linalg.norm(mm_of(image) - point_mm, axis=-1)


def mirrored(point_mm):
    return -point_mm[0], *point_mm[1:]


def change(path, how):
    """Replace an image by what a function makes of it."""
    # Not mapped into memory, since the file is overwritten.
    how(nib.load(path, mmap=False)).to_filename(path)


def series_of(func):
    (path,) = func.glob(f"*{SERIES}*")
    return path


def give(func, axes):
    """Store a participant's images along different axes; every value keeps its point in space."""

    def turned(image):
        return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(axes)))

    for path in (series_of(func), only(func, MASK)):
        change(path, turned)
        assert nib.aff2axcodes(nib.load(path).affine) == tuple(axes)


def mirror_content(func):
    """Replace the brain by its mirror image, with an unchanged affine."""

    def mirror(image):
        x_mm = mm_of(image)[:, 0, 0, 0]
        np.testing.assert_array_equal(x_mm[::-1], -x_mm)
        return nib.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine, image.header)

    for path in (series_of(func), only(func, MASK)):
        change(path, mirror)


def injure(func, point_mm):
    """Replace the signal around a point by noise."""

    def injured(image):
        data = np.asarray(image.dataobj).copy()
        inside = distance_mm(image, point_mm) < LESION_RADIUS_MM
        series = data[inside].astype(np.float32)
        noise = np.random.default_rng(0).standard_normal(series.shape, np.float32)
        data[inside] = series.mean(axis=1, keepdims=True) + series.std(axis=1, keepdims=True) * noise
        return nib.Nifti1Image(data, image.affine, image.header)

    change(series_of(func), injured)


def images_of(output, label):
    return [nib.load(path) for path in sorted(output.glob(f"sub-{label}/func/*_statmap.nii.gz"))]


@pytest.fixture(scope="module")
def small(participants, model, tmp_path_factory):
    """Maps of one brain on a grid of 8 mm: as it is, in another order, and injured."""
    folder = tmp_path_factory.mktemp("small")
    data, output = folder / "fmriprep", folder / "maps"
    for label in ("ras", "las", "injured"):
        copy_participant(participants, "01", data, label)
    give(data / "sub-las" / "func", "LAS")
    injure(data / "sub-injured" / "func", LESION_MM)
    assert call(data, output, "participant", "--model", model, *SMALL, "--nprocs", "1").code == 0
    return output


def test_the_same_brain_in_ras_and_in_las_gives_the_same_bytes(small):
    one, other = maps_of(small, "ras"), maps_of(small, "las")
    assert len(one) == 3
    assert one == other


@pytest.fixture(scope="module")
def full(model, tmp_path_factory):
    """Maps of one brain on fMRIPrep's own grid: as it is, in other orders, mirrored, and injured."""
    folder = tmp_path_factory.mktemp("full")
    data, output = describe(folder / "fmriprep"), folder / "maps"
    first = data / "sub-ras" / "func"
    write_full_size(first, "ras")
    for label in ("las", "pir", "mirrored", "injured"):
        copy_participant(data, "ras", data, label)
    give(data / "sub-las" / "func", "LAS")
    give(data / "sub-pir" / "func", "PIR")
    mirror_content(data / "sub-mirrored" / "func")
    injure(data / "sub-injured" / "func", LESION_MM)
    cleaning = ("--nuisance-regressors", "none", "--nprocs", "1")
    ended = call(data, output, "participant", "--model", model, *SMALL, *cleaning)
    assert ended.code == 0, ended.err
    return output


def write_full_size(func, label):
    """Write a brain whose two sides have nothing to do with each other."""
    from bids_deeptaskgen.connectome.template_masks import brain_mask

    func.mkdir(parents=True)
    mask = model_to_output(brain_mask())
    rng = np.random.default_rng(0)
    shape = (*OUTPUT_GRID.shape, N_FULL_VOLUMES)
    data = rng.integers(0, 40, shape, np.uint8)
    # Blocks with individual time courses, so that correlations exist.
    for corner in rng.integers(0, 80, (30, 3)):
        box = tuple(slice(start, start + 20) for start in corner)
        data[box] += rng.integers(0, 30, N_FULL_VOLUMES, np.uint8)
    data[~mask] = 0
    image = nib.Nifti1Image(data, OUTPUT_GRID.matrix)
    image.header.set_zooms((2.0, 2.0, 2.0, 2.0))
    image.header.set_xyzt_units("mm", "sec")
    prefix = f"sub-{label}_task-rest"
    # Not compressed: compressing would take longer than all the rest.
    image.to_filename(func / f"{prefix}_{MASK_NAME.replace(MASK, SERIES)}")
    save_nifti(func / f"{prefix}_{MASK_NAME}", mask, OUTPUT_GRID.matrix, dtype=np.uint8)


@pytest.mark.parametrize("axes", ["las", "pir"])
def test_on_the_grid_of_fmriprep_the_order_of_voxels_does_not_matter(full, axes):
    one, other = maps_of(full, "ras"), maps_of(full, axes)
    assert len(one) == 3
    assert one == other


def test_a_mirrored_brain_gives_other_maps(full):
    for one, other in zip(images_of(full, "ras"), images_of(full, "mirrored"), strict=True):
        values, mirrored_values = one.get_fdata(), other.get_fdata()
        brain = values != 0
        assert (values - mirrored_values)[brain].std() > 0.2 * values[brain].std()


@pytest.mark.parametrize("grid", ["small", "full"])
def test_an_injury_on_the_left_changes_the_left_of_the_map(grid, request):
    output = request.getfixturevalue(grid)
    for sound, injured in zip(images_of(output, "ras"), images_of(output, "injured"), strict=True):
        np.testing.assert_array_equal(sound.affine, OUTPUT_GRID.matrix)
        changed = np.abs(injured.get_fdata() - sound.get_fdata())
        # In mm by the map's own affine, whatever the order of its voxels.
        here, there = (distance_mm(sound, point_mm) for point_mm in (LESION_MM, mirrored(LESION_MM)))
        largest = np.unravel_index(changed.argmax(), changed.shape)
        assert mm_of(sound)[largest][0] < 0
        # A voxel of 8 mm is blurred into its neighbours.
        assert here[largest] < LESION_RADIUS_MM + 8
        assert changed[here < LESION_RADIUS_MM].mean() > 5 * changed[there < LESION_RADIUS_MM].mean()


def test_values_are_copied_on_the_grid_of_fmriprep_and_interpolated_on_others(small, full):
    for output, resampled in ((small, True), (full, False)):
        sidecars = list(output.glob("sub-*/func/*_statmap.json"))
        assert sidecars
        for path in sidecars:
            (run,) = json.loads(path.read_text())["DeepTaskGen"]["Runs"]
            assert run["resampled"] == resampled
