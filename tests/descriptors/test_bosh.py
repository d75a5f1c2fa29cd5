"""Boutiques accepts the descriptors, builds the expected command lines, and runs the image."""

import os
import re
import shlex

import pytest

from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.cli import app
from tests.descriptors.command_line import FOLDER, complete_invocation, read_json, render, write_files
from tests.descriptors.tools import copy_model, write_json

pytestmark = pytest.mark.slow
DESCRIPTOR = FOLDER / "boutiques.json"
DESCRIPTORS = [DESCRIPTOR, *sorted(FOLDER.rglob("descriptor.json"))]


def simulated_words(tools, path):
    """Return the words of the command line that Boutiques builds for an invocation."""
    text = tools.succeed("bosh", "exec", "simulate", "-i", path, DESCRIPTOR)
    return shlex.split(re.search(r"^(bids-deeptaskgen .*)$", text, re.M)[1])


@pytest.mark.parametrize("path", DESCRIPTORS, ids=lambda path: path.parent.name)
def test_bosh_validates_each_descriptor(tools, path):
    assert "OK" in tools.succeed("bosh", "validate", path)
    assert "--overwrite" in tools.succeed("bosh", "pprint", path)


@pytest.mark.parametrize("level", app.LEVELS)
def test_the_command_line_of_all_inputs_is_the_expected_one(tools, tmp_path, level):
    descriptor = read_json("boutiques.json")
    invocation = complete_invocation(descriptor, level, write_files(tmp_path))
    path = write_json(tmp_path / "invocation.json", invocation)
    tools.succeed("bosh", "invocation", "-i", path, DESCRIPTOR)
    assert simulated_words(tools, path) == render(descriptor, invocation)


def test_the_example_gives_the_expected_command_line(tools):
    path = FOLDER / "boutiques_invocation.json"
    tools.succeed("bosh", "invocation", "-i", path, DESCRIPTOR)
    words = "fmriprep deeptaskgen participant --model=hcp-ya --fd-threshold=0.5 --participant-label 01"
    assert sorted(simulated_words(tools, path)) == sorted(["bids-deeptaskgen", *words.split()])


@pytest.mark.parametrize(
    "values",
    [
        {"min_coverage": 1.5},
        {"chunk_size": 2.5},
        {"reports": "some"},
        {"fd_treshold": 0.5},
    ],
)
def test_an_invalid_invocation_is_refused(tools, tmp_path, values):
    required = {"bids_dir": "/data", "output_dir": "/out", "analysis_level": "participant"}
    path = write_json(tmp_path / "invocation.json", required | values)
    outcome = tools.run("bosh", "invocation", "-i", path, DESCRIPTOR)
    assert outcome.code != 0
    # Boutiques prints the rule that is broken, and the invocation.
    assert all(name in outcome.text for name in ("Failed validating", *values)), outcome.text


def launch(tools, engine, descriptors, folder, invocation, *options):
    """Run an invocation in a folder; return the outcome."""
    path = write_json(folder / "invocation.json", invocation)
    words = [
        "bosh",
        "exec",
        "launch",
        "--stream",
        *engine.launch_options,
        *options,
        descriptors / "boutiques.json",
        path,
    ]
    return tools.run(*words, engine=engine, cwd=folder)


def test_bosh_runs_both_levels_in_the_image(tools, engine, descriptors, data, tmp_path, tmp_path_factory):
    tmp_path.chmod(0o777)
    home = tmp_path_factory.mktemp("home")
    options = ("-v", f"{home}:{home}", f"--container-opts=--env DEEPTASKGEN_HOME={home}")
    values = {"bids_dir": str(data), "output_dir": "maps"}
    maps = values | {"analysis_level": "participant", "model": copy_model(home), "reports": "none"}
    for invocation in (
        maps | {"participant_label": ["01"]},
        maps | {"no_combine_runs": True, "overwrite": True, "map_format": "4d"},
        values | {"analysis_level": "group"},
    ):
        outcome = launch(tools, engine, descriptors, tmp_path, invocation, *options)
        assert outcome.code == 0, outcome.text[-4000:]
    results = read_results(tmp_path / "maps")
    assert [(result.subject, result.maps.layout, len(result.maps.contrasts)) for result in results] == [
        ("01", "4d", 47),
        ("02", "4d", 47),
    ]
    assert (tmp_path / "maps" / "group.html").stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"participant_label": ["99"]}, 3, "no participant has usable input"),
        # Boutiques 0.5.33 does not check the inputs that a level excludes.
        ({"design": "age"}, 2, "--design: not an option of the participant level"),
    ],
)
def test_bosh_returns_the_exit_code_and_explains_it(
    tools, engine, descriptors, data, tmp_path, changes, code, message
):
    tmp_path.chmod(0o777)
    values = {
        "bids_dir": str(data),
        "output_dir": "maps",
        "analysis_level": "participant",
        "model": "embedded",
    }
    outcome = launch(tools, engine, descriptors, tmp_path, values | changes)
    assert outcome.code == code
    assert message in outcome.text
