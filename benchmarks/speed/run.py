"""Time the steps and the whole commands, and write the results as JSON and Markdown."""

import logging
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.settings import STEPS, BenchmarkSettings
from benchmarks.speed.timing import Comparison, median, ratio
from bids_deeptaskgen.io.atomic import write_json, write_text
from bids_deeptaskgen.machine import available_cpus, available_gb, software_versions
from bids_deeptaskgen.simulation.random_model import random_bundle

LOG = logging.getLogger("bids_deeptaskgen")


def run(settings: BenchmarkSettings) -> int:
    """Time what was asked for, and write ``benchmark.json`` and ``benchmark.md``.

    Parameters
    ----------
    settings : BenchmarkSettings

    Returns
    -------
    int
        0, since what goes wrong is raised.
    """
    work = settings.out / "work"
    work.mkdir(parents=True, exist_ok=True)
    found: list[Comparison] = []
    where = machine()
    for step in settings.steps or STEPS:
        for comparison in _measure(step, work, settings):
            LOG.info("\n%s", table(comparison))
            found.append(comparison)
            # After each, so that what is known is kept if the next one fails or takes too long.
            told = {"machine": where, "comparisons": [as_json(one) for one in found]}
            write_json(settings.out / "benchmark.json", told)
            write_text(settings.out / "benchmark.md", page(where, found))
    LOG.info("Results are in %s.", settings.out / "benchmark.md")
    return 0


def _measure(step: str, work: Path, settings: BenchmarkSettings) -> Iterator[Comparison]:
    """Time one step; each brings its libraries when it is its turn."""
    n_repeats = settings.n_repeats
    if step == "prediction":
        from benchmarks.speed.prediction import measure_forward

        yield from measure_forward(random_bundle(work / "published-size"), settings.device, n_repeats)
    elif step == "writing":
        from benchmarks.speed.writing import measure_writing

        yield from measure_writing(work, n_repeats)
    elif step in ("reading", "readers"):
        from benchmarks.speed import reading

        bundle = random_bundle(work / "published-size")
        if step == "reading":
            yield from reading.measure_reading(work, bundle, n_repeats, settings.n_volumes)
        else:
            yield from reading.measure_readers(work, n_repeats, settings.n_volumes)
    else:
        yield from _whole_commands()[step](work, n_repeats)


def _whole_commands() -> dict[str, Callable[[Path, int], Sequence[Comparison]]]:
    from benchmarks.speed import cohort, participant_run, startup

    return {"run": participant_run.measure, "cohort": cohort.measure, "startup": startup.measure}


def machine() -> dict[str, Any]:
    """Say what was timed where."""
    return {
        "cpus": available_cpus(),
        "memory_gib": round(available_gb(), 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **software_versions(),
    }


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Give a comparison's numbers, each repeat's too."""
    return {
        "name": comparison.name,
        "reference": comparison.reference,
        "facts": comparison.facts,
        "ways": {
            way: {
                "wall_s": [round(one.wall_s, 4) for one in timings],
                "cpu_s": [round(one.cpu_s, 4) for one in timings],
                "peak_gib": round(max(one.peak_gib for one in timings), 3),
                "ratio": round(ratio(timings, comparison.timings[comparison.reference]), 3),
            }
            for way, timings in comparison.timings.items()
        },
    }


def page(where: dict[str, Any], comparisons: Sequence[Comparison]) -> str:
    """Write the results as Markdown."""
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in where.items())
    return "\n".join([f"Medians of repeats that were made in turn; {told}.\n", *map(table, comparisons)])


def table(comparison: Comparison) -> str:
    """Write a comparison as a Markdown table."""
    head = f"**{comparison.name}**"
    if comparison.facts:
        facts = (f"{key} {_short(value)}" for key, value in comparison.facts.items())
        head += f" ({', '.join(facts)})"
    lines = [head, "", "| | wall | CPU | peak memory | wall, by reference |", "|---|---|---|---|---|"]
    reference = comparison.timings[comparison.reference]
    for way, timings in comparison.timings.items():
        one = median(timings)
        times = ratio(timings, reference)
        cells = (f"{one.wall_s:.2f} s", f"{one.cpu_s:.2f} s", f"{one.peak_gib:.2f} GiB", f"{times:.2f}")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
