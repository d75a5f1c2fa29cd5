"""The formats that are compared hold the same maps, and the page has their measurements."""

from dataclasses import asdict

import numpy as np
import pytest

from benchmarks.cohort_store.__main__ import Measurement
from benchmarks.cohort_store.cohort import Cohort, files_of, size_on_disk
from benchmarks.cohort_store.formats import FORMATS
from benchmarks.cohort_store.operation import OPERATIONS, run
from benchmarks.cohort_store.page import HANDWRITTEN, page
from benchmarks.group.dataset import Patterns
from bids_deeptaskgen.grid import OUTPUT_GRID


@pytest.fixture(scope="module")
def cohort():
    mask = np.zeros(OUTPUT_GRID.shape, bool)
    mask[40:50, 40:50, 40] = True
    values = np.random.default_rng(0).normal(size=(3, 100)).astype(np.float32)
    return Cohort(4, ("a", "b", "c"), Patterns(mask, values, np.full(100, 5, np.float32)))


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_returns_the_maps_that_were_drawn(tmp_path, cohort, name):
    layout = FORMATS[name]
    layout.write(tmp_path / "maps", cohort)
    assert files_of(tmp_path / "maps")
    assert size_on_disk(tmp_path / "maps") > 0
    tolerance = 2e-3 if name == "float16" else 0
    contrast = layout.read_contrast(tmp_path / "maps", cohort)
    np.testing.assert_allclose(contrast, [cohort.maps(row)[1] for row in range(4)], rtol=tolerance)
    participant = layout.read_participant(tmp_path / "maps", cohort)
    np.testing.assert_allclose(participant, cohort.maps(2), rtol=tolerance)
    for operation in OPERATIONS[2:]:
        assert run(name, operation, tmp_path / "maps", cohort) > 0


def test_the_page_marks_what_is_extrapolated_and_keeps_its_last_section():
    row = Measurement(200, 47, "float32", 8 * 10**9, 60, 10, 100, 120, 1, [2.0, 3.0, 2.5], [0.1, 0.2, 0.3])
    text = page({"machine": {"cpus": 2}, "measurements": [asdict(row)]}, "By hand.")
    assert "| 200 x 47 | store, float32 | 8.00 GB | 60 | 10 s | 100 s | 120 s | 1.00 GiB | 2.50 s |" in text
    assert "**Not measured.**" in text
    # 100 times the size, (100 - 10) s and 2.5 s.
    assert "| 20,000 x 47 | store, float32 | 800 GB | 2.5 h without drawing | 4.2 min | 0.20 s |" in text
    assert text.endswith(f"{HANDWRITTEN}\nBy hand.\n")
