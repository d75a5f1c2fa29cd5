"""The steps of docs/how-to/babs.md with the real BABS, DataLad and Slurm."""

import shutil
from pathlib import Path

import pytest

from tests.babs.clones import comparable
from tests.babs.conftest import N_PARTICIPANTS, N_SESSIONS
from tests.babs.descriptors import EDITS, app_words, write_filter_file
from tests.babs.project import Project
from tests.processes import leftovers

pytestmark = pytest.mark.slow

# BABS writes a filter file if the name of the container contains fmriprep and jobs are sessions.
KINDS = {
    "participant": {"level": "participant", "is_zipped": True, "name": "deeptaskgen-0-1-0"},
    "participant_not_zipped": {"level": "participant", "is_zipped": False, "name": "deeptaskgen-0-1-0"},
    "session": {"level": "session", "is_zipped": True, "name": "deeptaskgen-0-1-0"},
    "session_with_filter_file": {
        "level": "session",
        "is_zipped": True,
        "name": "deeptaskgen-after-fmriprep-0-1-0",
    },
}
N_JOBS = {"participant": N_PARTICIPANTS, "session": N_PARTICIPANTS * N_SESSIONS}


@pytest.fixture(scope="module", params=KINDS)
def project(request, slurm, image, tools, fmriprep, models, tmp_path_factory):
    """Initialise a project; its jobs are cancelled at the end."""
    folder = tmp_path_factory.mktemp(request.param) / "user"
    project = Project(folder, fmriprep, models, tools=tools, image=image, **KINDS[request.param])
    project.init()
    yield project
    project.cancel()


def test_babs_composes_the_command_that_the_short_tests_use(project, tmp_path):
    words = project.app_command()
    filter_file = None
    if "fmriprep" in project.name:
        (tmp_path / "$PWD").mkdir()
        filter_file = write_filter_file(tmp_path / "$PWD", "$sesid")
        words = [word.replace("${filterfile}", str(filter_file)) for word in words]
    here = Path("${PWD}")
    expected = app_words(project.descriptor, here, "${subid}", "$sesid", filter_file=filter_file)
    assert words == expected


def test_babs_binds_the_folder_of_the_models(project, models):
    flags = project.singularity_flags()
    assert flags[flags.index("-B", flags.index("-B") + 1) + 1].startswith(f"{models}:")
    assert any(flag.startswith("DEEPTASKGEN_HOME=") for flag in flags)


def test_the_group_of_the_merged_results_is_that_of_one_run(project, fmriprep):
    rows = project.run_jobs()
    assert [row["has_results"] for row in rows] == ["True"] * N_JOBS[project.level], project.logs()
    merged = project.merge()
    assert len([*(merged / "logs").glob("*_participants.tsv")]) == N_JOBS[project.level]
    direct = project.folder / "direct"
    direct.mkdir()
    options = [word for pair in EDITS.items() for word in pair]
    project.app(fmriprep, direct, "participant", "--model", "hcp-ya", *options)
    for output in (merged, direct):
        for name in ("participants.tsv", "participants.json"):
            shutil.copyfile(fmriprep / name, output / name)
        project.app(output, output, "group")
    assert comparable(merged, keeps_times=False) == comparable(direct, keeps_times=False)
    assert leftovers(merged) == []
    assert [*Path(project.descriptor["job_compute_space"]).iterdir()] == []
