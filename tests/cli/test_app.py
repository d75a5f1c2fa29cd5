"""Laws of the BIDS App's command line."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from bids_deeptaskgen.cli import app
from bids_deeptaskgen.cli.parser import from_namespace, version
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.settings.command_line import to_argv
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.settings.settings_values import settings_of

FOLDERS = ["/data", "/out"]
PARSER = app.make_parser()


@given(settings_of(ParticipantSettings))
@hypothesis_settings(max_examples=40)
def test_every_setting_of_the_participant_level_is_reachable(settings):
    given_words = PARSER.parse_args(to_argv(settings, "participant"))
    assert given_words.analysis_level == "participant"
    assert from_namespace(ParticipantSettings, given_words) == settings


@given(settings_of(GroupSettings))
def test_every_setting_of_the_group_level_is_reachable(settings):
    given_words = PARSER.parse_args(to_argv(settings, "group"))
    assert given_words.analysis_level == "group"
    assert from_namespace(GroupSettings, given_words) == settings


@pytest.mark.parametrize(
    ("level", "settings_class"), [("participant", ParticipantSettings), ("group", GroupSettings)]
)
def test_each_level_runs_its_command_with_its_settings(fake_command, level, settings_class):
    calls = fake_command(level, outcome=0)
    assert app.main([*FOLDERS, level, "--participant_label", "sub-01", "-v"]) == 0
    assert calls == [settings_class(*FOLDERS, participant_label=("01",), verbose=1)]


def test_the_words_of_this_process_are_taken_where_none_are_given(fake_command, monkeypatch):
    calls = fake_command("participant")
    monkeypatch.setattr(sys, "argv", ["bids-deeptaskgen", *FOLDERS, "participant", "--overwrite"])
    assert app.main() == 0
    assert calls[0].overwrite


@pytest.mark.parametrize("outcome", [0, 1, 3])
def test_the_exit_code_is_the_commands(fake_command, outcome):
    fake_command("participant", outcome=outcome)
    assert app.main([*FOLDERS, "participant"]) == outcome


@pytest.mark.parametrize(("error", "code"), [(UserError, 2), (InputError, 3)])
def test_user_errors_are_explained_in_plain_words(fake_command, capsys, error, code):
    fake_command("participant", outcome=error("No BOLD in /data.\nRun fMRIPrep first."))
    assert app.main([*FOLDERS, "participant"]) == code
    output_text = capsys.readouterr()
    assert output_text.err.endswith("\nbids-deeptaskgen: No BOLD in /data.\nRun fMRIPrep first.\n")
    assert "Traceback" not in output_text.err
    assert output_text.out == ""


def test_the_log_begins_with_a_command_line_that_gives_the_same_settings(fake_command, capsys):
    calls = fake_command("participant")
    words = [
        *FOLDERS,
        "participant",
        "--mem=4G",
        "--work-dir=/a b/c",
        "-d",
        "x=/y",
        "--notrack",
        "--desc",
        "denoised",
    ]
    assert app.main(words) == 0
    line = capsys.readouterr().err.splitlines()[0]
    prog, *repetition = shlex.split(line.partition(f"bids_deeptaskgen {version()}: ")[2])
    assert prog == "bids-deeptaskgen"
    assert app.main(repetition) == 0
    assert calls[0] == calls[1]


def test_the_group_level_refuses_options_that_it_does_not_know(fake_command, capsys):
    calls = fake_command("group")
    assert app.main([*FOLDERS, "group", "--fd_threshold", "0.5", "--no-combine-runs"]) == 2
    assert calls == []
    output_text = capsys.readouterr().err
    assert "--fd-threshold, --combine-runs: not an option of the group level" in output_text
    assert "--participant-label" in output_text


def test_a_bad_value_ends_with_exit_code_2_before_anything_is_loaded(fake_command, capsys):
    calls = fake_command("participant")
    assert app.main([*FOLDERS, "participant", "--chunk-size", "100"]) == 2
    expected = "bids-deeptaskgen: --chunk-size: 100 was given; it must be a whole number, from 1 to 64.\n"
    assert capsys.readouterr().err == expected
    assert calls == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["/data"],
        FOLDERS,
        [*FOLDERS, "subject"],
        [*FOLDERS, "participant", "--unknown"],
        [*FOLDERS, "participant", "--fd-threshold"],
        [*FOLDERS, "participant", "--participant-label"],
    ],
)
def test_wrong_usage_ends_with_exit_code_2_and_shows_the_usage(capsys, words):
    assert app.main(words) == 2
    assert (
        "usage: bids-deeptaskgen BIDS_DIR OUTPUT_DIR {participant,group} [options]" in capsys.readouterr().err
    )


def test_the_version_is_printed_on_one_line(capsys):
    assert app.main(["--version"]) == 0
    assert re.fullmatch(r"bids-deeptaskgen \S.*\n", capsys.readouterr().out)


def test_help_names_every_option_of_both_levels_and_the_exit_codes(capsys):
    assert app.main(["--help"]) == 0
    text = capsys.readouterr().out
    for settings_class in (ParticipantSettings, GroupSettings):
        assert all(spec.flag in text for spec in option_specs(settings_class))
    assert "Exit codes" in " ".join(text.split())


def test_options_without_effect_are_accepted_and_logged(fake_command, capsys):
    calls = fake_command("participant")
    assert app.main([*FOLDERS, "participant", "--skip_bids_validation", "--notrack"]) == 0
    assert calls == [ParticipantSettings(*FOLDERS)]
    output_text = capsys.readouterr().err
    assert "--skip-bids-validation has no effect" in output_text
    assert "--notrack has no effect" in output_text


@pytest.mark.parametrize("words", [["--help"], ["--version"], [*FOLDERS, "participant", "--mem", "1"]])
def test_nothing_beyond_the_standard_library_is_loaded_before_a_command_runs(words):
    code = (
        "import json, sys\n"
        "before = set(sys.modules)\n"
        "from bids_deeptaskgen.cli.app import main\n"
        f"main({words!r})\n"
        "print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = json.loads(process.stderr.splitlines()[-1])
    foreign = {name for name in modules if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name.split(".")[0] for name in foreign} == {"bids_deeptaskgen"}
    assert not any(name.startswith("bids_deeptaskgen.commands") for name in foreign)
    # 0.3 s is what help may take; each of these costs a tenth of it or more.
    slow = {"importlib.metadata", "multiprocessing", "asyncio", "unittest", "email.message"}
    assert words == ["--version"] or slow & set(modules) == set()


def test_the_package_runs_as_a_module():
    process = subprocess.run(
        [sys.executable, "-m", "bids_deeptaskgen", "--version"], capture_output=True, text=True, check=True
    )
    assert process.stdout.startswith("bids-deeptaskgen ")


@given(settings_of(ParticipantSettings))
@hypothesis_settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_message_may_hold_whatever_a_path_may_hold(fake_command, settings):
    calls = fake_command("participant")
    assert app.main(to_argv(settings, "participant")) == 0
    assert calls[-1] == settings
