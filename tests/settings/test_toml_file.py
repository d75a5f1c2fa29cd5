"""Laws of the settings file."""

import tomllib

import pytest
from hypothesis import given

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.simulation import SimulateSettings
from bids_deeptaskgen.settings.toml_file import from_toml, to_toml
from tests.settings.settings_values import CLASSES, REQUIRED, settings_of_any_class


@given(settings_of_any_class())
def test_settings_come_back_from_their_file(settings):
    text = to_toml(settings).encode().decode()
    repetition = from_toml(type(settings), text)
    assert repetition == settings
    assert repr(repetition) == repr(settings)


@pytest.mark.parametrize("settings_class", CLASSES)
def test_the_file_holds_every_setting_and_explains_it(settings_class):
    settings = settings_class(**REQUIRED[settings_class])
    text = to_toml(settings)
    written_text = tomllib.loads(text)
    for spec in option_specs(settings_class):
        assert f"# {spec.option.help}" in text
        assert (spec.name in written_text) == (getattr(settings, spec.name) is not None)


def test_the_file_says_units_and_defaults():
    text = to_toml(ParticipantSettings("/data", "/out", fd_threshold=0.5))
    assert "0 = off (mm); default: 0.0 mm\nfd_threshold = 0.5\n" in text
    assert "or to its Slurm job\n# mem is not set\n" in text


def test_keys_may_be_written_with_dashes():
    assert from_toml(SimulateSettings, 'out = "/x"\nn-runs = 2\n').n_runs == 2


def test_the_earlier_name_of_a_setting_is_still_read():
    folders = 'bids_dir = "/data"\noutput_dir = "/out"\n'
    current_state = ParticipantSettings("/data", "/out", map_format="4d")
    for key in ("output_layout", "output-layout", "map_format"):
        assert from_toml(ParticipantSettings, f'{folders}{key} = "4d"\n') == current_state
    assert 'map_format = "4d"' in to_toml(current_state)
    assert "output_layout" not in to_toml(current_state)
    with pytest.raises(UserError, match="output_layout: the setting map_format is set twice"):
        from_toml(ParticipantSettings, f'{folders}map_format = "3d"\noutput_layout = "4d"\n')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("out = ", "not legal TOML"),
        ('out = "/x"\nn_rums = 2', "n_rums: no such setting. The settings are verbose, out"),
        ("n_runs = 2", "OUT: required"),
        ('out = "/x"\nn_runs = 0', "--n-runs: 0 was given"),
        ('out = "/x"\nn_runs = 2.5', "--n-runs: 2.5 was given"),
        ('out = "/x"\nstatmaps = "no"', "--statmaps: no was given"),
    ],
)
def test_a_file_that_is_not_legal_is_refused_by_a_sentence(text, words):
    with pytest.raises(UserError, match="[.]$") as caught:
        from_toml(SimulateSettings, text)
    assert words in str(caught.value)
