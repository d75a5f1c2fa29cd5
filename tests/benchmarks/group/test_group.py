"""Tests of ``python -m benchmarks.group``: datasets are complete, and the page states all."""

import json

import numpy as np
import pytest

from benchmarks.group.dataset import write_dataset
from benchmarks.group.page import HANDWRITTEN, growth_table, page, table
from benchmarks.group.reading import read_all
from benchmarks.group.run import WAYS, command_of, measure
from bids_deeptaskgen.bids.output.results import read_dataset
from bids_deeptaskgen.bids.output.roi_connectome import read_roi_connectome

LABELS = ("wm2bk", "motorLh")
READING = next(iter(WAYS))


@pytest.mark.parametrize("layout", ["3d", "4d"])
def test_a_dataset_has_the_maps_of_all_participants(tmp_path, layout):
    output = write_dataset(tmp_path / "out", 3, LABELS, layout)
    results, faults = read_dataset(output)
    assert (len(results), faults) == (3, [])
    assert read_all(output) == 6
    maps = np.stack([result.read(output, LABELS) for result in results])
    has_value = maps != 0
    assert 0.9 < has_value[0].sum() / 2 / 235_375 < 1
    # Masks differ between participants, and maps are alike, but not equal.
    assert (has_value[0] != has_value[1]).any()
    r = np.corrcoef(maps[:, 0].reshape(3, -1))[0, 1]
    assert 0.3 < r < 0.95
    assert read_roi_connectome(results[0].path(output, "roi_connectome")).matrix.shape == (50, 50)


def test_an_existing_dataset_is_kept(tmp_path):
    output = write_dataset(tmp_path / "out", 1, LABELS)
    times = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    write_dataset(output, 1, LABELS)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == times


def test_a_command_is_measured_and_its_dataset_removed(tmp_path):
    results = measure(tmp_path, [2], 1, "3d", [READING])
    (row,) = results["measurements"]
    assert row["command"] == "python -m benchmarks.group.reading OUTPUT_DIR"
    assert row["wall_s"] > 0.1
    assert 0.01 < row["peak_gib"] < 2
    assert json.loads((tmp_path / "results.json").read_text("utf-8")) == results
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_the_page_states_the_command_next_to_each_number():
    row = {"n_contrasts": 2, "layout": "3d", "way": READING, "command": " ".join(command_of(READING, "OUT"))}
    row |= {"wall_s": 10.0, "cpu_s": 8.0, "peak_gib": 0.5, "scratch_gib": 0.25, "n_participants": 100}
    rows = [row, row | {"n_participants": 1000, "wall_s": 120.0, "cpu_s": 80.0, "peak_gib": 0.75}]
    assert (
        "| 1,000 | 2 (3d) | reading the same maps alone | 120.0 s | 80.0 s | 0.75 GiB | 0.25 GiB | `"
        in table(rows)
    )
    assert "| reading the same maps alone | 1.20 | 1.00 | +0.25 GiB |" in growth_table(rows)
    assert growth_table(rows[:1]) == ""
    # A dataset of another kind is not compared.
    assert growth_table([*rows, row | {"n_contrasts": 8, "layout": "4d", "wall_s": 1.0}]) == growth_table(
        rows
    )
    text = page({"machine": {"cpus": 2}, "measurements": rows}, "It reads.")
    assert text.endswith(f"{HANDWRITTEN}\nIt reads.\n")
