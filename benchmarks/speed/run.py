"""Command that runs the speed benchmarks and writes JSON and Markdown."""

import logging

from benchmarks.speed.results import as_json, machine, page, table
from benchmarks.speed.settings import BenchmarkSettings
from benchmarks.speed.steps import STEPS, Request
from benchmarks.speed.timing import Comparison
from bids_deeptaskgen.io.atomic import write_json, write_text

LOG = logging.getLogger("bids_deeptaskgen")


def run(settings: BenchmarkSettings) -> int:
    """Run the selected steps and write ``benchmark.json`` and ``benchmark.md``.

    Parameters
    ----------
    settings : BenchmarkSettings

    Returns
    -------
    int
        Exit code 0.
    """
    work = settings.out / "work"
    work.mkdir(parents=True, exist_ok=True)
    request = Request(work, settings.n_repeats, settings.n_volumes, settings.device)
    comparisons: list[Comparison] = []
    environment = machine()
    for step in settings.steps or STEPS:
        for comparison in STEPS[step](request):
            LOG.info("\n%s", table(comparison))
            comparisons.append(comparison)
            # Write after each comparison, so that results remain if a later one fails or takes too long.
            content = {"machine": environment, "comparisons": [as_json(result) for result in comparisons]}
            write_json(settings.out / "benchmark.json", content)
            write_text(settings.out / "benchmark.md", page(environment, comparisons))
    LOG.info("Wrote the results to %s.", settings.out / "benchmark.md")
    return 0
