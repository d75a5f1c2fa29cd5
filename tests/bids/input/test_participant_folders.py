"""Folders that look like participants or sessions, of which none disappears without a row."""

import os
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.input.derivatives import locate_derivatives
from bids_deeptaskgen.bids.input.participant_folders import scan_participants
from bids_deeptaskgen.bids.input.preflight import preflight
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from bids_deeptaskgen.errors import InputError
from tests.bids.trees import describe, run, touch


def reasons(root, query=None):
    return {row.name: row.reason for row in preflight(root, query or Query())}


@pytest.mark.parametrize("name", ["sub-A_01", "sub-01_old", "sub-", "sub-01.bak", "sub-01 (copy)", "sub-ä"])
def test_a_folder_without_a_bids_label_has_a_row(tmp_path, name):
    run(tmp_path, "01")
    (tmp_path / name).mkdir()
    rows = reasons(tmp_path)
    assert rows["sub-01"] == ""
    assert rows[name].startswith(f"not a BIDS label: {tmp_path / name} (a label after sub- has letters")
    assert "rename it" in rows[name]
    assert list(reasons(tmp_path, Query(participants=("01",)))) == ["sub-01"]


@pytest.mark.parametrize("name", ["Sub-01", "SUB-02", "sub_03"])
def test_other_spellings_of_the_prefix_have_a_row(tmp_path, name):
    run(tmp_path, "01")
    (tmp_path / name).mkdir()
    rows = reasons(tmp_path)
    assert rows["sub-01"] == ""
    assert f"not a BIDS label: {tmp_path / name}" in rows[f"sub-{name}"]


@pytest.mark.parametrize("name", ["ses-1_a", "ses-", "Ses-2", "ses_2"])
def test_a_session_folder_without_a_bids_label_has_a_row(tmp_path, name):
    run(tmp_path, "01", session="1")
    (tmp_path / "sub-01" / name).mkdir()
    usable_row, row = sorted(preflight(tmp_path, Query()), key=lambda row: row.reason)
    assert (usable_row.session, usable_row.reason) == ("1", "")
    assert row.failed
    assert f"not a BIDS label: {tmp_path / 'sub-01' / name} (a label after ses-" in row.reason
    assert len(collect_sessions(tmp_path, "01", Query())) == 1
    assert len(preflight(tmp_path, Query(sessions=("1",)))) == 1


def test_the_only_session_folder_without_a_bids_label_is_named(tmp_path):
    run(tmp_path, "01")
    (tmp_path / "sub-02" / "ses-1_a" / "func").mkdir(parents=True)
    assert "not a BIDS label" in reasons(tmp_path)["sub-02 ses-1_a"]


def test_broken_links_to_participants_have_a_row(tmp_path):
    run(tmp_path, "01")
    (tmp_path / "sub-02").symlink_to(tmp_path / "elsewhere" / "sub-02")
    (tmp_path / "sub-03").symlink_to("sub-03")
    (tmp_path / "sub-04.html").symlink_to("nowhere")
    rows = reasons(tmp_path)
    assert set(rows) == {"sub-01", "sub-02", "sub-03"}
    assert "is a link whose target does not exist" in rows["sub-02"]
    assert str(tmp_path / "sub-03") in rows["sub-03"]


def test_participants_that_exist_only_as_an_archive_file_have_a_row(tmp_path):
    run(tmp_path, "01")
    for name in (
        "sub-01.tar.gz",
        "sub-02.tar.gz",
        "sub-03_fmriprep-20.2.3.zip",
        "sub-04.html",
        "sub-05.json",
    ):
        touch(tmp_path / name)
    rows = reasons(tmp_path)
    assert set(rows) == {"sub-01", "sub-02", "sub-03"}
    assert f"only an archive file, {tmp_path / 'sub-02.tar.gz'}; unpack it to sub-02" in rows["sub-02"]
    assert "unpack it" in reasons(tmp_path, Query(participants=("02",)))["sub-02"]


def test_an_empty_participant_folder_may_be_a_dataset_that_is_not_installed(tmp_path):
    run(tmp_path, "01")
    (tmp_path / "sub-02").mkdir()
    reason = reasons(tmp_path)["sub-02"]
    assert f"no folder {tmp_path / 'sub-02' / 'func'}" in reason
    assert "(sub-02 is empty: if it is a DataLad dataset, run datalad get -n sub-02)" in reason


@pytest.mark.parametrize("depth", ["sub-02", "sub-02/func"])
def test_an_unreadable_folder_is_the_reason_of_one_participant(tmp_path, monkeypatch, depth):
    run(tmp_path, "01")
    run(tmp_path, "02")
    scandir = os.scandir

    def scandir_or_refuse(path):
        if Path(path) == tmp_path / depth:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scandir_or_refuse)
    rows = reasons(tmp_path)
    assert rows["sub-01"] == ""
    assert rows["sub-02"] == f"{tmp_path / depth} cannot be read (Permission denied); check its permissions"
    if depth == "sub-02":
        with pytest.raises(InputError, match="check its permissions"):
            collect_sessions(tmp_path, "02", Query())
    else:
        (fault,) = collect_sessions(tmp_path, "02", Query())
        assert "check its permissions" in str(fault.error)


def test_a_dataset_without_any_usable_participant_names_the_reasons(tmp_path):
    describe(tmp_path)
    (tmp_path / "sub-A_01").mkdir()
    assert scan_participants(tmp_path).usable == []
    with pytest.raises(InputError, match="no usable sub-.* folder: not a BIDS label: .*sub-A_01"):
        locate_derivatives(tmp_path)
