"""Tables of participants: ids in several spellings, sessions, and values that differ."""

import pytest

from bids_deeptaskgen.bids.participants_table import columns_of_session, read_families, read_rows, read_values
from bids_deeptaskgen.errors import InputError

LABELS = ("001", "002", "003")


def write(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "participants.tsv"
    path.write_bytes(content.encode(encoding))
    return path


@pytest.mark.parametrize(
    "name",
    ["participant_id", "Participant_ID", "PARTICIPANT_ID", "participant", "Participant ID", "subject", "sub"],
)
@pytest.mark.parametrize(
    "ids", [("sub-001", "sub-002", "sub-003"), ("001", "002", "003"), ("1", "sub-2", "Sub-03")]
)
def test_ids_are_found_in_all_their_spellings(tmp_path, name, ids):
    table = write(tmp_path, f"{name}\tage\n" + "".join(f"{label}\t{age}\n" for age, label in enumerate(ids)))
    matched = read_rows(table).match(LABELS)
    assert {label: rows[0]["age"] for label, rows in matched.items()} == dict(zip(LABELS, "012", strict=True))


def test_the_name_of_bids_takes_precedence(tmp_path):
    table = write(tmp_path, "subject\tparticipant_id\n9\t001\n")
    assert read_rows(table).rows == {"001": [{"subject": "9"}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id\tage\n001\t3\n", r"has no column participant_id \(columns: id, age\)"),
        ("participant_id,age\n001,3\n", "its columns are separated by commas"),
        ("participant_id;age\n001;3\n", "its columns are separated by semicolons"),
        ("participant_id\tage\nn/a\t3\n", "line 2: participant_id is empty"),
        ("participant_id\tage\n001\t3\n\t4\n", "line 3: participant_id is empty"),
    ],
)
def test_a_table_without_ids_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_rows(write(tmp_path, content))


def test_a_table_in_latin_1_is_named_with_its_encoding(tmp_path):
    table = write(tmp_path, "participant_id\tsite\n001\tGenève\n", "latin-1")
    with pytest.raises(InputError, match=r"participants.tsv: is not UTF-8 text .*Latin-1"):
        read_families(table, LABELS)


@pytest.mark.parametrize("ids", [("1", "2", "3"), ("sub-001", "sub-002", "sub-003"), ("sub-1", "02", "003")])
def test_families_are_joined_whatever_the_spelling_of_the_ids(tmp_path, ids, caplog):
    rows = "".join(f"{label}\t{family}\n" for label, family in zip(ids, ("a", "a", "n/a"), strict=True))
    families = read_families(write(tmp_path, "participant_id\tFamily_ID\n" + rows), LABELS)
    assert families == {"001": ("a", ""), "002": ("a", ""), "003": ("", "")}
    assert caplog.text == ""


def test_participants_without_a_row_are_named_and_others_are_refused(tmp_path, caplog):
    table = write(tmp_path, "participant_id\tfamily\n001\ta\n002\ta\n")
    assert read_families(table, LABELS)["003"] == ("", "")
    assert "has no row of 1 of 3 participants; they are treated as unrelated: sub-003." in caplog.text
    with pytest.raises(InputError, match="has no row of any of the 2 participants"):
        read_families(table, ["A1", "A2"])


def test_several_families_of_one_participant_are_refused(tmp_path):
    table = write(tmp_path, "participant_id\tfamily\tsite\n1\ta\tx\n1\tn/a\ty\n2\ta\tx\n2\tb\tx\n")
    assert read_values(table, ["family"], ["1"], "") == {"1": "a"}
    with pytest.raises(InputError, match=r"sub-2 has several values of family \(a, b\)"):
        read_families(table, ["1", "2"])
    # Sites are read only if they are needed.
    assert read_families(table, ["1"]) == {"1": ("a", "")}
    with pytest.raises(InputError, match=r"sub-1 has several values of site \(x, y\)"):
        read_families(table, ["1"], with_sites=True)


def test_a_table_without_families_needs_no_rows(tmp_path):
    table = write(tmp_path, "participant_id\tage\n9\t20\n")
    assert read_families(table, ["001"]) == {"001": ("", "")}
    assert read_values(table, ["family"], ["001"], "") is None


def test_values_that_differ_between_sessions_are_those_of_the_session(caplog):
    rows = [{"session_id": f"ses-{number}", "age": f"2{number}", "sex": "F"} for number in (1, 2)]
    assert columns_of_session(rows, "1", "sub-01") == rows[0]
    assert columns_of_session(rows, "02", "sub-01") == rows[1]
    assert caplog.text == ""
    assert columns_of_session(rows, "3", "sub-01") == {"session_id": "n/a", "age": "n/a", "sex": "F"}
    assert "the rows of sub-01 differ in age; n/a is used" in caplog.text
    assert columns_of_session([], "3", "sub-01") == {}
    assert columns_of_session([{"age": "n/a"}, {"age": "3"}], None, "sub-01") == {"age": "3"}
