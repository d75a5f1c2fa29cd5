"""Draw the figures of the tutorials from the folders that their commands write.

Usage: python -m scripts.tutorial_figures FIRST GROUP TRAINING

FIRST, GROUP and TRAINING are the folders in which the commands of the three tutorials ran. The figures are
small PNG files in docs/images.
"""

import sys
from pathlib import Path

import pandas as pd
from PIL import Image

from bids_deeptaskgen.report import figures

IMAGES = Path(__file__).parents[1] / "docs" / "images"
N_COLOURS = 96
# Height of the predicted and the measured map of the first participant in the figure of the demo.
HEIGHT_OF_ONE_PARTICIPANT = 475


def save(image, name):
    """Write an image with few colours, which is a quarter of the size."""
    colours = image.convert("RGB").quantize(N_COLOURS, dither=Image.Dither.NONE)
    colours.save(IMAGES / name, optimize=True)
    print(f"{(IMAGES / name).stat().st_size / 1000:4.0f} kB {name}")


def rendered(figure):
    """Render a figure to an image."""
    path = IMAGES / ".figure.png"
    figure.savefig(path, dpi=80)
    with Image.open(path) as image:
        image.load()
    path.unlink()
    return image


def stacked(images):
    """Place images below each other."""
    sheet = Image.new(
        "RGB", (max(image.width for image in images), sum(image.height for image in images)), "white"
    )
    top = 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height
    return sheet


def draw_motion(folder):
    """Draw framewise displacement and DVARS of a participant."""
    (path,) = folder.glob("sub-01/func/*_desc-qc_timeseries.tsv")
    volumes = pd.read_csv(path, sep="\t")
    return figures.plot_run_quality(
        volumes["framewise_displacement"].to_numpy(float),
        volumes["dvars"].to_numpy(float),
        is_kept=volumes["is_kept"].to_numpy(bool),
        n_dummies=int(volumes["is_dummy"].sum()),
        t_r=2.0,
    )


def main(first, group, training):
    """Draw all figures."""
    with Image.open(first / "demo" / "picture.png") as picture:
        save(picture.crop((0, 0, picture.width, HEIGHT_OF_ONE_PARTICIPANT)), "demo_maps.png")
    motion = [rendered(draw_motion(first / name)) for name in ("demo/maps", "bad/maps")]
    save(stacked(motion), "tutorial_motion.png")
    statistics = group / "derivatives" / "deeptaskgen" / "group"
    rows = [("mean", "mean_desc-predicted", "z"), ("t of age", "t_desc-age", "t")]
    maps = [next(statistics.glob(f"*_contrast-wm2bk_stat-{kind}_statmap.nii.gz")) for _, kind, _ in rows]
    axial = [
        figures.plot_statmap(path, title=title, units=units)
        for path, (title, _, units) in zip(maps, rows, strict=True)
    ]
    save(stacked([rendered(figure) for figure in axial]), "tutorial_group.png")
    with Image.open(training / "scores" / "figures" / "r.png") as scores:
        save(scores, "tutorial_scores.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
