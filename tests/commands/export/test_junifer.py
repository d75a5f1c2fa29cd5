"""The command that exports a junifer pipeline."""

import pytest
import yaml

from bids_deeptaskgen.cli.workbench import main
from tests.group.dataset import make_dataset

MASK = "space-MNI152NLin6Asym_res-2_label-0a1b2c3d_desc-output_mask.nii.gz"


def export(folder, *options):
    return main(["export", "junifer", str(folder), str(folder / "out"), *options])


def pipeline(folder):
    return yaml.safe_load((folder / "out" / "pipeline.yaml").read_text("utf-8"))


def test_the_command_writes_the_pipeline_and_prints_how_to_run_it(tmp_path, capsys):
    make_dataset(tmp_path, n=2, has_connectomes=False)
    (tmp_path / MASK).touch()
    assert export(tmp_path) == 0
    path = tmp_path / "out" / "pipeline.yaml"
    assert (
        f"junifer run {path} --element {path.with_name('pipeline_elements.csv')}" in capsys.readouterr().out
    )
    grabber = pipeline(tmp_path)["datagrabber"]
    assert grabber["datadir"] == str(tmp_path)
    assert grabber["patterns"]["T1w"]["mask"]["pattern"] == MASK
    assert export(tmp_path) == 2
    assert export(tmp_path, "--overwrite") == 0


def test_without_a_mask_the_voxels_without_values_are_named(tmp_path, capsys):
    make_dataset(tmp_path, n=1, has_connectomes=False)
    assert export(tmp_path) == 0
    message = capsys.readouterr().err
    assert "the mask of the maps does not exist" in message
    assert "voxels without a value, which are 0" in message
    assert "masks" not in pipeline(tmp_path)["markers"][0]
    # Of two, none is certain.
    for label in ("0a1b2c3d", "1a1b2c3d"):
        (tmp_path / MASK.replace("0a1b2c3d", label)).touch()
    assert export(tmp_path, "--overwrite") == 0
    assert "stands for 2 files" in capsys.readouterr().err


def test_one_of_several_tasks_must_be_chosen(tmp_path, capsys):
    for task in ("rest", "rest2"):
        make_dataset(tmp_path, n=2, entities=(("task", task),), has_connectomes=False)
    assert export(tmp_path) == 2
    message = capsys.readouterr().err
    assert "has 2 sets of maps (task-rest, task-rest2)" in message
    assert "--task-id" in message
    assert export(tmp_path, "--task-id", "rest2") == 0
    assert pipeline(tmp_path)["datagrabber"]["replacements"]["task"] == ["rest2"]


def test_maps_of_several_settings_are_refused(tmp_path, capsys):
    make_dataset(tmp_path, n=2, has_connectomes=False)
    make_dataset(tmp_path, n=1, has_connectomes=False, settings_hash="b" * 64)
    assert export(tmp_path) == 2
    assert "a dataset of its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (("--task-id", "reist"), 2, "The closest names are rest"),
        (("--contrasts", "wm2back"), 2, "The closest names are wm2bk"),
        (("--parcellation", "/none.nii.gz"), 3, "no such file"),
    ],
)
def test_names_that_do_not_exist_are_refused(tmp_path, capsys, options, code, problem):
    make_dataset(tmp_path, n=1, has_connectomes=False)
    assert export(tmp_path, *options) == code
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_dataset_without_maps_is_refused(tmp_path, capsys):
    assert export(tmp_path) == 3
    assert "no finished maps" in capsys.readouterr().err


def test_a_participant_without_usable_maps_is_left_out_and_logged(tmp_path, capsys):
    make_dataset(tmp_path, n=2, sessions=(None,), has_connectomes=False)
    next((tmp_path / "sub-02" / "func").glob("*wm2bk*.nii.gz")).unlink()
    assert export(tmp_path) == 0
    assert "Maps of 1 participant cannot be used" in capsys.readouterr().err
    lines = (tmp_path / "out" / "pipeline_elements.csv").read_text("utf-8").splitlines()
    assert sorted(lines) == ["01,rest,motorLh", "01,rest,wm2bk"]
