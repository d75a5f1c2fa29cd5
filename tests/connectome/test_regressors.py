"""Selection and basis of nuisance regressors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.glm.first_level import make_first_level_design_matrix
from nilearn.signal import clean

from bids_deeptaskgen.connectome.censoring import sample_mask
from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.confounds import Confounds
from bids_deeptaskgen.connectome.regressors import choose_regressors, cosine_basis, make_basis
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.nuisance_presets import MOTION, PRESETS, SIGNALS
from tests.connectome.confounds_tables import N, make_table


def choose(table, cleaning, **more):
    """Return names and values of the regressors of a table."""
    confounds = None if table is None else Confounds(table, **more)
    regressors = choose_regressors(confounds, N, 2.0, cleaning)
    return list(regressors.names), regressors.values


@settings(deadline=None, max_examples=40)
@given(st.integers(20, 300), st.floats(0.5, 3), st.floats(0.004, 0.05))
def test_the_cosines_are_nilearns(n_volumes, t_r, high_pass):
    values_here = cosine_basis(n_volumes, t_r, high_pass)
    frame_times = np.arange(n_volumes) * t_r
    nilearn_values = make_first_level_design_matrix(
        frame_times, drift_model="cosine", high_pass=high_pass
    ).iloc[:, :-1]
    assert values_here.shape == nilearn_values.shape
    if values_here.size:
        np.testing.assert_allclose(
            values_here / np.abs(values_here).max(),
            nilearn_values / np.abs(nilearn_values.to_numpy()).max(),
            atol=1e-6,
        )


def test_acompcor_takes_motion_derivatives_ten_components_and_the_cosines():
    names, values = choose(make_table(), Cleaning())
    assert len([name for name in names if "comp_cor" in name]) == 10
    assert len([name for name in names if name.startswith(("trans", "rot"))]) == 12
    assert [name for name in names if "cosine" in name] == ["cosine00", "cosine01", "cosine02"]
    assert values.shape == (N, 25)
    assert np.isfinite(values).all()


def test_cosines_are_made_here_where_the_table_has_none():
    names, values = choose(make_table(cosines=0), Cleaning())
    expected = cosine_basis(N, 2.0, 1 / 128)
    assert [name for name in names if "cosine" in name] == [
        "high_pass_cosine00",
        "high_pass_cosine01",
        "high_pass_cosine02",
    ]
    np.testing.assert_array_equal(values[:, -3:], expected)


@pytest.mark.parametrize("preset", ["none", "acompcor"])
def test_a_cutoff_that_is_asked_for_replaces_the_tables_cosines(preset):
    names, _ = choose(make_table(), Cleaning(preset, high_pass=0.02))
    cosines = [name for name in names if "cosine" in name]
    assert cosines == [f"high_pass_cosine{i:02d}" for i in range(8)]
    names, _ = choose(make_table(), Cleaning(preset, high_pass=0.0))
    assert not [name for name in names if "cosine" in name]


def test_no_cleaning_takes_no_column_and_needs_no_table():
    names, values = choose(None, Cleaning("none"))
    assert (names, values.shape) == ([], (N, 0))
    assert make_basis(values, np.arange(N)).shape == (N, 1)


def test_missing_columns_are_named_together():
    table = make_table().drop(columns=["rot_z", "w_comp_cor_03"])
    with pytest.raises(InputError, match="lack: rot_z, w_comp_cor_03"):
        choose(table, Cleaning())
    with pytest.raises(InputError, match="needs fMRIPrep's confounds table"):
        choose(None, Cleaning())


def test_cleaning_equals_nilearns():
    table = make_table()
    cleaning = Cleaning(fd_threshold=1.5)
    kept_volumes = sample_mask(N, Confounds(table), cleaning)
    names, values = choose(table, cleaning)
    basis = make_basis(values, kept_volumes)
    signals = 100 + np.random.default_rng(1).standard_normal((N, 30))
    values_here = signals[kept_volumes] - basis @ (basis.T @ signals[kept_volumes])
    nilearn_values = clean(
        signals[kept_volumes],
        confounds=values[kept_volumes],
        detrend=False,
        standardize=None,
        standardize_confounds=True,
    )
    nilearn_values -= nilearn_values.mean(axis=0)
    np.testing.assert_allclose(values_here, nilearn_values, atol=1e-6)


def test_collinear_and_constant_columns_do_not_count():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((N, 4))
    values = np.column_stack([x, x @ rng.standard_normal((4, 6)), np.full(N, 3.0)])
    basis = make_basis(values, np.arange(N))
    assert basis.shape == (N, 5)
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-12)


@pytest.mark.parametrize("n_csf", [1, 3, 5])
def test_as_many_components_are_taken_as_fmriprep_kept(n_csf):
    table = make_table().drop(columns=[f"c_comp_cor_{i:02d}" for i in range(n_csf, 6)])
    names, _ = choose(table, Cleaning())
    assert [name for name in names if name.startswith("c_")] == [f"c_comp_cor_{i:02d}" for i in range(n_csf)]
    assert sum(name.startswith("w_") for name in names) == 5


def test_a_gap_among_the_components_is_a_damaged_table():
    with pytest.raises(InputError, match="c_comp_cor_01"):
        choose(make_table().drop(columns="c_comp_cor_01"), Cleaning())
    table = make_table().assign(a_comp_cor_00=np.arange(N)).drop(columns=["rot_x", "w_comp_cor_00"])
    with pytest.raises(InputError, match="lack: rot_x, w_comp_cor_00.\nRe-run fMRIPrep"):
        choose(table, Cleaning())


def test_the_first_derivative_is_that_of_the_second_volume_as_in_nilearn():
    table = make_table()
    names, values = choose(table, Cleaning())
    column = values[:, names.index("trans_x_derivative1")]
    assert column[0] == column[1] == table["trans_x_derivative1"][1]


def test_holes_after_the_first_volume_are_refused_not_filled():
    table = make_table()
    table.loc[7, "trans_y"] = np.nan
    with pytest.raises(InputError, match="trans_y hold n/a .*volumes 7"):
        choose(table, Cleaning())


@pytest.mark.parametrize(
    ("preset", "n_columns"),
    [
        ("none", 0),
        ("24P", 24),
        ("27P", 27),
        ("36P", 36),
        ("acompcor", 22),
        ("acompcor_gsr", 25),
        ("gsr_only", 1),
    ],
)
def test_a_preset_has_as_many_columns_as_its_name_says(preset, n_columns):
    names, values = choose(make_table(), Cleaning(preset, high_pass=0))
    assert len(names) == len(set(names)) == values.shape[1] == n_columns


@pytest.mark.parametrize("preset", [name for name, preset in PRESETS.items() if preset.needs_table])
def test_every_preset_removes_slow_drifts_by_default(preset):
    table = make_table().assign(aroma_motion_01=np.arange(N) % 3)
    assert sum("cosine" in name for name in choose(table, Cleaning(preset))[0]) == 3
    bare = table.drop(columns=[name for name in table if "cosine" in name])
    assert sum("high_pass_cosine" in name for name in choose(bare, Cleaning(preset))[0]) == 3
    assert not any("cosine" in name for name in choose(table, Cleaning(preset, high_pass=0))[0])


def test_derivatives_and_squares_are_made_where_the_table_lacks_them():
    table = make_table()
    bare = table.drop(columns=[name for name in table if "_derivative1" in name])
    full = table.assign(
        **{f"{name}_power2": table[name] ** 2 for name in (*MOTION, *SIGNALS)},
        **{f"{name}_derivative1_power2": table[name].diff() ** 2 for name in (*MOTION, *SIGNALS)},
    )
    names, cosines = choose(bare, Cleaning("36P"))
    assert (names, 39) == (choose(full, Cleaning("36P"))[0], len(names))
    np.testing.assert_allclose(cosines, choose(full, Cleaning("36P"))[1], rtol=1e-12)
    sources = choose_regressors(Confounds(bare), N, 2.0, Cleaning("24P")).sources
    assert sources["rot_z_derivative1_power2"] == sources["rot_z_power2"] == "made of rot_z"
    assert "rot_z" not in sources


def test_noise_components_orthogonal_to_the_signal_are_preferred():
    table = make_table().assign(aroma_motion_02=np.arange(N) % 3, aroma_orth_motion_02=np.arange(N) % 5)
    names, _ = choose(table, Cleaning("aroma", high_pass=0))
    assert names == ["csf", "white_matter", "aroma_orth_motion_02"]
    names, _ = choose(table.drop(columns="aroma_orth_motion_02"), Cleaning("aroma", high_pass=0))
    assert names == ["csf", "white_matter", "aroma_motion_02"]


def test_without_noise_components_it_says_who_makes_them_unless_there_were_none_to_find():
    with pytest.raises(InputError, match=r"fMRIPost-AROMA: run it and name its output with -d aroma=PATH"):
        choose(make_table(), Cleaning("aroma"))
    names, _ = choose(make_table(), Cleaning("aroma", high_pass=0), aroma=True)
    assert names == ["csf", "white_matter"]


def test_components_of_both_tissues_together_are_not_taken_for_those_of_each():
    table = make_table().drop(columns=[f"{tissue}_comp_cor_{i:02d}" for tissue in "cw" for i in range(6)])
    with pytest.raises(InputError, match="lack: c_comp_cor_00, w_comp_cor_00") as refusal:
        choose(table.assign(a_comp_cor_00=np.arange(N)), Cleaning())
    assert "before 1.4 made none" in str(refusal.value)


def test_custom_regressors_are_added_to_any_preset():
    table = make_table().assign(custom_breathing=np.sin(np.arange(N)))
    assert choose(table, Cleaning("none"))[0] == ["custom_breathing"]
    assert choose(table, Cleaning("gsr_only", high_pass=0))[0] == ["global_signal", "custom_breathing"]
    with pytest.raises(InputError, match="custom_breathing hold n/a after the first volume"):
        choose(table.assign(custom_breathing=[1.0, np.nan] * (N // 2)), Cleaning("none"))


def test_derived_columns_of_a_missing_column_are_not_reported():
    table = make_table().drop(columns=[name for name in make_table() if "rot_x" in name])
    with pytest.raises(InputError, match="lack: rot_x[.]\n"):
        choose(table, Cleaning("24P"))


@pytest.mark.parametrize(
    "values", [5 + 1e-13 * np.arange(N), 0.02 + 1e-13 * np.arange(N), 1e-16 * np.arange(N), np.zeros(N)]
)
def test_a_column_that_is_constant_but_for_rounding_does_not_count(values):
    noise = values * (1 + 1e-16 * np.random.default_rng(5).standard_normal(N))
    table = make_table().assign(custom_offset=noise)
    names, regressors = choose(table, Cleaning("24P"))
    assert "custom_offset" in names
    without = choose(make_table(), Cleaning("24P"))[1]
    assert make_basis(regressors, np.arange(N)).shape == make_basis(without, np.arange(N)).shape


def test_expansions_of_a_constant_column_do_not_count_either():
    rng = np.random.default_rng(4)
    noise = {"rot_z": 1e-17 * rng.standard_normal(N)}
    noise["rot_z_derivative1"] = np.r_[np.nan, np.diff(noise["rot_z"])]
    _, regressors = choose(make_table().assign(**noise), Cleaning("24P", high_pass=0))
    assert make_basis(regressors, np.arange(N)).shape == (N, 21)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9])
def test_small_columns_count_as_large_ones_do(size):
    table = make_table()
    _, expected = choose(table, Cleaning("24P"))
    small = table.assign(**{name: table[name] * size for name in table if name.startswith(("trans", "rot"))})
    _, regressors = choose(small, Cleaning("24P"))
    bases = [make_basis(values, np.arange(N)) for values in (expected, regressors)]
    np.testing.assert_allclose(bases[0] @ bases[0].T, bases[1] @ bases[1].T, atol=1e-6)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "none"])
def test_no_preset_works_without_a_table(preset):
    with pytest.raises(InputError, match=f"{preset} needs fMRIPrep's confounds table"):
        choose(None, Cleaning(preset))
    with pytest.raises(InputError, match="needs"):
        choose(pd.DataFrame({"custom_x": np.arange(N)}), Cleaning(preset))
