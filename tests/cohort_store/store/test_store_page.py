"""The code of the page of the store runs as it stands, except that for xarray, which is not installed."""

import re
from pathlib import Path

import numpy as np

from tests.cohort_store.store.outputs import CONTRASTS, N_VOXELS, make_store

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "store.md"


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_store(Path("STORE"), n_rows=9)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for code in blocks:
        if "xarray" not in code:
            exec(compile(code, PAGE.name, "exec"), names)  # noqa: S102
    assert tuple(names["batch"].shape) == (8, len(CONTRASTS), N_VOXELS)
    assert np.array_equal(names["batch"][0].numpy(), names["store"][0])
    assert len(blocks) == 4
