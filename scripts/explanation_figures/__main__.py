"""Draw the figures of docs/explanation: ``python -m scripts.explanation_figures``."""

from pathlib import Path

from scripts.explanation_figures.charts import (
    draw_ceilings,
    draw_learning_curves,
    draw_reliabilities,
    draw_scale,
)
from scripts.explanation_figures.diagrams import draw_network, draw_pipeline
from scripts.explanation_figures.style import card_style, save_svg

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "images" / "explanation"


def draw_figures(folder: Path) -> list[Path]:
    """Draw all figures.

    Parameters
    ----------
    folder : Path
        Is created if it does not exist.

    Returns
    -------
    list of Path
        The files that were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = ROOT / "docs" / "reference" / "results.md"
    contrasts = ROOT / "bids_deeptaskgen" / "data" / "contrasts" / "hcp-ya.json"
    with card_style():
        figures = {
            "pipeline": draw_pipeline(),
            "network": draw_network(),
            "learning_curves": draw_learning_curves(results),
            "reliabilities": draw_reliabilities(contrasts),
            "ceilings": draw_ceilings(),
            "scale": draw_scale(),
        }
        paths = [folder / f"{name}.svg" for name in figures]
        for path, figure in zip(paths, figures.values(), strict=True):
            save_svg(figure, path)
    return paths


if __name__ == "__main__":
    for figure_path in draw_figures(FOLDER):
        print(figure_path.relative_to(ROOT))
