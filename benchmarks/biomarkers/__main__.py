"""Analyses of traits whose origin is known: ``make benchmark-biomarkers``.

    python -m benchmarks.biomarkers WORK [--n-cohorts 100] [--n-seeds 200] [--n-permutations 200]

writes WORK/results.json, of which ``python -m benchmarks.biomarkers.page`` makes a page.
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.biomarkers import coverage, null_p_values, proof
from benchmarks.speed.results import machine
from bids_deeptaskgen.io.atomic import write_json


def main() -> None:
    """Run all analyses and write ``results.json``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for the results")
    parser.add_argument("--n-cohorts", type=int, default=100, help="cohorts of each analysis of a trait")
    parser.add_argument("--n-seeds", type=int, default=200, help="cohorts for distributions of p values")
    parser.add_argument("--n-permutations", type=int, default=200, help="permutations of each test")
    parser.add_argument("--n-processes", type=int, default=2, help="processes")
    parser.add_argument("--only", nargs="+", metavar="PART", help="parts of results.json to replace")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    path = options.work / "results.json"
    results: dict[str, Any] = json.loads(path.read_text("utf-8")) if options.only else {}
    results |= {
        "machine": machine(),
        "command": f"python -m benchmarks.biomarkers WORK --n-cohorts {options.n_cohorts} "
        f"--n-seeds {options.n_seeds} --n-permutations {options.n_permutations}",
        "n_permutations": options.n_permutations,
    }
    with ProcessPoolExecutor(options.n_processes) as pool:
        for name, (function, items) in _tasks(options).items():
            if options.only and name not in options.only:
                continue
            start = time.monotonic()
            results[name] = list(pool.map(function, items))
            seconds = time.monotonic() - start
            results.setdefault("wall_s", {})[name] = round(seconds)
            print(f"{name}: {seconds:.0f} s", flush=True)
            write_json(path, results)


def _tasks(options: argparse.Namespace) -> dict[str, tuple[Callable[[Any], dict[str, Any]], list[Any]]]:
    cohorts, seeds = range(options.n_cohorts), range(options.n_seeds)
    n_permutations = options.n_permutations
    return {
        "setups": (partial(_compare, n_permutations=5 * n_permutations), list(proof.COMPARED)),
        "cases": (partial(_try, seeds=cohorts, n_permutations=n_permutations), list(proof.CASES)),
        "nulls": (
            partial(_test_null, seeds=seeds, n_permutations=n_permutations),
            list(null_p_values.NULLS),
        ),
        "coverage": (partial(coverage.measure_coverage, seeds=seeds), list(coverage.SETTINGS)),
        "comparisons": (partial(_compare_equal, seeds=seeds), [1, 5]),
    }


def _compare(target: str, n_permutations: int) -> dict[str, Any]:
    return {"target": target, "rows": proof.compare_setups(target, n_permutations)}


def _try(case: proof.Case, seeds: range, n_permutations: int) -> dict[str, Any]:
    return proof.summarise_case(case, proof.try_case(case, seeds, n_permutations))


def _test_null(null: null_p_values.Null, seeds: range, n_permutations: int) -> dict[str, Any]:
    return null_p_values.summarise_null(null, null_p_values.draw_p_values(null, seeds, n_permutations))


def _compare_equal(n_repeats: int, seeds: range) -> dict[str, Any]:
    return proof.compare_equal_features(seeds, n_repeats)


if __name__ == "__main__":
    main()
