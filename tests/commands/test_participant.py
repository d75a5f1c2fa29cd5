"""The participant level before anything is computed: what is refused, and what the plan says."""

import os
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.sources import find_sessions
from bids_deeptaskgen.bids.output.completion import input_fingerprint, write_completion
from bids_deeptaskgen.bids.output.dataset_files import write_dataset_files
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.commands import pages, participant
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.pipeline import dry_run, summary
from bids_deeptaskgen.pipeline.context import make_context
from bids_deeptaskgen.pipeline.records import Record
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.bids.cards import card
from tests.bids.trees import describe, run, touch


@pytest.fixture
def participants(tmp_path):
    folder = describe(tmp_path / "fmriprep")
    for subject in ("01", "02", "03"):
        run(folder, subject, "task-rest_run-1")
        run(folder, subject, "task-rest_run-2")
    return folder


@pytest.fixture
def settings_of(participants, model, tmp_path):
    """Return settings of a dry run over participants with file names and headers only."""

    def make(**changes):
        values = {
            "bids_dir": participants,
            "output_dir": tmp_path / "out",
            "model": str(model),
            "dry_run": True,
        }
        return ParticipantSettings(**(values | changes))

    return make


def located_of(settings):
    return InputDataset("fmriprep", settings.bids_dir, "fmriprep")


def context_of(settings):
    return make_context(settings, located_of(settings))


def hash_of(settings):
    return context_of(settings).settings_hash


def finish(settings, subject, made_with, entities=(("task", "rest"),)):
    """Write the files of a finished participant."""
    record = Record(subject, None, entities)
    maps = [
        touch(
            output_path(
                settings.output_dir, "statmap", subject=subject, entities=entities, contrast=item.label
            )
        )
        for item in load_bundle(Path(settings.model)).card.contrasts
    ]
    sessions = find_sessions(
        located_of(settings),
        subject,
        context_of(settings).query,
        combine_runs=settings.combine_runs,
        uses_pybids=False,
    )
    fingerprints = [input_fingerprint(session) for session in sessions if session.entities == entities]
    return write_completion(
        settings.output_dir,
        record,
        {},
        files=maps,
        settings_hash=made_with,
        fingerprint=fingerprints[0] if fingerprints else "f",
    )


def begin(settings, made_with):
    """Write the dataset-level files, as a run does before the first participant."""
    values = {"version": "1", "card": card(), "settings": context_of(settings).science}
    write_dataset_files(
        settings.output_dir,
        located=located_of(settings),
        settings_hash=made_with,
        versions={},
        **values,
    )


def test_overwriting_that_was_broken_off_does_not_hide_the_maps_of_other_settings(settings_of):
    settings = settings_of()
    finish(settings, "02", "0" * 64)
    begin(settings, hash_of(settings))
    with pytest.raises(UserError, match=r"other settings or another model \(.* sub-02/func/sub-02_"):
        participant.run(settings)
    assert participant.run(settings_of(overwrite=True)) == 0
    # Who is of no concern to this run is not its business: many run side by side.
    assert participant.run(settings_of(participant_label=("01",))) == 0


def test_a_description_of_other_settings_is_no_mixture_if_all_maps_are_of_these(settings_of):
    settings = settings_of()
    finish(settings, "02", hash_of(settings))
    begin(settings, "0" * 64)
    assert participant.run(settings) == 0
    finish(settings, "99", "0" * 64)
    with pytest.raises(UserError, match="sub-99"):
        participant.run(settings_of(participant_label=("01",)))


def test_a_dry_run_says_how_and_in_how_many_chunks_and_who_is_done(settings_of, capsys):
    settings = settings_of(chunk_size=2, fd_threshold=0.5, n_windows=3)
    finish(settings, "02", hash_of(settings))
    initial_state = sorted(settings.output_dir.rglob("*"))
    assert participant.run(settings) == 0
    out = capsys.readouterr().out
    assert "Cleaning: --nuisance-regressors acompcor. Six motion parameters" in out
    assert "above 0.5 mm were censored" in out
    assert "Windows: 3 of each run." in out
    assert "Chunks: 2 of up to 2 participants." in out
    assert "Done already: 1 participants (sub-02)." in out
    assert "To do: 2 participants (sub-01 sub-03)." in out
    assert "To do, pages only: 1 participants (sub-02)." in out
    assert "2 participants would be processed; the pages of 3 participants would be written." in out
    assert sorted(settings.output_dir.rglob("*")) == initial_state


def test_a_dry_run_over_finished_maps_tells_of_the_pages_and_of_no_memory(settings_of, capsys, caplog):
    settings = settings_of(reports="qc")
    for subject in ("01", "02", "03"):
        finish(settings, subject, hash_of(settings))
    assert participant.run(settings) == 0
    out = capsys.readouterr().out
    assert "To do: 0 participants." in out
    assert "0 participants would be processed; the pages of 3 participants would be written." in out
    assert "Memory:" not in out
    participant.run(settings_of(reports="none"))
    assert "0 participants would be processed.\n" in capsys.readouterr().out


