"""Laws of the workbench's command line."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.cli.main import Command
from bids_deeptaskgen.cli.parser import from_namespace
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.command_line import to_argv
from bids_deeptaskgen.settings.export import MapSelectionSettings
from bids_deeptaskgen.settings.models import BundleSettings, ModelsFetchSettings
from bids_deeptaskgen.settings.network import NetworkSettings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.prediction import PredictionSettings
from bids_deeptaskgen.settings.training import TrainingSettings
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
    module = workbench.VERBS[verb].module.removeprefix("bids_deeptaskgen.commands.")
    calls = fake_command(module, outcome=1)
    settings, argv = argv_of(verb, verbose=1)
    assert workbench.main(argv) == 1
    assert calls == [settings]


@pytest.mark.parametrize("command", [*workbench.VERBS.values(), *app.LEVELS.values()])
def test_every_command_of_the_tables_is_there(command):
    source = importlib.util.find_spec(command.module)
    assert source is not None, f"there is no {command.module}"
    assert f"\ndef run(settings: {command.settings.__name__})" in source.loader.get_source(
        command.module
    ).replace('"', "")


def test_every_settings_class_has_a_command():
    taken = {command.settings for command in (*workbench.VERBS.values(), *app.LEVELS.values())}
    # Base classes of several commands' settings.
    shared = {BundleSettings, MapSelectionSettings, NetworkSettings, PredictionSettings, TrainingSettings}
    # Benchmarks have settings, too, and are no part of the package.
    leaves = {
        each
        for item in (Settings, *shared)
        for each in item.__subclasses__()
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


def test_a_verb_is_registered_by_its_entry_in_the_table_alone(fake_command, monkeypatch, capsys):
    @dataclass(frozen=True)
    class DanceSettings(Settings):
        """Dance on the maps."""

        out: Path = option(positional=True, help="where to dance")
        n_steps: int = option(2, help="steps")

    command = Command("bids_deeptaskgen.commands.dance", DanceSettings)
    monkeypatch.setattr(
        workbench,
        "TABLE",
        workbench.TABLE | {"dance": command, "maps": workbench.Group("Work on maps.", {"dance": command})},
    )
    monkeypatch.setattr(workbench, "VERBS", dict(workbench._all_verbs()))
    calls = fake_command("dance")
    assert workbench.main(["dance", "/floor", "--n-steps=3"]) == 0
    assert workbench.main(["maps", "dance", "/floor"]) == 0
    assert calls == [DanceSettings(Path("/floor"), 3), DanceSettings(Path("/floor"))]
    assert workbench.main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "dance Dance on the maps." in text
    assert "maps Work on maps." in text


def test_the_folder_of_files_brought_by_hand_has_its_short_spelling():
    given_words = PARSER.parse_args(["models", "fetch", "ukb", "--from", "/stick"])
    assert from_namespace(ModelsFetchSettings, given_words) == ModelsFetchSettings("ukb", "/stick")


def test_the_version_is_printed(capsys):
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


def test_errors_are_reported_as_by_the_app(fake_command, capsys):
    fake_command("simulate", outcome=UserError("There is something in /out already."))
    assert workbench.main(["simulate", "/out"]) == 2
    assert capsys.readouterr().err.endswith("\ndeeptaskgen: There is something in /out already.\n")


@pytest.mark.parametrize("verb", ["demo", "simulate"])
def test_an_out_that_is_a_file_is_refused_in_a_plain_sentence(verb, tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    for out in (file, file / "below"):
        assert workbench.main([verb, str(out)]) == 2
        output_text = capsys.readouterr().err
        assert str(file) in output_text
        assert "Choose another folder" in output_text
        assert "internal error" not in output_text
