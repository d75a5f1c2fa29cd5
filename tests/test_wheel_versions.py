"""The lowest versions of the libraries, and what `make test-wheel` installs and runs."""

import configparser
import sys
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts import test_wheel
from scripts.lowest_versions import lowest_versions
from tests.processes import ROOT

SETUP = ROOT / "setup.cfg"
PYTHONS = ("3.11", "3.12", "3.13")


@pytest.fixture
def config(tmp_path):
    """Write a setup.cfg with requirements."""

    def write(*lines, **extras):
        path = tmp_path / "setup.cfg"
        text = "[options]\ninstall_requires =\n" + "".join(f"    {line}\n" for line in lines)
        text += "[options.extras_require]\n"
        text += "".join(f"{name} =\n    {line}\n" for name, line in extras.items())
        path.write_text(text)
        return path

    return write


def constraints():
    """Return the versions of constraints.txt by name."""
    rows = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = (row.split("==") for row in rows if row and not row.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_a_lower_bound_becomes_a_version(config):
    path = config("NumPy >=1.26", "pooch>=1.8,<3", train="lightning >=2.4")
    assert lowest_versions(path) == {"numpy": "1.26", "pooch": "1.8"}
    assert lowest_versions(path, ["train"]) == {"lightning": "2.4", "numpy": "1.26", "pooch": "1.8"}


@pytest.mark.parametrize(("python", "version"), [("3.11", "1.26"), ("3.12", "1.26"), ("3.13", "2.1")])
def test_the_higher_bound_of_a_python_version_applies(config, python, version):
    path = config('numpy >=2.1; python_version >= "3.13"', "numpy >=1.26")
    assert lowest_versions(path, environment={"python_version": python}) == {"numpy": version}


@pytest.mark.parametrize("line", ["numpy", "numpy <3", "numpy !=2.0"])
def test_a_library_without_a_lower_bound_is_refused(config, line):
    with pytest.raises(ValueError, match="numpy.*has no lower bound"):
        lowest_versions(config(line))


@pytest.mark.parametrize("python", PYTHONS)
def test_every_library_has_a_lower_bound_that_constraints_txt_fulfils(python):
    lowest = lowest_versions(SETUP, test_wheel.EXTRAS, {"python_version": python})
    parser = configparser.ConfigParser()
    parser.read(SETUP, encoding="utf-8")
    lines = parser["options"]["install_requires"].strip().splitlines()
    assert set(lowest) >= {canonicalize_name(Requirement(line).name) for line in lines}
    pinned = constraints()
    assert {name: version for name, version in lowest.items() if Version(version) > pinned[name]} == {}


def test_the_lowest_versions_are_installed_with_the_torch_of_the_constraints():
    lines = test_wheel.requirements("lowest", "pinned")
    lowest = lowest_versions(SETUP, test_wheel.EXTRAS)
    assert lines == [f"{name}=={lowest[name]}" for name in lowest if name != "torch"] + ["torch==2.13.0"]
    assert f"torch=={lowest['torch']}" in test_wheel.requirements("lowest", "any")


def test_the_newest_versions_have_no_constraint_but_the_torch():
    assert test_wheel.requirements("newest", "pinned") == ["torch==2.13.0"]
    assert test_wheel.requirements("newest", "any") == []


def test_a_failed_command_is_quoted_with_its_output(tmp_path):
    code = "print('the reason'); raise SystemExit(3)"
    with pytest.raises(test_wheel.WheelError, match="(?s)ended with exit code 3:\nthe reason"):
        test_wheel.run([sys.executable, "-c", code], tmp_path, "")


def test_commands_use_the_environment_and_not_the_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    program = tmp_path / "bin" / "program"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$0 ${PYTHONPATH:-none} $*"\n')
    program.chmod(0o755)
    (tmp_path / "a_dseg.nii.gz").touch()
    output = test_wheel.run(["program", "*_dseg.nii.gz", "*.txt"], tmp_path, str(program.parent))
    assert output == f"{program} none a_dseg.nii.gz *.txt\n"


def test_a_wheel_that_cannot_be_installed_fails_the_check(tmp_path, capsys):
    # pip refuses an archive without metadata before it asks an index for anything.
    with ZipFile(tmp_path / "bids_deeptaskgen-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("bids_deeptaskgen/__init__.py", "")
    assert test_wheel.main([str(tmp_path), "--versions", "newest"]) == 1
    printed = capsys.readouterr()
    assert "failed with newest" in printed.out
    assert "has an invalid wheel" in printed.err


def test_the_commands_of_the_check_are_those_of_the_program():
    from bids_deeptaskgen.cli.app import make_parser as app_parser
    from bids_deeptaskgen.cli.workbench import make_parser

    parsers = {"deeptaskgen": make_parser, "bids-deeptaskgen": app_parser}
    n_parsed = 0
    for (program, *words), _, _ in test_wheel.STEPS:
        if program != "python":
            parsers[program]().parse_args(words)
            n_parsed += 1
    assert n_parsed == len(test_wheel.STEPS) - 1
