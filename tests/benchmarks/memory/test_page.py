"""The page of measured memory names the shapes that it lacks."""

import json

import pytest

from benchmarks.memory import run
from benchmarks.memory.comparison import Comparison, find_absent
from benchmarks.memory.page import format_table
from benchmarks.memory.shapes import CONNECTOMES, PREDICTION, Shape

SHAPES = (
    Shape("whole"),
    Shape("failing"),
    Shape("partial", steps=(CONNECTOMES, PREDICTION)),
    Shape("later"),
)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Measure all but the last shape; one fails, and one has no number for a step."""

    def measure(_work, shape):
        if shape.name == "failing":
            raise RuntimeError("prediction: no\nmemory")
        return {"name": shape.name, "peaks": {CONNECTOMES: {"gb": 1.0, "initial_gb": 0.5}}}

    monkeypatch.setattr(run, "write_transform", lambda folder: folder)
    monkeypatch.setenv("TEMPLATEFLOW_HOME", "")
    monkeypatch.setattr(run, "_measure", measure)
    run.measure_shapes(tmp_path, SHAPES[:3])
    return tmp_path


def test_shapes_that_failed_or_were_not_measured_are_found(work, monkeypatch):
    assert find_absent(work, SHAPES) == {
        "failing": "failed: prediction: no memory",
        "partial": "no number for prediction",
        "later": "not measured",
    }
    monkeypatch.setattr(run, "_measure", lambda *_: {"peaks": {CONNECTOMES: {"gb": 1.0}}})
    run.measure_shapes(work, SHAPES)
    assert list(find_absent(work, SHAPES)) == ["partial"]
    assert json.loads((work / "numbers" / "failing.json").read_text())


def test_the_table_lists_shapes_that_are_absent(work):
    rows = [Comparison("whole", CONNECTOMES, 1.1, 1.0)]
    table = format_table(rows, find_absent(work, SHAPES), len(SHAPES))
    assert "1 nodes of 1 of 4 shapes; declared / measured from 1.10 to 1.10." in table
    assert "Not complete, 3 of 4 shapes:" in table
    assert "- failing: failed: prediction: no memory" in table
    assert "Not complete" not in format_table(rows, {}, 1)
