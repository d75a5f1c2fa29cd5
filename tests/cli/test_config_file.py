"""A settings file says what the command line does not."""

import pytest

from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.toml_file import to_toml
from tests.inprocess import call, maps_of
from tests.processes import SMALL

FOLDERS = ["/data", "/out"]


def test_the_command_line_wins_over_the_file_and_the_file_over_defaults(fake_command, tmp_path):
    calls = fake_command("participant", outcome=0)
    path = tmp_path / "lab.toml"
    path.write_text('fd-threshold = 0.5\nmodel = "mine"\nparticipant_label = ["sub-01", "02"]\n')
    words = ["--config-file", str(path), "--fd-threshold", "0.2"]
    assert app.main([*FOLDERS, "participant", *words]) == 0
    expected = ParticipantSettings(*FOLDERS, fd_threshold=0.2, model="mine", participant_label=("01", "02"))
    assert calls == [expected]
    # A list of the command line takes the place of the file's.
    assert app.main([*FOLDERS, "participant", *words, "--participant-label", "03"]) == 0
    assert calls[-1].participant_label == ("03",)


def test_the_settings_that_a_run_has_written_run_it_again(fake_command, tmp_path):
    calls = fake_command("participant", outcome=0)
    settings = ParticipantSettings(*FOLDERS, smoothing=4, n_windows="auto", combine_runs=False, mem="4G")
    path = tmp_path / "settings.toml"
    path.write_text(to_toml(settings))
    assert app.main([*FOLDERS, "participant", "--config-file", str(path)]) == 0
    assert calls == [settings]


def test_the_file_in_the_logs_of_a_run_makes_the_same_maps_again(participants, model, tmp_path):
    first, repetition = tmp_path / "first", tmp_path / "again"
    request = ("--participant-label", "01", "--contrasts", "contrast1", "--smoothing", "9", "--nprocs", "1")
    end_code = call(participants, first, "participant", "--model", model, *SMALL, *request)
    assert end_code.code == 0, end_code.err
    (entry,) = (first / "logs").glob("*_settings.toml")
    end_code = call(participants, repetition, "participant", "--config-file", entry)
    assert end_code.code == 0, end_code.err
    assert maps_of(repetition, "01") == maps_of(first, "01")
    assert len(maps_of(first, "01")) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("fd_treshold = 0.5", "fd_treshold: no such setting. The settings are verbose"),
        ("fd_threshold = ", "not legal TOML"),
        ("fd_threshold = -1", "--fd-threshold: -1 was given"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(fake_command, tmp_path, capsys, content, words):
    fake_command("participant")
    path = tmp_path / "lab.toml"
    if content is not None:
        path.write_text(content)
    assert app.main([*FOLDERS, "participant", "--config-file", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_a_file_of_the_participant_level_is_not_for_the_group(fake_command, tmp_path, capsys):
    fake_command("group")
    path = tmp_path / "lab.toml"
    path.write_text("fd_threshold = 0.5")
    assert app.main([*FOLDERS, "group", "--config-file", str(path)]) == 2
    assert "fd_threshold: no such setting" in capsys.readouterr().err


def test_the_workbench_takes_a_file_too(tmp_path, capsys):
    path = tmp_path / "sim.toml"
    path.write_text("n_volumes = 2")
    assert workbench.main(["simulate", str(tmp_path / "out"), "--config-file", str(path)]) == 2
    assert "--n-volumes: 2 was given" in capsys.readouterr().err
