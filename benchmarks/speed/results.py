"""The results of the speed benchmarks: numbers as JSON, tables as Markdown, and the machine."""

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
    """Return a comparison's numbers, those of each repeat too, as JSON can hold them."""
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
