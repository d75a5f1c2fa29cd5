"""Presets on real tables of three generations, against nilearn's ``load_confounds`` and ``signal.clean``.

As a program (``python -m tests.connectome.test_presets_against_nilearn``) it writes the largest differences.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.signal import clean

from bids_deeptaskgen.connectome.censoring import sample_mask
from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.confounds import read_confounds
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.connectome.regressors import choose_regressors, make_basis
from bids_deeptaskgen.errors import InputError
from tests.conftest import SHARED_DATA

TABLES = SHARED_DATA / "confounds"
pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason="the real tables of ../shared/data are not here")

GENERATIONS = {
    "1.2": ("sub-pixar123_task-pixar_desc-confounds_regressors.tsv", 168),
    "1.4": ("v12_desc-confounds_regressors.tsv", 30),
    "21": ("v21_desc-confounds_timeseries.tsv", 90),
}
# nilearn's words for the same choices.
BASIC = {"wm_csf": "basic", "global_signal": "basic"}
FULL = {"wm_csf": "full", "global_signal": "full"}
COMPCOR = {"motion": "derivatives", "compcor": "anat_separated", "n_compcor": 5}
STRATEGIES = {
    "24P": {"motion": "full"},
    "27P": {"motion": "full", **BASIC},
    "36P": {"motion": "full", **FULL},
    "acompcor": COMPCOR,
    "acompcor_gsr": {**COMPCOR, **BASIC},
    "aroma": {"ica_aroma": "basic", "wm_csf": "basic"},
    "gsr_only": {"global_signal": "basic"},
}
# What a generation does not have, nilearn refuses, too.
CASES = [
    ("1.2", "gsr_only"),
    *(("1.4", preset) for preset in STRATEGIES),
    *(("21", preset) for preset in STRATEGIES if preset != "aroma"),
]


def choose_here(generation, preset, **more):
    name, n_volumes = GENERATIONS[generation]
    confounds = read_confounds(RunInputs(TABLES / name, None, TABLES / name, 2.0), n_volumes)
    cleaning = Cleaning(preset, **more)
    return choose_regressors(confounds, n_volumes, 2.0, cleaning), sample_mask(n_volumes, confounds, cleaning)


def beside_its_table(folder, generation):
    """Name an image whose table nilearn finds."""
    name, _ = GENERATIONS[generation]
    for source in TABLES.glob(name.partition(".")[0] + ".*"):
        shutil.copy(source, folder / ("sub-01_task-rest_desc" + source.name.partition("_desc")[2]))
    image = folder / "sub-01_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    image.touch()
    return str(image)


def load_nilearn(folder, generation, preset):
    options = STRATEGIES[preset]
    kinds = ("motion", "wm_csf", "global_signal", "compcor", "ica_aroma")
    strategy = ["high_pass", *(kind for kind in kinds if kind in options)]
    return load_confounds(beside_its_table(folder, generation), strategy=strategy, demean=False, **options)


@pytest.mark.parametrize(("generation", "preset"), CASES, ids=str)
def test_the_columns_and_the_volumes_are_nilearns(tmp_path, generation, preset):
    regressors, kept_volumes = choose_here(generation, preset)
    table, mask = load_nilearn(tmp_path, generation, preset)
    names = [regressors.sources.get(name, name) for name in regressors.names]
    assert sorted(names) == sorted(table)
    np.testing.assert_array_equal(regressors.values, table[names])
    np.testing.assert_array_equal(kept_volumes, np.arange(len(table)) if mask is None else mask)


def largest_difference(folder, generation, preset, **more):
    """Return the largest difference between series cleaned here and by nilearn, in standard deviations."""
    regressors, kept_volumes = choose_here(generation, preset, **more)
    table, _ = load_nilearn(folder, generation, preset)
    signals = np.random.default_rng(0).standard_normal((len(table), 40)).cumsum(axis=0)
    signals -= signals[kept_volumes].mean(axis=0)
    basis = make_basis(regressors.values, kept_volumes)
    clean_series = signals[kept_volumes] - basis @ (basis.T @ signals[kept_volumes])
    oracle = clean(
        signals,
        confounds=table,
        sample_mask=kept_volumes,
        detrend=False,
        standardize=None,
        standardize_confounds=True,
        extrapolate=False,
    )
    return float(np.abs(clean_series - (oracle - oracle.mean(axis=0))).max() / signals.std())


@pytest.mark.parametrize("censored", [{}, {"fd_threshold": 0.3}], ids=["all", "censored"])
@pytest.mark.parametrize(("generation", "preset"), CASES, ids=str)
def test_cleaned_series_are_nilearns(tmp_path, generation, preset, censored):
    assert largest_difference(tmp_path, generation, preset, **censored) < 1e-9


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.3])
def test_volumes_that_moved_are_those_that_nilearn_scrubs(tmp_path, generation, threshold):
    _, kept_volumes = choose_here(generation, "gsr_only", fd_threshold=threshold)
    image = beside_its_table(tmp_path, generation)
    strategy = ["high_pass", "global_signal", "scrub"]
    more = {"scrub": 0, "fd_threshold": threshold, "std_dvars_threshold": 1e9}
    _, mask = load_confounds(image, strategy=strategy, **more)
    np.testing.assert_array_equal(
        kept_volumes, np.arange(GENERATIONS[generation][1]) if mask is None else mask
    )


def test_components_of_1_4_are_those_of_each_tissue_in_the_order_of_their_numbers():
    regressors, _ = choose_here("1.4", "acompcor", high_pass=0)
    components = [source for name, source in regressors.sources.items() if "comp_cor" in name]
    assert components == [f"a_comp_cor_{i:02d}" for i in (*range(57, 62), *range(70, 75))]


@pytest.mark.parametrize("preset", ["acompcor", "acompcor_gsr", "aroma"])
def test_what_1_2_did_not_make_is_refused_with_what_to_do(preset):
    with pytest.raises(
        InputError, match="before 1.4 made none" if "acompcor" in preset else "fMRIPost-AROMA"
    ):
        choose_here("1.2", preset)


@pytest.mark.parametrize("preset", ["24P", "27P", "36P"])
def test_derivatives_that_are_made_here_are_those_of_the_table(preset):
    name, n_volumes = GENERATIONS["21"]
    confounds = read_confounds(RunInputs(TABLES / name, None, TABLES / name, 2.0), n_volumes)
    bare = confounds.table.drop(
        columns=[name for name in confounds.table if "_derivative1" in name or "_power2" in name]
    )
    derived = choose_regressors(type(confounds)(bare), n_volumes, 2.0, Cleaning(preset))
    original = choose_regressors(confounds, n_volumes, 2.0, Cleaning(preset))
    assert derived.names == original.names
    # fMRIPrep writes some ten digits.
    scale = np.maximum(np.abs(original.values).max(axis=0), 1e-12)
    np.testing.assert_allclose(derived.values / scale, original.values / scale, atol=1e-6)
    assert not original.sources
    assert choose_here("1.2", preset)[0].sources["trans_x_derivative1"] == "made of trans_x"


if __name__ == "__main__":
    for case in CASES:
        with tempfile.TemporaryDirectory() as name:
            differences = [largest_difference(Path(name), *case, fd_threshold=limit) for limit in (0, 0.3)]
        sys.stdout.write("fMRIPrep {:4} {:13} {:.1e}  censored {:.1e}\n".format(*case, *differences))
