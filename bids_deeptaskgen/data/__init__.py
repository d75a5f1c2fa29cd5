"""Lists and templates that ship with the package."""

import json
from functools import cache
from pathlib import Path
from typing import Any

DATA_DIR = Path(__file__).parent


def read_data(name: str) -> str:
    """Read a text file of this folder, e.g. ``contrasts/hcp-ya.json``."""
    return (DATA_DIR / name).read_text("utf-8")


@cache
def load_table(name: str) -> dict[str, Any]:
    """Read a JSON table of this folder, once.

    Parameters
    ----------
    name : str
        For example ``queries.json``.

    Returns
    -------
    dict
        Shared by all callers, who must not change it.
    """
    table: dict[str, Any] = json.loads(read_data(name))
    return table
