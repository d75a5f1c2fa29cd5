"""Nothing heavy is imported before it is needed."""

import json
import subprocess
import sys

import pytest

from tests.pipeline.finished_datasets import context_of, finish

# Of each, what a command that computes nothing can do without.
HEAVY = {
    "torch", "lightning", "nipype", "bids", "pandas", "scipy.linalg", "scipy.ndimage", "sklearn", "nilearn",
    "matplotlib", "jinja2", "requests", "sqlalchemy",
}  # fmt: skip
LIGHT = HEAVY | {"numpy", "nibabel", "scipy", "rich", "yaml", "safetensors"}


def loaded(program, words):
    """Return the names of the modules in memory when a command ends."""
    code = (
        "import json, sys\n"
        f"from bids_deeptaskgen.cli.{program} import main\n"
        f"main({[str(word) for word in words]!r})\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(process.stderr.splitlines()[-1])), process.stdout + process.stderr


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        ("app", ["--version"], "bids-deeptaskgen "),
        ("app", ["--help"], "BIDS_DIR OUTPUT_DIR"),
        ("workbench", ["--help"], "VERB"),
        ("app", ["in", "out", "participant", "--model-typo", "x"], "did you mean --model?"),
        ("app", ["in", "out", "participant", "--min-minutes", "none"], "--min-minutes"),
    ],
)
def test_help_and_usage_errors_load_no_heavy_library(program, words, said):
    modules, words_said = loaded(program, words)
    assert said in words_said
    assert modules & LIGHT == set()


def test_a_dry_run_looks_up_without_what_computes(participants, model, tmp_path):
    modules, said = loaded(
        "app", [participants, tmp_path / "out", "participant", "--model", model, "--dry-run"]
    )
    assert "4 participants would be processed" in said
    assert modules & HEAVY == set()


def test_a_run_over_finished_participants_loads_nothing_that_computes(participants, model, tmp_path):
    output = tmp_path / "out"
    context = context_of(participants, output, model)
    finish(context, ["01", "02", "03", "04"])
    modules, said = loaded(
        "app", [participants, output, "participant", "--model", model, "--reports", "none"]
    )
    assert "4 of 4 participants are finished" in said
    assert "sub-04       present  3" in said
    assert modules & {"torch", "nipype", "bids", "pandas", "matplotlib", "jinja2", "sqlalchemy"} == set()


def test_an_input_that_cannot_be_used_is_refused_without_what_computes(model, tmp_path):
    modules, said = loaded("app", [tmp_path, tmp_path / "out", "participant", "--model", model])
    assert "the folder is empty" in said or "sub-*" in said
    assert modules & HEAVY == set()
