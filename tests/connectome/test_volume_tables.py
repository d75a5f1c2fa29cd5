"""Faults of tables with one row per volume: table, column and cell are named."""

import json

import numpy as np
import pandas as pd
import pytest

from bids_deeptaskgen.connectome.censoring import sample_mask
from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.confounds import read_confounds
from bids_deeptaskgen.connectome.regressors import choose_regressors
from bids_deeptaskgen.connectome.volume_tables import TableError, require_numbers
from bids_deeptaskgen.errors import InputError
from tests.connectome.confounds_tables import N, make_table, tables_of
from tests.io.table_writers import WRITERS

DEFAULT = Cleaning("24P")


def prepare(inputs, cleaning):
    return choose_regressors(read_confounds(inputs, N), N, 2.0, cleaning)


def refusal(tmp_path, content, kind="confounds", cleaning=DEFAULT):
    """Replace the content of a table, and return the message that names it."""
    inputs = tables_of(tmp_path, **dict.fromkeys(("confounds", kind), make_table()))
    path = getattr(inputs, kind)
    path.write_text(content)
    with pytest.raises(TableError) as error:
        prepare(inputs, cleaning)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value)


def altered(column, row, cell):
    table = make_table().astype(object)
    table.loc[row, column] = cell
    return table.to_csv(sep="\t", na_rep="n/a", index=False)


@pytest.mark.parametrize(
    "cell", ["inf", "-inf", "Inf", "-Infinity", "1e999", "oops", "0,5", "1.234,5", "#NUM!"]
)
def test_a_cell_that_is_no_finite_number_is_named_with_its_column_and_volume(tmp_path, cell):
    message = refusal(tmp_path, altered("trans_x", 7, cell))
    assert f'other than finite numbers and n/a in trans_x: row 7 (counted from 0) holds "{cell}"' in message
    assert "re-run the preprocessing" in message


@pytest.mark.parametrize("cell", ["n/a", "NaN", "NA", "", "nan", "null"])
def test_a_missing_value_after_the_first_volume_is_refused_in_any_spelling(tmp_path, cell):
    message = refusal(tmp_path, altered("rot_y", 7, cell))
    assert "rot_y hold n/a after the first volume (volumes 7, counted from 0)" in message


def test_a_column_without_numbers_that_no_regressor_needs_does_no_harm(tmp_path):
    inputs = tables_of(tmp_path, confounds=make_table().assign(std_dvars=np.inf, note="good"))
    regressors = prepare(inputs, Cleaning("24P"))
    expected = prepare(tables_of(tmp_path, confounds=make_table()), Cleaning("24P"))
    np.testing.assert_array_equal(regressors.values, expected.values)