def test_many_pages_cause_a_warning_although_the_maps_exist(settings_of, caplog, monkeypatch):
    monkeypatch.setattr(pages, "MANY_PARTICIPANTS", 2)
    settings = settings_of()
    for subject in ("01", "02", "03"):
        finish(settings, subject, hash_of(settings))
    participant.run(settings)
    assert "3 participants with a page of several MB each" in caplog.text


def test_a_participant_is_finished_when_all_runs_are(settings_of, capsys):
    settings = settings_of(combine_runs=False)
    finish(settings, "01", hash_of(settings), (("task", "rest"), ("run", "1")))
    for number in "12":
        finish(settings, "02", hash_of(settings), (("task", "rest"), ("run", number)))
    participant.run(settings)
    assert "To do: 2 participants (sub-01 sub-03)." in capsys.readouterr().out


def test_a_dry_run_finds_that_the_input_of_a_finished_participant_has_changed(
    settings_of, participants, capsys
):
    settings = settings_of()
    for subject in ("01", "02"):
        finish(settings, subject, hash_of(settings))
    os.utime(next((participants / "sub-02" / "func").glob("*_bold.nii.gz")), ns=(1, 1))
    participant.run(settings)
    assert "To do: 2 participants (sub-02 sub-03)." in capsys.readouterr().out


def test_if_many_participants_are_finished_the_tables_list_the_others_only(
    settings_of, participants, capsys, monkeypatch
):
    monkeypatch.setattr(summary, "MAX_FINISHED", 1)
    monkeypatch.setattr(dry_run, "MAX_FINISHED", 1)
    settings = settings_of()
    finish(settings, "01", hash_of(settings))
    participant.run(settings)
    assert capsys.readouterr().out.count("sub-01_task-rest_run-1_") == 1
    finish(settings, "02", hash_of(settings))
    participant.run(settings)
    out = capsys.readouterr().out
    assert "sub-01" not in out
    assert "sub-02" not in out
    assert "sub-03_task-rest_run-1_" in out
    assert "2 participants with maps from earlier runs are not listed." in out
    assert "Done already: 2 participants." in out


@pytest.mark.parametrize("below", ["", "func", "maps/of/all"])
@pytest.mark.parametrize("option", ["output_dir", "work_dir"])
def test_an_output_folder_inside_a_participant_folder_is_refused(settings_of, participants, option, below):
    with pytest.raises(UserError, match="inside the folder of a participant, .*sub-01") as caught:
        participant.run(settings_of(**{option: participants / "sub-01" / below}))
    assert caught.value.exit_code == 2


def test_a_folder_next_to_participant_folders_is_accepted(settings_of, participants):
    assert participant.run(settings_of(work_dir=participants / "work")) == 0


def test_many_participants_cause_a_warning_about_map_format(settings_of, caplog, monkeypatch):
    monkeypatch.setattr(participant, "MANY_PARTICIPANTS", 2)
    participant.run(settings_of(map_format="4d"))
    assert "--map-format 4d" not in caplog.text
    participant.run(settings_of())
    assert "3 participants with 6 files each: --map-format 4d writes one image" in caplog.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("age\n33\n", "has no column participant_id"),
        ("participant_id,age\n", "not tab-separated"),
    ],
)
def test_a_table_of_participants_that_is_none_is_refused(settings_of, tmp_path, content, words):
    path = tmp_path / "participants.tsv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=words):
        participant.run(settings_of(participants_tsv=path, dry_run=False))
    assert not (tmp_path / "out" / "sub-01").exists()


def test_the_fmriprep_run_that_would_help_names_those_who_lack_it(participants, settings_of, capsys):
    for path in (participants / "sub-02" / "func").iterdir():
        path.rename(path.with_name(path.name.replace("MNI152NLin6Asym", "MNI152NLin2009cAsym")))
    describe(participants, DatasetLinks={"raw": "file:///data/raw"}, GeneratedBy=[{"Name": "fMRIPrep"}])
    participant.run(settings_of())
    start = f"fmriprep /data/raw {participants} participant --participant-label 02 --task-id rest "
    assert start + "--output-spaces MNI152NLin6Asym:res-2" in capsys.readouterr().out


@pytest.mark.parametrize(("content", "problem"), [("{", "is not valid JSON"), ("", "is empty")])
def test_a_broken_description_of_the_output_is_named_as_broken(settings_of, content, problem):
    settings = settings_of()
    path = settings.output_dir / "dataset_description.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    with pytest.raises(UserError, match=f"whose description cannot be read: {path}: {problem}"):
        participant.run(settings)
