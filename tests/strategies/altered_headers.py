"""Alterations of NIfTI headers and of compression."""

import gzip

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

SIZE = 348


def edit(path, change, *, insert=b""):
    """Change the fields of a header, and insert bytes between header and data."""
    content = read_bytes(path)
    if len(content) < 352 or content[:4] != SIZE.to_bytes(4, "little"):
        raise NotApplicableError(path.name)
    header = np.frombuffer(content[:SIZE], nib.nifti1.header_dtype.newbyteorder("<"))[0].copy()
    offset = 352
    if insert:
        header["vox_offset"] = offset + len(insert)
    change(header)
    write_bytes(path, header.tobytes() + content[SIZE:offset] + insert + content[offset:])


def stored_values(image, path):
    """Read the stored values of an image, which another alteration may have cut off."""
    try:
        return np.asanyarray(image.dataobj.get_unscaled())
    except (ValueError, OSError) as error:
        raise NotApplicableError(path.name) from error


def setting(**fields):
    """Return a change that sets fields of a header."""

    def change(header):
        for name, value in fields.items():
            header[name] = value

    return change


def set_affine(header, affine):
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        header[name] = affine[row]


def affine_of(header):
    return np.array([header["srow_x"], header["srow_y"], header["srow_z"], [0, 0, 0, 1]], np.float64)


def set_qform(header):
    """Write the sform as qform, so that either is enough."""
    if header["sform_code"] == 0:
        raise NotApplicableError
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), affine_of(header))
    image.set_qform(affine_of(header), code=4)
    for name in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"):
        header[name] = image.header[name]
    header["pixdim"][:4] = image.header["pixdim"][:4]
    header["qform_code"] = 4


# Meaning preserved


@preserves("headers", readable=True)
def other_codes_of_the_forms(data):
    def change(header):
        set_qform(header)
        header["sform_code"], header["qform_code"] = data.random.choice(
            ((1, 1), (2, 1), (4, 0), (4, 4), (3, 4), (2, 2), (5, 0))
        )

    edit(data.image(), change)


@preserves("headers", readable=True)
def qform_alone(data):
    def change(header):
        set_qform(header)
        header["sform_code"] = 0
        set_affine(header, np.zeros((4, 4)))

    edit(data.image(), change)


@preserves("headers")
def sform_of_zeros_with_a_good_qform(data):
    def change(header):
        set_qform(header)
        set_affine(header, np.zeros((4, 4)))

    edit(data.image(), change)


@preserves("headers", readable=True)
def quaternion_above_one_with_a_good_sform(data):
    edit(data.image(), setting(quatern_b=0.8, quatern_c=0.6001, quatern_d=0.1, qform_code=4))


@preserves("headers", readable=True)
def quaternion_above_one_without_a_code(data):
    edit(data.image(), setting(quatern_b=2, quatern_c=np.nan, qform_code=0))


@preserves("headers")
def data_at_byte_0(data):
    edit(data.image(), setting(vox_offset=0))


@preserves("headers", readable=True)
def data_after_a_gap(data):
    edit(data.image(), setting(), insert=bytes(data.random.choice((16, 160, 1648))))


@preserves("headers", readable=True)
def header_extension(data):
    text = b"<x/>".ljust(24, b"\0")
    path = data.image()
    edit(path, setting(), insert=(32).to_bytes(4, "little") + (6).to_bytes(4, "little") + text)
    content = bytearray(read_bytes(path))
    content[348] = 1
    write_bytes(path, bytes(content))


@preserves("headers", readable=True)
def time_in_other_units(data):
    unit, factor = data.random.choice(((16, 1e3), (24, 1e6)))

    def change(header):
        header["xyzt_units"] = 2 + unit
        header["pixdim"][4] *= factor

    edit(data.file(BOLD), change)


@preserves("headers", readable=True)
def no_time_in_the_header(data):
    def change(header):
        header["xyzt_units"] = data.random.choice((0, 2, 10))
        header["pixdim"][4] = 0

    edit(data.file(BOLD), change)


@preserves("headers", readable=True)
def no_units(data):
    edit(data.image(), setting(xyzt_units=0))


@preserves("headers", readable=True)
def slope_that_means_none(data):
    slope, inter = data.random.choice(((0, 0), (0, 5), (np.nan, np.nan), (1, 0), (np.nan, 0), (0, np.nan)))
    edit(data.image(), setting(scl_slope=slope, scl_inter=inter))


@preserves("headers", readable=True, tolerance=1e-3)
def slope_of_other_units(data):
    edit(data.file(BOLD), setting(scl_slope=data.random.choice((0.001, 0.5, 20)), scl_inter=0))


@preserves("headers", readable=True)
def text_fields_of_any_bytes(data):
    texts = setting(
        descrip=b"\xff\xfe \xe9t\xe9" * 5, aux_file=b"\xe9" * 20, intent_name=b"\0\xff", db_name=b"\xe9"
    )
    edit(data.image(), texts)


@preserves("headers", readable=True)
def fields_without_a_meaning_here(data):
    edit(
        data.image(),
        setting(cal_max=-5, cal_min=np.nan, toffset=3, slice_code=77, intent_code=1001, glmax=-1),
    )


@preserves("headers", readable=True)
def other_voxel_sizes_than_the_sform(data):
    def change(header):
        header["pixdim"][1:4] = data.random.choice((0, 1, 3))
        header["qform_code"] = 0

    edit(data.image(), change)


@preserves("headers", readable=True)
def forms_that_differ_by_rounding(data):
    def change(header):
        set_qform(header)
        header["qoffset_x"] += 1e-4

    edit(data.image(), change)


