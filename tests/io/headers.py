"""Images whose header fields are altered without nibabel, which would repair or refuse them."""

import gzip

import nibabel as nib
import numpy as np

AFFINE = np.array([[-2.0, 0, 0, 7], [0, 2, 0, -5], [0, 0, 2, 3], [0, 0, 0, 1]])
SHAPE = (5, 6, 4, 3)


def data_of(shape=SHAPE):
    """Draw distinct values of an image."""
    return np.random.default_rng(0).permutation(int(np.prod(shape))).reshape(shape).astype(np.float32)


def image_of(shape=SHAPE, affine=AFFINE, kind=nib.Nifti1Image):
    """Create an image with a qform and an sform."""
    image = kind(data_of(shape), affine)
    image.set_qform(affine, code=4)
    image.set_sform(affine, code=4)
    if len(shape) > 3:
        image.header.set_zooms((2.0, 2.0, 2.0, 1.5, *[1.0] * (len(shape) - 4)))
    image.header.set_xyzt_units("mm", "sec")
    return image


def alter(path, **fields):
    """Set fields of the header of an image; the values stay where they are."""
    content = path.read_bytes()
    is_gzipped = content[:2] == b"\x1f\x8b"
    content = bytearray(gzip.decompress(content) if is_gzipped else content)
    kind = nib.nifti1.header_dtype if content[0] == 92 else nib.nifti2.header_dtype
    header = np.frombuffer(content, kind, count=1).copy()
    for name, value in fields.items():
        if isinstance(value, dict):
            for index, item in value.items():
                header[name][0, index] = item
        else:
            header[name][0] = value
    content[: kind.itemsize] = header.tobytes()
    path.write_bytes(gzip.compress(bytes(content), 1, mtime=0) if is_gzipped else bytes(content))
    return path


def write(path, shape=SHAPE, kind=nib.Nifti1Image, **fields):
    """Write an image with altered header fields."""
    image_of(shape, kind=kind).to_filename(path)
    return alter(path, **fields)
