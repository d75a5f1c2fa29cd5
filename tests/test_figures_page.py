"""docs/how-to/figures.md has every figure (tests/pages runs its code)."""

import re
from pathlib import Path

from bids_deeptaskgen.report import figures

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "figures.md"


def test_the_page_names_every_function_and_calls_it():
    text = PAGE.read_text("utf-8")
    table = text.partition("|---|---|---|")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(figures.__all__)
    assert set(re.findall(r"figures\.(\w+)\(", text)) == set(figures.__all__)


def test_every_function_has_an_example():
    for name in figures.__all__:
        assert "Examples\n    --------" in getattr(figures, name).__doc__
