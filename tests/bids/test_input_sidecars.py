"""Sidecars from which a series inherits its repetition time."""

import json
import shutil

import pytest
from bids import BIDSLayout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from bids_deeptaskgen.bids.input.sidecars import read_metadata
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
    own_sidecar = tmp_path / "sub-01" / "func" / f"sub-01_task-rest_{BOLD}".replace(".nii.gz", ".json")
    own_sidecar.unlink()
    assert complaint(tmp_path).startswith(str(tmp_path / "task-rest_bold.json"))


@pytest.mark.parametrize("name", ["sub-01_task-rest_desc-preproc_bold.json", "sub-01_task-rest_bold.json"])
def test_an_unfetched_general_sidecar_matters_only_without_a_repetition_time_of_the_series(tmp_path, name):
    func = run(describe(tmp_path), "01")
    general = func / name
    general.symlink_to("../../.git/annex/objects/xx/yy/MD5E-s1--0.json/MD5E-s1--0.json")
    assert only_run(tmp_path).t_r == 2.0
    (func / f"sub-01_task-rest_{BOLD}".replace(".nii.gz", ".json")).write_text("{}")
    assert f"Run: datalad get {general}" in complaint(tmp_path)


@pytest.mark.parametrize("level", ["root", "participant", "functional"])
def test_a_byte_order_mark_in_a_sidecar_loses_no_repetition_time(tmp_path, level):
    func = run(describe(tmp_path), "01", omitted_files=["json"])
    path = {
        "root": tmp_path / "task-rest_bold.json",
        "participant": func.parent / "sub-01_task-rest_bold.json",
        "functional": func / f"sub-01_task-rest_{BOLD}".replace(".nii.gz", ".json"),
    }[level]
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"RepetitionTime": 0.72}).encode())
    assert only_run(tmp_path).t_r == 0.72


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sidecars=st.lists(
        st.tuples(
            st.sampled_from(["", "sub-01", "sub-01/ses-a", "sub-01/ses-a/func"]),
            st.sampled_from(["", "sub-01_", "sub-01_ses-a_"]),
            st.sampled_from(
                ["task-rest", "task-rest_run-1", "task-rest_run-01", "task-nback", "task-rest_acq-x"]
            ),
            st.sampled_from(["_bold", f"_{SPACE}_res-2_desc-preproc_bold", f"_{SPACE}_desc-preproc_bold"]),
        ),
        max_size=5,
        unique_by=lambda parts: parts[0],
    )
)
def test_the_repetition_time_is_the_one_that_pybids_inherits(tmp_path, sidecars):
    """pybids is the oracle; two sidecars in one folder that both apply are against the standard."""
    root = tmp_path / "data"
    shutil.rmtree(root, ignore_errors=True)
    func = describe(root) / "sub-01" / "ses-a" / "func"
    bold = touch(func / f"sub-01_ses-a_task-rest_run-1_{BOLD}")
    for number, (folder, *parts) in enumerate(sidecars):
        touch(
            root / folder / f"{''.join(parts)}.json", json.dumps({"RepetitionTime": number, str(number): 1})
        )
    layout = BIDSLayout(root, validate=False, config=["bids", "derivatives"])
    key = "RepetitionTime"
    assert read_metadata(bold, root).get(key) == layout.get_metadata(str(bold)).get(key)