@pytest.mark.parametrize("kind", ["confounds", "custom"])
def test_a_column_of_na_holds_only_na(tmp_path, kind):
    table = make_table() if kind == "confounds" else make_table()[["csf"]]
    table["csf"] = np.nan
    message = refusal(tmp_path, table.to_csv(sep="\t", na_rep="n/a", index=False), kind, Cleaning("36P"))
    assert "csf holds only n/a" in message
    assert "lack" not in message


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("custom", "or remove `custom_confounds`"),
        ("aroma", "re-run fMRIPost-AROMA"),
        ("outliers", "re-run XCP-D"),
    ],
)
@pytest.mark.parametrize("cell", ["inf", "n/a", "oops"])
def test_a_fault_of_another_table_names_that_table_and_what_to_do_there(tmp_path, kind, advice, cell):
    name = {"custom": "breathing", "aroma": "aroma_motion_01", "outliers": "framewise_displacement"}[kind]
    cells = ["0", "1"] * (N // 2)
    cells[7] = cell
    message = refusal(
        tmp_path, "\n".join([name, *cells]), kind, Cleaning("aroma" if kind == "aroma" else "24P")
    )
    assert name in message
    assert advice in message
    assert "preprocessing" not in message


def test_marks_are_zeros_and_ones(tmp_path):
    cells = ["0"] * (N - 1) + ["2"]
    message = refusal(tmp_path, "\n".join(["framewise_displacement", *cells]), "outliers")
    assert "marks volumes, but contains values other than 0 and 1" in message


@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_marks_of_true_and_false_are_those_of_1_and_0(tmp_path, change):
    mark = (np.arange(N) < 3).astype(int)
    words = [change(str(bool(value))) for value in mark]
    expected, found = (
        read_confounds(
            tables_of(
                tmp_path,
                confounds=make_table(dummies=0).assign(non_steady_state_outlier00=marks),
                outliers=pd.DataFrame({"framewise_displacement": marks}),
            ),
            N,
        )
        for marks in (mark, words)
    )
    np.testing.assert_array_equal(found.outliers, expected.outliers)
    kept = sample_mask(N, found, Cleaning("none", fd_threshold=0))
    np.testing.assert_array_equal(kept, sample_mask(N, expected, Cleaning("none", fd_threshold=0)))
    np.testing.assert_array_equal(kept, np.arange(3, N))
    with pytest.raises(TableError, match="a truth value instead of a number"):
        require_numbers(found.columns(["non_steady_state_outlier00"]))


def test_a_broken_json_is_named_where_it_is_needed(tmp_path):
    table = make_table().rename(columns=lambda name: name.replace("c_comp_cor", "a_comp_cor"))
    table = table.drop(columns=[name for name in table if name.startswith("w_comp_cor")])
    inputs = tables_of(tmp_path, confounds=table)
    sidecar = inputs.confounds.with_suffix(".json")
    masks = {f"a_comp_cor_{i:02d}": {"Mask": "CSF" if i < 3 else "WM"} for i in range(6)}
    text = json.dumps(masks)
    sidecar.write_text(text[:-9])
    with pytest.raises(InputError) as error:
        prepare(inputs, Cleaning())
    assert f"{sidecar}: is not valid JSON" in str(error.value)
    assert "Put the JSON beside" not in str(error.value)
    prepare(inputs, Cleaning("24P"))
    sidecar.write_bytes(b"\xef\xbb\xbf" + text.encode())
    names = prepare(inputs, Cleaning()).names
    assert [name for name in names if "comp_cor" in name] == [
        f"{tissue}_comp_cor_{i:02d}" for tissue in "cw" for i in range(3)
    ]
    sidecar.unlink()
    with pytest.raises(InputError, match="Put the JSON beside the table"):
        prepare(inputs, Cleaning())


def test_one_quantity_under_two_names_is_refused(tmp_path):
    inputs = tables_of(tmp_path, confounds=make_table().assign(CSF=1.0))
    with pytest.raises(TableError, match=r"one quantity under two names \(CSF and csf\)"):
        read_confounds(inputs, N)


@pytest.mark.parametrize("program", [name for name, writer in WRITERS.items() if writer.is_readable])
@pytest.mark.parametrize("kind", ["confounds", "custom"])
def test_regressors_are_the_same_whoever_wrote_the_table(tmp_path, program, kind):
    tables = {"confounds": make_table(), "custom": make_table()[["csf", "rot_x"]]}
    expected = prepare(tables_of(tmp_path, **tables), DEFAULT)
    inputs = tables_of(tmp_path, **tables)
    table, writer = tables[kind], WRITERS[program]
    getattr(inputs, kind).write_bytes(writer.write(list(table), table.to_numpy()))
    regressors = prepare(inputs, DEFAULT)
    assert regressors.names == expected.names
    tolerance = 0 if writer.has_exact_values else 1e-8
    np.testing.assert_allclose(regressors.values, expected.values, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("program", [name for name, writer in WRITERS.items() if not writer.is_readable])
@pytest.mark.parametrize("kind", ["confounds", "custom", "aroma", "outliers"])
def test_tables_whose_columns_are_uncertain_are_refused_whatever_they_hold(tmp_path, program, kind):
    table = make_table()
    names = ["aroma_motion_01", "framewise_displacement", "breathing"]
    values = np.column_stack([table["csf"] / 1000, np.arange(N) % 2, table["rot_x"]])
    if kind == "confounds":
        names, values = list(table), table.fillna(0.5).to_numpy()
    content = WRITERS[program].write(names, values)
    inputs = tables_of(tmp_path, **dict.fromkeys(("confounds", kind), table))
    getattr(inputs, kind).write_bytes(content)
    with pytest.raises(TableError) as error:
        prepare(inputs, Cleaning("aroma" if kind == "aroma" else "24P"))
    assert str(error.value).startswith(f"{getattr(inputs, kind)}")
