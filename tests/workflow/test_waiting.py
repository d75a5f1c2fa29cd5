"""Connectomes that wait for their predictions: used, thrown away, and told of, as they should be."""

import os

import pytest

from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.pipeline import participant as steps
from bids_deeptaskgen.pipeline import write_maps
from bids_deeptaskgen.pipeline.records import MAPS_EXIST, MAPS_WRITTEN
from bids_deeptaskgen.workflow import plugins, run


def stop(*arguments, **options):
    """Raise Ctrl-C, or replace a function that must not be called."""
    raise KeyboardInterrupt


def broken_off(settings, monkeypatch):
    """Run until the connectomes wait, and no further; give their files."""
    with monkeypatch.context() as patch:
        patch.setattr("bids_deeptaskgen.workflow.interfaces.predict_chunk", stop)
        with pytest.raises(KeyboardInterrupt):
            participant.run(settings)
    work = settings.work_dir or settings.output_dir / "work"
    return {path.name for path in (work / "connectomes").iterdir()}


def test_the_connectome_of_a_run_that_was_broken_off_is_used(simulated, settings_of, contents, monkeypatch):
    settings = settings_of(simulated, participant_label=("01",))
    waiting = broken_off(settings, monkeypatch)
    assert len([name for name in waiting if name.endswith(".npy")]) == 1
    with monkeypatch.context() as patch:
        patch.setattr(steps, "compute_session_connectomes", stop)
        assert participant.run(settings) == 0
    full_result = settings_of(simulated, "whole", participant_label=("01",))
    participant.run(full_result)
    assert contents(settings) == contents(full_result)
    assert not (settings.output_dir / "work").exists()


def test_useless_waiting_connectomes_are_removed(dataset, settings_of, monkeypatch):
    with_images = {"participant_label": ("01",), "reports": "qc"}
    first = broken_off(settings_of(dataset, **with_images), monkeypatch)
    counterpart = broken_off(settings_of(dataset, **with_images, high_pass=0.02), monkeypatch)
    assert len(first) == len(counterpart) == 3
    assert not first & counterpart
    (bold,) = dataset.glob("sub-01/**/*_bold.nii.gz")
    os.utime(bold, (1, 1))
    newer = broken_off(settings_of(dataset, **with_images, high_pass=0.02), monkeypatch)
    assert len(newer) == 3
    assert not counterpart & newer


def test_in_a_shared_work_folder_connectomes_of_other_settings_wait(
    dataset, settings_of, monkeypatch, tmp_path
):
    where = {"participant_label": ("01",), "work_dir": tmp_path / "shared", "reports": "qc"}
    first = broken_off(settings_of(dataset, "one", **where), monkeypatch)
    pair = broken_off(settings_of(dataset, "other", **where, high_pass=0.02), monkeypatch)
    assert first < pair
    assert len(pair) == 6


def test_a_run_with_other_settings_is_refused_while_a_run_is_active(simulated, settings_of, monkeypatch):
    settings = settings_of(simulated, participant_label=("01",))
    between = settings_of(simulated, participant_label=("02",), high_pass=0.02)
    compute = run.run_participants

    def interrupted(context, subjects, plan):
        with monkeypatch.context() as patch:
            # It looked before anything was there.
            patch.setattr(participant, "refuse_mixture", lambda *_: None)
            initial_state = sorted(settings.output_dir.rglob("*"))
            with pytest.raises(UserError, match="another run writes maps with other settings"):
                participant.run(between)
            assert sorted(settings.output_dir.rglob("*")) == initial_state
        return compute(context, subjects, plan)

    monkeypatch.setattr(run, "run_participants", interrupted)
    assert participant.run(settings) == 0
    assert {path.name for path in settings.output_dir.glob("sub-*")} == {"sub-01"}


def test_a_run_that_seemed_to_have_ended_reports_that_maps_are_mixed(
    simulated, settings_of, monkeypatch, caplog
):
    settings = settings_of(simulated, participant_label=("01",))
    between = settings_of(simulated, participant_label=("02",), high_pass=0.02)
    compute = run.run_participants

    def interrupted(context, subjects, plan):
        if subjects == ["01"]:
            # As after a long stop of its process.
            for path in settings.output_dir.glob("logs/.running/.*.tmp"):
                os.utime(path, (0, 0))
            assert participant.run(between) == 0
        return compute(context, subjects, plan)

    monkeypatch.setattr(run, "run_participants", interrupted)
    assert participant.run(settings) == 1
    assert "another run with other settings" in caplog.text
    assert not (settings.output_dir / "logs" / ".running").exists()


