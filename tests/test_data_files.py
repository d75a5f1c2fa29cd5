"""Data files of the package: a key that occurs twice would silently lose its first value."""

import json
from pathlib import Path

import pytest

import bids_deeptaskgen

DATA = Path(bids_deeptaskgen.__file__).parent / "data"


def unique_keys(pairs):
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), (
        f"keys that occur twice: {sorted({k for k in keys if keys.count(k) > 1})}"
    )
    return dict(pairs)


@pytest.mark.parametrize("path", sorted(DATA.rglob("*.json")), ids=lambda path: str(path.relative_to(DATA)))
def test_no_key_of_a_data_file_occurs_twice(path):
    json.loads(path.read_text("utf-8"), object_pairs_hook=unique_keys)
