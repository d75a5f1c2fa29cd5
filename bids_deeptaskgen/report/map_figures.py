"""Figures of maps."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.io.atomic import atomic_path
from bids_deeptaskgen.io.nifti_reader import load_image

# Axial slices in mm that show the hand area, the visual and the auditory cortex, and the cerebellum.
SLICES_MM = (-30, -14, 0, 12, 26, 42, 58)
ROW_INCHES = 2.4
HEADING_INCHES = 0.5


def draw_statmaps(path: Path, rows: Sequence[tuple[str, Path]], *, heading: str = "") -> None:
    """Draw axial slices of maps on the template, one row per map, on one colour scale.

    The left hemisphere is on the left.

    Parameters
    ----------
    path : Path
        PNG file to write.
    rows : sequence of (str, Path)
        Title and image file of each map.
    heading : str
        Heading of the figure.
    """
    import matplotlib as mpl

    # This backend needs no display, which a cluster lacks.
    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import nibabel as nib
    import numpy as np
    from nilearn.plotting import plot_stat_map

    maps = [(image.values(), image.affine) for image in (load_image(path) for _, path in rows)]
    images = [nib.Nifti1Image(values, affine) for values, affine in maps]
    values = np.abs(np.concatenate([values.ravel() for values, _ in maps]))
    limit = float(np.quantile(values[values > 0], 0.995)) if values.any() else 1.0
    height = ROW_INCHES * len(rows) + HEADING_INCHES
    figure = plt.figure(figsize=(13, height))
    figure.text(0.5, 1 - 0.5 * HEADING_INCHES / height, heading, ha="center", va="center", fontsize=13)
    for number, ((title, _), image) in enumerate(zip(rows, images, strict=True)):
        top = 1 - (HEADING_INCHES + number * ROW_INCHES) / height
        figure.text(0.01, top, title, va="top", fontsize=12)
        with warnings.catch_warnings():
            # If no voxel of a map reaches the threshold, the template alone is drawn, as intended.
            warnings.filterwarnings("ignore", message="empty mask")
            plot_stat_map(
                image,
                # The line above the slices is for the title.
                axes=figure.add_axes((0.0, top - ROW_INCHES / height, 1.0, 0.86 * ROW_INCHES / height)),
                display_mode="z",
                cut_coords=SLICES_MM,
                vmax=limit,
                threshold=limit / 6,
                # Otherwise a map without negative values would have another colour scale.
                symmetric_cbar=True,
                cmap="cold_hot",
            )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)
    plt.close(figure)
