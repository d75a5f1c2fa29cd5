"""Everything but training works where Lightning is not installed."""

import subprocess
import sys
from pathlib import Path

from bids_deeptaskgen.models.bundle import load_bundle
from tests.bundles import ridge_bundle

ROOT = Path(__file__).parents[1]
# None in sys.modules makes Python treat a module as absent.
WITHOUT = (
    "import sys\nsys.modules.update(dict.fromkeys(('lightning', 'lightning.fabric', 'pytorch_lightning')))\n"
)

IMPORT_ALL = """
import importlib, pkgutil
import benchmarks.speed, bids_deeptaskgen
names = [
    module.name
    for package in (bids_deeptaskgen, benchmarks.speed)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not module.name.startswith("bids_deeptaskgen.training.") and not module.name.endswith("__main__")
    and module.name != "benchmarks.speed.training_step"
]
for name in names:
    importlib.import_module(name)
print(*names, sep="\\n")
"""


def run(code, *words):
    """Run a fresh interpreter without Lightning, with the project's folder on its path."""
    command = [sys.executable, "-c", WITHOUT + code, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_module_outside_training_is_imported():
    done = run(IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    names = done.stdout.split()
    for name in (
        "bids_deeptaskgen.nn.unet",
        "bids_deeptaskgen.models.bundle",
        "bids_deeptaskgen.simulation.random_model",
        "bids_deeptaskgen.evaluation.study",
        "bids_deeptaskgen.commands.train",
        "bids_deeptaskgen.commands.finetune",
        "bids_deeptaskgen.commands.models.new",
        "benchmarks.speed.prediction",
    ):
        assert name in names


def test_a_model_is_made_and_predicts(participants, tmp_path):
    make = (
        "from pathlib import Path\n"
        "from bids_deeptaskgen.simulation.random_model import random_bundle\n"
        "random_bundle(Path(sys.argv[1]), fdim=1)\n"
    )
    done = run(make, tmp_path / "model")
    assert done.returncode == 0, done.stderr
    words = [
        participants,
        tmp_path / "out",
        "participant",
        "--model",
        tmp_path / "model",
        "--contrasts",
        "wm2bk",
    ]
    words += ["--participant-label", "01", "--min-minutes", "0.1", "--min-dof", "1", "--nprocs", "1"]
    done = run("from bids_deeptaskgen.cli.app import main; sys.exit(main(sys.argv[1:]))", *words)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("sub-01/func/*_contrast-wm2bk_*_statmap.nii.gz"))) == 1


def test_ridge_models_are_trained_without_lightning_and_torch():
    # tests/commands/test_train_ridge.py trains one so.
    done = run("import bids_deeptaskgen.training.ridge; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_training_names_the_extra_that_it_needs(model, tmp_path):
    main = "from bids_deeptaskgen.cli.workbench import main; sys.exit(main(sys.argv[1:]))"
    data = ["--connectomes", tmp_path, "--statmaps", tmp_path]
    for words in (
        ["train", tmp_path / "new", "--model", model, *data],
        ["finetune", tmp_path / "new", "--parent", model, "--strategy", "backbone", *data],
    ):
        done = run(main, *words)
        assert done.returncode == 2
        assert "Training needs lightning, which is not installed." in done.stderr
        assert "pip install 'bids-deeptaskgen[train]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_ridge_parent_is_refused_before_the_extra_is_required(model, tmp_path):
    ridge_bundle(tmp_path / "ridge", load_bundle(model))
    main = "from bids_deeptaskgen.cli.workbench import main; sys.exit(main(sys.argv[1:]))"
    words = ["finetune", tmp_path / "new", "--parent", tmp_path / "ridge", "--strategy", "backbone"]
    done = run(main, *words, "--connectomes", tmp_path, "--statmaps", tmp_path)
    assert done.returncode == 2
    assert "is a ridge model, without layers to fine-tune." in done.stderr
    assert "lightning" not in done.stderr
