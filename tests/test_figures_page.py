"""The code of docs/how-to/figures.md runs as it stands, on an output dataset."""

import re
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.report import figures
from tests.conftest import small_dataset
from tests.inprocess import call

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "figures.md"
N_VOLUMES, N_ROIS = 130, 50


def write_missing_tables(func):
    """Write the tables that the app did not write, in their format."""
    fd = np.random.default_rng(0).uniform(0, 0.7, N_VOLUMES)
    volumes = {
        "run": ["rest"] * N_VOLUMES,
        "volume": range(N_VOLUMES),
        "framewise_displacement": [None, *fd[1:].tolist()],
        "dvars": [None, *(1 + fd[1:]).tolist()],
        "is_kept": (fd < 0.5).astype(int).tolist(),
        "is_dummy": [1, 1] + [0] * (N_VOLUMES - 2),
    }
    matrix = np.eye(N_ROIS).tolist()
    connectome = {f"ROI{number}": row for number, row in enumerate(matrix, 1)}
    for name, columns in {
        "desc-qc_timeseries": volumes,
        "meas-PearsonCorrelation_relmat": connectome,
    }.items():
        if not list(func.glob(f"*_{name}.tsv")):
            write_tsv(func / f"sub-01_task-rest_{name}.tsv", columns)


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = small_dataset(tmp_path / "derivatives/fmriprep", n_participants=1, n_volumes=N_VOLUMES)
    out = tmp_path / "derivatives/deeptaskgen"
    options = ("--model", "embedded", "--contrasts", "wm2bk", "--min-minutes", "1", "--min-dof", "2")
    ended = call(source, out, "participant", *options, "--nprocs", "1")
    assert ended.code == 0, ended.err
    write_missing_tables(out / "sub-01/func")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(code, PAGE.name, "exec"), names)  # noqa: S102
    assert imread("run.png").shape[2] == 4
    assert names["carpet"].dtype == np.uint8
    assert Path("page.html").read_text("utf-8").count("<svg ") == 1


def test_the_page_names_every_function_and_calls_it():
    text = PAGE.read_text("utf-8")
    table = text.partition("|---|---|---|")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(figures.__all__)
    assert set(re.findall(r"figures\.(\w+)\(", text)) == set(figures.__all__)


def test_every_function_has_an_example():
    for name in figures.__all__:
        assert "Examples\n    --------" in getattr(figures, name).__doc__
