"""Finding models by name or folder."""

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
    """A home of models of its own, and a working folder with nothing in it."""
    monkeypatch.setenv("DEEPTASKGEN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home" / "models"


def make_model(folder):
    folder.mkdir(parents=True)
    (folder / "card.json").write_text("{}", "utf-8")
    return folder


def test_the_embedded_model_is_in_the_package():
    assert find_model("embedded") == embedded_bundle()
    assert embedded_bundle().parent.name == "data"


def test_a_folder_with_a_card_is_a_model(home, tmp_path):
    folder = make_model(tmp_path / "my models" / "one")
    assert find_model(folder) == folder
    assert find_model(str(folder)) == folder
    assert find_model("my models/one").resolve() == folder


def test_a_name_is_looked_up_in_the_home_of_models(home):
    assert find_model(make_model(home / "hcp-ya").name) == home / "hcp-ya"


def test_a_folder_goes_before_a_name(home, tmp_path):
    make_model(home / "hcp-ya")
    assert find_model("hcp-ya") == home / "hcp-ya"
    make_model(tmp_path / "hcp-ya")
    assert find_model("hcp-ya").resolve() == tmp_path / "hcp-ya"


def test_a_model_that_is_not_there_is_answered_with_where_and_what_to_do(home):
    make_model(home / "ours")
    (home / "half-made").mkdir()
    with pytest.raises(UserError) as caught:
        find_model("hcp-ya")
    message = str(caught.value)
    assert "no model 'hcp-ya'" in message
    assert str(home / "hcp-ya") in message
    assert f"Models found in {home}: ours." in message
    assert "deeptaskgen models import" in message
    assert "--model embedded" in message
    assert "not for science" in message


def test_a_published_model_that_is_not_there_can_be_fetched_and_others_cannot(home):
    with pytest.raises(UserError, match=r"(?s)`deeptaskgen models fetch ukb`.*fetch ukb --from FOLDER`"):
        find_model("ukb")
    with pytest.raises(UserError) as caught:
        find_model("ukb2")
    assert "fetch" not in str(caught.value)


def test_half_made_models_are_no_models(home):
    make_model(home / "ours")
    make_model(home / ".theirs.node-1.17.tmp")
    assert models_at_home() == ["ours"]


def test_downloads_are_kept_beside_the_models(home):
    assert downloads_home() == home.parent / "downloads"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"DEEPTASKGEN_HOME": "/a", "XDG_DATA_HOME": "/b"}, "/a/models"),
        ({"XDG_DATA_HOME": "/b"}, "/b/deeptaskgen/models"),
        ({"XDG_DATA_HOME": "b", "HOME": "/h"}, "/h/.local/share/deeptaskgen/models"),
        ({"DEEPTASKGEN_HOME": "", "XDG_DATA_HOME": "", "HOME": "/h"}, "/h/.local/share/deeptaskgen/models"),
        ({"DEEPTASKGEN_HOME": "~/x", "HOME": "/h"}, "/h/x/models"),
    ],
)
def test_the_home_of_models_follows_the_environment(monkeypatch, variables, wanted):
    for name in ("DEEPTASKGEN_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert models_home() == Path(wanted)


def test_somebody_without_a_home_folder_is_told_what_to_set_and_may_name_folders(monkeypatch, tmp_path):
    folder = make_model(tmp_path / "one")
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
