"""One level of the task model for each participant and contrast."""

import logging
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.measured_map_levels import level_of
from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.models.contrasts import load_contrasts
from tests.bids.trees import touch

SPACE = "space-MNI152NLin6Asym"
FACES = "emotionFacesMinusShapes"
HCP = load_contrasts()


def fitlins(root, node, entities, *, desc=""):
    """Write a map as FitLins does, in the folder of a node and of a session if there is one."""
    labels = dict(part.split("-") for part in entities.split("_"))
    folder = root / node / f"sub-{labels['sub']}" / (f"ses-{labels['ses']}" if "ses" in labels else "")
    return touch(folder / f"{entities}_{SPACE}_contrast-facesMinusShapes_stat-z{desc}_statmap.nii.gz")


def names_of(source, **criteria):
    """Return the paths of the selected maps below the source."""
    return [file.path.relative_to(source).as_posix() for file in find_statmaps(source, HCP, **criteria)]


@pytest.fixture
def two_sessions(tmp_path):
    """Write maps of runs, sessions and participants, as FitLins does for a model with three nodes."""
    for subject in ("01", "02"):
        for session in "12":
            for run in "12":
                fitlins(tmp_path, "node-runLevel", f"sub-{subject}_ses-{session}_task-emotion_run-{run}")
            fitlins(tmp_path, "node-sessionLevel", f"sub-{subject}_ses-{session}_task-emotion")
        fitlins(tmp_path, "node-subjectLevel", f"sub-{subject}_task-emotion")
    return tmp_path


def test_the_map_of_a_participant_replaces_those_of_sessions_and_runs(two_sessions, caplog):
    caplog.set_level(logging.INFO, "bids_deeptaskgen")
    files = find_statmaps(two_sessions, HCP)
    assert [(file.subject, file.session) for file in files] == [("01", None), ("02", None)]
    assert {file.path.parts[-3] for file in files} == {"node-subjectLevel"}
    assert "task maps of the subject level are used" in caplog.text
    assert "4 of the session level, 8 of the run level" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_maps_of_sessions_replace_those_of_runs(two_sessions):
    for path in two_sessions.glob("node-subjectLevel/**/*.nii.gz"):
        path.unlink()
    assert {name.split("/")[0] for name in names_of(two_sessions)} == {"node-sessionLevel"}
    assert len(names_of(two_sessions)) == 4


def test_a_requested_session_selects_the_level_of_sessions(two_sessions):
    names = names_of(two_sessions, session="2")
    assert [name.split("/")[:3] for name in names] == [
        ["node-sessionLevel", f"sub-{subject}", "ses-2"] for subject in ("01", "02")
    ]


def test_a_level_is_recognised_without_folders_of_nodes(tmp_path):
    touch(tmp_path / "sub-01" / f"sub-01_task-emotion_{SPACE}_contrast-{FACES}_stat-z_statmap.nii.gz")
    for session in "12":
        fitlins(tmp_path, "", f"sub-01_ses-{session}_task-emotion")
        fitlins(tmp_path, "", f"sub-01_ses-{session}_task-emotion_run-1")
    assert [Path(name).parts[:-1] for name in names_of(tmp_path)] == [("sub-01",)]


@pytest.mark.parametrize("entities", ["sub-01_task-emotion", "sub-01_ses-1_task-emotion_run-1"])
def test_a_single_run_has_equal_names_on_both_levels_and_the_higher_one_is_used(tmp_path, entities):
    fitlins(tmp_path, "node-runLevel", entities)
    fitlins(tmp_path, "node-subjectLevel", entities)
    (name,) = names_of(tmp_path)
    assert name.startswith("node-subjectLevel/")


def test_a_single_run_alone_is_used(tmp_path):
    fitlins(tmp_path, "node-runLevel", "sub-01_task-emotion_run-1")
    fitlins(tmp_path, "node-runLevel", "sub-02_ses-1_task-emotion_run-1")
    fitlins(tmp_path, "node-runLevel", "sub-02_ses-2_task-emotion_run-1")
    assert len(names_of(tmp_path)) == 3


def test_runs_are_never_averaged(tmp_path):
    for run in "12":
        fitlins(tmp_path, "node-runLevel", f"sub-01_task-emotion_run-{run}")
    with pytest.raises(InputError, match=r"two files for one map: .*run-1, run-2\.\nCompute a map over all"):
        find_statmaps(tmp_path, HCP)


def test_levels_that_differ_between_participants_are_named(two_sessions, caplog):
    next(two_sessions.glob("node-subjectLevel/sub-02/*.nii.gz")).unlink()
    assert {name.split("/")[0] for name in names_of(two_sessions)} == {
        "node-subjectLevel", "node-sessionLevel",
    }  # fmt: skip
    assert "of different levels (subject: sub-01; session: sub-02)" in caplog.text


def test_the_level_of_a_file_in_a_table_is_that_of_its_name_and_folder(tmp_path):
    paths = [
        fitlins(tmp_path, "node-runLevel", "sub-01_task-emotion"),
        fitlins(tmp_path, "node-subjectLevel", "sub-01_task-emotion"),
    ]
    rows = [f"sub-01\t{FACES}\t{path.relative_to(tmp_path)}" for path in paths]
    table = touch(tmp_path / "maps.tsv", "\n".join(["participant_id\tcontrast\tpath", *rows]) + "\n")
    assert [file.path for file in find_statmaps(table, HCP)] == paths[1:]


@pytest.mark.parametrize(
    ("node", "level"),
    [
        ("node-runLevel", "run"), ("node-run_level", "run"), ("node-Subject", "subject"),
        ("node-sessionLevel", "session"), ("node-participant", "subject"), ("node-contrasts", "run"),
    ],
)  # fmt: skip
def test_the_name_of_a_node_decides_before_the_entities(node, level):
    assert level_of({"run": "1"}, "1", Path(node)) == level


def test_two_compressions_of_a_map_are_refused(tmp_path):
    path = fitlins(tmp_path, "", "sub-01_task-emotion")
    touch(path.with_suffix(""))
    with pytest.raises(InputError, match=r"two files for one map: .*\.nii and .*\.nii\.gz\.\nKeep only one"):
        find_statmaps(tmp_path, HCP)


def test_participants_with_another_statistic_only_are_named(tmp_path, caplog):
    fitlins(tmp_path, "", "sub-01_task-emotion")
    path = fitlins(tmp_path, "", "sub-02_task-emotion")
    path.rename(path.with_name(path.name.replace("stat-z", "stat-t")))
    assert len(names_of(tmp_path)) == 1
    assert "no task map with stat-z, so their maps are left out: sub-02" in caplog.text


def test_participants_in_another_space_only_are_named(tmp_path, caplog):
    fitlins(tmp_path, "", "sub-01_task-emotion")
    path = fitlins(tmp_path, "", "sub-02_task-emotion")
    path.rename(path.with_name(path.name.replace("NLin6Asym", "NLin2009cAsym")))
    assert len(names_of(tmp_path)) == 1
    assert "task maps of sub-02 are in space-MNI152NLin2009cAsym only" in caplog.text


def test_an_image_of_all_contrasts_whose_sidecar_is_damaged_is_named(tmp_path, caplog):
    fitlins(tmp_path, "", "sub-01_task-emotion")
    name = f"sub-02_task-rest_{SPACE}_stat-z_desc-predicted_statmap"
    touch(tmp_path / "sub-02" / f"{name}.nii.gz")
    touch(tmp_path / "sub-02" / f"{name}.json", '{"DeepTaskGen": ')
    assert len(names_of(tmp_path)) == 1
    assert f"{name}.json: is not valid JSON" in caplog.text
