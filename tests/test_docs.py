"""Tests that the documents agree with the program."""

import ast
import json
import re
import subprocess
from functools import cache
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
from bids_deeptaskgen.settings.models import ModelsFetchSettings, ModelsImportSettings, ModelsNewSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.prediction import PredictSettings
from bids_deeptaskgen.settings.simulation import SimulateSettings
from bids_deeptaskgen.settings.store import StoreCheckSettings, StorePackSettings
from bids_deeptaskgen.settings.training import FinetuneSettings, TrainSettings

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "docs" / "how-to").glob("data_*.md"))
INPUTS = (ROOT / "docs" / "reference" / "inputs.md").read_text("utf-8")


# Pages that quote messages of the program.
QUOTING = [
    *(ROOT / "docs" / "reference" / f"{name}.md" for name in ("inputs", "troubleshooting", "known_faults")),
    *sorted((ROOT / "docs" / "how-to").glob("data_*.md")),
]
PHRASES = {phrase for page in QUOTING for phrase in re.findall("“([^”]+)”", page.read_text("utf-8"))}


@cache
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


@pytest.mark.parametrize("phrase", sorted(PHRASES - {"quotes", "Quoted", "no such entity"}))
def test_every_quoted_message_exists_in_the_program(phrase):
    assert phrase in program_texts()


@pytest.mark.parametrize("page", SOURCES, ids=lambda path: path.stem)
def test_every_message_that_a_guide_to_a_source_quotes_exists_in_the_program(page):
    phrases = set(re.findall("“([^”]+)”", page.read_text("utf-8")))
    assert phrases
    texts = program_texts()
    assert {phrase for phrase in phrases if phrase not in texts} == set()


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
        "docs/how-to/cleaning.md",
        "docs/how-to/data_fmriprep.md",
        "docs/how-to/data_fmripost_aroma.md",
        "docs/how-to/data_hcp.md",
        "docs/how-to/data_one_image.md",
        "docs/how-to/data_ukb.md",
        "docs/how-to/data_xcpd.md",
        "docs/how-to/extend.md",
        "docs/how-to/finetune_for_a_scanner.md",
        "docs/how-to/laptop.md",
        "docs/how-to/models_offline.md",
        "docs/how-to/boutiques.md",
        "docs/how-to/containers.md",
        "docs/how-to/nipoppy.md",
        "docs/reference/exit_codes.md",
        "docs/reference/glossary.md",
        "docs/reference/inputs.md",
        "docs/reference/troubleshooting.md",
        "docs/explanation/calibration.md",
        "docs/explanation/comparison.md",
        "docs/explanation/differences.md",
        "docs/explanation/how_much_data.md",
        "docs/explanation/method.md",
        "docs/explanation/noise_ceilings.md",
        "docs/explanation/scale.md",
        "docs/explanation/typicality.md",
        "docs/explanation/what_a_map_is_not.md",
        "docs/explanation/which_contrasts.md",
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
        FinetuneSettings,
        ModelsFetchSettings,
        ModelsImportSettings,
        ModelsNewSettings,
        PredictSettings,
        SimulateSettings,
        TrainSettings,
        KnownFaultsSettings,
        ExportPcntoolkitSettings,
        ExportJuniferSettings,
        ExportNipoppySettings,
        StorePackSettings,
        StoreCheckSettings,
    )
    specs = (spec for kind in kinds for spec in option_specs(kind))
    flags = {flag for spec in specs for flag in (spec.flag, *spec.option.flags)}
    further_flags = {
        # Options of other programs, of docker, of deeptaskgen commands, or of the command line itself.
        "--output-spaces", "--use-aroma", "--level", "--file-format", "--rm", "--read-only", "--network",
        "--containall", "--rois", "--name", "--from", "--mask", "--confounds", "--config-file", "--help",
        "--statmaps", "--parent", "--strategy", "--keep-sites", "--n-devices", "--learning-rate",
        "--n-participants", "--n-sessions", "--no-combine-runs", "--no-statmaps", "--element", "--array",
        "--export", "--cpus-per-task", "--constraint",
        # Options of applywarp.
        "--ref", "--in", "--warp", "--rel", "--interp", "--out",
        # Options of BABS, DataLad and Apptainer.
        "--container-ds", "--container-name", "--container-config", "--processing-level", "--queue",
        "--job-test", "--count", "--list-sub-file", "--gres", "--dataset", "--url", "--bind", "--env", "--nv",
        # Options of Boutiques and Nipoppy, and of the script that writes their files.
        "--imagepath", "--force-apptainer", "--no-pull", "--user", "--study", "--bids-source", "--pipeline",
        "--participant-id", "--session-id", "--hpc", "--tar", "--skip-container", "--cleanenv", "--folder",
        "--image", "--stream", "--container-opts", "--n-volumes",
        "--gpus", "--entrypoint", "--build-arg", "--format", "--version",
    }  # fmt: skip
    text = (ROOT / name).read_text("utf-8")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= flags | further_flags


def test_every_section_of_the_page_is_explained():
    template = (ROOT / "bids_deeptaskgen" / "data" / "report" / "participant.html.j2").read_text("utf-8")
    titles = re.findall(r"<h2 [^>]*>(\w+)</h2>", template)
    table = (
        (ROOT / "docs" / "reference" / "report.md")
        .read_text("utf-8")
        .split("\n## Sections\n\n")[1]
        .split("\n\n")[0]
    )
    assert re.findall(r"^\| (\w+) \|", table, re.M) == ["section", *titles]


# A path below docs in a message, docstring, comment or document; not one of another project's address.
DOCS_PATH = re.compile(r"(?<![\w/.-])(?:\.\./)*(docs/[\w./-]*\w)")
# Pages that a command writes, which are not there before it has run.
WRITTEN_LATER = {"docs/schedulers.md"}


def texts_with_paths():
    """List the files of the repository that may name pages: code, settings and documents."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    suffixes = {".py", ".md", ".json", ".toml", ".cfg", ".yml", ".sh", ".j2", ".cff", ".in", ""}
    skipped = ("CHANGES.md", "docs/decisions/")
    return [
        ROOT / name
        for name in filter(None, listed.split("\0"))
        if Path(name).suffix in suffixes and not name.startswith(skipped) and (ROOT / name).is_file()
    ]


def paths_of_docs(text):
    return set(DOCS_PATH.findall(text))


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_every_page_that_a_file_names_exists():
    pages = {path: paths_of_docs(path.read_text("utf-8")) for path in texts_with_paths()}
    absent = {
        f"{path.relative_to(ROOT)}: {page}"
        for path, names in pages.items()
        for page in names - WRITTEN_LATER
        if not (ROOT / page).exists()
    }
    assert absent == set()
    assert sum(map(len, pages.values())) > 50


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see docs/reference/inputs.md.", {"docs/reference/inputs.md"}),
        ("[a](../docs/how-to/store.md#pack)", {"docs/how-to/store.md"}),
        ("https://github.com/PennLINC/xcp_d/blob/26.1.1/docs/changes.md", set()),
    ],
)
def test_the_search_for_pages_finds_paths_of_this_repository(text, expected):
    assert paths_of_docs(text) == expected
