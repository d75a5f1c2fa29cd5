"""Tables of all generations come under one set of names."""

import json

import numpy as np
import pandas as pd
import pytest

from bids_deeptaskgen.connectome.confound_names import modern_names
from bids_deeptaskgen.connectome.confounds import read_confounds
from bids_deeptaskgen.errors import InputError
from tests.connectome.confounds_tables import N, make_table, tables_of


def test_a_run_without_tables_has_no_confounds(tmp_path):
    assert read_confounds(tables_of(tmp_path), N) is None


def test_a_table_of_another_length_is_refused(tmp_path):
    inputs = tables_of(tmp_path, confounds=make_table())
    assert len(read_confounds(inputs, N).table) == N
    with pytest.raises(InputError, match=r"confounds.tsv: has 100 rows, but the BOLD run has 99 volumes"):
        read_confounds(inputs, N - 1)


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("confounds", "Put the confounds of this run there"),
        ("custom", "Correct this table of your own regressors"),
        ("aroma", "re-run fMRIPost-AROMA"),
        ("outliers", "re-run XCP-D"),
    ],
)
def test_the_advice_on_a_table_of_another_length_is_that_of_its_origin(tmp_path, kind, advice):
    with pytest.raises(InputError, match=f"{kind}.tsv: has 100 rows[^\n]*\n.*{advice}") as error:
        read_confounds(tables_of(tmp_path, **{kind: make_table()[["non_steady_state_outlier00"]]}), N - 2)
    assert ("Put the confounds" in str(error.value)) == (kind == "confounds")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a\tb\n1\t2\t3\t4\n1\n"])
def test_what_is_no_table_is_refused(tmp_path, content):
    inputs = tables_of(tmp_path, confounds=make_table())
    inputs.confounds.write_bytes(content)
    with pytest.raises(InputError, match=r"confounds.tsv"):
        read_confounds(inputs, N)


def test_names_in_camel_case_are_those_of_today():
    names = [
        "CSF",
        "X",
        "RotZ",
        "aCompCor03",
        "Cosine00",
        "NonSteadyStateOutlier01",
        "AROMAAggrComp07",
        "tCompCor00",
    ]
    assert modern_names(names, {}) == {
        "CSF": "csf",
        "X": "trans_x",
        "RotZ": "rot_z",
        "aCompCor03": "a_comp_cor_03",
        "Cosine00": "cosine00",
        "NonSteadyStateOutlier01": "non_steady_state_outlier01",
        "AROMAAggrComp07": "aroma_motion_07",
    }


def test_names_of_today_stay():
    assert modern_names(make_table(), {"c_comp_cor_00": "CSF", "a_comp_cor_00": "combined"}) == {}


def test_components_are_distinguished_by_the_json_and_ordered_by_number(tmp_path):
    numbers = {"CSF": [9, 10, 11], "WM": [99, 100, 101], "combined": [0, 1]}
    columns = [f"a_comp_cor_{i:02d}" for mask in numbers.values() for i in mask]
    table = pd.DataFrame(np.arange(N * 8).reshape(N, 8), columns=columns)[sorted(columns)]
    inputs = tables_of(tmp_path, confounds=table)
    masks = {
        f"a_comp_cor_{i:02d}": {"Mask": mask} for mask, kept_volumes in numbers.items() for i in kept_volumes
    }
    inputs.confounds.with_suffix(".json").write_text(json.dumps(masks))
    confounds = read_confounds(inputs, N)
    for name, names in (("c_comp_cor_00", "09"), ("w_comp_cor_00", "99"), ("w_comp_cor_01", "100")):
        np.testing.assert_array_equal(confounds.table[name], table[f"a_comp_cor_{names}"])
        assert confounds.sources[name] == f"a_comp_cor_{names}"


@pytest.mark.parametrize("content", ["", "[]", '{"a_comp_cor_00": 3}', None])
def test_a_json_that_says_nothing_renames_nothing(tmp_path, content):
    inputs = tables_of(tmp_path, confounds=make_table())
    if content is not None:
        inputs.confounds.with_suffix(".json").write_text(content)
    assert read_confounds(inputs, N).sources == {}


def test_the_tables_of_others_stand_beside_fmripreps(tmp_path):
    aroma = pd.DataFrame({"aroma_motion_01": np.arange(N), "aroma_orth_motion_01": np.arange(N), "note": 1})
    custom = pd.DataFrame({"csf": np.arange(N), "breathing": np.arange(N)})
    table = make_table().assign(aroma_motion_01=-1.0)
    confounds = read_confounds(tables_of(tmp_path, confounds=table, aroma=aroma, custom=custom), N)
    assert {"aroma_orth_motion_01", "custom_csf", "custom_breathing", "csf"} <= set(confounds.table)
    assert "note" not in confounds.table
    np.testing.assert_array_equal(confounds.table["aroma_motion_01"], np.arange(N))
    np.testing.assert_allclose(confounds.table["csf"], table["csf"])
    assert confounds.aroma
    with pytest.raises(InputError, match=r"custom.tsv: has 100 rows, but the BOLD run has 99 volumes"):
        read_confounds(tables_of(tmp_path, custom=custom), N - 1)


def test_volumes_that_xcpd_interpolated_are_marked(tmp_path):
    is_outlier = (np.arange(N) % 9 == 0).astype(int)
    outliers = pd.DataFrame({"framewise_displacement": is_outlier})
    confounds = read_confounds(tables_of(tmp_path, confounds=make_table(), outliers=outliers), N)
    np.testing.assert_array_equal(confounds.outliers, is_outlier == 1)


def test_volumes_that_xcpd_took_out_are_out_of_its_table_of_motion_too(tmp_path):
    is_outlier = np.arange(N) % 9 == 0
    outliers = pd.DataFrame({"framewise_displacement": is_outlier.astype(int)})
    inputs = tables_of(tmp_path, confounds=make_table(), outliers=outliers)
    confounds = read_confounds(inputs, int((~is_outlier).sum()))
    assert confounds.outliers is None
    np.testing.assert_allclose(confounds.table["trans_x"], make_table()["trans_x"][~is_outlier])
    with pytest.raises(InputError, match=r"outliers.tsv: has 100 rows, but the BOLD run has 50 volumes"):
        read_confounds(inputs, 50)
