"""Alterations of image data: other numbers of the same meaning, and damage."""

import nibabel as nib
import numpy as np

from tests.strategies.alteration import (
    BOLD,
    MASK,
    NotApplicableError,
    damages,
    preserves,
    read_bytes,
    write_bytes,
)


def load(path):
    """Load an image into memory; its values are stored values without scaling."""
    try:
        image = nib.Nifti1Image.from_bytes(read_bytes(path))
        values = np.asanyarray(image.dataobj.get_unscaled())
    except (
        ValueError,
        OSError,
        nib.spatialimages.HeaderDataError,
        nib.filebasedimages.ImageFileError,
    ) as error:
        raise NotApplicableError(path.name) from error
    return image.header.copy(), values.copy(), image.affine


def save(path, values, affine, header, dtype=None):
    """Write stored values, with the header's scaling and times."""
    header = header.copy()
    header.set_data_dtype(dtype or values.dtype)
    header.set_data_shape(values.shape)
    image = nib.Nifti1Image(values.astype(header.get_data_dtype()), affine, header)
    image.header.set_slope_inter(1, 0)
    write_bytes(path, image.to_bytes())


def change_data(path, change):
    header, values, affine = load(path)
    save(path, change(values), affine, header)


@preserves("image data", readable=True, tolerance=1e-3)
def values_in_other_units(data):
    factor = data.random.choice((1e-3, 0.37, 2.0, 1000.0))
    change_data(data.file(BOLD), lambda values: values * np.float32(factor))


@preserves("image data", readable=True)
def values_of_another_type(data):
    header, values, affine = load(data.file(BOLD))
    save(data.file(BOLD), values, affine, header, data.random.choice((np.float64, ">f4", ">f8")))


@preserves("image data", readable=True)
def mask_of_another_type(data):
    header, values, affine = load(data.file(MASK))
    values = values * data.random.choice((1, 1, 100))
    save(
        data.file(MASK), values, affine, header, data.random.choice((np.float32, np.int16, ">i4", np.float64))
    )


@preserves("image data")
def mask_with_missing_values_outside(data):
    def change(values):
        return np.where(values > 0, np.float32(1), np.float32("nan"))

    change_data(data.file(MASK), change)


@preserves("image data")
def mask_with_an_axis_of_one(data):
    change_data(data.file(MASK), lambda values: values[..., None])


@preserves("image data")
def series_with_an_axis_of_one(data):
    change_data(data.file(BOLD), lambda values: values[..., None])


@preserves("image data", readable=True, tolerance=1e-3)
def other_orientation(data):
    axes = data.random.choice(("LAS", "LPS", "RPI", "PSR", "AIL"))
    for path in (data.file(BOLD), data.file(MASK)):
        header, values, affine = load(path)
        image = nib.Nifti1Image(values, affine, header)
        turned = image.as_reoriented(
            nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(axes))
        )
        turned.header.set_slope_inter(1, 0)
        write_bytes(path, turned.to_bytes())


@preserves("image data", tolerance=1e-3)
def other_orientation_of_the_mask_only(data):
    header, values, affine = load(data.file(MASK))
    flipped = affine.copy()
    flipped[:3, 0] *= -1
    flipped[:3, 3] += affine[:3, 0] * (values.shape[0] - 1)
    save(data.file(MASK), values[::-1], flipped, header)


# Damage


@damages("image data", "distinct")
def rounded_to_few_values(data):
    def change(values):
        deviation = values.std(axis=3, keepdims=True)
        scores = (values - values.mean(axis=3, keepdims=True)) / np.where(deviation > 0, deviation, 1)
        return np.where(deviation > 0, np.rint(scores * 2), 0).astype(np.int16)

    change_data(data.file(BOLD), change)


@damages("image data", "signal", "roi")
def upper_half_without_signal(data):
    def change(values):
        values[:, :, values.shape[2] // 2 :] = 0
        return values

    change_data(data.file(BOLD), change)


@damages("image data", "signal", "roi")
def block_of_missing_values(data):
    def change(values):
        values[6:16, 3:12] = np.nan
        return values

    change_data(data.file(BOLD), change)


@damages("image data", "volumes", "identical", "repeat", "constant")
def frozen_volumes(data):
    def change(values):
        values[..., 20:40] = values[..., 19:20]
        return values

    change_data(data.file(BOLD), change)


@damages("image data", "mask")
def mask_shifted(data):
    header, values, affine = load(data.file(MASK))
    shift = data.random.choice(((2, 0, 0), (0, 2, 1), (0, -2, 0), (0, 0, 2)))
    save(data.file(MASK), np.roll(values, shift, axis=(0, 1, 2)), affine, header)


@damages("image data", "mask", "dice", "signal")
def both_images_shifted_in_their_grid(data):
    for path in (data.file(BOLD), data.file(MASK)):
        change_data(path, lambda values: np.roll(values, 5, axis=1))


@damages("image data", "mask")
def mask_inverted(data):
    change_data(data.file(MASK), lambda values: (values == 0).astype(np.uint8))


@damages("image data", "mask", "empty")
def mask_empty(data):
    change_data(data.file(MASK), np.zeros_like)


@damages("image data", "axes")
def mask_of_four_axes(data):
    change_data(data.file(MASK), lambda values: np.stack([values, values], axis=3))


@damages("image data", "axes", "volume")
def single_volume(data):
    change_data(data.file(BOLD), lambda values: values[..., 0])


@damages("image data", "signal", "empty", "constant")
def constant_series(data):
    def change(values):
        return np.broadcast_to(values[..., :1] * data.random.choice((0, 1)), values.shape).copy()

    change_data(data.file(BOLD), change)


@damages("image data", "below zero", "negative")
def negative_series(data):
    change_data(data.file(BOLD), lambda values: values - np.float32(30000))


@damages("image data", "rows", "volumes")
def volumes_missing(data):
    change_data(data.file(BOLD), lambda values: values[..., : -data.random.randint(1, 20)])


@damages("image data", "slice", "neighbouring voxel")
def repeated_edge_slices(data):
    def change(values):
        values[:, :, :8] = values[:, :, 8:9]
        return values

    change_data(data.file(BOLD), change)


@damages("image data", "global signal", "confounds")
def volumes_in_another_order(data):
    def change(values):
        order = list(range(values.shape[3]))
        data.random.shuffle(order)
        return values[..., order]

    change_data(data.file(BOLD), change)


@damages("image data", "global signal", "confounds", "identical")
def series_of_another_participant(data):
    path = data.file(BOLD)
    write_bytes(path, read_bytes(data.donor(BOLD)))


@damages("image data", "complex", "type")
def values_of_an_unusable_type(data):
    path = data.file(BOLD)
    header, values, affine = load(path)
    save(path, values, affine, header, np.complex64)
