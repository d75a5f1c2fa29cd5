"""The list of models: what is here, what can be had."""

import shutil
import subprocess
import sys

import pytest

from bids_deeptaskgen.commands.models.list import run
from bids_deeptaskgen.settings.models import ModelsListSettings
from tests.bundles import tiny_bundle


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPTASKGEN_HOME", str(tmp_path))
    return tmp_path / "models"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("made") / "tiny", licence="CC0 " * 40).folder


def table(capsys):
    """Return the rows of the list by name, and the lines below it."""
    assert run(ModelsListSettings()) == 0
    rows, _, below = capsys.readouterr().out.partition("\n\n")
    head, *lines = rows.splitlines()
    starts = [head.index(word) for word in head.split()]
    cells = [
        [line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
        for line in lines
    ]
    return {name: row for name, *row in cells}, below


def test_without_any_model_the_published_ones_can_be_fetched_and_the_embedded_one_is_there(home, capsys):
    rows, below = table(capsys)
    assert list(rows) == ["hcp-ya", "hcp-d", "ukb", "embedded"]
    assert [row[0] for row in rows.values()] == ["no", "no", "no", "yes"]
    assert rows["hcp-ya"][1:3] == ["47", "GPL-3.0"]
    assert rows["ukb"][1] == "47 or 1"
    assert rows["embedded"][1:3] == ["47", "Apache-2.0"]
    assert f"Models are in {home};" in below
    assert "deeptaskgen models fetch NAME" in below


def test_installed_models_are_described_by_their_cards(home, tiny, capsys):
    shutil.copytree(tiny, home / "ukb")
    shutil.copytree(tiny, home / "mine")
    rows, _ = table(capsys)
    assert list(rows) == ["hcp-ya", "hcp-d", "ukb", "mine", "embedded"]
    assert rows["ukb"][:2] == rows["mine"][:2] == ["yes", "2"]
    assert rows["mine"][3] == "Random weights."


def test_a_damaged_card_does_not_hide_the_other_models(home, capsys):
    (home / "broken").mkdir(parents=True)
    (home / "broken" / "card.json").write_text("{", "utf-8")
    rows, _ = table(capsys)
    assert rows["broken"][0] == "damaged"
    assert rows["embedded"][0] == "yes"


def test_what_another_process_is_just_making_is_no_model(home, tiny, capsys):
    shutil.copytree(tiny, home / ".ukb.node-1.17.tmp")
    rows, _ = table(capsys)
    assert list(rows) == ["hcp-ya", "hcp-d", "ukb", "embedded"]


def test_every_model_has_one_line_that_fits_the_terminal(home, tiny, capsys):
    shutil.copytree(tiny, home / "mine")
    run(ModelsListSettings())
    assert max(map(len, capsys.readouterr().out.splitlines()[:6])) < 250


def test_the_list_is_there_without_torch_and_without_any_library_for_the_network(home):
    code = (
        "import sys; from bids_deeptaskgen.cli.workbench import main; "
        "main(['models', 'list']); print('LOADED', *sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in process.stdout.rpartition("LOADED")[2].split()}
    assert loaded & {"torch", "requests", "urllib3", "nilearn"} == set()
