"""participants.tsv of an output dataset grows, and loses nothing that is in it."""

import json
import logging
import multiprocessing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.bids.output.participants_file import update_participants
from bids_deeptaskgen.bids.output.table_merge import Table, merge_tables, read_table
from bids_deeptaskgen.bids.participant_ids import bare_label
from bids_deeptaskgen.bids.participants_table import read_rows
from bids_deeptaskgen.errors import InputError, UserError
from tests.bids.trees import touch


def write(path, *lines):
    return touch(path, "".join("\t".join(line.split()) + "\n" for line in lines))


def lines_of(folder):
    return [" ".join(line.split("\t")) for line in (folder / "participants.tsv").read_text().splitlines()]


@pytest.fixture
def source(tmp_path):
    write(tmp_path / "in" / "participants.tsv", "participant_id age sex", "sub-01 30 F", "sub-02 40 M")
    return tmp_path / "in"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


def test_rows_and_columns_of_the_user_are_kept(source, output, caplog):
    write(output / "participants.tsv", "participant_id group age", "sub-02 b 40.0", "sub-09 a 70")
    update_participants(output, source)
    assert lines_of(output) == [
        "participant_id group age sex", "sub-02 b 40.0 M", "sub-09 a 70 n/a", "sub-01 n/a 30 F",
    ]  # fmt: skip
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_participants_of_another_site_are_added(source, output, tmp_path):
    update_participants(output, source)
    other = write(tmp_path / "site2" / "participants.tsv", "participant_id age", "sub-51 50").parent
    update_participants(output, other)
    update_participants(output, source)
    assert lines_of(output) == ["participant_id age sex", "sub-01 30 F", "sub-02 40 M", "sub-51 50 n/a"]


def test_a_conflict_keeps_the_value_of_the_output_unless_it_is_overwritten(source, output, caplog):
    write(output / "participants.tsv", "participant_id age", "sub-01 31")
    update_participants(output, source)
    assert lines_of(output)[1] == "sub-01 31 F"
    assert "1 values differ from those in" in caplog.text
    assert "sub-01 age: 31, 30. They are kept." in caplog.text
    update_participants(output, source, overwrite=True)
    assert lines_of(output)[1] == "sub-01 30 F"


@pytest.mark.parametrize("label", ["01", "sub-1", "1"])
def test_labels_without_prefix_or_zeros_are_the_same_participant(source, output, label):
    write(output / "participants.tsv", "participant_id group", f"{label} b")
    update_participants(output, source)
    assert lines_of(output)[1] == f"{label} b 30 F"
    assert len(lines_of(output)) == 3


def test_an_ambiguous_number_is_reported_and_nothing_is_added(source, output, caplog):
    write(output / "participants.tsv", "participant_id group", "sub-1 b", "sub-001 c")
    lines = lines_of(output)
    update_participants(output, source)
    assert lines_of(output) == lines
    assert "sub-01 may be 1 or 001" in caplog.text


def test_a_column_in_other_letter_case_is_that_of_the_participants(source, output, tmp_path):
    folder = write(tmp_path / "other" / "participants.tsv", "Participant_ID age", "01 30").parent
    update_participants(output, folder)
    assert lines_of(output) == ["participant_id age", "01 30"]
    update_participants(output, source)
    assert lines_of(output) == ["participant_id age sex", "01 30 F", "sub-02 40 M"]


def test_rows_of_sessions_are_matched_by_session(tmp_path, output):
    columns = "participant_id session_id"
    write(output / "participants.tsv", f"{columns} note", "sub-01 ses-b x", "sub-01 ses-a y")
    folder = write(tmp_path / "in/participants.tsv", f"{columns} age", "sub-01 a 30", "sub-01 b 31").parent
    update_participants(output, folder)
    assert lines_of(output)[1:] == ["sub-01 ses-b x 31", "sub-01 ses-a y 30"]


@pytest.mark.parametrize(
    "content",
    [
        b"participant_id\tname\nsub-01\tJos\xe9\n",
        b"person\tage\nsub-01\t3\n",
        b"participant_id\ta\nsub-01\n",
    ],
)
def test_a_table_that_cannot_be_read_is_kept_in_the_output_and_not_added_from_the_input(
    source, output, tmp_path, caplog, content
):
    output.mkdir()
    (output / "participants.tsv").write_bytes(content)
    update_participants(output, source)
    assert (output / "participants.tsv").read_bytes() == content
    assert "The file is kept, and the participants of" in caplog.text
    update_participants(tmp_path / "new", output)
    assert not (tmp_path / "new" / "participants.tsv").exists()
    assert "The table is not added to" in caplog.text
    with pytest.raises(UserError, match=r"`participants_tsv` .*participants\.tsv"):
        update_participants(tmp_path / "new", source, table=output / "participants.tsv")


