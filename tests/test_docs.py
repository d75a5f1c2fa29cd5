"""What the documents say is what the program says."""

import ast
import json
import re
from pathlib import Path

import pytest

from bids_deeptaskgen.nuisance_presets import PRESETS
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.settings.models import ModelsNewSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings

ROOT = Path(__file__).parents[1]
INPUTS = (ROOT / "docs" / "inputs.md").read_text("utf-8")


def words_of_the_program():
    """All texts of the package in one, with … where something is filled in."""
    texts = [
        json.dumps(json.loads(path.read_text("utf-8")), ensure_ascii=False)
        for path in (ROOT / "bids_deeptaskgen" / "data").glob("*.json")
    ]
    for path in (ROOT / "bids_deeptaskgen").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


@pytest.mark.parametrize(
    "phrase", sorted(set(re.findall("“([^”]+)”", INPUTS)) - {"quotes", "no such entity"})
)
def test_every_message_that_is_quoted_is_one_of_the_program(phrase):
    assert phrase in words_of_the_program()


def test_every_preset_is_explained():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", INPUTS, re.M))
    assert set(rows) == set(PRESETS)
    assert {name for name, row in rows.items() if "warns" in row} == {
        name for name, preset in PRESETS.items() if preset.removes_global_signal
    }


@pytest.mark.parametrize("name", ["README.md", "docs/inputs.md", "docs/evaluation.md"])
def test_every_option_that_is_mentioned_exists(name):
    kinds = (ParticipantSettings, EvaluateSettings, ModelsNewSettings)
    known = {flag for kind in kinds for one in option_specs(kind) for flag in (one.flag, *one.option.flags)}
    others = {
        # Of other programs, of docker, of the workbench's verbs, or of the command line itself.
        "--output-spaces", "--use-aroma", "--level", "--file-format", "--rm", "--read-only", "--network",
        "--containall", "--rois", "--name", "--from", "--mask", "--confounds", "--config-file", "--help",
        "--statmaps", "--parent", "--strategy", "--keep-sites", "--n-devices",
        "--n-participants", "--n-sessions",
    }  # fmt: skip
    text = (ROOT / name).read_text("utf-8")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known | others
