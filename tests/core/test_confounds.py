"""Which volumes are kept, and what is regressed out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.glm.first_level import make_first_level_design_matrix
from nilearn.signal import clean

from bids_deeptaskgen.core.confounds import (
    MOTION,
    Cleaning,
    choose_columns,
    cosine_basis,
    fd_of,
    framewise_displacement,
    make_design,
    read_confounds,
    sample_mask,
)
from bids_deeptaskgen.errors import InputError

N = 100
COMPCOR = [f"{tissue}_comp_cor_{i:02d}" for tissue in "cw" for i in range(6)]


def make_table(cosines=3, dummies=2):
    rng = np.random.default_rng(0)
    columns = {name: np.cumsum(rng.standard_normal(N)) * 0.05 for name in MOTION}
    columns |= {f"{name}_derivative1": np.r_[np.nan, np.diff(columns[name])] for name in MOTION}
    columns |= {name: rng.standard_normal(N) for name in COMPCOR}
    columns |= {f"cosine{i:02d}": cosine_basis(N, 2.0, 1 / 128)[:, i] for i in range(cosines)}
    columns |= {f"non_steady_state_outlier{i:02d}": np.eye(N)[i] for i in range(dummies)}
    columns["framewise_displacement"] = np.r_[np.nan, np.abs(rng.standard_normal(N - 1))]
    return pd.DataFrame(columns)


def test_displacement_of_a_turn_is_its_arc_on_the_sphere():
    motion = np.zeros((3, 6))
    motion[1:, 0], motion[2, 3] = 0.5, 0.01
    np.testing.assert_allclose(framewise_displacement(motion), [0, 0.5, 0.5])
    with pytest.raises(ValueError, match="six|6"):
        framewise_displacement(motion[:, :5])


def test_displacement_comes_from_the_column_or_the_motion_parameters():
    table = make_table()
    np.testing.assert_array_equal(fd_of(table)[1:], table["framewise_displacement"][1:])
    motion = table[list(MOTION)].to_numpy()
    table["framewise_displacement"] = np.nan
    np.testing.assert_allclose(fd_of(table), framewise_displacement(motion))
    assert fd_of(table[["framewise_displacement"]]) is None
    assert fd_of(None) is None


def test_marked_dummies_are_left_out_unless_a_number_is_given():
    table = make_table(dummies=3)
    assert sample_mask(N, table, Cleaning())[0] == 3
    assert sample_mask(N, table, Cleaning(dummy_scans=0))[0] == 0
    assert sample_mask(N, None, Cleaning(dummy_scans=7)).tolist() == list(range(7, N))


@given(st.floats(0.05, 3))
def test_no_volume_over_the_threshold_is_kept_and_none_under_it_is_lost(threshold):
    table = make_table(dummies=0)
    kept = sample_mask(N, table, Cleaning(fd_threshold=threshold))
    np.testing.assert_array_equal(
        kept, np.flatnonzero(table["framewise_displacement"].fillna(0) <= threshold)
    )


def test_a_run_that_is_censored_whole_is_refused():
    table = make_table()
    table["framewise_displacement"] = 5.0
    with pytest.raises(InputError, match="none of the 100 volumes is left.*0.2 mm"):
        sample_mask(N, table, Cleaning(fd_threshold=0.2))


def test_censoring_without_displacement_is_refused():
    with pytest.raises(InputError, match="needs the column framewise_displacement"):
        sample_mask(N, None, Cleaning(fd_threshold=0.2))


@settings(deadline=None, max_examples=40)
@given(st.integers(20, 300), st.floats(0.5, 3), st.floats(0.004, 0.05))
def test_the_cosines_are_nilearns(n_volumes, t_r, high_pass):
    ours = cosine_basis(n_volumes, t_r, high_pass)
    frame_times = np.arange(n_volumes) * t_r
    theirs = make_first_level_design_matrix(frame_times, drift_model="cosine", high_pass=high_pass).iloc[
        :, :-1
    ]
    assert ours.shape == theirs.shape
    if ours.size:
        np.testing.assert_allclose(
            ours / np.abs(ours).max(), theirs / np.abs(theirs.to_numpy()).max(), atol=1e-6
        )


def test_acompcor_takes_motion_derivatives_ten_components_and_the_cosines():
    names, values = choose_columns(make_table(), N, 2.0, Cleaning())
    assert len([name for name in names if "comp_cor" in name]) == 10
    assert len([name for name in names if name.startswith(("trans", "rot"))]) == 12
    assert [name for name in names if "cosine" in name] == ["cosine00", "cosine01", "cosine02"]
    assert values.shape == (N, 25)
    assert np.isfinite(values).all()


def test_cosines_are_made_here_where_the_table_has_none():
    names, values = choose_columns(make_table(cosines=0), N, 2.0, Cleaning())
    wanted = cosine_basis(N, 2.0, 1 / 128)
    assert [name for name in names if "cosine" in name] == [
        "high_pass_cosine00",
        "high_pass_cosine01",
        "high_pass_cosine02",
    ]
    np.testing.assert_array_equal(values[:, -3:], wanted)


@pytest.mark.parametrize("preset", ["none", "acompcor"])
def test_a_cutoff_that_is_asked_for_replaces_the_tables_cosines(preset):
    names, _ = choose_columns(make_table(), N, 2.0, Cleaning(preset, high_pass=0.02))
    made = [name for name in names if "cosine" in name]
    assert made == [f"high_pass_cosine{i:02d}" for i in range(8)]
    names, _ = choose_columns(make_table(), N, 2.0, Cleaning(preset, high_pass=0.0))
    assert not [name for name in names if "cosine" in name]


def test_no_cleaning_takes_no_column_and_needs_no_table():
    names, values = choose_columns(None, N, 2.0, Cleaning("none"))
    assert (names, values.shape) == ([], (N, 0))
    assert make_design(names, values, np.arange(N)).basis.shape == (N, 1)


def test_missing_columns_are_named_together():
    table = make_table().drop(columns=["rot_z", "w_comp_cor_03"])
    with pytest.raises(InputError, match="lack: rot_z, w_comp_cor_03"):
        choose_columns(table, N, 2.0, Cleaning())
    with pytest.raises(InputError, match="needs fMRIPrep's table of confounds"):
        choose_columns(None, N, 2.0, Cleaning())


def test_cleaning_equals_nilearns():
    table = make_table()
    cleaning = Cleaning(fd_threshold=1.5)
    kept = sample_mask(N, table, cleaning)
    names, values = choose_columns(table, N, 2.0, cleaning)
    basis = make_design(names, values, kept).basis
    signals = 100 + np.random.default_rng(1).standard_normal((N, 30))
    ours = signals[kept] - basis @ (basis.T @ signals[kept])
    theirs = clean(
        signals[kept], confounds=values[kept], detrend=False, standardize=None, standardize_confounds=True
    )
    theirs -= theirs.mean(axis=0)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_collinear_and_constant_columns_do_not_count():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((N, 4))
    values = np.column_stack([x, x @ rng.standard_normal((4, 6)), np.full(N, 3.0)])
    basis = make_design([str(i) for i in range(11)], values, np.arange(N)).basis
    assert basis.shape == (N, 5)
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-12)


def test_a_table_of_another_length_is_refused(tmp_path):
    make_table().to_csv(tmp_path / "c.tsv", sep="\t", na_rep="n/a", index=False)
    assert len(read_confounds(tmp_path / "c.tsv", N)) == N
    with pytest.raises(InputError, match=r"c.tsv: has 100 rows, but the BOLD run has 99 volumes"):
        read_confounds(tmp_path / "c.tsv", N - 1)


@pytest.mark.parametrize("n_csf", [1, 3, 5])
def test_as_many_components_are_taken_as_fmriprep_kept(n_csf):
    table = make_table().drop(columns=[f"c_comp_cor_{i:02d}" for i in range(n_csf, 6)])
    names, _ = choose_columns(table, N, 2.0, Cleaning())
    assert [name for name in names if name.startswith("c_")] == [f"c_comp_cor_{i:02d}" for i in range(n_csf)]
    assert sum(name.startswith("w_") for name in names) == 5


def test_a_gap_among_the_components_is_a_damaged_table():
    with pytest.raises(InputError, match="c_comp_cor_01"):
        choose_columns(make_table().drop(columns="c_comp_cor_01"), N, 2.0, Cleaning())


def test_the_first_derivative_is_that_of_the_second_volume_as_in_nilearn():
    table = make_table()
    names, values = choose_columns(table, N, 2.0, Cleaning())
    column = values[:, names.index("trans_x_derivative1")]
    assert column[0] == column[1] == table["trans_x_derivative1"][1]


def test_holes_after_the_first_volume_are_refused_not_filled():
    table = make_table()
    table.loc[7, "trans_y"] = np.nan
    with pytest.raises(InputError, match="trans_y hold n/a .*volumes 7"):
        choose_columns(table, N, 2.0, Cleaning())


def test_displacement_with_holes_comes_from_the_motion_parameters_or_censors_nothing():
    table = make_table()
    table.loc[7, "framewise_displacement"] = np.nan
    np.testing.assert_allclose(fd_of(table), framewise_displacement(table[list(MOTION)].to_numpy()))
    with pytest.raises(InputError, match="without n/a after the first volume"):
        sample_mask(N, table[["framewise_displacement"]], Cleaning(fd_threshold=0.5))
