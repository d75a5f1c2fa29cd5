"""Targets of the Makefile: one scheme of names, former names that still work, and their description."""

import re
import shutil
import subprocess

import pytest

from tests.processes import ROOT

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
LISTED = re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE)
FORMER_NAMES = {"faults": "test-faults", "validate": "test-bids", "container-test": "test-containers"}


def commands_of(target):
    """List the commands of a target, without running them."""
    if not shutil.which("make"):
        pytest.fail("these tests need make, as `make test` does.")
    # Variables of the make that runs these tests would change the answer.
    result = subprocess.run(
        ["make", "-n", target],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


@pytest.mark.parametrize(("former", "current"), FORMER_NAMES.items())
def test_a_former_name_runs_the_commands_of_the_current_one(former, current):
    assert current in LISTED
    assert commands_of(former) == commands_of(current)


@pytest.mark.parametrize(
    "target",
    ["unit", "cpus", "inputs", "browser", "faults", "containers", "bids", "laws", "exports", "babs"]
    + ["gpu", "docs", "wheel", "descriptors"],
)
def test_every_kind_of_test_has_a_target_with_the_same_start(target):
    assert f"test-{target}" in LISTED


def test_contributing_says_what_each_test_target_needs_and_how_long_it_takes():
    rows = re.findall(
        r"^\| `make (test[a-z-]*)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
        (ROOT / "CONTRIBUTING.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert [row[0] for row in rows] == [target for target in LISTED if target.startswith("test")]
    assert all(re.search(r"\d+ (s|min|h)", row[3]) or "not measured" in row[3] for row in rows), rows


def test_every_target_that_is_not_a_file_is_phony():
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    assert set(phony) >= {*LISTED, *FORMER_NAMES}


def test_lint_runs_all_checks_of_style_and_types():
    commands = commands_of("lint")
    for tool in ("ruff check", "ruff format --check", "codespell", "mypy", "lint-imports"):
        assert f"/{tool}\n" in commands
    assert commands.endswith(commands_of("types").partition("mypy")[2])


def test_make_test_runs_lint_and_the_tests():
    commands = commands_of("test")
    assert "/lint-imports\n" in commands
    assert commands.endswith("-m pytest -n 2 \n") or commands.endswith("-m pytest -n 2\n")


@pytest.mark.parametrize(
    ("target", "variable"), [("release", "TWINE_PASSWORD"), ("release-image", "REGISTRY")]
)
def test_uploads_without_an_account_stop_before_anything_is_built(target, variable):
    result = subprocess.run(
        ["make", target],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert variable in result.stdout
    assert "build" not in result.stdout
