"""Laws of the sidecars that a series inherits its repetition time from."""

import json

import pytest

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from tests.bids.collecting import collect, complaint, only_run
from tests.bids.trees import BOLD, SPACE, describe, run, touch


def test_the_repetition_time_is_inherited_and_the_nearest_file_wins(tmp_path):
    run(tmp_path, "01", "task-rest_run-1", without=["json"])
    run(tmp_path, "01", "task-rest_run-2", t_r=3.0)
    assert [inputs.t_r for inputs in collect(tmp_path)[0].runs] == [None, 3.0]
    touch(tmp_path / "task-rest_bold.json", json.dumps({"RepetitionTime": 1.5}))
    assert [inputs.t_r for inputs in collect(tmp_path)[0].runs] == [1.5, 3.0]


def test_a_json_without_repetition_time_leaves_it_open(tmp_path):
    run(tmp_path, "01", t_r=None)
    assert only_run(tmp_path).t_r is None


@pytest.mark.parametrize("value", ['"fast"', "0", "-2", "[2.0]", "true"])
def test_a_repetition_time_that_is_none_is_refused_with_the_file(tmp_path, value):
    func = run(tmp_path, "01", without=["json"])
    touch(func / f"sub-01_task-rest_{BOLD}".replace(".nii.gz", ".json"), f'{{"RepetitionTime": {value}}}')
    message = complaint(tmp_path)
    assert f"sub-01_task-rest_{SPACE}_res-2_desc-preproc_bold" in message
    assert "JSON" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b'{"RepetitionTime": 2', "delimiter in line 1"),
        (b'{"RepetitionTime": 2, "InstitutionName": "Universit\xe4t"}', "its text is not in UTF-8"),
        (b"null", "it holds no names with values"),
        (b'[["RepetitionTime", 3]]', "it holds no names with values"),
        (b'{"a":' * 9999 + b"1" + b"}" * 9999, "it is nested too deep"),
        (None, "it is a link to a file that is not here"),
    ],
    ids=["empty", "cut", "latin", "null", "pairs", "deep", "link"],
)
def test_a_sidecar_that_cannot_be_read_is_named_and_spoils_its_own_series_alone(tmp_path, content, words):
    func = run(describe(tmp_path), "01", "task-nback", session="a")
    run(tmp_path, "01", session="a")
    run(tmp_path, "01", session="b")

    def spoil(path):
        path.unlink(missing_ok=True)
        path.symlink_to("nowhere") if content is None else path.write_bytes(content)

    spoil(func / f"sub-01_ses-a_task-nback_{BOLD}".replace(".nii.gz", ".json"))
    assert [session.runs[0].t_r for session in collect(tmp_path)] == [2.0, 2.0]
    own = func / f"sub-01_ses-a_task-rest_{BOLD}".replace(".nii.gz", ".json")
    spoil(own)
    fault, good = collect_sessions(tmp_path, "01", Query())
    assert (fault.session, good.session) == ("a", "b")
    assert str(fault.error).startswith(f"{own}: cannot be read as JSON: ")
    assert words in str(fault.error)


def test_a_sidecar_above_that_cannot_be_read_concerns_those_who_inherit_from_it(tmp_path):
    run(describe(tmp_path), "01")
    run(tmp_path, "02", "task-nback")
    touch(tmp_path / "task-nback_bold.json", "{")
    assert only_run(tmp_path).t_r == 2.0
    touch(tmp_path / "task-rest_bold.json", "{")
    assert complaint(tmp_path).startswith(str(tmp_path / "task-rest_bold.json"))
