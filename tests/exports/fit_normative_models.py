"""Load an exported table with its script, and fit a normative model: runs where PCNtoolkit is installed.

Usage: ``python fit_normative_models.py SCRIPT [--lose-value] RESULT.json``
"""

import json
import runpy
import sys
import tempfile
import warnings
from importlib.metadata import version

import numpy as np
from pcntoolkit import BLR, NormativeModel


def main(script, *options):
    """Fit Bayesian linear regression, and write what the data and the models are."""
    data = runpy.run_path(script)["data"]
    if "--lose-value" in options:
        data["Y"][3, 0] = np.nan
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = NormativeModel(
            BLR(), savemodel=False, evaluate_model=False, saveresults=False, saveplots=False, save_dir=folder
        )
        model.fit(data)
    names = data.response_vars.to_numpy().tolist()
    age = data.X.sel(covariates="age").to_numpy()
    predictions = [data.Yhat.sel(response_vars=name).to_numpy() for name in names]
    is_fitted = [bool(np.isfinite(values).all()) for values in predictions]
    return {
        "version": version("pcntoolkit"),
        "subject_ids": data.subject_ids.to_numpy().tolist(),
        "response_vars": names,
        "covariates": data.covariates.to_numpy().tolist(),
        "batch_effects": {str(key): sorted(values) for key, values in data.unique_batch_effects.items()},
        "age": age.tolist(),
        "is_fitted": is_fitted,
        "slopes": [
            float(np.polyfit(age, values, 1)[0]) if fitted else None
            for values, fitted in zip(predictions, is_fitted, strict=True)
        ],
        "z_sd": [float(np.std(data.Z.sel(response_vars=name))) for name in names],
    }


if __name__ == "__main__":
    *arguments, result = sys.argv[1:]
    with open(result, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(main(*arguments), file)
