"""The committed pages are those that `make reference` writes, and name each option, metric and fault."""

import re
import subprocess
import sys

import pytest

from bids_deeptaskgen.bids.input.known_faults import list_known_faults
from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.connectome.qc_verdicts import metric_specs
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.settings.option import option_specs
from scripts.reference.command_line import command_pages
from scripts.reference.files import FOLDER, reference_files
from scripts.reference.markdown import mark_code, sentence
from tests.processes import ROOT

COMMANDS = {**app.LEVELS, **workbench.VERBS}


def test_the_committed_pages_are_those_that_make_reference_writes():
    files = reference_files()
    different = [
        name
        for name, text in files.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text("utf-8") != text
    ]
    assert different == [], "run: make reference"
    committed = {f"commands/{path.name}" for path in (FOLDER / "commands").iterdir()}
    assert committed == {name for name in files if name.startswith("commands/")}, "run: make reference"


def test_the_command_removes_pages_of_earlier_commands(tmp_path):
    earlier = tmp_path / "commands" / "earlier.md"
    earlier.parent.mkdir()
    earlier.touch()
    command = [sys.executable, "-m", "scripts.reference", "--folder", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert names == set(reference_files())


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_page_has_a_heading_for_each_option_of_its_command(verb):
    text = command_pages()[verb.replace(" ", "_").replace("-", "_")]
    headings = set(re.findall("^### `(.+)`$", text, re.MULTILINE))
    flags = {spec.flag for spec in option_specs(COMMANDS[verb].settings)}
    assert flags <= headings
    # What the parser has besides the settings; the levels of the app also have options without effect.
    assert headings - flags <= {"--help", "--version", "--config-file", verb, *app.NO_OPS}
    for spec in option_specs(COMMANDS[verb].settings):
        block = text.split(f"### `{spec.flag}`\n")[1].split("\n#")[0]
        assert all(f"`{flag}`" in block for flag in spec.flags[1:])
        assert not spec.option.unit or spec.option.unit in block
        assert ("changes the maps" in block) == spec.option.affects_output


def test_each_metric_flag_and_fault_has_a_section():
    files = reference_files()
    sections = set(re.findall("^### (.+)$", files["qc_metrics.md"], re.MULTILINE))
    flags = {f"Flag `{name}`" for name in load_table("qc_flags.json")}
    assert sections == {f"`{name}`" for name in metric_specs()} | flags
    faults = re.findall("^### (.+)$", files["known_faults.md"], re.MULTILINE)
    assert sorted(faults) == sorted(fault.id for fault in list_known_faults())
    for fault in list_known_faults():
        assert all(f"]({source})" in files["known_faults.md"] for source in fault.sources)


@pytest.mark.parametrize("name", reference_files())
def test_links_within_a_page_lead_to_its_headings(name):
    text = reference_files()[name]
    titles = re.findall("^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= slugs


@pytest.mark.parametrize(
    ("text", "marked_text"),
    [
        ("with or without sub-", "with or without `sub-`"),
        ("(sub-*), --a-b=C.", "(`sub-*`), `--a-b=C`."),
        ("already `--marked x_y`", "already `--marked x_y`"),
        ("requires bids-deeptaskgen[warp];", "requires `bids-deeptaskgen[warp]`;"),
        ("5 + 5 components, 0 = off", "5 + 5 components, 0 = off"),
    ],
)
def test_words_of_code_are_marked(text, marked_text):
    assert mark_code(text) == marked_text


def test_a_sentence_keeps_the_letters_of_names():
    assert sentence("fMRIPrep derivatives") == "fMRIPrep derivatives."
    assert sentence("number, in mm") == "Number, in mm."


def test_the_program_reads_each_environment_variable_of_the_page():
    section = reference_files()["command_line.md"].split("\n## Environment variables\n")[1]
    names = set(re.findall("`([A-Z]+_[A-Z_]+)`", section))
    assert {"DEEPTASKGEN_HOME", "SLURM_JOB_ID"} < names
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "bids_deeptaskgen").rglob("*.py"))
    assert {name for name in names if name not in sources} == set()
