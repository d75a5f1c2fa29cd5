"""Tests that the documents agree with the program."""

import ast
import json
import re
from pathlib import Path

import pytest

from bids_deeptaskgen.nuisance_presets import PRESETS
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.settings.export import (
    ExportJuniferSettings,
    ExportNipoppySettings,
    ExportPcntoolkitSettings,
)
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.known_faults import KnownFaultsSettings
from bids_deeptaskgen.settings.models import ModelsNewSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.simulation import SimulateSettings
from bids_deeptaskgen.settings.store import StoreCheckSettings, StorePackSettings
from bids_deeptaskgen.settings.training import FinetuneSettings, TrainSettings

ROOT = Path(__file__).parents[1]
INPUTS = (ROOT / "docs" / "reference" / "inputs.md").read_text("utf-8")


def program_texts():
    """Join all texts of the package, with … for inserted values."""
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
def test_every_quoted_message_exists_in_the_program(phrase):
    assert phrase in program_texts()


def test_every_preset_is_explained():
    cleaning = INPUTS.split("\n## Cleaning\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", cleaning, re.M))
    assert set(rows) == set(PRESETS)
    assert {name for name, row in rows.items() if "warns" in row} == {
        name for name, preset in PRESETS.items() if preset.removes_global_signal
    }


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/tutorials/first_report.md",
        "docs/tutorials/fmriprep_to_group.md",
        "docs/tutorials/train_on_your_task_maps.md",
        "docs/how-to/babs.md",
        "docs/how-to/biomarkers.md",
        "docs/how-to/boutiques.md",
        "docs/how-to/nipoppy.md",
        "docs/reference/inputs.md",
        "docs/explanation/calibration.md",
        "docs/how-to/evaluation.md",
        "docs/how-to/exports.md",
        "docs/how-to/group.md",
        "docs/how-to/regions.md",
        "docs/reference/report.md",
        "docs/how-to/store.md",
        "docs/explanation/uncertainty.md",
    ],
)
def test_every_option_that_is_mentioned_exists(name):
    kinds = (
        BiomarkersSettings,
        ParticipantSettings,
        GroupSettings,
        EvaluateSettings,
        ModelsNewSettings,
        KnownFaultsSettings,
        ExportPcntoolkitSettings,
        ExportJuniferSettings,
        ExportNipoppySettings,
        StorePackSettings,
        StoreCheckSettings,
        SimulateSettings,
        TrainSettings,
        FinetuneSettings,
    )
    specs = (spec for kind in kinds for spec in option_specs(kind))
    flags = {flag for spec in specs for flag in (spec.flag, *spec.option.flags)}
    further_flags = {
        # Options of other programs, of docker, of deeptaskgen commands, or of the command line itself.
        "--output-spaces", "--use-aroma", "--level", "--file-format", "--rm", "--read-only", "--network",
        "--containall", "--rois", "--name", "--from", "--mask", "--confounds", "--config-file", "--help",
        "--statmaps", "--parent", "--strategy", "--keep-sites", "--n-devices",
        "--n-participants", "--n-sessions", "--no-combine-runs", "--no-statmaps", "--element", "--array", "--export",
        "--cpus-per-task",
        # Options of BABS, DataLad and Apptainer.
        "--container-ds", "--container-name", "--container-config", "--processing-level", "--queue",
        "--job-test", "--count", "--list-sub-file", "--gres", "--dataset", "--url", "--bind", "--env", "--nv",
        # Options of Boutiques and Nipoppy, and of the script that writes their files.
        "--imagepath", "--force-apptainer", "--no-pull", "--user", "--study", "--bids-source", "--pipeline",
        "--participant-id", "--session-id", "--hpc", "--tar", "--skip-container", "--cleanenv", "--folder",
        "--image", "--stream", "--container-opts", "--n-volumes",
        "--gpus", "--entrypoint",
    }  # fmt: skip
    text = (ROOT / name).read_text("utf-8")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= flags | further_flags


def test_every_section_of_the_page_is_explained():
    template = (ROOT / "bids_deeptaskgen" / "data" / "report" / "participant.html.j2").read_text("utf-8")
    titles = re.findall(r"<h2 [^>]*>(\w+)</h2>", template)
    table = (ROOT / "docs" / "reference" / "report.md").read_text("utf-8").split("\n## Sections\n\n")[1].split("\n\n")[0]
    assert re.findall(r"^\| (\w+) \|", table, re.M) == ["section", *titles]
