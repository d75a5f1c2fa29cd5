"""Search of models by name or folder."""

from pathlib import Path

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.store import (
    downloads_home,
    embedded_bundle,
    find_model,
    models_at_home,
    models_home,
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Set a temporary models home and an empty working folder."""
    monkeypatch.setenv("DEEPTASKGEN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home" / "models"


def create_model(folder):
    folder.mkdir(parents=True)
    (folder / "card.json").write_text("{}", "utf-8")
    return folder


def test_the_embedded_model_is_in_the_package():
    assert find_model("embedded") == embedded_bundle()
    assert embedded_bundle().parent.name == "data"


def test_a_folder_with_a_card_is_a_model(home, tmp_path):
    folder = create_model(tmp_path / "my models" / "a")
    assert find_model(folder) == folder
    assert find_model(str(folder)) == folder
    assert find_model("my models/a").resolve() == folder


def test_a_name_is_searched_in_the_models_home(home):
    assert find_model(create_model(home / "hcp-ya").name) == home / "hcp-ya"


def test_a_folder_takes_precedence_over_a_name(home, tmp_path):
    create_model(home / "hcp-ya")
    assert find_model("hcp-ya") == home / "hcp-ya"
    create_model(tmp_path / "hcp-ya")
    assert find_model("hcp-ya").resolve() == tmp_path / "hcp-ya"


def test_a_missing_model_is_reported_with_folders_and_advice(home):
    create_model(home / "mine")
    (home / "incomplete").mkdir()
    with pytest.raises(UserError) as caught:
        find_model("hcp-ya")
    message = str(caught.value)
    assert "no model 'hcp-ya'" in message
    assert str(home / "hcp-ya") in message
    assert f"Models found in {home}: mine." in message
    assert "deeptaskgen models import" in message
    assert "--model embedded" in message
    assert "not for science" in message


def test_only_published_models_can_be_fetched(home):
    with pytest.raises(UserError, match=r"(?s)`deeptaskgen models fetch ukb`.*fetch ukb --from FOLDER`"):
        find_model("ukb")
    with pytest.raises(UserError) as caught:
        find_model("ukb2")
    assert "models fetch" not in str(caught.value)


def test_incomplete_models_are_not_listed(home):
    create_model(home / "mine")
    create_model(home / ".copy.node-1.17.tmp")
    assert models_at_home() == ["mine"]


def test_the_downloads_folder_is_next_to_the_models(home):
    assert downloads_home() == home.parent / "downloads"


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"DEEPTASKGEN_HOME": "/a", "XDG_DATA_HOME": "/b"}, "/a/models"),
        ({"XDG_DATA_HOME": "/b"}, "/b/deeptaskgen/models"),
        ({"XDG_DATA_HOME": "b", "HOME": "/h"}, "/h/.local/share/deeptaskgen/models"),
        ({"DEEPTASKGEN_HOME": "", "XDG_DATA_HOME": "", "HOME": "/h"}, "/h/.local/share/deeptaskgen/models"),
        ({"DEEPTASKGEN_HOME": "~/x", "HOME": "/h"}, "/h/x/models"),
    ],
)
def test_the_models_home_follows_the_environment(monkeypatch, variables, folder):
    for name in ("DEEPTASKGEN_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert models_home() == Path(folder)


def test_without_a_home_folder_the_variable_is_named_and_folders_still_work(monkeypatch, tmp_path):
    folder = create_model(tmp_path / "a")
    for name in ("DEEPTASKGEN_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEEPTASKGEN_HOME", "~no-such-user/models")
    with pytest.raises(UserError, match="~no-such-user/models, and there is no such user, .*Set DEEPTASK"):
        find_model("hcp-ya")
    monkeypatch.delenv("DEEPTASKGEN_HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(UserError, match="no home folder, .* Set DEEPTASKGEN_HOME to a folder"):
        find_model("hcp-ya")
    assert find_model(folder) == folder
