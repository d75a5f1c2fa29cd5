"""Laws of paths: each local path is legal, and texts that are none are refused before anything is created."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.biomarkers import FeatureSource
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.paths import parse_path
from bids_deeptaskgen.settings.value_types import NamedPath, parse_model, parse_named_dataset
from tests.settings.settings_values import CLASSES, REQUIRED

ADDRESSES = [
    "s3://bucket/out",
    "S3://bucket",
    "gs://bucket/x",
    "http://host/x",
    "https://host/x?a=b",
    "osf://abcde",
    "ria+file:///store#id",
    "ria+ssh://host/store",
    "ssh://host/x",
    "datalad:///x",
    "s3:/bucket/out",
    "user@host:/data",
]
# Flag and example of each option that is a path.
PATH_OPTIONS = [
    (settings_class, spec)
    for settings_class in CLASSES
    for spec in option_specs(settings_class)
    if spec.kind in (Path, NamedPath, FeatureSource)
    or spec.option.parse in (parse_model, parse_named_dataset)
    or spec.name == "bids_filter_file"
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Run each test in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_refused_as_every_path_of_every_command(text, folder):
    assert len(PATH_OPTIONS) > 40
    for settings_class, spec in PATH_OPTIONS:
        value = f"name={text}" if spec.kind in (NamedPath, FeatureSource) else text
        with pytest.raises(UserError, match="only local paths are supported") as caught:
            settings_class(**{**REQUIRED[settings_class], spec.name: [value] if spec.is_tuple else value})
        assert caught.value.exit_code == 2
        assert str(caught.value).startswith(spec.flag)
        assert text in str(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("flag", ["--config-file", "--participant-label"])
def test_a_file_of_settings_or_labels_is_local_too(flag, capsys):
    value = "@s3://bucket/list.txt" if flag == "--participant-label" else "s3://bucket/settings.toml"
    assert app.main(["/data", "/out", "participant", flag, value]) == 2
    assert "only local paths are supported" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["s3://bucket/raw", "out"], ["/data", "s3://bucket/out"]])
def test_the_programs_refuse_an_address_with_exit_code_2_and_create_nothing(words, folder, capsys):
    for level in ("participant", "group"):
        assert app.main([*words, level]) == 2
    assert workbench.main(["simulate", "s3://bucket/out"]) == 2
    assert capsys.readouterr().err.count("only local paths are supported") == 3
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file:///data", "without file://"),
        ("C:\\data\\raw", "/mnt/c/"),
        ("d:/data", "/mnt/d/"),
        ("\\\\server\\share", "Windows path"),
        ("/data/out ", "white space"),
        ("/data/out\r", "'/data/out\\r'"),
        (" /data/out", "white space"),
        ("/data/out\n", "white space"),
        ("~nobody-has-this-name/x", "home folder of a user"),
        ("/data/\udcff", "not UTF-8"),
    ],
)
def test_a_text_that_is_no_local_path_is_refused_with_the_remedy(text, words, folder, capsys):
    assert app.main(["/data", text, "participant"]) == 2
    assert words in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map("/x{}x".format))
def test_every_absolute_path_of_a_file_system_is_legal(text):
    assert parse_path(text) == Path(text)


@pytest.mark.parametrize(
    "name", ["x ", " x", "x\n", "C:\\x", "s3:", "user@host:", "%s", "*", "-x", "#?[]{}$"]
)
def test_an_existing_file_may_have_any_name(name, folder):
    Path(name).mkdir()
    assert parse_path(name) == folder / name
    assert parse_path(Path(name)) == folder / name


def test_a_folder_of_the_form_of_an_address_needs_an_absolute_path_without_double_slash(folder):
    (folder / "s3:" / "x").mkdir(parents=True)
    assert parse_path("s3:/x") == folder / "s3:" / "x"
    assert parse_path("./s3:/x") == parse_path(str(folder / "s3:" / "x"))
    with pytest.raises(ValueError, match="is an address"):
        parse_path("s3://x")
