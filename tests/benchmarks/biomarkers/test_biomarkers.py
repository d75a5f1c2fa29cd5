"""The benchmark of biomarkers, with few cohorts and permutations."""

import json
import sys

import pytest

from benchmarks.biomarkers import __main__ as benchmark
from benchmarks.biomarkers import coverage, null_p_values, page, proof


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Run a part of each analysis in this process."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["benchmark", str(work), "--n-cohorts", "1", "--n-seeds", "2"])
        sys.argv += ["--n-permutations", "4", "--n-processes", "1"]
        patch.setattr(proof, "COMPARED", {"trait_maps": "the maps", "sex": "the maps"})
        patch.setattr(proof, "COHORT_SIZE", 60)
        patch.setattr(proof, "CASES", proof.CASES[:3])
        patch.setattr(null_p_values, "NULLS", null_p_values.NULLS[3:6])
        patch.setattr(coverage, "SETTINGS", coverage.SETTINGS[:1])
        patch.setattr(benchmark, "ProcessPoolExecutor", _Pool)
        benchmark.main()
    return work / "results.json"


class _Pool:
    def __init__(self, n_processes):
        assert n_processes == 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    map = staticmethod(map)


def test_every_analysis_is_a_line_of_the_page(results):
    text = page.page(json.loads(results.read_text()), "Words.")
    # Five tables with a head each.
    assert text.count("\n| ") == 5 + 2 + 3 + 3 + 1 + 2
    assert "nan" not in text
    assert text.endswith("## What it shows\n\nWords.\n")


def test_the_last_section_of_an_existing_page_stays(results, tmp_path, monkeypatch):
    target = tmp_path / "page.md"
    monkeypatch.setattr(sys, "argv", ["page", str(results), str(target)])
    page.main()
    assert target.read_text().endswith("Not written yet.\n")
    target.write_text(target.read_text().replace("Not written yet.", "It shows much."))
    page.main()
    assert target.read_text().endswith("It shows much.\n")
