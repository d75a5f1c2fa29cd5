"""Laws of the workbench's command line."""

import importlib.util
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.cli.parser import from_namespace, to_argv
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings import (
    ModelsFetchSettings,
    NetworkSettings,
    PredictionSettings,
    Settings,
    TrainingSettings,
)
from bids_deeptaskgen.settings.models import BundleSettings
from tests.settings.settings_values import REQUIRED, settings_of

VERBS = sorted(workbench.VERBS)
PARSER = workbench.make_parser()


def argv_of(verb, **more):
    settings_class = workbench.VERBS[verb].settings
    settings = settings_class(**{**REQUIRED[settings_class], **more})
    return settings, [*verb.split(), *to_argv(settings)]


@given(st.data(), st.sampled_from(VERBS))
def test_every_setting_of_every_verb_is_reachable(data, verb):
    settings = data.draw(settings_of(workbench.VERBS[verb].settings))
    given_words = PARSER.parse_args([*verb.split(), *to_argv(settings)])
    assert given_words.chosen_verb == verb
    assert from_namespace(type(settings), given_words) == settings


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_runs_its_command_with_its_settings(fake_command, verb):
    module, function = workbench.VERBS[verb].target.removeprefix("bids_deeptaskgen.commands.").split(":")
    seen = fake_command(module, function, outcome=1)
    settings, argv = argv_of(verb, verbose=1)
    assert workbench.main(argv) == 1
    assert seen == [settings]


@pytest.mark.parametrize("command", [*workbench.VERBS.values(), *app.LEVELS.values()])
def test_every_command_of_the_tables_is_there(command):
    module, function = command.target.split(":")
    source = importlib.util.find_spec(module)
    assert source is not None, f"there is no {module}"
    assert f"\ndef {function}(" in source.loader.get_source(module)


def test_every_settings_class_has_a_command():
    taken = {command.settings for command in (*workbench.VERBS.values(), *app.LEVELS.values())}
    # Base classes of several commands' settings.
    shared = {BundleSettings, NetworkSettings, PredictionSettings, TrainingSettings}
    # Benchmarks have settings, too, and are no part of the package.
    leaves = {
        each
        for one in (Settings, *shared)
        for each in one.__subclasses__()
        if each.__module__.startswith("bids_deeptaskgen.")
    }
    assert taken == leaves - shared


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_help(capsys, verb):
    assert workbench.main([*verb.split(), "--help"]) == 0
    assert f"usage: deeptaskgen {verb}" in capsys.readouterr().out


def test_help_lists_the_verbs(capsys):
    assert workbench.main(["--help"]) == 0
    text = capsys.readouterr().out
    # The help of a long name stands on the next line.
    assert all(re.search(rf"\n    {verb.split()[0]}\s", text) for verb in VERBS)
    assert workbench.main(["models", "-h"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n    {last} " in text for last in ("list", "fetch", "info", "new", "import"))


def test_the_folder_of_files_brought_by_hand_has_its_short_spelling():
    given_words = PARSER.parse_args(["models", "fetch", "ukb", "--from", "/stick"])
    assert from_namespace(ModelsFetchSettings, given_words) == ModelsFetchSettings("ukb", "/stick")


def test_the_version_is_told(capsys):
    assert workbench.main(["--version"]) == 0
    assert workbench.main(["demo", "--version"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert first.startswith("deeptaskgen ")


@pytest.mark.parametrize(
    "words", [[], ["dance"], ["models"], ["models", "dance"], ["demo"], ["demo", "x", "--y"]]
)
def test_wrong_usage_ends_with_exit_code_2(capsys, words):
    assert workbench.main(words) == 2
    assert "usage: deeptaskgen" in capsys.readouterr().err


def test_an_unknown_option_of_a_verb_is_refused_with_the_nearest_one(capsys):
    assert workbench.main(["simulate", "/out", "--n_sesions=2"]) == 2
    assert "(did you mean --n-sessions?)" in capsys.readouterr().err


def test_errors_are_told_as_by_the_app(fake_command, capsys):
    fake_command("simulate", outcome=UserError("There is something in /out already."))
    assert workbench.main(["simulate", "/out"]) == 2
    assert capsys.readouterr().err.endswith("\ndeeptaskgen: There is something in /out already.\n")


@pytest.mark.parametrize("verb", ["demo", "simulate"])
def test_an_out_that_is_a_file_is_refused_in_a_plain_sentence(verb, tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    for out in (file, file / "below"):
        assert workbench.main([verb, str(out)]) == 2
        said = capsys.readouterr().err
        assert str(file) in said
        assert "Choose another folder" in said
        assert "internal error" not in said
