"""The Boutiques descriptor has each option of the command line, and its command lines are accepted."""

import json
import re

import pytest

from bids_deeptaskgen.cli import app
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from tests.descriptors.command_line import (
    FOLDER,
    complete_invocation,
    level_of,
    parse,
    read_json,
    render,
    specs_by_name,
    values_of,
    write_files,
)

DESCRIPTOR = read_json("boutiques.json")
INPUTS = {item["id"]: item for item in DESCRIPTOR["inputs"]}
NUMBERS = [name for name, item in INPUTS.items() if item["type"] == "Number"]
DESCRIPTORS = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*.json")
    if path.name in ("boutiques.json", "descriptor.json")
)
# Options that print a text and end the program.
PRINTING = {"--help", "-h", "--version"}


def invocation(**values):
    """Return an invocation with the required inputs and further values."""
    return {"bids_dir": "/data", "output_dir": "/out", "analysis_level": "participant"} | values


def test_each_option_of_the_command_line_is_an_input():
    described = {item.get("command-line-flag") for item in INPUTS.values()}
    described |= set(INPUTS["verbose"]["value-choices"])
    actions = app.make_parser()._actions
    missing_options = [
        action.option_strings
        for action in actions
        if action.option_strings
        and not PRINTING & set(action.option_strings)
        and not described & set(action.option_strings)
    ]
    assert missing_options == []
    assert {action.dest for action in actions if not action.option_strings} <= set(INPUTS)


def test_each_flag_of_the_descriptor_is_an_option_of_the_command_line():
    options = {flag for action in app.make_parser()._actions for flag in action.option_strings}
    flags = {item["command-line-flag"] for item in INPUTS.values() if "command-line-flag" in item}
    assert flags - options == set()


def test_help_and_default_are_those_of_the_command_line():
    text = " ".join(app.make_parser().format_help().split()).replace("%", " percent")
    for name, item in INPUTS.items():
        if not name.startswith("no_") and name not in app.LEVELS:
            # argparse breaks lines at hyphens.
            description = item["description"].replace("- ", "-")
            assert description in text.replace("- ", "-"), name


@pytest.mark.parametrize("name", [name for name in INPUTS if name not in ("bids_dir", "config_file")])
def test_the_program_reads_the_value_of_each_input(tmp_path, name):
    files = write_files(tmp_path)
    for value in values_of(INPUTS[name], files):
        values = invocation(analysis_level=level_of(DESCRIPTOR, name)) | {name: value}
        # These options need another one.
        companions = {"verbose": {}, "tfce": {"n_permutations": 100}}.get(name, {})
        settings = parse(render(DESCRIPTOR, values | companions))
        if name == "analysis_level":
            assert isinstance(settings, app.LEVELS[value].settings)
        elif name in ("skip_bids_validation", "notrack"):
            assert settings == parse(render(DESCRIPTOR, invocation()))
        elif name == "verbose":
            assert settings.verbose == value.count("v")
        elif name.startswith("no_"):
            assert getattr(settings, name.removeprefix("no_")) is False
        else:
            assert getattr(settings, name) == specs_by_name()[name].convert(value)


def test_a_settings_file_is_read(tmp_path):
    files = write_files(tmp_path)
    settings = parse(render(DESCRIPTOR, invocation(config_file=files["config_file"])))
    assert settings.nprocs == 3


@pytest.mark.parametrize("level", app.LEVELS)
def test_all_inputs_of_a_level_together_are_accepted(tmp_path, level):
    settings = parse(render(DESCRIPTOR, complete_invocation(DESCRIPTOR, level, write_files(tmp_path))))
    assert isinstance(settings, Settings)


@pytest.mark.parametrize("name", NUMBERS)
def test_values_beyond_the_bounds_are_refused_by_the_program_too(name):
    item = INPUTS[name]
    step = 1 if item.get("integer") else 1e-6
    beyond = [item["minimum"] - (0 if item.get("exclusive-minimum") else step)]
    beyond += [item["maximum"] + step] if "maximum" in item else []
    level = level_of(DESCRIPTOR, name)
    for value in beyond:
        with pytest.raises(UserError, match=INPUTS[name]["command-line-flag"]):
            parse(render(DESCRIPTOR, invocation(analysis_level=level) | {name: value}))


@pytest.mark.parametrize("level", app.LEVELS)
def test_an_input_is_excluded_exactly_if_the_program_refuses_it(tmp_path, level):
    files = write_files(tmp_path)
    excluded = set(INPUTS["analysis_level"]["value-disables"][level])
    required = {name for name, item in INPUTS.items() if not item["optional"]}
    for name in set(INPUTS) - required - {"config_file", "tfce"}:
        words = render(
            DESCRIPTOR, invocation(analysis_level=level) | {name: values_of(INPUTS[name], files)[0]}
        )
        if name in excluded:
            with pytest.raises(UserError, match=f"not an option of the {level} level"):
                parse(words)
        else:
            parse(words)


def test_a_value_that_begins_with_a_hyphen_is_not_taken_for_an_option():
    words = render(DESCRIPTOR, invocation(analysis_level="group", design="-1 + age"))
    assert parse(words).design == "-1 + age"


def test_spaces_and_quotes_reach_the_program():
    contrasts = ["WM 2BK-0BK", "it's"]
    assert parse(render(DESCRIPTOR, invocation(contrasts=contrasts))).contrasts == tuple(contrasts)


def test_the_path_of_each_option_is_an_input_or_an_output():
    kinds = {name: item["type"] for name, item in INPUTS.items() if item["type"] == "File"}
    # A new option of a path belongs here, or among the written paths of scripts/descriptors/inputs.py.
    assert set(kinds) == {
        "bids_dir", "bids_filter_file", "config_file", "custom_confounds", "measured", "participants_tsv",
        "use_plugin",
    }  # fmt: skip


def test_the_example_is_accepted():
    settings = parse(render(DESCRIPTOR, read_json("boutiques_invocation.json")))
    assert (settings.participant_label, settings.fd_threshold) == (("01",), 0.5)


def test_exit_codes_are_those_of_the_program():
    codes = {item["code"]: item["description"] for item in DESCRIPTOR["error-codes"]}
    assert set(codes) == {1, 2, 3, 70, 143}
    assert codes[3] == "no participant has usable input"


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_the_structure_is_that_of_boutiques(name):
    """Check what `bosh validate` checks, as far as it concerns these descriptors."""
    descriptor = read_json(name)
    assert {"name", "description", "tool-version", "schema-version", "command-line", "inputs"} <= set(
        descriptor
    )
    names = [item["id"] for item in [*descriptor["inputs"], *descriptor.get("output-files", ())]]
    keys = [item["value-key"] for item in descriptor["inputs"]]
    assert len(set(names)) == len(names)
    assert [key for key in keys if descriptor["command-line"].split().count(key) != 1] == []
    assert [key for key in keys for other in keys if key != other and key in other] == []
    for item in descriptor["inputs"]:
        assert re.fullmatch(r"[0-9_a-zA-Z]+", item["id"])
        assert item["type"] in ("String", "File", "Flag", "Number")
        assert item["type"] != "Flag" or (item["optional"] and "command-line-flag" in item)
        assert item["type"] == "Number" or not {"minimum", "maximum", "integer"} & set(item)
        assert item["type"] == "String" or "value-choices" not in item
        assert "default-value" not in item
    members = [member for group in descriptor.get("groups", ()) for member in group["members"]]
    assert set(members) <= set(names)
    assert json.dumps(descriptor).count("[[") == 0
