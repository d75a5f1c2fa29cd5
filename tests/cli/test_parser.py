"""Laws of the command line as made from the settings."""

import re

import pytest
from hypothesis import given

from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.cli.parser import Parser, from_namespace
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.command_line import to_argv
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.simulation import SimulateSettings
from bids_deeptaskgen.settings.toml_file import to_toml
from tests.settings.settings_values import CLASSES, REQUIRED, settings_of_any_class


def parser_of(settings_class):
    parser = Parser(prog="program")
    parser.add_settings(settings_class)
    return parser


def parsed(settings_class, *argv):
    return from_namespace(settings_class, parser_of(settings_class).parse_args(argv))


def participant(*argv):
    return parsed(ParticipantSettings, "/data", "/out", *argv)


def refusal(capsys, *argv):
    """Return the error message of argparse for a command line."""
    with pytest.raises(SystemExit) as caught:
        participant(*argv)
    assert caught.value.code == 2
    return capsys.readouterr().err


@given(settings_of_any_class())
def test_settings_come_back_from_their_command_line(settings):
    argv = to_argv(settings)
    assert all(isinstance(word, str) for word in argv)
    repetition = parsed(type(settings), *argv)
    assert repetition == settings
    assert repr(repetition) == repr(settings)


@given(settings_of_any_class())
def test_every_word_of_a_command_line_may_be_written_with_underscores(settings):
    def underscored(word):
        name, equals, value = word.partition("=")
        return "--" + name[2:].replace("-", "_") + equals + value if word.startswith("--") else word

    assert parsed(type(settings), *map(underscored, to_argv(settings))) == settings


@pytest.mark.parametrize("settings_class", CLASSES)
def test_defaults_are_those_of_the_dataclass_and_need_no_words(settings_class):
    settings = settings_class(**REQUIRED[settings_class])
    argv = to_argv(settings)
    assert parsed(settings_class, *argv) == settings
    assert len(argv) == len(REQUIRED[settings_class])


@pytest.mark.parametrize("settings_class", CLASSES)
def test_help_has_every_spelling_with_its_default_and_unit(settings_class):
    # Line breaks fall anywhere, also after a dash.
    text = "".join(parser_of(settings_class).format_help().split())
    for spec in option_specs(settings_class):
        for flag in spec.flags:
            assert flag in text
        assert "".join(spec.option.help.split()) in text
        assert "".join(spec.default_text.split()) in text


def test_help_lists_required_options_first():
    text = parser_of(ParticipantSettings).format_help()
    headings = ["choose data:", "choose model:", "clean:", "run:", "conventions:"]
    places = [text.index(f"\n{heading}\n") for heading in headings]
    assert places == sorted(places)
    assert "--nuisance-regressors {auto,none,24P," in text
    assert "0.0 mm" in text


def test_short_names_and_other_names_mean_the_same():
    long = participant(
        "--task-id=x", "--derivatives=a=/b", "--work-dir=/w", "--session-label=1", "--nprocs=2", "--verbose"
    )
    assert (
        participant("-t", "x", "-d", "a=/b", "-w", "/w", "--session-id", "1", "--nthreads", "2", "-v") == long
    )
    assert participant("-tx", "-da=/b", "-w/w", "--session_id=1", "--n_cpus=2", "-v") == long


def test_lists_are_given_at_once_or_by_repeated_options():
    at_once = participant("--participant-label", "sub-01", "02", "-d", "a=/a", "b=/b")
    one_by_one = participant("--participant-label=01", "-d=a=/a", "--participant_label", "02", "-d", "b=/b")
    assert at_once == one_by_one
    assert at_once.participant_label == ("01", "02")


def test_verbosity_is_counted():
    assert [participant(*words).verbose for words in ([], ["-v"], ["-vv"], ["-v", "--verbose"])] == [
        0,
        1,
        2,
        2,
    ]


def test_switches_go_both_ways_where_the_default_is_on():
    assert participant().combine_runs
    assert not participant("--no-combine-runs").combine_runs
    assert not parsed(SimulateSettings, "/out", "--no-statmaps").statmaps


def test_what_must_be_given_is_asked_for(capsys):
    with pytest.raises(SystemExit):
        parser_of(ParticipantSettings).parse_args(["/data"])
    assert "required: OUTPUT_DIR" in capsys.readouterr().err


@pytest.mark.parametrize("settings_class", CLASSES)
def test_missing_required_options_are_reported_whatever_their_number_of_values(settings_class):
    options = [spec for spec in option_specs(settings_class) if spec.is_required]
    words = to_argv(settings_class(**REQUIRED[settings_class]))
    for spec in options:
        if not spec.option.positional:
            fewer = [word for word in words if not word.startswith(f"{spec.flag}=")]
            assert len(fewer) < len(words)
            with pytest.raises(UserError, match=f"^{spec.flag}: required") as caught:
                parsed(settings_class, *fewer)
            assert caught.value.exit_code == 2


@pytest.mark.parametrize("settings_class", CLASSES)
def test_options_without_a_default_may_come_from_a_settings_file(settings_class, tmp_path):
    settings = settings_class(**REQUIRED[settings_class])
    path = tmp_path / "settings.toml"
    path.write_text(to_toml(settings), "utf-8")
    positional = [word for word in to_argv(settings) if not word.startswith("--")]
    assert parsed(settings_class, *positional, "--config-file", str(path)) == settings


@pytest.mark.parametrize("settings_class", CLASSES)
def test_the_usage_puts_brackets_around_what_need_not_be_given(settings_class):
    usage = " ".join(parser_of(settings_class).format_usage().split())
    for spec in option_specs(settings_class):
        if not spec.option.positional:
            # Of several spellings the usage has the first, the short one.
            first = min(spec.flags, key=lambda flag: flag.startswith("--"))
            assert (re.search(rf"\[{first}[ \]]", usage) is None) == spec.is_required
            assert first in usage


def test_a_percent_sign_is_not_doubled_in_any_help_or_settings_file(capsys):
    assert app.main(["--help"]) == 0
    for verb in workbench.VERBS:
        assert workbench.main([*verb.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert "2% of their SD" in " ".join(text.split())
    assert "%%" not in text
    for settings_class in CLASSES:
        assert "%%" not in to_toml(settings_class(**REQUIRED[settings_class]))


def test_the_earlier_name_of_an_option_is_still_read():
    current_state = participant("--map-format=4d")
    assert participant("--output-layout", "4d") == participant("--output_layout=4d") == current_state
    assert "--map-format=4d" in to_argv(current_state)


def test_an_unknown_option_is_refused_with_the_nearest_one(capsys):
    assert "--fd-treshold=1 (did you mean --fd-threshold?)" in refusal(capsys, "--fd-treshold=1")
    assert "--fd_treshold 1 (did you mean --fd-threshold?)" in refusal(capsys, "--fd_treshold", "1")
    assert "did you mean" not in refusal(capsys, "--xyzzy")


def test_abbreviations_are_refused_since_a_new_option_would_break_them(capsys):
    assert "(did you mean --participant-label?)" in refusal(capsys, "--participant", "01")


def test_values_with_underscores_stay_as_they_are():
    assert participant("--work-dir=/a_b/c_d").work_dir.name == "c_d"
    settings = parsed(SimulateSettings, "--", "--n_runs")
    assert settings.out.name == "--n_runs"