def test_a_table_without_content_is_named(tmp_path, output, caplog):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "participants.tsv").symlink_to("../.git/annex/objects/x/y/z")
    update_participants(output, folder)
    assert "datalad get" in caplog.text


def test_descriptions_of_columns_are_merged(source, output, caplog):
    touch(source / "participants.json", '{"age": {"Units": "year"}, "sex": {"Levels": {"F": "female"}}}')
    touch(output / "participants.json", '{"group": {"Description": "x"}, "age": {"Units": "month"}}')
    update_participants(output, source)
    assert json.loads((output / "participants.json").read_text()) == {
        "group": {"Description": "x"}, "age": {"Units": "month"}, "sex": {"Levels": {"F": "female"}},
    }  # fmt: skip
    assert "participants.json: 1 values differ" in caplog.text
    touch(output / "participants.json", "{")
    update_participants(output, source)
    assert (output / "participants.json").read_text() == "{"


def add_participant(output, folder, number):
    path = folder / f"in{number}" / "participants.tsv"
    write(path, f"participant_id column{number % 3}", f"sub-{number:02d} {number}")
    update_participants(output, path.parent)


def test_parallel_runs_lose_no_row(tmp_path, output):
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        pool.starmap(add_participant, [(output, tmp_path, number) for number in range(24)])
    table = read_table(output / "participants.tsv")
    assert sorted(row["participant_id"] for row in table.rows) == [f"sub-{n:02d}" for n in range(24)]
    assert all(row[f"column{int(row['participant_id'][4:]) % 3}"] != "n/a" for row in table.rows)
    assert [path.name for path in output.iterdir()] == ["participants.tsv"]


def test_an_unchanged_table_is_not_written_again(source, output):
    update_participants(output, source)
    path = output / "participants.tsv"
    time = path.stat().st_mtime_ns
    update_participants(output, source)
    assert path.stat().st_mtime_ns == time


CELLS = st.text("ab1. ", min_size=1, max_size=3).filter(str.strip)


@st.composite
def tables(draw):
    columns = draw(st.lists(st.sampled_from("abc"), unique=True))
    labels = draw(st.lists(st.sampled_from(["sub-01", "01", "02", "sub-x"]), max_size=4))
    rows = [{"participant_id": label} | {name: draw(CELLS) for name in columns} for label in labels]
    return Table(("participant_id", *columns), tuple(rows))


@given(tables(), tables())
def test_merging_keeps_all_cells_of_the_existing_table_and_is_complete_after_one_step(existing, new):
    merge = merge_tables(existing, new, "participant_id")
    assert merge.table.columns[: len(existing.columns)] == existing.columns
    for row, merged_row in zip(existing.rows, merge.table.rows, strict=False):
        assert row.items() <= merged_row.items()
    labels = {bare_label(row["participant_id"]) for row in merge.table.rows}
    assert labels == {bare_label(row["participant_id"]) for row in [*existing.rows, *new.rows]}
    assert set(new.columns) <= set(merge.table.columns)
    assert merge_tables(merge.table, new, "participant_id").table == merge.table


def test_a_row_of_another_length_is_refused_with_its_line(tmp_path):
    path = touch(tmp_path / "t.tsv", "participant_id\ta\nsub-01\t1\nsub-02\t1\t\n")
    with pytest.raises(InputError, match=r"t\.tsv, line 3: has 3 cells, but line 2 has 2"):
        read_table(path)


VISITS = "participant_id visit age"


@pytest.mark.parametrize("rows", [("01 b 11", "01 a 9"), ("01 a 9", "01 b 11"), ("01 a 9",)])
def test_values_of_visits_without_sessions_stay_with_their_visit(tmp_path, output, rows):
    write(output / "participants.tsv", VISITS, "sub-01 a n/a", "sub-01 b 11")
    folder = write(tmp_path / "in/participants.tsv", VISITS, *rows).parent
    update_participants(output, folder)
    assert lines_of(output)[1:] == ["sub-01 a 9", "sub-01 b 11"]


