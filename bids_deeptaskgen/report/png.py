"""Images as PNG data URIs."""

from base64 import b64encode
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.report.participant_content import Bytes

# Greys of images with an outline; more are not distinguished by eye and make the page larger.
N_GREYS = 64


def png_uri(image: Bytes, palette: Bytes | None = None) -> str:
    """Convert an image to a data URI.

    Parameters
    ----------
    image : uint8 array of shape (n_rows, n_columns) or (n_rows, n_columns, 3)
        Grey values or sRGB; with a palette, colour numbers.
    palette : uint8 array of shape (n_colours, 3), optional
        sRGB; colour 0 is transparent.

    Returns
    -------
    str
    """
    from PIL import Image

    picture = Image.fromarray(image)
    options = {}
    if palette is not None:
        picture.putpalette(palette.tobytes())
        options["transparency"] = 0
    stream = BytesIO()
    picture.save(stream, format="PNG", compress_level=6, **options)
    return "data:image/png;base64," + b64encode(stream.getvalue()).decode("ascii")


def png_strip(images: Bytes) -> str:
    """Convert images of equal size to a data URI, one below the other.

    Parameters
    ----------
    images : uint8 array of shape (n_images, n_rows, n_columns)

    Returns
    -------
    str
        Data URI of a grey image.
    """
    return png_uri(images.reshape(-1, images.shape[-1]))


def outlined_palette() -> Bytes:
    """Return the grey values and the colour of an outline, for `outline_mask`.

    Returns
    -------
    uint8 array of shape (N_GREYS + 1, 3)
    """
    grey = np.repeat((np.arange(N_GREYS) * (255 // (N_GREYS - 1))).astype(np.uint8)[:, None], 3, axis=1)
    return np.concatenate([grey, np.array([[255, 176, 0]], np.uint8)])


def outline_mask(image: Bytes, mask: NDArray[np.bool_]) -> Bytes:
    """Draw the outline of a mask on an image of twice the size.

    Parameters
    ----------
    image : uint8 array of shape (n_rows, n_columns)
    mask : boolean array of the same shape

    Returns
    -------
    uint8 array of shape (2 * n_rows, 2 * n_columns)
        Colours of `outlined_palette`.
    """
    large = np.kron(image // (256 // N_GREYS), np.ones((2, 2), np.uint8))
    is_inside = np.pad(np.kron(mask, np.ones((2, 2), bool)), 1)
    is_surrounded = is_inside[:-2, 1:-1] & is_inside[2:, 1:-1] & is_inside[1:-1, :-2] & is_inside[1:-1, 2:]
    return np.where(is_inside[1:-1, 1:-1] & ~is_surrounded, np.uint8(N_GREYS), large)
