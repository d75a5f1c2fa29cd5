"""Page of the quality metrics and flags."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bids_deeptaskgen.connectome.qc_verdicts import MetricSpec, metric_specs
from bids_deeptaskgen.data import load_table
from scripts.reference.markdown import NOTICE, join_blocks, mark_code, read_text, table


def qc_metrics_page() -> str:
    """Return the page."""
    specs = metric_specs().values()
    overview = [
        (
            f"[`{spec.name}`](#{spec.name})",
            spec.title,
            spec.unit,
            _limits(spec.warn),
            _limits(spec.fail),
            f"[`{spec.flag}`](#flag-{spec.flag})" if spec.flag else "",
        )
        for spec in specs
    ]
    flags = load_table("qc_flags.json")
    return join_blocks(
        "# Quality metrics and flags",
        NOTICE,
        read_text("qc_metrics"),
        "## Overview",
        table(("metric", "meaning", "unit", "warns", "fails", "flag"), overview),
        "## Metrics",
        *(block for spec in specs for block in _metric_blocks(spec)),
        read_text("flags"),
        *(block for name, entry in flags.items() for block in _flag_blocks(name, entry)),
    )


def _metric_blocks(spec: MetricSpec) -> Iterator[str]:
    yield f"### `{spec.name}`"
    yield f"{spec.title}. {mark_code(spec.description)}"
    facts = [
        ("unit", spec.unit),
        ("warns", _limits(spec.warn)),
        ("fails", _limits(spec.fail)),
        (
            "flag",
            f"[`{spec.flag}`](#flag-{spec.flag}), with the source of the threshold" if spec.flag else "",
        ),
        ("what to do", "" if spec.flag else mark_code(spec.action)),
        ("source", "" if spec.flag else _link_pages(mark_code(spec.source))),
    ]
    yield "\n".join(f"- {name}: {text}" for name, text in facts if text)


def _flag_blocks(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    yield f"### Flag `{name}`"
    yield mark_code(entry["meaning"])
    metric, limit = entry.get("metric"), entry.get("threshold")
    threshold = f"{entry['flagged']} {limit:g} ([`{metric}`](#{metric}), {entry['unit']})" if metric else ""
    facts = [
        ("flagged", threshold),
        ("what to do", mark_code(entry["action"])),
        ("source", mark_code(entry["source"])),
    ]
    yield "\n".join(f"- {title}: {text}" for title, text in facts if text)


def _limits(sides: Mapping[str, float]) -> str:
    return " or ".join(f"{side} {limit:g}" for side, limit in sides.items())


def _link_pages(text: str) -> str:
    """Turn paths of pages into links."""
    return re.sub(r"`docs/explanation/(\w+)\.md`", r"[\1](../explanation/\1.md)", text)
