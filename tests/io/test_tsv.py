"""Tables: a cell is read under the name above it, or the table is refused."""

import pytest

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv

ROWS = [{"participant_id": "sub-01", "age": "20"}, {"participant_id": "sub-02", "age": "n/a"}]


def write(tmp_path, content):
    path = tmp_path / "table.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "participant_id\tage\nsub-01\t20\nsub-02\tn/a\n",
        "participant_id\tage\nsub-01\t20\nsub-02\tn/a",
        "participant_id\tage\r\nsub-01\t20\r\nsub-02\tn/a\r\n\r\n",
        "participant_id\tage\rsub-01\t20\rsub-02\tn/a\r",
        "\ufeffparticipant_id\tage\nsub-01\t20\nsub-02\tn/a\n\t\n\n",
        "participant_id\tage\t\nsub-01\t20\t\nsub-02\tn/a\t\n",
        "participant_id\tage\t\nsub-01\t20\nsub-02\tn/a\n",
        '"participant_id"\t"age"\n"1"\t"sub-01"\t20\n"2"\t"sub-02"\t"n/a"\n',
        '""\t"participant_id"\t"age"\n"1"\t"sub-01"\t20\n"2"\t"sub-02"\tn/a\n',
        "\tparticipant_id\tage\n0\tsub-01\t20\n1\tsub-02\tn/a\n",
        "Unnamed: 0\tparticipant_id\tage\n0\tsub-01\t20\n1\tsub-02\tn/a\n",
        " participant_id \tage\n sub-01\t20 \nsub-02\t n/a\n",
    ],
)
def test_a_table_is_read_whoever_wrote_it(tmp_path, content):
    assert read_tsv(write(tmp_path, content)) == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n\t\n", "is empty"),
        ("\na\tb\n1\t2\n", "line 1: is empty"),
        ("a\tb\n1\t2\n\n3\t4\n", "line 3: is empty"),
        ("a\tb\n1\t2\t\n3\t4\t\n", "line 2: ends with a tab too many"),
        ("a\tb\n5\t1\t2\n6\t3\t4\n", "line 2: has 3 cells, but the header names 2 columns"),
        # Without R's quotes, the first column may be one whose neighbour's name is missing.
        ("a\tb\n1\t1\t2\n2\t3\t4\n", "line 2: has 3 cells, but the header names 2 columns"),
        ("a\tb\tc\n1\t2\n3\t4\n", "line 2: has 2 cells, but the header names 3 columns"),
        ("a\tb\n1\t2\n3\n5\t6\n", "line 3: has 1 cells, but line 2 has 2"),
        ("a\tb\n1\t2\n3\t4\t5\n", "line 3: has 3 cells, but line 2 has 2"),
        ("\ta\nsub-01\t1\nsub-02\t2\n", "column 1 of 2 has no name"),
        ("a\t\tb\n1\t2\t3\n", "column 2 of 3 has no name"),
        ("a\tb\t\n1\t2\t3\n", "column 3 of 3 has no name"),
        ("a\tb\ta\n1\t2\t3\n", r"several columns have the same name \(a\)"),
        ("0.1\t0.2\n0.3\t0.4\n", "has no column names: its first line holds numbers"),
        ("a,b\n1,2\n", "is not tab-separated: its columns are separated by commas"),
        ("a;b\n0,1;0,2\n", "is not tab-separated: its columns are separated by semicolons"),
        ("participant_id,age\n", "is not tab-separated: its columns are separated by commas"),
        ("a b c\n1 2 3\n", "is not tab-separated: its columns are separated by spaces"),
        ('a\tb\n"1\t2\n3\t4\n', "line 2: its quotes are not closed"),
        ('a\tb\n"say \\"yes\\""\t2\n', "line 2: its quotes are not closed, or are followed by text"),
        ('a\tb\n"1\n2"\t2\n', "line 2: its quotes are not closed"),
        ("a\tb\n1\té\n".encode("latin-1"), "is not UTF-8 text"),
        ("a\tb\n1\t2\n".encode("utf-16"), "is UTF-16 text"),
    ],
)
def test_a_table_whose_columns_are_uncertain_is_refused(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as error:
        read_tsv(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("name", ["age", "framewise displacement", "age, in years"])
def test_a_table_of_one_column_needs_no_separator(tmp_path, name):
    assert read_tsv(write(tmp_path, f"{name}\n1\n2.5\n")) == [{name: "1"}, {name: "2.5"}]


def test_names_that_pandas_counts_are_names(tmp_path):
    assert read_tsv(write(tmp_path, "0\t1\n0.5\t0.25\n")) == [{"0": "0.5", "1": "0.25"}]


def test_a_missing_table_is_refused_unless_it_may_be_missing(tmp_path):
    path = tmp_path / "participants.tsv"
    assert read_tsv(path, missing_ok=True) == []
    with pytest.raises(InputError, match="no such file"):
        read_tsv(path)
    path.symlink_to(tmp_path / ".git" / "annex" / "objects" / "key")
    with pytest.raises(InputError, match="datalad get"):
        read_tsv(path, missing_ok=True)


def test_a_written_table_is_read_back(tmp_path):
    cells = ['"a" is missing', 'the "b"', "tab\there", "line\nbreak", None, "", 1.5, '"']
    write_tsv(tmp_path / "out.tsv", {"name": cells, "number": range(len(cells))})
    rows = read_tsv(tmp_path / "out.tsv")
    assert [row["name"] for row in rows] == [
        '"a" is missing', 'the "b"', "tab here", "line break", "n/a", "n/a", "1.5", '"',
    ]  # fmt: skip
