"""Tables for normative models: no missing value remains, and everything that is left out is listed."""

import runpy
import sys
import types

import numpy as np
import pandas as pd
import pytest

from bids_deeptaskgen.cohort_store.exports.normative_files import normative_files, write_normative_table
from bids_deeptaskgen.cohort_store.exports.normative_table import make_normative_table, warn_of_limits
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv
from bids_deeptaskgen.settings.export import ExportPcntoolkitSettings
from tests.cohort_store.roi_tables import (
    AGE_SLOPE,
    CONTRASTS,
    REGIONS,
    make_cohort,
    tidy_columns,
    write_roi_table,
)

LABELS = ("sub-1", "sub-2", "sub-3")


def small_table(folder, change=None, participants=None, **settings):
    """Make the table of three participants.

    `change` has participant, contrast and index of the region; it is added to a value, or None for no value.
    """

    def value(row, contrast, index):
        shift = change(row[0], contrast, index) if change else 0.0
        return None if shift is None else float(LABELS.index(row[0]) + index + len(contrast) + shift)

    path = folder / "group" / "task-rest_seg-toy_desc-maps_rois.parquet"
    write_roi_table(path, tidy_columns([(label, None, None) for label in LABELS], value=value))
    participants = {"age": [20, 30, 50], "site": ["A", "A", "B"]} | (participants or {})
    write_tsv(folder / "participants.tsv", {"participant_id": list(LABELS), **participants})
    return make_normative_table(ExportPcntoolkitSettings(roi_table=path, out=folder / "out.csv", **settings))


def test_a_row_holds_the_values_covariates_and_batch_effects_of_its_participant(tmp_path):
    table = small_table(tmp_path, batch_effects=("site",))
    assert [each.participant_id for each in table.observations] == list(LABELS)
    assert table.covariates["age"].tolist() == [20, 30, 50]
    assert table.batch_effects == {"site": ["A", "A", "B"]}
    assert table.values.tolist() == expected_values(table)
    assert (table.exclusions, table.variables_left_out) == ((), ())


def expected_values(table):
    """Return the values that belong to the rows and variables of a table of `small_table`."""
    labels = [observation.participant_id for observation in table.observations]
    return [
        [LABELS.index(label) + variable.index + len(variable.contrast) for variable in table.variables]
        for label in labels
    ]


def without_first_variable_of_the_second_participant(label, contrast, index):
    return None if (label, contrast, index) == ("sub-2", "wm2bk", 1) else 0.0


def test_rows_without_a_covariate_or_value_are_left_out_and_listed(tmp_path):
    table = small_table(tmp_path, without_first_variable_of_the_second_participant, {"age": [None, 30, 50]})
    assert [each.participant_id for each in table.observations] == ["sub-3"]
    assert table.covariates["age"].tolist() == [50]
    assert table.values.tolist() == expected_values(table)
    assert [(each.observation.participant_id, each.reason) for each in table.exclusions] == [
        ("sub-1", "no value of age"),
        ("sub-2", f"no value of 1 variable, for example wm2bk in {REGIONS[1]}"),
    ]


def test_variables_are_left_out_instead_of_rows_on_request(tmp_path):
    table = small_table(tmp_path, without_first_variable_of_the_second_participant, missing_values="drop")
    assert len(table.observations) == 3
    assert [(each.contrast, each.index, reason) for each, reason in table.variables_left_out] == [
        ("wm2bk", 1, "no value in 1 row")
    ]
    assert len(table.variables) == 5
    assert table.values.tolist() == expected_values(table)


def test_a_region_that_no_participant_has_costs_no_participant(tmp_path):
    table = small_table(tmp_path, lambda _, contrast, index: None if index == 2 else 0.0)
    assert len(table.observations) == 3
    assert [each.index for each, _ in table.variables_left_out] == [2, 2]


def test_constant_variables_are_left_out_since_their_models_would_be_nan(tmp_path):
    def change(label, contrast, index):
        return -LABELS.index(label) if (contrast, index) == ("wm2bk", 1) else 0.0

    table = small_table(tmp_path, change)
    assert [(each.index, reason) for each, reason in table.variables_left_out] == [
        (1, "the same value in all rows")
    ]


def test_variables_have_different_names_without_special_characters(tmp_path):
    table = small_table(
        tmp_path, participants={"wm2bk_Left_Amygdala": [1, 2, 3]}, covariates=("wm2bk_Left_Amygdala",)
    )
    assert table.names[:3] == (
        "wm2bk_7Networks_LH_Vis_1", "wm2bk_7Networks_LH_Vis_1_2", "wm2bk_Left_Amygdala_2"
    )  # fmt: skip