@preserves("headers", readable=True)
def nifti_2(data):
    path = data.image()
    image = nib.Nifti1Image.from_bytes(read_bytes(path))
    values = stored_values(image, path)
    header = nib.Nifti2Header.from_header(image.header)
    copied = nib.Nifti2Image(values, image.affine, header)
    copied.header.set_slope_inter(1, 0)
    write_bytes(path, copied.to_bytes())


@preserves("headers", readable=True)
def big_endian(data):
    path = data.image()
    image = nib.Nifti1Image.from_bytes(read_bytes(path))
    values = stored_values(image, path)
    copied = nib.Nifti1Image(values, image.affine, image.header.as_byteswapped(">"))
    copied.header.set_slope_inter(1, 0)
    write_bytes(path, copied.to_bytes())


def compressed(data):
    path = data.image()
    if path.suffix != ".gz" or path.read_bytes()[:2] != b"\x1f\x8b":
        raise NotApplicableError(path.name)
    return path


@preserves("headers", readable=True)
def bytes_after_the_compressed_data(data):
    path = compressed(data)
    end = data.random.choice((bytes(512), b"\r\n", b"\n", bytes(1)))
    path.write_bytes(path.read_bytes() + end)


@preserves("headers", readable=True)
def several_compressed_members(data):
    path = compressed(data)
    content = read_bytes(path)
    cut = data.random.choice((100, 348, 352, len(content) // 2))
    empty = gzip.compress(b"", mtime=0)
    path.write_bytes(gzip.compress(content[:cut], 1) + empty + gzip.compress(content[cut:], 1) + empty)


@preserves("headers")
def plain_file_named_as_compressed(data):
    path = compressed(data)
    path.write_bytes(read_bytes(path))


@preserves("headers")
def compressed_file_named_as_plain(data):
    path = compressed(data)
    path.rename(path.with_suffix(""))


@preserves("headers")
def compressed_twice(data):
    path = compressed(data)
    path.write_bytes(gzip.compress(path.read_bytes(), 1))


# Damage


@damages("headers", "nifti", "header", "type", "damaged", "truncated")
def unusable_header_field(data):
    field = data.random.choice(
        ({"magic": b"ni1"}, {"magic": b"xyz"}, {"datatype": 9999}, {"datatype": 0}, {"dim": [-1] * 8},
         {"dim": [4, 23, 28, 23, -50, 1, 1, 1]}, {"dim": [4, 0, 28, 23, 50, 1, 1, 1]}, {"vox_offset": 1e9},
         {"vox_offset": -7}, {"vox_offset": np.nan}, {"dim": [9, 23, 28, 23, 50, 1, 1, 1]})
    )  # fmt: skip
    edit(data.file(BOLD), setting(**field))


@damages("headers", "truncated", "volumes")
def more_volumes_in_the_header_than_in_the_file(data):
    edit(data.file(BOLD), lambda header: header["dim"].__setitem__(4, header["dim"][4] + 7))


@damages("headers", "rows", "volumes")
def fewer_volumes_in_the_header_than_in_the_file(data):
    edit(data.file(BOLD), lambda header: header["dim"].__setitem__(4, header["dim"][4] - 7))


@damages("headers", "sform", "qform", "affine", "orientation", "header")
def unusable_sform(data):
    def change(header):
        affine = affine_of(header)
        kind = data.random.choice(("nan", "zeros", "singular", "infinite"))
        if kind == "singular":
            affine[1] = affine[0]
        else:
            affine[0] = {"nan": np.nan, "zeros": 0, "infinite": np.inf}[kind]
        set_affine(header, affine)
        header["qform_code"] = 0

    edit(data.image(), change)


@damages("headers", "sform", "qform", "orientation", "codes")
def no_form_at_all(data):
    edit(data.file(BOLD), setting(sform_code=0, qform_code=0))


@damages("headers", "qform")
def qform_far_from_the_sform(data):
    def change(header):
        set_qform(header)
        header["qoffset_x"] += data.random.choice((20, -90))

    edit(data.file(BOLD), change)


@damages("headers", "las", "qform")
def qform_mirrored(data):
    def change(header):
        set_qform(header)
        header["pixdim"][0] *= -1

    edit(data.file(BOLD), change)


@damages("headers", "grid", "mask", "mm")
def series_shifted_against_its_mask(data):
    def change(header):
        for name in ("srow_x", "srow_y", "srow_z"):
            header[name][3] += 5

    edit(data.image(), change)


@damages("headers", "mask", "dice", "space", "signal")
def both_images_shifted(data):
    def change(header):
        header["srow_y"][3] += 40

    for path in (data.file(BOLD), data.file(MASK)):
        edit(path, change)


@damages("headers", "below zero", "negative", volumes=True)
def slope_below_zero(data):
    edit(data.file(BOLD), setting(scl_slope=-1))


@damages("headers", "infinite", "slope", "finite", volumes=True)
def slope_that_is_infinite(data):
    edit(data.file(BOLD), setting(scl_slope=np.inf))


def cut(data, share):
    path = data.image()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@damages("headers", "truncated", "damaged", "cannot be read", "empty", "nifti")
def file_cut_off(data):
    cut(data, data.random.choice((0, 0.01, 0.3, 0.9, 0.999)))


@damages("headers", "damaged", "cannot be read", "truncated", "nifti")
def bytes_inverted(data):
    path = compressed(data)
    content = bytearray(path.read_bytes())
    start = data.random.randrange(20, len(content) - 80)
    content[start : start + 16] = bytes(value ^ 0xFF for value in content[start : start + 16])
    path.write_bytes(content)


@damages("headers", "nifti", "not gzipped", "error page", "content")
def page_in_place_of_an_image(data):
    data.image().write_bytes(b"<!DOCTYPE html><html><body>404 Not Found</body></html>" * 20)
