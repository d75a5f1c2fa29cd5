"""Reader of text files: encodings are read or named."""

import pytest

from bids_deeptaskgen.connectome.volume_tables import read_columns
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.text import read_text
from bids_deeptaskgen.io.tsv import read_tsv

TABLE = "participant_id\tcité\nsub-01\tGenève\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_with_and_without_a_byte_order_mark(tmp_path, encoding):
    path = tmp_path / "table.tsv"
    path.write_bytes(TABLE.encode(encoding))
    assert read_text(path) == TABLE


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("latin-1", "byte 0xe9 in line 1; it may be Latin-1 or Windows-1252"),
        ("cp1252", "Windows-1252"),
        ("utf-16", "is UTF-16 text"),
        ("utf-32", "is UTF-32 text"),
        ("utf-16-le", "is UTF-16 text without byte order mark"),
        ("utf-16-be", "is UTF-16 text without byte order mark"),
    ],
)
def test_other_encodings_are_named(tmp_path, encoding, named):
    path = tmp_path / "table.tsv"
    path.write_bytes(TABLE.encode(encoding))
    with pytest.raises(InputError, match=named) as error:
        read_text(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "iconv -f" in str(error.value)


def test_binary_data_are_no_text(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_bytes(b"PK\3\4 spread\0sheet")
    with pytest.raises(InputError, match="binary data"):
        read_text(path)


def test_links_without_content_name_the_remedy(tmp_path):
    link, annexed = tmp_path / "a.json", tmp_path / "b.json"
    link.symlink_to("../elsewhere/a.json")
    annexed.symlink_to(".git/annex/objects/x1/y2/MD5E-s3--abc.json/MD5E-s3--abc.json")
    with pytest.raises(InputError, match=r"link whose target does not exist \(../elsewhere/a.json\)"):
        read_text(link)
    with pytest.raises(InputError, match=f"Run: datalad get {annexed}"):
        read_text(annexed)
    with pytest.raises(InputError, match="no such file"):
        read_text(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("[1]", "is not a JSON object"),
        ('{"a": 1,\n "b" 2}', "Expecting ':' delimiter in line 2"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_invalid_json_is_described(tmp_path, text, problem):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_json(path)


def test_json_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf{"Name": "fMRIPrep"}')
    assert read_json(path) == {"Name": "fMRIPrep"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("/annex/objects/MD5E-s4--0123.tsv\n", "a git-annex pointer).\nRun: datalad get {path}"),
        ("../.git/annex/objects/Zk/MD5E-s4--0123.tsv", "a git-annex pointer).\nRun: datalad get {path}"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:46\n",
            "a git-lfs pointer).\nRun: git lfs pull",
        ),
    ],
)
@pytest.mark.parametrize("read", [read_text, read_json, read_tsv, lambda path: read_columns(path, "Copy")])
def test_a_pointer_is_content_that_was_not_fetched(tmp_path, content, words, read):
    path = tmp_path / "confounds.tsv"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value) == f"{path}: its content is not here ({words.format(path=path)}"
