"""Other names of the same meaning give the same maps; sessions that are not selected are no failures."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.settings.bids_filter_file import read_filter_file
from tests.workflow import arrangements

OPTIONS = {"nuisance_regressors": "24P"}


def maps_of(settings):
    paths = sorted(settings.output_dir.glob("sub-*/**/*_desc-predicted_statmap.nii.gz"))
    return np.stack([nib.load(path).get_fdata(dtype=np.float32) for path in paths])


def outcomes(settings):
    """Return the rows of the table of the only run."""
    (table,) = (settings.output_dir / "logs").glob("*_participants.tsv")
    return [
        (row["participant_id"], row["session_id"], row["status"], row["reason"]) for row in read_tsv(table)
    ]


def failed_labels(settings):
    (path,) = (settings.output_dir / "logs").glob("*_failed.txt")
    return path.read_text("utf-8").split()


def one_participant(simulated, root, rename=lambda name: name, folder="sub-01/func"):
    """Copy a participant under other file names."""
    (root / folder).mkdir(parents=True)
    shutil.copy(simulated / "dataset_description.json", root)
    for path in (simulated / "sub-01" / "func").iterdir():
        shutil.copyfile(path, root / folder / rename(path.name))
    return root / folder


@pytest.fixture(scope="module")
def plain(simulated, model, tmp_path_factory):
    """Compute the maps of the unaltered participant."""
    from bids_deeptaskgen.settings.participant import ParticipantSettings

    settings = ParticipantSettings(
        simulated,
        tmp_path_factory.mktemp("plain") / "out",
        model=str(model),
        nprocs=1,
        min_minutes=1,
        min_dof=5,
        participant_label=("01",),
        **OPTIONS,
    )
    assert participant.run(settings) == 0
    return maps_of(settings)


def with_other_run_index(name):
    index = "run-1" if name.endswith("_bold.nii.gz") else "run-01"
    return name.replace("task-rest", f"task-rest_{index}")


def with_hash(name):
    return name.replace("task-rest", "task-rest_dir-AP_run-1_hash-b2c3")


@pytest.mark.parametrize("rename", [with_other_run_index, with_hash])
def test_other_names_of_the_same_meaning_give_the_same_maps(simulated, settings_of, tmp_path, plain, rename):
    one_participant(simulated, tmp_path / "in", rename)
    settings = settings_of(tmp_path / "in", **OPTIONS)
    assert participant.run(settings) == 0
    np.testing.assert_array_equal(maps_of(settings), plain)


def test_byte_order_marks_give_the_same_maps_and_lose_no_pipeline(simulated, settings_of, tmp_path, plain):
    func = one_participant(simulated, tmp_path / "in")
    for path in (*func.glob("*.json"), tmp_path / "in" / "dataset_description.json"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    settings = settings_of(tmp_path / "in", **OPTIONS)
    assert participant.run(settings) == 0
    np.testing.assert_array_equal(maps_of(settings), plain)
    description = json.loads((settings.output_dir / "dataset_description.json").read_text("utf-8"))
    assert len(description["GeneratedBy"]) > 1


def test_newer_names_of_hcp_give_the_same_maps_and_name_the_cleaning(simulated, settings_of, tmp_path):
    bold = arrangements.as_hcp(simulated, tmp_path / "a", "01", "100307")
    newer = arrangements.as_hcp(simulated, tmp_path / "b", "01", "100307")
    newer.rename(newer.with_name(newer.name.replace("_hp2000_clean", "_hp0_clean_rclean_tclean")))
    first, second = settings_of(tmp_path / "a", "out-a"), settings_of(tmp_path / "b", "out-b")
    assert participant.run(first) == participant.run(second) == 0
    np.testing.assert_array_equal(maps_of(first), maps_of(second))
    cleanings = []
    for settings in (first, second):
        path = next(settings.output_dir.glob("sub-100307/func/*_desc-predicted_statmap.json"))
        cleanings.append(json.loads(path.read_text("utf-8"))["DeepTaskGen"]["Runs"][0]["denoised_by"])
    assert bold.name.endswith("_hp2000_clean.nii.gz")
    assert cleanings == [
        "hp2000; ICA-FIX",
        "hp0; ICA-FIX; reclassified components (rclean); temporal ICA (tclean)",
    ]


def two_sessions(simulated, root):
    for session in ("001", "002"):
        one_participant(
            simulated,
            root / session,
            lambda name, session=session: name.replace("sub-01", f"sub-01_ses-{session}"),
            f"sub-01/ses-{session}/func",
        )
        shutil.copytree(root / session, root, dirs_exist_ok=True)
        shutil.rmtree(root / session)
    return root


@pytest.mark.parametrize("how", ["filter", "label"])
def test_sessions_that_are_not_selected_are_no_failures(simulated, settings_of, tmp_path, capsys, how):
    root = two_sessions(simulated, tmp_path / "in")
    (tmp_path / "filter.json").write_text('{"bold": {"session": "002"}}')
    selection = {
        "filter": {"bids_filter_file": read_filter_file(tmp_path / "filter.json")},
        "label": {"session_label": ("002",)},
    }[how]
    one_participant(
        simulated,
        tmp_path / "other",
        lambda name: name.replace("sub-01", "sub-02_ses-001"),
        "sub-02/ses-001/func",
    )
    shutil.copytree(tmp_path / "other" / "sub-02", root / "sub-02")
    settings = settings_of(root, **OPTIONS, **selection)
    assert participant.run(settings) == 0
    (done, excluded) = outcomes(settings)
    assert done[:3] == ("sub-01", "ses-002", "done")
    assert excluded[:3] == ("sub-02", "n/a", "not selected")
    assert "sessions found: 001" in excluded[3]
    assert failed_labels(settings) == []
    assert "failed" not in capsys.readouterr().out


def test_a_selection_without_any_session_is_a_failure(simulated, settings_of, tmp_path, capsys):
    root = two_sessions(simulated, tmp_path / "in")
    assert participant.run(settings_of(root, session_label=("003",))) == 3
    assert "no ses-003 in" in capsys.readouterr().out


def test_runs_that_are_not_selected_are_no_failures(simulated, settings_of, tmp_path):
    one_participant(simulated, tmp_path / "in", lambda name: name.replace("task-rest", "task-rest_run-1"))
    func = one_participant(
        simulated,
        tmp_path / "other",
        lambda name: name.replace("sub-01_task-rest", "sub-02_task-rest_run-2"),
        "sub-02/func",
    )
    shutil.copytree(func.parent, tmp_path / "in" / "sub-02")
    settings = settings_of(tmp_path / "in", run_id=("1",), **OPTIONS)
    assert participant.run(settings) == 0
    assert [row[2] for row in outcomes(settings)] == ["done", "not selected"]
    # A run that was selected and has no mask is a failure.
    next((tmp_path / "in" / "sub-01" / "func").glob("*_mask.nii.gz")).unlink()
    assert participant.run(settings_of(tmp_path / "in", "out2", run_id=("1",), **OPTIONS)) == 3


def test_folders_without_a_bids_label_are_failures_with_a_row(simulated, settings_of, tmp_path, capsys):
    one_participant(simulated, tmp_path / "in")
    shutil.copytree(tmp_path / "in" / "sub-01", tmp_path / "in" / "sub-A_01")
    settings = settings_of(tmp_path / "in", **OPTIONS)
    assert participant.run(settings) == 1
    assert f"not a BIDS label: {tmp_path / 'in' / 'sub-A_01'}" in capsys.readouterr().out
    assert [row[0] for row in outcomes(settings)] == ["sub-01", "sub-A_01"]
    # The list of failures can be given to --participant-label.
    assert failed_labels(settings) == []
    assert participant.run(settings_of(tmp_path / "in", "out2", participant_label=("01",), **OPTIONS)) == 0
