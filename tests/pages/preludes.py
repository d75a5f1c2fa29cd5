"""What the folder of a page has before its first block runs, and what it has after the last.

A page without a line in `PRELUDES` begins in an empty folder. To prepare data for a page, add its line.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from bids_deeptaskgen.commands.demo import run as run_demo
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.settings.simulation import DemoSettings
from tests.biomarkers import by_hand
from tests.cohort_store.store.outputs import CONTRASTS, N_VOXELS, make_store
from tests.conftest import small_dataset
from tests.inprocess import call

FMRIPREP, OUT = Path("derivatives/fmriprep"), Path("derivatives/deeptaskgen")
N_FIGURE_VOLUMES, N_ROIS = 130, 50


def one_run():
    """Simulate fMRIPrep output of one participant, with links to its series, mask and confounds."""
    small_dataset(FMRIPREP, n_participants=1, n_volumes=200)
    patterns = {"bold": "*_bold.nii.gz", "mask": "*desc-brain_mask.nii.gz", "confounds": "*_timeseries.tsv"}
    for kind, pattern in patterns.items():
        (source,) = FMRIPREP.glob(f"sub-01/func/{pattern}")
        Path(f"{kind}{'.tsv' if kind == 'confounds' else '.nii.gz'}").symlink_to(source)


def finished_participant():
    """Simulate fMRIPrep output of one participant, and predict a map of it."""
    small_dataset(FMRIPREP, n_participants=1, n_volumes=N_FIGURE_VOLUMES)
    options = ("--model", "embedded", "--contrasts", "wm2bk", "--min-minutes", "1", "--min-dof", "2")
    ended = call(FMRIPREP, OUT, "participant", *options, "--nprocs", "1")
    assert ended.code == 0, ended.err
    write_missing_tables(OUT / "sub-01/func")


def write_missing_tables(func):
    """Write the tables that the app did not write without pages, in their format."""
    fd = np.random.default_rng(0).uniform(0, 0.7, N_FIGURE_VOLUMES)
    volumes = {
        "run": ["rest"] * N_FIGURE_VOLUMES,
        "volume": range(N_FIGURE_VOLUMES),
        "framewise_displacement": [None, *fd[1:].tolist()],
        "dvars": [None, *(1 + fd[1:]).tolist()],
        "is_kept": (fd < 0.5).astype(int).tolist(),
        "is_dummy": [1, 1] + [0] * (N_FIGURE_VOLUMES - 2),
    }
    connectome = {f"ROI{number}": row for number, row in enumerate(np.eye(N_ROIS).tolist(), 1)}
    for name, columns in {
        "desc-qc_timeseries": volumes,
        "meas-PearsonCorrelation_relmat": connectome,
    }.items():
        if not list(func.glob(f"*_{name}.tsv")):
            write_tsv(func / f"sub-01_task-rest_{name}.tsv", columns)


def store():
    """Write a store of nine rows."""
    make_store(Path("STORE"), n_rows=9)


def store_with_traits():
    """Write a store of maps that have information about the column cognition."""
    by_hand.make_store(Path("STORE"))


def demo():
    """Run what `make demo` runs, with one participant."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text("utf-8")
    assert "\t$(BIN)/deeptaskgen demo demo\n" in makefile
    run_demo(DemoSettings(Path("demo"), n_participants=1, nprocs=1))


PRELUDES = {
    "docs/tutorials/first_report.md": demo,
    "docs/how-to/python.md": one_run,
    "docs/how-to/figures.md": finished_participant,
    "docs/how-to/store.md": store,
    "docs/how-to/biomarkers.md": store_with_traits,
}


def check_python(names):
    assert names["maps"].shape == (47, 76, 93, 78)
    assert np.isfinite(names["working_memory"]).all()
    assert names["working_memory"].any()
    assert nib.load("maps.nii.gz").shape == (91, 109, 91, 47)
    assert list((OUT / "group").glob("*_statmap.nii.gz"))


def check_figures(names):
    assert imread("run.png").shape[2] == 4
    assert names["carpet"].dtype == np.uint8
    assert Path("page.html").read_text("utf-8").count("<svg ") == 1


def check_store(names):
    assert tuple(names["batch"].shape) == (8, len(CONTRASTS), N_VOXELS)
    assert np.array_equal(names["batch"][0].numpy(), names["store"][0])


def check_biomarkers(names):
    assert isinstance(names["table"], pd.DataFrame)
    assert np.mean(names["partial_r"]) > 0.2
    problem = by_hand.as_problem(names["table"], names["folds"])
    expected = by_hand.predictions_of_the_command(problem, names["maps"])
    np.testing.assert_allclose(names["predicted"], expected, atol=1e-4)
    printed = float(names["__output__"][-1].split("=")[1])
    assert printed == pytest.approx(np.mean(names["partial_r"]), abs=1e-3)


CHECKS = {
    "docs/how-to/python.md": check_python,
    "docs/how-to/figures.md": check_figures,
    "docs/how-to/store.md": check_store,
    "docs/how-to/biomarkers.md": check_biomarkers,
}

# Pages that take more than a minute as they stand: `make test-docs` runs them so. The other tests run them
# with less data: each text (which the page must have) is replaced.
SHORTER = {
    "docs/tutorials/fmriprep_to_group.md": {
        "--n-participants 12": "--n-participants 10",
        "--contrasts wm2bk wm2bkMinus0bk\n": "--contrasts wm2bk wm2bkMinus0bk --reports none\n",
    },
    "docs/tutorials/train_on_your_task_maps.md": {"--n-participants 14": "--n-participants 9"},
}
