"""The structure of the project: layers, sizes, what is loaded when, data files, paths in the docs."""

import ast
import configparser
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from glob import glob
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bids_deeptaskgen"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 80
HEAVY = {"torch", "nilearn", "nipype", "bids", "pandas", "scipy", "matplotlib", "requests"}


def functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, methods and inner functions too."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def loaded_by(module: str) -> set[str]:
    """Names of the top-level packages in memory after a fresh interpreter has imported one module."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_imports_go_down_only_and_each_heavy_library_has_one_package():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_is_longer_than_400_lines():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in MODULES + TESTS
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_function_is_longer_than_80_lines():
    too_long = {
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}": length
        for path in MODULES
        for function in functions(path)
        if (length := function.end_lineno - function.lineno + 1) > LONGEST_FUNCTION
    }
    assert too_long == {}


@pytest.mark.parametrize(
    "module",
    ["cli.app", "cli.workbench", "settings.participant", "models.contrasts", "models.store", "io.download"],
)
def test_the_command_line_starts_without_any_heavy_library(module):
    assert loaded_by(f"bids_deeptaskgen.{module}") & HEAVY == set()


def test_a_bundle_is_read_without_torch():
    assert "torch" not in loaded_by("bids_deeptaskgen.models.bundle")


def test_every_data_file_is_in_the_wheel():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = config["options.package_data"]["bids_deeptaskgen"].split()
    # glob, as setuptools uses it: unlike pathlib it passes over names that begin with a dot.
    packed = {
        Path(name)
        for pattern in patterns
        for name in glob(str(PACKAGE / pattern), recursive=True)  # noqa: PTH207
        if Path(name).is_file()
    }
    present = {path for path in (PACKAGE / "data").rglob("*") if path.is_file()}
    assert present, "no data file was found, so this test looked in the wrong place"
    assert present - packed == set()


def test_every_folder_of_python_files_is_a_package_so_that_the_wheel_has_it():
    folders = {path.parent for path in MODULES}
    assert {folder for folder in folders if not (folder / "__init__.py").is_file()} == set()


def test_the_constraints_pin_torch_to_a_release_that_every_index_has():
    lines = (ROOT / "constraints.txt").read_text("utf-8").split()
    assert "torch==2.13.0" in lines
    assert [line for line in lines if "+" in line] == []


def test_every_library_that_setup_cfg_asks_for_is_pinned():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    asked = config["options"]["install_requires"] + config["options.extras_require"]["test"]
    wanted = {canonicalize_name(Requirement(line).name) for line in asked.strip().splitlines() if line}
    rows = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {canonicalize_name(row.partition("==")[0]) for row in rows if "==" in row and row[0] != "#"}
    assert wanted - pinned == set()


DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
# A path in code quotes whose first folder is one of the project's, of this version or an earlier one.
FOLDERS = sorted({path.name for path in (*ROOT.iterdir(), *PACKAGE.iterdir()) if path.is_dir()} | {"core"})
# Output files in a folder that has the name of a package.
FILES_OF_GROUP = {"group/group.json", "group/missing.tsv", "group/sets.tsv"}
NAMED_PATH = re.compile(rf"`((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_a_document_names_exists(document):
    named = set(NAMED_PATH.findall(document.read_text("utf-8"))) - FILES_OF_GROUP
    assert {path for path in named if not (ROOT / path).exists() and not (PACKAGE / path).exists()} == set()


def test_the_search_for_named_paths_finds_some():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert "training/losses.py" in NAMED_PATH.findall(text)
    assert NAMED_PATH.findall("`core/scores.py`") == ["core/scores.py"]


def test_documents_and_code_name_no_module_of_an_earlier_version():
    earlier = re.compile(r"`(?:core|presets|resources|published)\.[a-z_]+`|`(?:core|resources)/")
    sources = [*DOCUMENTS, *MODULES, *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    assert [path.name for path in sources if earlier.search(path.read_text("utf-8"))] == []


def test_the_reader_of_measured_maps_does_not_import_the_simulator():
    code = "import json, sys, bids_deeptaskgen.bids.measured_maps; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout)
    assert "bids_deeptaskgen.bids.measured_maps" in modules
    assert [name for name in modules if name.startswith("bids_deeptaskgen.simulation")] == []
