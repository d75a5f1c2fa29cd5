"""The descriptors for BABS contain what BABS reads and the program accepts."""

import re

import pytest

from bids_deeptaskgen.cli.parser import Parser, from_namespace
from bids_deeptaskgen.models.store import HOME_VARIABLE
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.babs.descriptors import (
    FOLDER,
    LEVELS,
    OUTPUT,
    WORK,
    app_words,
    read_descriptor,
    write_filter_file,
)
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "how-to" / "babs.md").read_text("utf-8")


def parsed(words):
    parser = Parser(prog="program")
    parser.add_settings(ParticipantSettings)
    bids_dir, output_dir, level, *options = words
    assert level == "participant"
    return from_namespace(ParticipantSettings, parser.parse_args([bids_dir, output_dir, *options]))


def test_there_is_a_descriptor_for_each_level():
    assert {path.name for path in FOLDER.iterdir()} == {f"deeptaskgen_{level}.yaml" for level in LEVELS}


@pytest.mark.parametrize("level", LEVELS)
def test_the_program_accepts_the_command(level, tmp_path):
    session = "ses-1" if level == "session" else None
    settings = parsed(app_words(read_descriptor(level), tmp_path, "sub-01", session))
    assert settings.bids_dir == tmp_path / "inputs/data/fmriprep/fmriprep"
    assert settings.output_dir == tmp_path / OUTPUT
    assert settings.work_dir == tmp_path / WORK
    assert settings.participant_label == ("01",)
    assert settings.session_label == (("1",) if session else ())


def test_another_name_of_the_zipped_folder_changes_one_key(tmp_path):
    descriptor = read_descriptor("participant")
    datasets = descriptor["input_datasets"]
    datasets["fmriprep_func"] = datasets.pop("fmriprep")
    settings = parsed(app_words(descriptor, tmp_path, "sub-01"))
    assert settings.bids_dir == tmp_path / "inputs/data/fmriprep/fmriprep_func"


def test_the_program_accepts_the_filter_file_of_babs(tmp_path):
    filter_file = write_filter_file(tmp_path, "ses-1")
    settings = parsed(
        app_words(read_descriptor("session"), tmp_path, "sub-01", "ses-1", filter_file=filter_file)
    )
    assert settings.session_label == ("1",)
    assert settings.bids_filter_file.as_json() == {"ses": ["1"]}


@pytest.mark.parametrize("level", LEVELS)
def test_options_are_text_since_babs_fails_for_numbers(level):
    assert all(isinstance(value, str) for value in read_descriptor(level)["bids_app_args"].values())


@pytest.mark.parametrize("level", LEVELS)
def test_the_program_uses_the_resources_of_the_job(level):
    descriptor = read_descriptor(level)
    options, resources = descriptor["bids_app_args"], descriptor["cluster_resources"]
    assert options["--nprocs"] == options["--omp-nthreads"] == resources["number_of_cpus"]
    assert options["--mem"] == resources["hard_memory_limit"]


@pytest.mark.parametrize("level", LEVELS)
def test_the_folder_of_the_models_is_bound(level):
    flags = read_descriptor(level)["singularity_args"]
    (home,) = (flag.split("=")[1] for flag in flags if flag.startswith(f"--env {HOME_VARIABLE}="))
    assert f"-B {home}:{home}:ro" in flags
    # The same folder as in the scripts for Slurm, which fetch the model into it.
    assert f"{HOME_VARIABLE}={home} " in (ROOT / "docs" / "cluster" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("level", LEVELS)
def test_the_zipped_folder_is_the_output_folder(level):
    descriptor = read_descriptor(level)
    assert descriptor["all_results_in_one_zip"] is True
    assert [f"outputs/{name}" for name in descriptor["zip_foldernames"]] == [OUTPUT]


def test_both_descriptors_differ_in_the_selection_of_the_session_only():
    participant, session = (read_descriptor(level) for level in ("participant", "session"))
    assert session["bids_app_args"].pop("$SESSION_SELECTION_FLAG") == "--session-label"
    assert participant == session


@pytest.mark.parametrize("level", LEVELS)
def test_the_page_names_every_line_to_edit(level):
    lines = (FOLDER / f"deeptaskgen_{level}.yaml").read_text("utf-8").splitlines()
    keys = [re.match(r"[\s-]*(\$?[\w-]+)", line)[1] for line in lines if "# edit" in line]
    assert len(keys) == 7
    section = PAGE.split("\n## Edit the descriptor\n")[1].split("\n## ")[0]
    assert [
        line.strip() for line in lines if "# edit" in line and line.split("  #")[0].strip() not in section
    ] == []


def test_the_page_names_the_version_of_babs_of_the_tests():
    (version,) = re.findall(r"(?m)^babs==(.*)$", (ROOT / "tests" / "babs" / "babs.txt").read_text("utf-8"))
    texts = [PAGE, *((FOLDER / f"deeptaskgen_{level}.yaml").read_text("utf-8") for level in LEVELS)]
    assert all(f"BABS {version}" in text for text in texts)


@pytest.mark.parametrize("level", LEVELS)
def test_the_zip_files_name_the_version(level):
    version = re.search(r'^fallback_version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)[1]
    assert read_descriptor(level)["zip_foldernames"]["deeptaskgen"] == version.replace(".", "-")
