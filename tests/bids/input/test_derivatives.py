import logging
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.input.derivatives import (
    list_pipelines,
    locate_derivatives,
    raw_dataset,
    read_description,
)
from bids_deeptaskgen.bids.input.participant_folders import list_participant_folders
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
    """Return the message of the error of `locate_derivatives`."""
    with pytest.raises(InputError) as error_info:
        locate_derivatives(*args)
    return str(error_info.value)


def test_derivatives_are_located_and_logged(tmp_path, caplog):
    folder = derivatives_in(tmp_path / "fmriprep")
    with caplog.at_level(logging.INFO, "bids_deeptaskgen"):
        assert locate_derivatives(folder).root == folder
    assert f"{folder} (fMRIPrep 25.2.5)" in caplog.text


@pytest.mark.parametrize(
    "fields",
    [
        {"DatasetType": "derivative"},
        {"GeneratedBy": [{"Name": "XCP-D"}]},
        {"PipelineDescription": {"Name": "fMRIPrep", "Version": "1.5.0"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_all_kinds_of_descriptions_of_derivatives_are_recognised(tmp_path, fields):
    folder = derivatives_in(tmp_path / "out", **fields)
    assert locate_derivatives(folder).root == folder


@pytest.mark.parametrize("content", [None, "", "{", "[]"])
@pytest.mark.parametrize("session", [None, "1"])
def test_file_names_identify_derivatives_without_description(tmp_path, content, session):
    run(tmp_path, "01", session=session)
    if content is not None:
        touch(tmp_path / "dataset_description.json", content)
    assert locate_derivatives(tmp_path).root == tmp_path


def test_folder_derivatives_fmriprep_takes_precedence(raw):
    folder = derivatives_in(raw / "derivatives" / "fmriprep")
    derivatives_in(raw / "derivatives" / "fmriprep-old")
    assert locate_derivatives(raw).root == folder


def test_derivatives_of_fmriprep_are_found_under_any_folder_name(raw):
    folder = derivatives_in(raw / "derivatives" / "prep-2023")
    derivatives_in(raw / "derivatives" / "mriqc", DatasetType="derivative", GeneratedBy=[{"Name": "MRIQC"}])
    assert locate_derivatives(raw).root == folder


def test_derivatives_are_found_in_subfolder(tmp_path):
    folder = derivatives_in(tmp_path / "prep")
    assert locate_derivatives(tmp_path).root == folder


def test_message_names_both_ambiguous_derivatives(raw):
    first_root, second_root = (derivatives_in(raw / "derivatives" / name) for name in ("prep-20", "prep-23"))
    message = complaint(raw)
    assert str(first_root) in message
    assert str(second_root) in message
    assert "-d fmriprep=" in message


def test_derivatives_of_the_command_line_take_precedence(raw, tmp_path):
    derivatives_in(raw / "derivatives" / "fmriprep")
    named_root = derivatives_in(tmp_path / "elsewhere")
    assert locate(raw, (("fmriprep", named_root),)).root == named_root


def test_description_identifies_derivatives_under_another_name(raw, tmp_path):
    named_root = derivatives_in(tmp_path / "elsewhere")
    assert locate(raw, (("prep", named_root),)).root == named_root


def test_unused_derivatives_are_refused(tmp_path):
    unused_root = derivatives_in(tmp_path / "elsewhere", GeneratedBy=[{"Name": "ciftify"}])
    for derivatives in ((("ciftify", unused_root),), (("ciftify", unused_root), ("fmriprep", unused_root))):
        with pytest.raises(UserError, match="supported names: fmriprep, xcp_d, aroma") as error_info:
            locate(unused_root, derivatives)
        assert error_info.value.exit_code == 2
        assert f"ciftify={unused_root}, which this run does not use" in str(error_info.value)
        assert "fmriprep=" not in str(error_info.value)


@pytest.mark.parametrize(
    "value", ["derivatives", "Derivative", "DERIVATIVES ", "raw", None, "", 1, ["derivative"]]
)
@pytest.mark.parametrize("generated_by", [None, [{"Name": "fMRIPrep"}], [{"Name": "ciftify"}]])
def test_content_and_pipeline_decide_whatever_the_dataset_type_says(tmp_path, value, generated_by):
    fields = {"DatasetType": value} | ({"GeneratedBy": generated_by} if generated_by else {})
    folder = derivatives_in(tmp_path / "out", **fields)
    assert locate(folder).root == folder
    assert locate(tmp_path / "x", (("fmriprep", folder),)).root == folder


def test_a_raw_dataset_that_names_its_converter_is_raw(raw):
    describe(raw, GeneratedBy=[{"Name": "heudiconv"}])
    assert "raw data of 1 participants" in complaint(raw)


@pytest.mark.parametrize("fields", [RAW, {"DatasetType": None}])
def test_the_advice_to_name_a_refused_folder_works(tmp_path, fields):
    """A folder whose first participants have no functional files cannot be told from raw data."""
    folder = describe(tmp_path / "out", **fields)
    for number in range(6):
        touch(folder / f"sub-0{number}" / "anat" / f"sub-0{number}_T1w.nii.gz")
    run(folder, "09")
    assert "or name its output with -d fmriprep=PATH" in complaint(folder)
    assert locate(folder, (("fmriprep", folder),)).root == folder


def test_raw_data_named_as_derivatives_are_refused_with_another_remedy(raw):
    with pytest.raises(
        InputError, match="must name the folder that fMRIPrep wrote, whose files have _space-"
    ):
        locate(raw, (("fmriprep", raw),))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not valid JSON"),
        (b"", "is empty"),
        (b"[]", "is not a JSON object"),
        ('{"Name": "Universität"}'.encode("latin-1"), "is not UTF-8 text"),
    ],
)
def test_a_broken_description_is_named_in_a_warning(tmp_path, caplog, content, words):
    folder = derivatives_in(tmp_path / "out")
    (folder / "dataset_description.json").write_bytes(content)
    assert locate(folder).root == folder
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(f"{folder / 'dataset_description.json'}: {words}")
    assert "read without its description" in warning


def test_a_description_without_content_here_is_named(tmp_path, caplog):
    folder = derivatives_in(tmp_path / "out")
    path = folder / "dataset_description.json"
    path.unlink()
    path.symlink_to(".git/annex/objects/x/MD5E-s9--0123.json")
    assert locate(folder).root == folder
    assert f"Run: datalad get {path}" in caplog.text


def test_a_byte_order_mark_in_the_description_loses_no_pipeline(tmp_path, caplog):
    folder = derivatives_in(tmp_path / "out")
    path = folder / "dataset_description.json"
    pipelines = list_pipelines(read_description(folder))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert pipelines
    assert list_pipelines(locate(folder).description) == pipelines
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("name", ["sub-", "sub-01_old", "sub-01.bak", "sub-01 (copy)"])
def test_folders_with_invalid_labels_are_no_participants(tmp_path, name):
    run(tmp_path, "01")
    run(tmp_path, "x+1")
    (tmp_path / name).mkdir()
    assert list_participant_folders(tmp_path) == ["sub-01", "sub-x+1"]


def test_raw_dataset_named_as_derivatives_is_searched(raw):
    folder = derivatives_in(raw / "derivatives" / "fmriprep")
    assert locate(Path("nowhere"), (("fmriprep", raw),)).root == folder


def test_message_on_raw_data_suggests_fmriprep(raw):
    message = complaint(raw)
    assert "raw data of 1 participants" in message
    assert "--output-spaces MNI152NLin6Asym:res-2" in message


def test_raw_data_without_description_are_no_derivatives(raw):
    (raw / "dataset_description.json").unlink()
    assert "raw data" in complaint(raw)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda folder: None, "no such folder"),
        (touch, "is a file"),
        (Path.mkdir, "is empty"),
        (lambda folder: touch(folder / "anat.nii"), "found: anat.nii"),
        (lambda folder: touch(folder / "sub-01.html"), "found: sub-01.html"),
    ],
    ids=["absent", "file", "empty", "other", "reports"],
)
def test_error_without_participants_describes_folder_and_remedy(tmp_path, make, problem):
    make(tmp_path / "data")
    message = complaint(tmp_path / "data")
    assert message.startswith(f"{tmp_path / 'data'}: ")
    assert problem in message
    assert "which has the sub-* folders" in message


def test_malformed_generated_by_is_ignored(tmp_path):
    folder = derivatives_in(tmp_path, DatasetType="derivative", GeneratedBy={"Name": "fMRIPrep"})
    assert list_pipelines(read_description(folder)) == [{"Name": "fMRIPrep"}]
    describe(folder, DatasetType="derivative", GeneratedBy=["fMRIPrep"])
    assert list_pipelines(read_description(folder)) == []
    assert locate_derivatives(folder).root == folder


@pytest.mark.parametrize("link", ["file:///my%20data/raw", "/my data/raw", "../../my data/raw"])
def test_the_raw_dataset_is_read_from_any_link(link):
    assert raw_dataset(Path("/d/x"), {"DatasetLinks": {"raw": link}}) == Path("/my data/raw")
