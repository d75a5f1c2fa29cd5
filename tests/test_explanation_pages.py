"""The pages of docs/explanation agree with the data and the code, and their figures with stored numbers."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
import torch

from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.nn.unet import UNet
from scripts.explanation_figures.__main__ import FOLDER, draw_figures
from scripts.explanation_figures.charts import read_curves

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "explanation"
RESULTS = ROOT / "docs" / "reference" / "results.md"
MAX_FIGURE_BYTES = 150_000
IMAGE = re.compile(r"!\[([^\]]+)\]\(\.\./images/explanation/(\w+)\.svg\)")


def page(name):
    return (PAGES / f"{name}.md").read_text("utf-8")


def pages():
    return sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "index")


def table_rows(text):
    """Return the cells of all table rows."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in re.findall(r"^\|.*\|$", text, re.M)]


def test_the_index_describes_every_page():
    index = page("index")
    assert sorted(re.findall(r"^- \[.+\]\((\w+)\.md\): .+\.$", index, re.M)) == pages()
    assert sorted(index.split(":hidden:\n\n")[1].split("\n```")[0].split()) == pages()


def test_every_figure_is_shown_with_a_description_and_small(tmp_path):
    drawn = {path.stem for path in draw_figures(tmp_path)}
    shown = {name: text for page_name in pages() for text, name in IMAGE.findall(page(page_name))}
    assert drawn == set(shown) == {path.stem for path in FOLDER.glob("*.svg")}
    assert all(len(text) > 40 for text in shown.values())
    for path in FOLDER.glob("*.svg"):
        assert path.stat().st_size < MAX_FIGURE_BYTES
        assert "<svg" in path.read_text("utf-8")[:1000]


def test_figures_change_only_with_their_content(tmp_path):
    first, second = draw_figures(tmp_path / "a"), draw_figures(tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_curves_are_those_of_the_results():
    curves = read_curves(RESULTS, "Participants", "deviation r")
    assert {number: values[0] for number, values in curves["network"].items()} == {
        10: 0.069, 20: 0.091, 50: 0.124, 100: 0.161, 200: 0.201
    }  # fmt: skip
    assert read_curves(RESULTS, "Minutes of rest", "deviation r")["ridge"][16] == (0.149, 0.141, 0.157)
    assert all(len(values) == 3 for curve in curves.values() for values in curve.values())


def test_the_table_of_contrasts_has_labels_and_reliabilities_of_the_catalogue():
    rows = [row for row in table_rows(page("which_contrasts")) if row[1].startswith("`")]
    known = json.loads((ROOT / "bids_deeptaskgen/data/contrasts/hcp-ya.json").read_text("utf-8"))["contrasts"]
    labels = [contrast.label for contrast in load_contrasts("hcp-ya")]
    assert [(name, label.strip("`"), float(r)) for name, label, r, _ in rows] == [
        (entry["source_name"], label, entry["retest_r"]) for entry, label in zip(known, labels, strict=True)
    ]
    assert sum(float(network) > float(retest) for *_, retest, network in rows) == 45


@pytest.mark.parametrize("row", range(1, 8))
def test_scores_of_real_participants_are_those_of_the_results(row):
    section = (
        RESULTS.read_text("utf-8").split("\n## Contrasts of the real participants\n")[1].split("\n## ")[0]
    )
    results = {cells[0]: cells for cells in table_rows(section)}
    table = page("which_contrasts").split("## Twenty real participants")[1]
    name, _, r, *individual = table_rows(table)[row + 1]
    assert [r, *individual] == [results[name][1], *results[name][5:8]]


def test_the_size_and_the_receptive_field_of_the_network():
    n_parameters = sum(parameter.numel() for parameter in UNet(Architecture()).parameters())
    assert f"{n_parameters:,} parameters" in page("method")
    network = UNet(Architecture("attentionunet", 1, 1, 2)).eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.abs() / 10 + 0.01)  # so that no activation is cut off
    x = torch.rand(1, 1, 44, 44, 44, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[0, 0, 21, 21, 21], x)
    voxels = gradient[0, 0].nonzero()
    extent = voxels.max(0).values - voxels.min(0).values + 1
    assert all(26 <= size <= 30 for size in extent.tolist())
    assert "26 to 30 voxels" in page("method")


def test_times_and_sizes_follow_from_the_measured_ones():
    text = page("scale")
    time_rows = {row[0]: row for row in table_rows(text.split("*Dashed: extrapolated.*")[1])[2:7]}
    size_rows = {row[0]: row for row in table_rows(text.split("the value per participant:")[1])[2:7]}
    short_rows = {row[0]: row for row in table_rows(text)[2:7]}
    for label in ("100", "1,000", "10,000", "20,000", "100,000"):
        n = int(label.replace(",", ""))
        hours = [float(cell.removesuffix(" h")) for cell in short_rows[label][1:4]]
        assert hours == pytest.approx([n * seconds / 3600 for seconds in (17.1, 24.1, 19.1)], rel=0.07)
        assert float(time_rows[label][1].replace(",", "")) == pytest.approx(n * 17.1 / 3600, rel=0.02)
        assert float(time_rows[label][2].replace(",", "")) == pytest.approx(n * 55.2 / 3600, rel=0.03)
        assert [int(cell.replace(",", "")) for cell in size_rows[label][2:4]] == [n * 104, n * 12]
        number, unit = size_rows[label][1].split()
        assert float(number) * {"GB": 1, "TB": 1000}[unit] == pytest.approx(n * 0.042, rel=0.01)


@pytest.mark.parametrize("name", [name for name in pages() if "```python" in page(name)])
def test_code_prints_what_the_page_shows(name):
    for code, shown in re.findall(r"```python\n(.*?)```\n\n    (.*?)\n\n", page(name), re.DOTALL):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, name, "exec"), {})  # noqa: S102
        assert printed.getvalue().strip() == shown
