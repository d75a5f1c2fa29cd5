"""Tables of confounds as fMRIPrep writes them, with made-up values."""

import numpy as np
import pandas as pd

from bids_deeptaskgen.connectome.confounds import Confounds
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.connectome.regressors import cosine_basis
from bids_deeptaskgen.nuisance_presets import MOTION, SIGNALS

N = 100
COMPCOR = [f"{tissue}_comp_cor_{i:02d}" for tissue in "cw" for i in range(6)]


def make_table(cosines=3, dummies=2):
    rng = np.random.default_rng(0)
    columns = {name: np.cumsum(rng.standard_normal(N)) * 0.05 for name in MOTION}
    columns |= {f"{name}_derivative1": np.r_[np.nan, np.diff(columns[name])] for name in MOTION}
    columns |= {name: rng.standard_normal(N) for name in COMPCOR}
    columns |= {name: 1000 + rng.standard_normal(N) for name in SIGNALS}
    columns |= {f"cosine{i:02d}": cosine_basis(N, 2.0, 1 / 128)[:, i] for i in range(cosines)}
    columns |= {f"non_steady_state_outlier{i:02d}": np.eye(N)[i] for i in range(dummies)}
    columns["framewise_displacement"] = np.r_[np.nan, np.abs(rng.standard_normal(N - 1))]
    return pd.DataFrame(columns)


def make_confounds(outliers=None, **options):
    return Confounds(make_table(**options), outliers=outliers)


def write_table(path, table):
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)
    return path


def tables_of(folder, **tables):
    """Write the tables of a run under the names of the fields of RunInputs."""
    paths = {kind: write_table(folder / f"{kind}.tsv", table) for kind, table in tables.items()}
    return RunInputs(folder / "bold.nii.gz", None, paths.pop("confounds", None), 2.0, **paths)
