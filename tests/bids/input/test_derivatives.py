import logging
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.input.derivatives import (
    locate_derivatives,
    pipelines,
    read_description,
    subject_folders,
)
from bids_deeptaskgen.bids.input.sources import locate
from bids_deeptaskgen.errors import InputError, UserError
from tests.bids.trees import describe, run, touch

RAW = {"DatasetType": "raw"}


@pytest.fixture
def raw(tmp_path):
    folder = describe(tmp_path / "raw", **RAW)
    touch(folder / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz")
    return folder


def derivatives_in(folder: Path, **fields: object) -> Path:
    run(folder, "01")
    return describe(folder, **fields)


def complaint(*args) -> str:
    with pytest.raises(InputError) as caught:
        locate_derivatives(*args)
    return str(caught.value)


def test_derivatives_that_are_given_are_taken_and_it_is_said(tmp_path, caplog):
    folder = derivatives_in(tmp_path / "fmriprep")
    with caplog.at_level(logging.INFO, "bids_deeptaskgen"):
        assert locate_derivatives(folder).root == folder
    assert f"{folder} (fMRIPrep 23.2.0)" in caplog.text


@pytest.mark.parametrize(
    "fields",
    [
        {"DatasetType": "derivative"},
        {"GeneratedBy": [{"Name": "XCP-D"}]},
        {"PipelineDescription": {"Name": "fMRIPrep", "Version": "1.5.0"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_each_way_of_saying_that_a_dataset_is_a_derivative_is_known(tmp_path, fields):
    folder = derivatives_in(tmp_path / "out", **fields)
    assert locate_derivatives(folder).root == folder


@pytest.mark.parametrize("content", [None, "", "{", "[]"])
@pytest.mark.parametrize("session", [None, "1"])
def test_without_a_readable_description_the_file_names_tell_derivatives(tmp_path, content, session):
    run(tmp_path, "01", session=session)
    if content is not None:
        touch(tmp_path / "dataset_description.json", content)
    assert locate_derivatives(tmp_path).root == tmp_path


def test_in_a_raw_dataset_derivatives_fmriprep_is_taken_before_its_siblings(raw):
    folder = derivatives_in(raw / "derivatives" / "fmriprep")
    derivatives_in(raw / "derivatives" / "fmriprep-old")
    assert locate_derivatives(raw).root == folder


def test_in_a_raw_dataset_the_only_derivatives_by_fmriprep_are_taken_whatever_their_folder_is_called(raw):
    folder = derivatives_in(raw / "derivatives" / "prep-2023")
    derivatives_in(raw / "derivatives" / "mriqc", DatasetType="derivative", GeneratedBy=[{"Name": "MRIQC"}])
    assert locate_derivatives(raw).root == folder


def test_the_folder_above_the_derivatives_will_do(tmp_path):
    folder = derivatives_in(tmp_path / "prep")
    assert locate_derivatives(tmp_path).root == folder


def test_two_derivatives_that_fit_equally_are_both_named(raw):
    one, other = (derivatives_in(raw / "derivatives" / name) for name in ("prep-20", "prep-23"))
    message = complaint(raw)
    assert str(one) in message
    assert str(other) in message
    assert "-d fmriprep=" in message


def test_derivatives_named_on_the_command_line_come_first(raw, tmp_path):
    derivatives_in(raw / "derivatives" / "fmriprep")
    named = derivatives_in(tmp_path / "elsewhere")
    assert locate(raw, (("fmriprep", named),)).root == named


def test_derivatives_under_another_name_are_taken_if_fmriprep_made_them(raw, tmp_path):
    named = derivatives_in(tmp_path / "elsewhere")
    assert locate(raw, (("prep", named),)).root == named


def test_derivatives_that_nothing_uses_are_refused(tmp_path):
    made = derivatives_in(tmp_path / "elsewhere", GeneratedBy=[{"Name": "ciftify"}])
    for named in ((("ciftify", made),), (("ciftify", made), ("fmriprep", made))):
        with pytest.raises(UserError, match="the names that are known are fmriprep, xcp_d, aroma") as caught:
            locate(made, named)
        assert caught.value.exit_code == 2
        assert f"ciftify={made}, which nothing here uses" in str(caught.value)
        assert "fmriprep=" not in str(caught.value)


@pytest.mark.parametrize("name", ["sub-", "sub-01_old", "sub-01.bak", "sub-01 (copy)"])
def test_folders_whose_names_are_no_labels_are_nobody(tmp_path, name):
    run(tmp_path, "01")
    run(tmp_path, "x+1")
    (tmp_path / name).mkdir()
    assert subject_folders(tmp_path) == ["sub-01", "sub-x+1"]


def test_a_named_raw_dataset_is_searched_like_any_other(raw):
    folder = derivatives_in(raw / "derivatives" / "fmriprep")
    assert locate(Path("nowhere"), (("fmriprep", raw),)).root == folder


def test_raw_data_alone_are_answered_with_the_fmriprep_run_that_is_missing(raw):
    message = complaint(raw)
    assert "raw data of 1 participants" in message
    assert "--output-spaces MNI152NLin6Asym:res-2" in message


def test_raw_data_without_a_description_are_not_taken_for_derivatives(raw):
    (raw / "dataset_description.json").unlink()
    assert "raw data" in complaint(raw)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda folder: None, "no such folder"),
        (touch, "is a file"),
        (Path.mkdir, "is empty"),
        (lambda folder: touch(folder / "anat.nii"), "found: anat.nii"),
        (lambda folder: touch(folder / "sub-01.html"), "found: sub-01.html"),
    ],
    ids=["absent", "file", "empty", "other", "reports"],
)
def test_where_nobody_is_the_error_says_what_is_there_and_what_is_wanted(tmp_path, make, found):
    make(tmp_path / "data")
    message = complaint(tmp_path / "data")
    assert message.startswith(f"{tmp_path / 'data'}: ")
    assert found in message
    assert "the one that has the sub-* folders" in message


def test_an_odd_generated_by_is_no_reason_to_stop(tmp_path):
    folder = derivatives_in(tmp_path, DatasetType="derivative", GeneratedBy={"Name": "fMRIPrep"})
    assert pipelines(read_description(folder)) == [{"Name": "fMRIPrep"}]
    describe(folder, DatasetType="derivative", GeneratedBy=["fMRIPrep"])
    assert pipelines(read_description(folder)) == []
    assert locate_derivatives(folder).root == folder