def test_without_any_complete_row_the_reason_is_given(tmp_path):
    with pytest.raises(InputError, match="no row remains; 3 rows of 3: no value of age"):
        small_table(tmp_path, participants={"age": [None] * 3})


def test_what_a_model_cannot_estimate_is_logged(tmp_path, caplog):
    warn_of_limits(
        small_table(
            tmp_path, participants={"age": [9, 9, 9], "sex": ["F"] * 3}, batch_effects=("site", "sex")
        )
    )
    assert "The covariate age is 9 in all rows" in caplog.text
    assert "The batch effect sex is F in all rows" in caplog.text
    assert "One row alone has the batch effects B F" in caplog.text


def test_sessions_of_one_participant_are_rows_only_on_request(tmp_path, caplog):
    path, _ = make_cohort(tmp_path, 3, sessions=("ses-1", "ses-2"))
    options = {"roi_table": path, "out": tmp_path / "out.csv"}
    assert len(make_normative_table(ExportPcntoolkitSettings(**options)).observations) == 3
    table = make_normative_table(ExportPcntoolkitSettings(**options, sessions="all"))
    assert len(table.observations) == 6
    warn_of_limits(table)
    assert "not independent" in caplog.text
    files = normative_files(tmp_path / "out.csv", overwrite=False)
    write_normative_table(files, table)
    assert pd.read_csv(files.table)["session_id"].tolist() == ["ses-1", "ses-2"] * 3


def loaded_arguments(script, monkeypatch):
    """Run the script that loads a table; return the arguments of NormData.from_dataframe."""
    arguments = {}

    class NormData:
        @staticmethod
        def from_dataframe(**values):
            arguments.update(values)

    package = types.ModuleType("pcntoolkit")
    package.NormData = NormData
    monkeypatch.setitem(sys.modules, "pcntoolkit", package)
    runpy.run_path(str(script))
    return arguments


def test_the_script_gives_pcntoolkit_the_columns_of_the_table(tmp_path, monkeypatch):
    path, age = make_cohort(tmp_path, 30)
    settings = ExportPcntoolkitSettings(
        roi_table=path, out=tmp_path / "my table.csv", batch_effects=("sex", "site")
    )
    files = normative_files(settings.out, overwrite=False)
    write_normative_table(files, make_normative_table(settings))
    arguments = loaded_arguments(files.script, monkeypatch)
    table = arguments["dataframe"]
    assert arguments["covariates"] == ["age"]
    assert arguments["batch_effects"] == ["sex", "site"]
    assert arguments["subject_ids"] == "participant_id"
    np.testing.assert_array_equal(table["age"], age)
    # As numbers, 01 and 1 would be one site.
    assert set(table["site"]) == {"01", "02"}
    rows = read_tsv(files.variables)
    assert arguments["response_vars"] == [row["variable"] for row in rows]
    assert [(row["contrast"], row["name"]) for row in rows] == [
        (contrast, name) for contrast in CONTRASTS for name in REGIONS.values()
    ]
    slopes = [np.polyfit(table["age"], table[name], 1)[0] for name in arguments["response_vars"]]
    assert slopes[0] == pytest.approx(AGE_SLOPE, abs=0.01)
    assert np.abs(slopes[1:]).max() < 0.01


def test_values_survive_the_csv_to_the_last_bit(tmp_path):
    path, _ = make_cohort(tmp_path, 5)
    settings = ExportPcntoolkitSettings(roi_table=path, out=tmp_path / "out.csv")
    table = make_normative_table(settings)
    files = normative_files(settings.out, overwrite=False)
    write_normative_table(files, table)
    values = pd.read_csv(files.table)[list(table.names)].to_numpy(np.float32)
    np.testing.assert_array_equal(values, table.values)


def test_existing_files_are_replaced_only_on_request(tmp_path):
    (tmp_path / "out_load.py").touch()
    with pytest.raises(UserError, match=r"out_load.py: exists"):
        normative_files(tmp_path / "out.csv", overwrite=False)
    assert normative_files(tmp_path / "out.csv", overwrite=True).table == tmp_path / "out.csv"
    with pytest.raises(UserError, match=r"ends in \.csv"):
        normative_files(tmp_path / "out.tsv", overwrite=False)


def test_a_column_is_either_a_covariate_or_a_batch_effect():
    with pytest.raises(UserError, match="age is named twice"):
        ExportPcntoolkitSettings(roi_table="/r", out="/o.csv", batch_effects=("age",))
