"""No file of an output dataset that a user may edit is replaced silently."""

import json
import logging

import pytest

from bids_deeptaskgen.bids.input.derivatives import read_description
from bids_deeptaskgen.bids.output.edited_files import dataset_link, update_lines
from tests.bids.output.test_dataset_files import write_files
from tests.bids.trees import describe, run, touch


@pytest.fixture
def derivatives(tmp_path):
    folder = describe(tmp_path / "raw" / "derivatives" / "fmriprep")
    run(folder, "01")
    return folder


@pytest.fixture
def output(tmp_path, derivatives):
    folder = tmp_path / "raw" / "derivatives" / "deeptaskgen"
    write_files(folder, derivatives)
    return folder


def edit_description(output, **fields):
    content = read_description(output)
    touch(output / "dataset_description.json", json.dumps(content | fields))


@pytest.mark.parametrize("name", ["README", "CITATION.md", "descriptions.tsv"])
def test_an_edited_file_is_kept_and_the_new_text_is_in_the_logs(output, derivatives, caplog, name):
    text = (output / name).read_text("utf-8")
    touch(output / name, "edited by the user\n")
    write_files(output, derivatives)
    assert (output / name).read_text("utf-8") == "edited by the user\n"
    assert (output / "logs" / name).read_text("utf-8") == text
    assert f"{output / name}: was edited since it was written, and is kept" in caplog.text
    write_files(output, derivatives, overwrite=True)
    assert (output / name).read_text("utf-8") == text


@pytest.mark.parametrize(("overwrite", "outcome"), [(False, "is kept"), (True, "is replaced")])
def test_without_a_hash_it_is_not_claimed_that_a_file_was_edited(
    output, derivatives, caplog, overwrite, outcome
):
    content = read_description(output)
    del content["DeepTaskGen"]["Files"]
    touch(output / "dataset_description.json", json.dumps(content))
    write_files(output, derivatives, version="1.2.4", overwrite=overwrite)
    assert f"{output / 'README'}: may have been edited, or be a file of another program" in caplog.text
    assert f"has no hash of it), and {outcome}" in caplog.text
    assert ("1.2.4" in (output / "README").read_text("utf-8")) is overwrite


def test_files_that_were_not_edited_follow_the_version(output, derivatives, caplog):
    write_files(output, derivatives, version="1.2.4")
    assert "1.2.4" in (output / "README").read_text("utf-8")
    assert "1.2.4" in (output / "CITATION.md").read_text("utf-8")
    write_files(output, derivatives, version="1.2.5")
    assert "1.2.5" in (output / "README").read_text("utf-8")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_readme_of_a_user_in_a_new_output_folder_is_kept(tmp_path, derivatives):
    touch(tmp_path / "new" / "README", "my notes")
    write_files(tmp_path / "new", derivatives)
    assert (tmp_path / "new" / "README").read_text("utf-8") == "my notes"


def test_ignored_patterns_of_the_user_are_kept(output, derivatives):
    touch(output / ".bidsignore", "my_notes.txt\n*_statmap.*")
    write_files(output, derivatives)
    lines = (output / ".bidsignore").read_text("utf-8").splitlines()
    assert lines[:2] == ["my_notes.txt", "*_statmap.*"]
    assert {"logs", "group", "CITATION.md"} <= set(lines)
    assert len(lines) == len(set(lines))


def test_fields_of_the_description_that_a_user_added_are_kept(output, derivatives):
    ours = read_description(output)
    fields = {"Authors": ["A. Author"], "License": "CC0", "Name": "My maps"}
    edit_description(
        output,
        **fields,
        DatasetLinks={"templateflow": "https://example.org"},
        GeneratedBy=[{"Name": "bids_deeptaskgen"}, {"Name": "own script"}],
    )
    write_files(output, derivatives)
    content = read_description(output)
    assert content.items() >= fields.items()
    assert content["DatasetLinks"] == {"fmriprep": "../fmriprep", "templateflow": "https://example.org"}
    assert [entry["Name"] for entry in content["GeneratedBy"]] == ["deeptaskgen", "fMRIPrep", "own script"]
    assert content["DeepTaskGen"] == ours["DeepTaskGen"]


def test_another_dataset_under_the_name_of_a_link_is_reported(output, tmp_path, caplog):
    other = describe(tmp_path / "site2" / "derivatives" / "fmriprep")
    write_files(output, other)
    assert (
        "the dataset 'fmriprep' was ../fmriprep and is now ../../../site2/derivatives/fmriprep" in caplog.text
    )


def test_an_absolute_link_to_the_same_dataset_is_replaced_silently(output, derivatives, caplog):
    edit_description(output, DatasetLinks={"fmriprep": derivatives.as_uri()})
    write_files(output, derivatives)
    assert read_description(output)["DatasetLinks"] == {"fmriprep": "../fmriprep"}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("link", ["http://[x", "a%00b"])
def test_an_invalid_link_is_replaced_and_reported(output, derivatives, caplog, link):
    edit_description(output, DatasetLinks={"fmriprep": link})
    write_files(output, derivatives)
    assert read_description(output)["DatasetLinks"] == {"fmriprep": "../fmriprep"}
    assert f"was {link} and is now ../fmriprep" in caplog.text


def test_a_pipeline_whose_name_is_no_text_is_kept(output, derivatives):
    edit_description(output, GeneratedBy=[{"Name": ["x"]}])
    write_files(output, derivatives)
    names = [entry["Name"] for entry in read_description(output)["GeneratedBy"]]
    assert names == ["deeptaskgen", "fMRIPrep", ["x"]]


def test_links_are_escaped(tmp_path):
    assert dataset_link(tmp_path / "my data%", tmp_path / "out") == "../my%20data%25"


def test_a_file_without_content_is_kept_and_named(output, derivatives, caplog):
    target = "../.git/annex/objects/aa/MD5E-s1--b/MD5E-s1--b"
    for name in ("README", ".bidsignore"):
        (output / name).unlink()
        (output / name).symlink_to(target)
    write_files(output, derivatives)
    assert caplog.text.count("datalad get") == 2
    assert (output / "README").is_symlink()
    assert (output / ".bidsignore").is_symlink()


def test_lines_are_added_once(tmp_path):
    for _ in range(2):
        update_lines(tmp_path / "lines", ["a", "b"])
    assert (tmp_path / "lines").read_text() == "a\nb\n"
