"""Hypothesis strategies: the vocabulary of names."""

import string

from hypothesis import strategies as st

ALPHANUMERIC = string.ascii_letters + string.digits


def labels(max_size: int = 8) -> st.SearchStrategy[str]:
    """Generate values of entities: letters and digits."""
    return st.text(ALPHANUMERIC, min_size=1, max_size=max_size)


def runs() -> st.SearchStrategy[str]:
    """Generate values of ``run-``, with and without leading zeros."""
    return st.builds(lambda number, width: str(number).zfill(width), st.integers(1, 99), st.integers(1, 3))


@st.composite
def series(draw: st.DrawFn) -> tuple[tuple[str, str], ...]:
    """Draw further entities of a resting-state series, in any order."""
    values = {"acq": labels(), "ce": labels(), "rec": labels(), "dir": labels(), "run": runs()}
    keys = draw(st.lists(st.sampled_from(sorted(values)), unique=True))
    return (("task", "rest"), *((key, draw(values[key])) for key in keys))


@st.composite
def entity_lists(draw: st.DrawFn) -> tuple[tuple[str, str], ...]:
    """Draw entities of a file name, in any order, with BIDS keys and arbitrary keys."""
    bids_keys = [
        "sub",
        "ses",
        "task",
        "acq",
        "dir",
        "run",
        "echo",
        "space",
        "res",
        "contrast",
        "stat",
        "desc",
    ]
    key = st.sampled_from(bids_keys) | st.text(string.ascii_lowercase, min_size=2, max_size=6)
    keys = draw(st.lists(key, unique=True, min_size=1, max_size=8))
    return tuple((key, draw(labels())) for key in keys)
