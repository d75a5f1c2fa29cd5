"""Filter files mean what they mean to fMRIPrep, or are refused."""

import json

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.bids_filter_file import read_filter_file


def write(tmp_path, content):
    path = tmp_path / "filter.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_entities_become_keys_of_names_with_sorted_values(tmp_path):
    query = {
        "session": ["b", "a"],
        "run": 1,
        "acquisition": None,
        "direction": "*",
        "datatype": "func",
        "suffix": "bold",
    }
    read = read_filter_file(write(tmp_path, {"bold": query, "t1w": {"session": "a"}}))
    assert dict(read.labels) == {"acq": (None,), "dir": ("*",), "run": ("1",), "ses": ("a", "b")}
    assert read.ignored == ("t1w",)


def test_files_that_mean_the_same_are_the_same(tmp_path):
    item = read_filter_file(write(tmp_path, {"bold": {"session": "ses-a", "run": [2, "1"]}}))
    counterpart = read_filter_file(write(tmp_path, {"bold": {"run": ["2", 1], "session": ["a"]}, "fmap": {}}))
    assert item.as_json() == counterpart.as_json()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read as JSON"),
        ([], "contains no queries"),
        ({"bolt": {}}, "bolt: no such query"),
        ({"bold": []}, "object of entities and their labels"),
        ({"bold": {"sess": "a"}}, 'sess = "a" is not supported. Use one of session, acquisition'),
        ({"bold": {"space": "T1w"}}, "the models require MNI152NLin6Asym"),
        ({"bold": {"desc": "denoised"}}, "Use --desc"),
        ({"bold": {"subject": "01"}}, "Use --participant-label"),
        ({"bold": {"suffix": "sbref"}}, 'suffix = "sbref" is not supported'),
        ({"bold": {"run": {"a": 1}}}, "a label, a number, null"),
        ({"bold": {"run": []}}, "a label, a number, null"),
        ({"bold": {"run": True}}, "a label, a number, null"),
        ({"bold": {"acquisition": "a b"}}, "a label, a number, null"),
    ],
    ids=[
        "json",
        "list",
        "query",
        "entities",
        "entity",
        "space",
        "desc",
        "subject",
        "suffix",
        "dict",
        "empty",
        "true",
        "blank",
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, content, words):
    with pytest.raises(UserError) as refusal:
        read_filter_file(write(tmp_path, content))
    assert words in str(refusal.value)
    assert str(refusal.value).startswith(f"--bids-filter-file {tmp_path / 'filter.json'}: ")


def test_a_byte_order_mark_of_windows_does_no_harm(tmp_path):
    path = tmp_path / "filter.json"
    path.write_text('{"bold": {"run": 1}}', "utf-8-sig")
    assert read_filter_file(path).as_json() == {"run": ["1"]}


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read as JSON"):
        read_filter_file(tmp_path / "absent.json")
