"""PCNtoolkit loads exported tables and finds a planted effect of age."""

import numpy as np
import pandas as pd
import pytest

from bids_deeptaskgen.cli.workbench import main
from tests.cohort_store.roi_tables import AGE_SLOPE, CONTRASTS, REGIONS, make_cohort
from tests.exports.environments import run_program

N = 120


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    roi_table, _ = make_cohort(folder, N, sessions=("ses-1", "ses-2"))
    out = folder / "norm.csv"
    assert main(["export", "pcntoolkit", str(roi_table), str(out), "--batch-effects", "sex", "site"]) == 0
    return out


def fit(table, *options):
    script = table.with_name(f"{table.stem}_load.py")
    return run_program("pcntoolkit", "fit_normative_models.py", table.parent, script, *options)


def test_bayesian_linear_regression_finds_the_planted_slope_and_no_other(table):
    result = fit(table)
    assert result["subject_ids"] == [f"sub-{number:02d}" for number in range(1, N + 1)]
    assert result["covariates"] == ["age"]
    # Text stays text: as numbers, 01 and 1 would be one site.
    assert result["batch_effects"] == {"sex": ["F", "M"], "site": ["01", "02"]}
    assert len(result["response_vars"]) == len(CONTRASTS) * len(REGIONS)
    assert all(result["is_fitted"])
    columns = pd.read_csv(table)
    # PCNtoolkit has scaled and unscaled the covariates.
    np.testing.assert_allclose(columns["age"], result["age"], rtol=1e-12)
    slopes = [np.polyfit(columns["age"], columns[name], 1)[0] for name in result["response_vars"]]
    # Least squares, up to the shrinkage of small slopes by the prior.
    np.testing.assert_allclose(result["slopes"], slopes, rtol=0.05, atol=0.02 * AGE_SLOPE)
    assert result["slopes"][0] == pytest.approx(AGE_SLOPE, rel=0.05)
    assert np.abs(result["slopes"][1:]).max() < 0.1 * AGE_SLOPE
    np.testing.assert_allclose(result["z_sd"], 1, atol=0.05)


def test_a_table_without_batch_effects_is_loaded(table):
    out = table.with_name("plain.csv")
    roi_table = next(table.parent.glob("group/*.parquet"))
    assert main(["export", "pcntoolkit", str(roi_table), str(out), "--contrasts", CONTRASTS[0]]) == 0
    result = fit(out)
    assert list(result["batch_effects"]) == ["dummy_batch_effect"]
    assert result["slopes"][0] == pytest.approx(AGE_SLOPE, rel=0.05)


def test_pcntoolkit_fits_nan_without_an_error_so_exported_tables_have_no_missing_value(table):
    result = fit(table, "--lose-value")
    assert result["is_fitted"] == [False, *([True] * (len(result["response_vars"]) - 1))]
    assert not pd.read_csv(table).isna().any(axis=None)