def test_what_a_run_wrote_is_checked_while_no_other_run_can_start(simulated, settings_of, monkeypatch):
    settings = settings_of(simulated, participant_label=("01",))
    read, n_active = participant.dataset_settings_hash, []

    def read_claimed(output):
        n_active.append(len(list(output.glob("logs/.running/.*.tmp"))))
        return read(output)

    monkeypatch.setattr(participant, "dataset_settings_hash", read_claimed)
    assert participant.run(settings) == 0
    assert n_active[-1] == 1


def test_maps_that_another_run_replaced_before_the_claim_are_made_again(
    simulated, settings_of, monkeypatch, contents
):
    settings = settings_of(simulated, participant_label=("01",), overwrite=True)
    between = settings_of(simulated, participant_label=("01",), overwrite=True, high_pass=0.02)
    assert participant.run(settings) == 0
    expected, check, replaced = contents(settings), plugins.check_plugin, []

    def interrupted(checked_settings):
        check(checked_settings)
        if checked_settings.high_pass != between.high_pass:
            assert participant.run(between) == 0
            replaced.append(contents(settings))

    monkeypatch.setattr(plugins, "check_plugin", interrupted)
    assert participant.run(settings) == 0
    assert len(replaced) == 1
    assert replaced[0] != expected
    assert contents(settings) == expected


def test_maps_that_another_run_finished_meanwhile_are_kept(simulated, settings_of, monkeypatch):
    settings = settings_of(simulated, participant_label=("01",))
    write, complete, n_locks = steps.write_session, write_maps._complete, []

    def times_of_files():
        return {path: path.stat().st_mtime_ns for path in settings.output_dir.glob("sub-01/func/*.*")}

    def write_twice(*arguments):
        first_record = write(*arguments)
        times = times_of_files()
        second_record = write(*arguments)
        assert times_of_files() == times
        assert (first_record.status, second_record.status) == (MAPS_WRITTEN, MAPS_EXIST)
        return second_record

    def complete_locked(*arguments):
        n_locks.append(len(list(settings.output_dir.glob("sub-01/func/.*_desc-qc_metrics.json.lock"))))
        complete(*arguments)

    monkeypatch.setattr(steps, "write_session", write_twice)
    monkeypatch.setattr(write_maps, "_complete", complete_locked)
    assert participant.run(settings) == 0
    # Two runs with different input files of a participant must not mix their maps.
    assert n_locks == [1]
    assert list(settings.output_dir.rglob("*.lock")) == []


def test_a_connectome_that_a_killed_run_had_no_time_to_discard_goes(simulated, settings_of, monkeypatch):
    settings = settings_of(simulated, participant_label=("01",), reports="qc")
    with monkeypatch.context() as patch:
        patch.setattr("bids_deeptaskgen.pipeline.participant.discard", lambda connectome: None)
        participant.run(settings)
    assert len(list((settings.output_dir / "work" / "connectomes").iterdir())) == 3
    assert participant.run(settings) == 0
    assert not (settings.output_dir / "work").exists()


@pytest.mark.parametrize("size", [0, 100, 2000])
def test_a_truncated_waiting_connectome_fails_its_participant_and_is_removed(
    simulated, settings_of, monkeypatch, size
):
    settings = settings_of(simulated, participant_label=("01", "02"))
    broken_off(settings, monkeypatch)
    folder = settings.output_dir / "work" / "connectomes"
    (torn,) = folder.glob("*sub-01*.npy")
    torn.write_bytes(torn.read_bytes()[:size])
    assert participant.run(settings) == 1
    assert {path.name for path in settings.output_dir.glob("sub-*")} == {"sub-02"}
    assert not torn.exists()
    assert participant.run(settings) == 0
    assert len(list(settings.output_dir.glob("sub-01/func/*_desc-qc_metrics.json"))) == 1
