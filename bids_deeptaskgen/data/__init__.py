"""Tables and templates that are part of the package."""

import json
from functools import cache
from pathlib import Path
from typing import Any

DATA_DIR = Path(__file__).parent


def read_data(name: str) -> str:
    """Read a text file of this package, e.g. ``contrasts/hcp-ya.json``."""
    return (DATA_DIR / name).read_text("utf-8")


@cache
def load_table(name: str) -> dict[str, Any]:
    """Load a JSON table of this package, once per process.

    Parameters
    ----------
    name : str
        Name of the file, e.g. ``queries.json``.

    Returns
    -------
    dict
        Shared by all callers; do not modify it.
    """
    table: dict[str, Any] = json.loads(read_data(name))
    return table
