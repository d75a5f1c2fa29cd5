"""Sidecars from which a series inherits its repetition time."""

import json

import pytest

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from tests.bids.collecting import collect, complaint, only_run
from tests.bids.trees import BOLD, SPACE, describe, run, touch


def test_repetition_time_is_inherited_from_the_nearest_sidecar(tmp_path):
    run(tmp_path, "01", "task-rest_run-1", omitted_files=["json"])
    run(tmp_path, "01", "task-rest_run-2", t_r=3.0)
    assert [inputs.t_r for inputs in collect(tmp_path)[0].runs] == [None, 3.0]
    touch(tmp_path / "task-rest_bold.json", json.dumps({"RepetitionTime": 1.5}))
    assert [inputs.t_r for inputs in collect(tmp_path)[0].runs] == [1.5, 3.0]


def test_repetition_time_is_none_if_no_sidecar_has_it(tmp_path):
    run(tmp_path, "01", t_r=None)
    assert only_run(tmp_path).t_r is None


@pytest.mark.parametrize("value", ['"fast"', "0", "-2", "[2.0]", "true"])
def test_invalid_repetition_time_is_refused_with_its_file(tmp_path, value):
    func = run(tmp_path, "01", omitted_files=["json"])
    touch(func / f"sub-01_task-rest_{BOLD}".replace(".nii.gz", ".json"), f'{{"RepetitionTime": {value}}}')
    message = complaint(tmp_path)
    assert f"sub-01_task-rest_{SPACE}_res-2_desc-preproc_bold" in message
    assert "JSON" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b'{"RepetitionTime": 2', "delimiter in line 1"),
        (b'{"RepetitionTime": 2, "InstitutionName": "Universit\xe4t"}', "is not UTF-8 text"),
        (b"null", "is not a JSON object"),
        (b'[["RepetitionTime", 3]]', "is not a JSON object"),
        (b'{"a":' * 9999 + b"1" + b"}" * 9999, "it is nested too deep"),
        (None, "is a link whose target does not exist"),
    ],
    ids=["empty", "cut", "latin", "null", "pairs", "deep", "link"],
)
def test_invalid_sidecar_excludes_its_session_only(tmp_path, content, words):
    func = run(describe(tmp_path), "01", "task-nback", session="a")
    run(tmp_path, "01", session="a")
    run(tmp_path, "01", session="b")

    def damage(path):
        path.unlink(missing_ok=True)
        path.symlink_to("nowhere") if content is None else path.write_bytes(content)

    damage(func / f"sub-01_ses-a_task-nback_{BOLD}".replace(".nii.gz", ".json"))
    assert [session.runs[0].t_r for session in collect(tmp_path)] == [2.0, 2.0]
    sidecar_path = func / f"sub-01_ses-a_task-rest_{BOLD}".replace(".nii.gz", ".json")
    damage(sidecar_path)
    fault, record = collect_sessions(tmp_path, "01", Query())
    assert (fault.session, record.session) == ("a", "b")
    assert str(fault.error).startswith(f"{sidecar_path}: ")
    assert words in str(fault.error)


def test_invalid_sidecar_in_root_concerns_series_that_inherit_it(tmp_path):
    run(describe(tmp_path), "01")
    run(tmp_path, "02", "task-nback")
    touch(tmp_path / "task-nback_bold.json", "{")
    assert only_run(tmp_path).t_r == 2.0
    touch(tmp_path / "task-rest_bold.json", "{")
    assert complaint(tmp_path).startswith(str(tmp_path / "task-rest_bold.json"))
