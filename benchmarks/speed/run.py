"""Time the steps and the whole commands, and write the results as JSON and Markdown."""

import logging

from benchmarks.speed.results import as_json, machine, page, table
from benchmarks.speed.settings import BenchmarkSettings
from benchmarks.speed.steps import STEPS, Request
from benchmarks.speed.timing import Comparison
from bids_deeptaskgen.io.atomic import write_json, write_text

LOG = logging.getLogger("bids_deeptaskgen")


def run(settings: BenchmarkSettings) -> int:
    """Time the chosen steps, and write ``benchmark.json`` and ``benchmark.md``.

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
    where = machine()
    for step in settings.steps or STEPS:
        for comparison in STEPS[step](request):
            LOG.info("\n%s", table(comparison))
            comparisons.append(comparison)
            # Written after each, so that results are kept if the next one fails or takes too long.
            content = {"machine": where, "comparisons": [as_json(each) for each in comparisons]}
            write_json(settings.out / "benchmark.json", content)
            write_text(settings.out / "benchmark.md", page(where, comparisons))
    LOG.info("Results are in %s.", settings.out / "benchmark.md")
    return 0
