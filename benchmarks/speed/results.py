"""Results of the speed benchmarks as JSON and Markdown, with a description of the machine."""

import os
import platform
from collections.abc import Sequence
from typing import Any

from benchmarks.speed.timing import Comparison, median, ratio
from bids_deeptaskgen.machine import available_cpus, available_gb, software_versions


def machine() -> dict[str, Any]:
    """Describe this machine and the software on it."""
    return {
        "cpus": available_cpus(),
        "memory_gib": round(available_gb(), 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **software_versions(),
    }


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the numbers of a comparison, with every repeat, for JSON."""
    return {
        "name": comparison.name,
        "reference": comparison.reference,
        "facts": comparison.facts,
        "ways": {
            way: {
                "wall_s": [round(timing.wall_s, 4) for timing in timings],
                "cpu_s": [round(timing.cpu_s, 4) for timing in timings],
                "peak_gib": round(max(timing.peak_gib for timing in timings), 3),
                "ratio": round(ratio(timings, comparison.timings[comparison.reference]), 3),
            }
            for way, timings in comparison.timings.items()
        },
    }


def page(environment: dict[str, Any], comparisons: Sequence[Comparison]) -> str:
    """Format the results as Markdown.

    Parameters
    ----------
    environment : dict
        Machine and software, as returned by `machine`.
    comparisons : sequence of Comparison

    Returns
    -------
    str
    """
    facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in environment.items())
    return "\n".join([f"Medians of interleaved repeats; {facts}.\n", *map(table, comparisons)])


def table(comparison: Comparison) -> str:
    """Format a comparison as a Markdown table."""
    head = f"**{comparison.name}**"
    if comparison.facts:
        facts = (f"{key} {_short(value)}" for key, value in comparison.facts.items())
        head += f" ({', '.join(facts)})"
    lines = [head, "", "| | wall | CPU | peak memory | wall time / reference |", "|---|---|---|---|---|"]
    reference = comparison.timings[comparison.reference]
    for way, timings in comparison.timings.items():
        typical = median(timings)
        times = ratio(timings, reference)
        cells = (
            f"{typical.wall_s:.2f} s",
            f"{typical.cpu_s:.2f} s",
            f"{typical.peak_gib:.2f} GiB",
            f"{times:.2f}",
        )
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