@pytest.mark.parametrize("rows", [("01 9",), ("01 9", "01 11")])
def test_rows_that_cannot_be_told_apart_are_left_alone_with_a_warning(tmp_path, output, caplog, rows):
    write(output / "participants.tsv", "participant_id note", "sub-01 x", "sub-01 y")
    folder = write(tmp_path / "in/participants.tsv", "participant_id age", *rows, "02 5").parent
    update_participants(output, folder, overwrite=True)
    assert lines_of(output)[1:] == ["sub-01 x n/a", "sub-01 y n/a", "02 n/a 5"]
    assert "cannot be told apart" in caplog.text
    assert "sub-01" in caplog.text


def test_a_row_without_values_makes_no_other_row_certain(tmp_path, output):
    write(output / "participants.tsv", "participant_id note", "sub-01 x", "sub-01 y")
    folder = write(tmp_path / "in/participants.tsv", "participant_id age", "01 n/a", "01 9").parent
    update_participants(output, folder)
    assert lines_of(output)[1:] == ["sub-01 x n/a", "sub-01 y n/a"]


def test_rows_of_visits_that_the_output_has_are_added_once_without_a_warning(tmp_path, output, caplog):
    folder = write(tmp_path / "in/participants.tsv", VISITS, "01 a 9", "01 a 9", "01 b 11").parent
    for _ in range(2):
        update_participants(output, folder)
    assert lines_of(output)[1:] == ["01 a 9", "01 a 9", "01 b 11"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("word", ["none", "NA", "null", "nan", "007"])
def test_a_word_or_code_of_the_user_is_a_value(tmp_path, output, caplog, word):
    write(output / "participants.tsv", "participant_id code", f"sub-01 {word}")
    folder = write(tmp_path / "in/participants.tsv", "participant_id code", "sub-01 7").parent
    update_participants(output, folder)
    assert lines_of(output)[1] == f"sub-01 {word}"
    assert f"sub-01 code: {word}, 7" in caplog.text


def test_cells_that_are_not_merged_stay_as_they_are(source, output):
    touch(output / "participants.tsv", 'participant_id\tnote\tx\nsub-01\ta   b\t\nsub-09\t"""q"" r"\t\n')
    update_participants(output, source)
    lines = (output / "participants.tsv").read_text().splitlines()
    assert lines[1:3] == ["sub-01\ta   b\t\t30\tF", 'sub-09\t"""q"" r"\t\tn/a\tn/a']


def test_folders_whose_labels_are_equal_numbers_are_different_participants(source, output, tmp_path):
    write(output / "participants.tsv", "participant_id age", "sub-001 31")
    (output / "sub-001").mkdir()
    (source / "sub-01").mkdir()
    for _ in range(2):
        update_participants(output, source)
    assert lines_of(output)[1:] == ["sub-001 31 n/a", "sub-01 30 F", "sub-02 40 M"]


def test_participants_that_match_as_equal_numbers_are_listed(source, output, caplog):
    write(output / "participants.tsv", "participant_id age", "sub-001 n/a")
    (source / "sub-01").mkdir()
    with caplog.at_level(logging.INFO):
        update_participants(output, source)
    assert lines_of(output)[1] == "sub-001 30 F"
    assert "are matched as equal numbers: 01 = sub-001" in caplog.text


@pytest.mark.parametrize("name", ["Participant", "subject_id", "Participant ID"])
def test_all_tables_have_the_same_names_of_the_column_of_participants(tmp_path, name):
    path = touch(tmp_path / "t.tsv", f"{name}\tage\nsub-01\t3\n")
    assert read_table(path).rows == ({"participant_id": "sub-01", "age": "3"},)
    assert read_rows(path).rows == {"01": [{"age": "3"}]}


def test_a_table_without_the_column_of_participants_is_refused_with_advice(tmp_path):
    path = touch(tmp_path / "t.tsv", "person\tage\nsub-01\t3\n")
    for read in (read_table, read_rows):
        with pytest.raises(InputError, match="Name the column of the labels participant_id"):
            read(path)


def test_an_unchanged_table_needs_no_lock(source, output, monkeypatch):
    touch(source / "participants.json", '{"age": {"Units": "year"}}')
    update_participants(output, source)

    def refuse(path):
        raise AssertionError(path)

    monkeypatch.setattr("bids_deeptaskgen.bids.output.participants_file.file_lock", refuse)
    update_participants(output, source)


def test_a_row_without_label_is_refused_in_all_tables(tmp_path):
    path = touch(tmp_path / "t.tsv", "participant_id\tage\nsub-01\t3\nn/a\t4\n")
    for read in (read_table, read_rows):
        with pytest.raises(InputError, match=r"t\.tsv, line 3: participant_id is empty"):
            read(path)
