"""Laws of options that are given twice, or with an empty value."""

import pytest

from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.cli.parser import Parser, from_namespace
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.settings.settings_values import CLASSES, REQUIRED

# Program, words before the positional arguments, and words after them, of each settings class.
COMMANDS = {
    **{command.settings: (app.main, [], [level]) for level, command in app.LEVELS.items()},
    **{command.settings: (workbench.main, verb.split(), []) for verb, command in workbench.VERBS.items()},
}


def parsed(settings_class, *argv):
    parser = Parser(prog="program")
    parser.add_settings(settings_class)
    return from_namespace(settings_class, parser.parse_args(argv))


def participant(*argv):
    return parsed(ParticipantSettings, "/data", "/out", *argv)


@pytest.fixture(autouse=True)
def _nothing_is_run(monkeypatch):
    """Replace the commands, since only the settings are tested."""
    for program in (app, workbench):
        monkeypatch.setattr(program, "run_command", lambda *_: 0)


def is_legal(spec, text):
    try:
        spec.convert([text] if spec.is_tuple else text)
    except UserError:
        return False
    return True


def two_values(spec):
    """Return two legal values of an option as text."""
    texts = (
        *spec.option.choices,
        "x=/a",
        "y=/b",
        "1",
        "2",
        "10",
        "20",
        "0.1",
        "0.2",
        "1G",
        "2G",
        "cpu",
        "cuda",
        "1/2",
        "2/2",
        "4",
    )
    return [text for text in texts if is_legal(spec, text)][:2]


def positional_words(settings_class, **other):
    """Return legal positional arguments, some of them replaced."""
    values = {**REQUIRED[settings_class], **other}
    return [
        str(values[spec.name])
        for spec in option_specs(settings_class)
        if spec.option.positional and spec.name in values
    ]


def required_words(settings_class, *, without=""):
    """Return the required options but one, and what they need."""
    specs = [spec for spec in option_specs(settings_class) if not spec.option.positional]
    values = REQUIRED[settings_class]
    return [
        f"{spec.flag}={spec.format(item)}"
        for spec in specs
        if spec.name in values and spec.name != without
        for item in (values[spec.name] if spec.is_tuple else [values[spec.name]])
    ]


@pytest.mark.parametrize("settings_class", CLASSES)
def test_a_second_value_of_an_option_with_one_value_is_refused(settings_class, capsys):
    positional = positional_words(settings_class)
    for spec in option_specs(settings_class):
        if spec.option.positional or spec.option.count or spec.is_tuple or spec.kind is bool:
            continue
        if spec.name == "bids_filter_file":
            continue
        if len(spec.option.choices) == 1:  # has no second value
            continue
        first, second = two_values(spec)
        for flag in spec.flags:
            with pytest.raises(SystemExit) as caught:
                parsed(settings_class, *positional, flag, first, spec.flag, second)
            assert caught.value.code == 2
            error = " ".join(capsys.readouterr().err.split())
            assert spec.flag in error
            assert f"given twice, as {first!r} and as {second!r}; it takes one value" in error


def test_the_same_value_may_be_repeated_in_any_spelling():
    assert participant("--nprocs", "2", "--nthreads=02").nprocs == 2
    assert participant("--fd-threshold=0.5", "--fd-threshold", "0.50").fd_threshold == 0.5
    assert participant("--dry-run", "--dry-run").dry_run
    assert participant("-vv", "-v").verbose == 3


def test_a_switch_is_not_turned_on_and_off(capsys):
    for words in (["--combine-runs", "--no-combine-runs"], ["--no-combine_runs", "--combine-runs"]):
        with pytest.raises(SystemExit):
            participant(*words)
        assert "given twice, as o" in capsys.readouterr().err
    assert not participant("--no-combine-runs", "--no_combine_runs").combine_runs


@pytest.mark.parametrize("settings_class", CLASSES)
def test_the_values_of_a_repeated_list_add_up(settings_class):
    positional = positional_words(settings_class)
    together = ["--model=m", "--baseline-train=/t"] if settings_class is EvaluateSettings else []
    for spec in option_specs(settings_class):
        if spec.is_tuple:
            words = [*positional, *required_words(settings_class, without=spec.name), *together]
            values = two_values(spec)
            for flag in spec.flags:
                settings = parsed(settings_class, *words, flag, values[0], spec.flag, values[1])
                assert getattr(settings, spec.name) == spec.convert(values)


def test_a_name_of_derivatives_has_one_path():
    with pytest.raises(UserError, match="a was given as /x and /y; give one path per name"):
        participant("-d", "a=/x", "-d", "a=/y")
    assert len(participant("-d", "a=/x", "-d", "b=/y").derivatives) == 2


def test_a_settings_file_is_given_once(capsys):
    with pytest.raises(SystemExit):
        participant("--config-file", "a.toml", "--config-file", "b.toml")
    assert "given twice" in capsys.readouterr().err


def test_a_setting_that_a_file_sets_twice_is_refused(tmp_path, capsys):
    path = tmp_path / "lab.toml"
    for text in ('task_id = "rest"\ntask_id = "movie"\n', 'task_id = "rest"\ntask-id = "movie"\n'):
        path.write_text(text)
        assert app.main(["/data", "/out", "participant", "--config-file", str(path)]) == 2
        assert "set twice" in " ".join(capsys.readouterr().err.lower().split())


def test_a_key_that_a_filter_file_has_twice_is_refused(tmp_path):
    path = tmp_path / "filter.json"
    path.write_text('{"bold": {"session": "1", "session": "2"}}')
    with pytest.raises(UserError, match="session is set twice; use a list of values"):
        participant("--bids-filter-file", str(path))


@pytest.mark.parametrize("settings_class", CLASSES)
def test_an_empty_value_of_any_option_is_a_usage_error(settings_class, capsys):
    main, start, end = COMMANDS[settings_class]
    for spec in option_specs(settings_class):
        if spec.option.count or spec.kind is bool or spec.option.may_be_empty:
            continue
        words = required_words(settings_class, without=spec.name)
        values = ["", "name="] if "=" in spec.option.metavar else ["", " "]
        for value in values:
            if spec.option.positional:
                lines = [[*start, *positional_words(settings_class, **{spec.name: value}), *end, *words]]
            else:
                line = [*start, *positional_words(settings_class), *end, *words]
                lines = [[*line, f"{spec.flag}={value}"], [*line, spec.flag]]
            for line in lines:
                assert main(line) == 2, line
                assert spec.flag in capsys.readouterr().err


@pytest.mark.parametrize("settings_class", CLASSES)
def test_a_required_option_that_is_missing_is_a_usage_error(settings_class, capsys):
    main, start, end = COMMANDS[settings_class]
    assert main([*start, *positional_words(settings_class), *end, *required_words(settings_class)]) == 0
    for spec in option_specs(settings_class):
        if spec.is_required and not spec.option.positional:
            words = required_words(settings_class, without=spec.name)
            assert main([*start, *positional_words(settings_class), *end, *words]) == 2
            assert f"{spec.flag}: required" in capsys.readouterr().err


def test_an_evaluation_needs_predicted_maps_or_a_baseline(capsys):
    assert workbench.main(["evaluate", "/out", "--measured", "/m"]) == 2
    assert "--predicted" in capsys.readouterr().err
    for words in (["--baseline-train", "/t"], ["--retest", "/r"], ["--predicted", "/p"]):
        assert workbench.main(["evaluate", "/out", "--measured", "/m", *words]) == 0
