"""Training and evaluation with datasets of several resting-state tasks, and in folders with odd names."""

import json
import shutil
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.output.connectome_files import find_connectomes
from bids_deeptaskgen.cli import workbench
from bids_deeptaskgen.errors import InputError
from tests.commands.learning import FAST, NETWORK, SPLIT, one_thread

ODD = "50% of %(x)s [a]*?#{x} $HOME 'q' ü"


@pytest.fixture(scope="module")
def two_tasks(world, tmp_path_factory):
    """Copy the connectomes of the world, with a second task of each participant."""
    root = shutil.copytree(world.root / "connectomes", tmp_path_factory.mktemp("two") / "connectomes")
    for path in list(root.rglob("*_relmat.*")):
        shutil.copyfile(path, path.with_name(path.name.replace("task-rest", "task-movie")))
    return root


def test_connectomes_of_several_tasks_have_different_names(two_tasks):
    names = [file.name for file in find_connectomes(two_tasks)]
    assert len(set(names)) == len(names) == 2 * len(SPLIT)
    assert names[:2] == ["sub-01 task-movie", "sub-01 task-rest"]


def test_the_connectomes_of_one_task_are_named_as_without_the_other(world, two_tasks):
    selection = find_connectomes(two_tasks, task="rest")
    assert [file.name for file in selection] == [
        file.name for file in find_connectomes(world.root / "connectomes")
    ]
    assert all("task-rest" in file.path.name for file in selection)
    with pytest.raises(InputError, match=r"no connectome is of task-x \(tasks found: movie, rest\)"):
        find_connectomes(two_tasks, task="x")


def test_the_maps_of_one_of_several_tasks_are_evaluated(world, tmp_path, capsys):
    measured, predicted = world.root / "measured", tmp_path / "predicted"
    for source in measured.rglob("*_statmap.nii.gz"):
        target = predicted / source.relative_to(measured)
        target.parent.mkdir(parents=True, exist_ok=True)
        for task in ("rest", "movie"):
            name = source.name.replace("task-x", f"task-{task}").replace("measured", "predicted")
            shutil.copyfile(source, target.with_name(name))
    words = ["evaluate", "--predicted", f"maps={predicted}", "--measured", measured, "--n-permutations", "9"]
    assert workbench.main([*map(str, words), str(tmp_path / "refused")]) == 3
    assert "Choose the task of the resting-state runs with --task-id" in capsys.readouterr().err
    out = tmp_path / ODD
    options = ["-t", "movie", "--exclude-participant-label", "sub-06"]
    assert workbench.main([*map(str, words), str(out), *options]) == 0
    assert "06" not in json.loads((out / "evaluation.json").read_text("utf-8"))["Participants"]


def test_a_model_is_trained_in_folders_of_any_name(world, tmp_path):
    root = tmp_path / ODD
    root.mkdir()
    for name in ("connectomes", "measured", "split.tsv"):
        (root / f"{name} {ODD}").symlink_to(world.root / name)
    words = ["train", root / "model {epoch} %d"]
    words += [f"--{key.replace('_', '-')}={value}" for key, value in {**FAST, **NETWORK, "epochs": 1}.items()]
    words += [f"--connectomes={root / f'connectomes {ODD}'}", f"--statmaps={root / f'measured {ODD}'}"]
    words += [f"--split={root / f'split.tsv {ODD}'}", f"--model={world.model.folder}"]
    with one_thread():
        assert workbench.main([*map(str, words), f"--work-dir={root / 'work %s {x}'}"]) == 0
    assert Path(root, "model {epoch} %d", "card.json").is_file()
