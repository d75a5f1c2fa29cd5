"""Pages of the reference that are written by hand agree with the program."""

import re

import bids_deeptaskgen
from bids_deeptaskgen.cli import app, main, workbench
from bids_deeptaskgen.errors import InputError, UserError
from scripts.descriptors.boutiques import exit_codes
from scripts.reference.files import FOLDER


def page(name):
    """Read a page of the reference."""
    return (FOLDER / f"{name}.md").read_text("utf-8")


def test_the_python_interface_has_each_public_name_once():
    names = re.findall(r"^\.\. auto\w+:: (\w+)$", page("api"), re.MULTILINE)
    assert sorted(names) == sorted(bids_deeptaskgen.__all__)


def test_the_exit_codes_are_those_of_the_program():
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", page("exit_codes"), re.MULTILINE)}
    of_help = {int(code["code"]) for code in exit_codes(str(app.make_parser().epilog))}
    of_program = {main.FAILED, main.USAGE, main.INTERNAL, main.INTERRUPTED, main.TERMINATED}
    assert codes == {0, UserError.exit_code, InputError.exit_code} | of_help | of_program


def test_each_command_has_its_exit_codes():
    commands = page("exit_codes").split("\n## Each command\n")[1].split("\n## ")[0]
    quoted = set(re.findall("`([^`]+)`", commands))
    for verb in workbench.TABLE:
        assert {verb, f"deeptaskgen {verb}", f"{verb} ...", f"deeptaskgen {verb} ..."} & quoted or any(
            text.startswith(f"deeptaskgen {verb} ") for text in quoted
        ), verb
    assert {f"bids-deeptaskgen ... {level}" for level in app.LEVELS} <= quoted


def test_the_index_lists_each_page():
    text = page("index")
    names = {path.stem for path in FOLDER.glob("*.md")} - {"index"}
    assert set(re.findall(r"^([a-z_]+)$", text, re.MULTILINE)) == names


def test_terms_of_the_glossary_are_sorted_and_explained_once():
    tables = re.findall(r"\| term \| meaning \|\n\|---\|---\|\n((?:\|.*\n)+)", page("glossary"))
    terms = [re.findall(r"^\| (.+?) \| ", rows, re.MULTILINE) for rows in tables]
    assert all(names == sorted(names, key=str.lower) for names in terms)
    assert len(sum(terms, [])) == len({name for names in terms for name in names})


def test_each_message_has_a_cause_and_a_remedy():
    rows = re.findall(r"^\| (“.+) \|$", page("troubleshooting"), re.MULTILINE)
    assert len(rows) > 80
    assert all(len(row.split(" | ")) == 3 and all(row.split(" | ")) for row in rows)
