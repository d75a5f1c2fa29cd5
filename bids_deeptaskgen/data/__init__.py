"""Lists and templates that ship with the package."""

from pathlib import Path

DATA_DIR = Path(__file__).parent


def read_data(name: str) -> str:
    """Read a text file of this folder, e.g. ``contrasts/hcp-ya.json``."""
    return (DATA_DIR / name).read_text("utf-8")
