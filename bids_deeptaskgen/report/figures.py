"""Pictures of maps."""

from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.core.atomic import atomic_path

# Axial slices in mm that show the hand area, the visual and the auditory cortex, and the cerebellum.
SLICES_MM = (-30, -14, 0, 12, 26, 42, 58)


def draw_statmaps(path: Path, rows: Sequence[tuple[str, Path]], *, heading: str = "") -> None:
    """Draw axial slices of maps below each other, on the template, all on one colour scale.

    Left is on the left.

    Parameters
    ----------
    path : Path
        PNG file to be written.
    rows : sequence of (str, Path)
        Title and image of each map.
    heading : str
        Above all of them.
    """
    import matplotlib as mpl

    # No display is needed, and none may be asked for on a cluster.
    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import nibabel as nib
    import numpy as np
    from nilearn.plotting import plot_stat_map

    images = [nib.load(image) for _, image in rows]
    values = np.abs(np.concatenate([image.get_fdata(dtype=np.float32).ravel() for image in images]))
    limit = float(np.quantile(values[values > 0], 0.995)) if values.any() else 1.0
    figure, axes = plt.subplots(
        len(rows), 1, figsize=(13, 2.5 * len(rows)), squeeze=False, layout="constrained"
    )
    for (title, _), image, axis in zip(rows, images, axes[:, 0], strict=True):
        plot_stat_map(
            image,
            axes=axis,
            display_mode="z",
            cut_coords=SLICES_MM,
            vmax=limit,
            threshold=limit / 10,
            cmap="cold_hot",
        )
        axis.set_title(title, loc="left")
    figure.suptitle(heading)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)
    plt.close(figure)
