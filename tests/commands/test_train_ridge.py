"""A ridge model of one's own: what it takes, what comes out, and what is refused."""

import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.connectome_files import find_connectomes, read_mean_connectome
from bids_deeptaskgen.cli import workbench
from bids_deeptaskgen.commands import finetune, train
from bids_deeptaskgen.commands.models import import_checkpoint
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.models.bundle import BRAIN_MASK, OUTPUT_MASK, ROIS, load_bundle
from bids_deeptaskgen.models.ridge_arrays import at_output_voxels
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.predict import predict
from bids_deeptaskgen.settings.models import ModelsImportSettings, ModelsNewSettings
from bids_deeptaskgen.settings.training import FinetuneSettings, TrainSettings
from bids_deeptaskgen.stats.linear_model import winner_take_all
from bids_deeptaskgen.stats.ridge import fit_ridge
from bids_deeptaskgen.training.data import gather
from bids_deeptaskgen.training.pairs import load_targets
from bids_deeptaskgen.training.ridge_participants import RidgeParticipant
from bids_deeptaskgen.training.split_file import write_split
from bids_deeptaskgen.training.work_folder import work_folder
from tests.commands.learning import LABELS, ROOT, SPLIT

FITTED = tuple(label for label, split in SPLIT.items() if split != "test")


def settings_of(world, out, **changes):
    """Return settings of a ridge model."""
    values = {"architecture": "ridge", "model": str(world.model.folder), **world.data}
    return TrainSettings(out=out, **(values | changes))


@pytest.fixture(scope="module")
def fitted(world, tmp_path_factory):
    """Train on the command line; return the folder of the model, the standard output and the log."""
    out = tmp_path_factory.mktemp("ridge") / "mine"
    words = ["train", out, "--architecture", "ridge", "--model", world.model.folder]
    for name, value in world.data.items():
        words += [f"--{name}", value]
    code = "from bids_deeptaskgen.cli.workbench import main; raise SystemExit(main())"
    # None in sys.modules makes Python treat a module as absent.
    absent = "import sys; sys.modules.update(dict.fromkeys(('torch', 'lightning', 'lightning.fabric')))\n"
    done = subprocess.run(
        [sys.executable, "-c", absent + code, *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout, done.stderr


@pytest.fixture(scope="module")
def reference(world, tmp_path_factory):
    """Fit the ridge model to all pairs but those of the test participants, from arrays in memory."""
    settings = settings_of(world, tmp_path_factory.mktemp("none") / "out")
    data = gather(settings, world.model, world.model.card.contrasts)
    masks = world.model.brain_mask, world.model.output_mask
    arrays = [
        (read_mean_connectome([pair.connectome], *masks), load_targets(pair, LABELS, masks[1]))
        for pair in data.pairs["train"]
    ]
    parcels = winner_take_all(at_output_voxels(world.model.rois(), *masks))
    participants = [lambda values=values: values for values in arrays]
    fit = fit_ridge(participants, parcels, [pair.group for pair in data.pairs["train"]], seed=settings.seed)
    return fit, participants


def test_a_model_without_torch_and_lightning_is_the_fit_to_training_and_validation_participants(
    fitted, reference
):
    bundle, model = load_bundle(fitted[0]), reference[0].model
    assert len(reference[1]) == len(FITTED)
    loaded = bundle.ridge_model()
    np.testing.assert_allclose(loaded.coefficients, model.coefficients, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(loaded.parcels, model.parcels)
    np.testing.assert_allclose(loaded.mean_maps, model.mean_maps, atol=1e-5)
    assert [contrast.label for contrast in bundle.card.contrasts] == list(LABELS)


def test_it_predicts_the_map_of_a_test_participant_better_than_the_mean_map(world, fitted):
    bundle = load_bundle(fitted[0])
    connectome = np.load(next((world.root / "connectomes").glob("sub-06/func/*.npy")))
    maps = predict(load_network(bundle), connectome)[:, bundle.output_mask]
    (pair,) = gather(
        settings_of(world, fitted[0].parent / "x"), world.model, world.model.card.contrasts
    ).pairs["test"]
    measured = load_targets(pair, LABELS, bundle.output_mask)
    for row, mean, own in zip(maps, bundle.mean_statmaps(), measured, strict=True):
        # The measured maps are three times the connectivity with two of the ROIs.
        assert np.corrcoef(row, own)[0, 1] > 0.95 > np.corrcoef(mean, own)[0, 1]


def test_its_masks_are_those_of_its_base_and_its_card_describes_the_fit(world, fitted):
    card = load_bundle(fitted[0]).card
    for name in (ROIS, BRAIN_MASK, OUTPUT_MASK):
        assert card.sha256[name] == world.model.card.sha256[name]
    assert (card.name, card.parent, card.window_minutes, card.input_mask) == ("mine", None, 5.0, "gm")
    notice = "The ROI maps of this model are those of tiny, which is not for science."
    assert (card.for_science, card.notice) == (True, notice)
    assert card.training.startswith("5 participants, all training and validation participants of the split;")
    for words in (
        "ridge regression from the deviation", "of the mean eigenvalue and amplitude", "5-fold",
        "cross-validated r of the deviations 0.9", "seed 42",
        "calibrated on the 5 participants, each predicted without their fold, against mean maps without it: ",
    ):  # fmt: skip
        assert words in card.training
    for words in ("torch", "lightning", "epoch", "loss"):
        assert words not in card.training


def test_the_calibration_uses_predictions_and_mean_maps_without_the_participant(fitted, reference):
    fit, participants = reference
    weights = load_bundle(fitted[0]).card.calibration
    for row, weight in enumerate(weights):
        candidates = np.array([weight, *np.linspace(0, 1, 6)])
        r = np.zeros(len(candidates))
        for participant, fold in zip(participants, fit.folds, strict=True):
            connectome, measured = participant()
            finite = np.isfinite(measured[row])
            if not finite.any():
                continue
            model = fit.fold_models[fold]
            predicted, mean = model.predict(connectome)[row, finite], model.mean_maps[row, finite]
            mixtures = (1 - candidates)[:, None] * mean + candidates[:, None] * predicted
            r += [np.corrcoef(mixture, measured[row, finite])[0, 1] for mixture in mixtures]
        assert r[0] == pytest.approx(r.max(), abs=1e-4)


def test_split_and_table_of_the_fit_are_kept_and_the_cache_is_not(world, fitted, reference):
    out, stdout, stderr = fitted
    folder = work_folder(settings_of(world, out), out)
    assert sorted(path.name for path in folder.iterdir()) == [
        "ridge_fit.tsv", "settings.toml", "split.tsv", "training.json",
    ]  # fmt: skip
    rows = read_tsv(folder / "ridge_fit.tsv")
    assert [row["contrast"] for row in rows] == list(LABELS)
    assert [row["n_participants"] for row in rows] == ["5", "4"]
    assert [float(row["penalty"]) for row in rows] == reference[0].penalties.tolist()
    split = {
        row["participant_id"].removeprefix("sub-"): row["split"] for row in read_tsv(folder / "split.tsv")
    }
    assert split == SPLIT
    assert "Fitted to 5 participants; 1 test participants are reserved for evaluation.\n" in stdout
    assert "Cross-validated r of deviations from the mean map: 0.9" in stdout
    assert f"Model: {out}\n" in stdout
    assert "fitted to the training participants of the split and to its 2 validation participants" in stderr
    assert stderr.count("Only 5 unrelated training participants") == 1


def test_the_mean_over_windows_is_read_once(world, tmp_path):
    data = gather(settings_of(world, tmp_path / "out"), world.model, world.model.card.contrasts)
    from bids_deeptaskgen.training.cached_participants import CachedParticipant

    (pair,) = [pair for pair in data.pairs["train"] if pair.subject == "01"]
    participant = RidgeParticipant(CachedParticipant(pair, data, tmp_path), world.model)
    (file,) = find_connectomes(world.root / "connectomes", ["01"])
    windows = np.load(file.path)
    expected = at_output_voxels(windows.mean(axis=0), world.model.brain_mask, world.model.output_mask)
    np.testing.assert_allclose(participant.connectome(), expected, atol=1e-6)
    np.testing.assert_array_equal(participant.connectome(), np.load(tmp_path / "sub-01_connectome.npy"))


def test_families_stay_together_in_the_cross_validation(world, tmp_path):
    table = tmp_path / "participants.tsv"
    families = {"01": "a", "02": "a", "03": "b", "04": "b", "05": "c", "06": "d"}
    rows = [f"sub-{label}\t{family}\n" for label, family in families.items()]
    table.write_text("participant_id\tfamily_id\n" + "".join(rows))
    split = tmp_path / "split.tsv"
    write_split(split, dict.fromkeys(families, "train"))
    data = gather(
        settings_of(world, tmp_path / "out", participants_tsv=table, split=split),
        world.model,
        world.model.card.contrasts,
    )
    assert [pair.group for pair in data.pairs["train"]] == [f"family {name}" for name in families.values()]


def test_a_model_is_replaced_only_on_request(world, fitted, tmp_path):
    out = shutil.copytree(fitted[0], tmp_path / "mine")
    with pytest.raises(UserError, match="is already a model") as caught:
        train.run(settings_of(world, out))
    assert "epochs" not in str(caught.value)
    assert (
        train.run(settings_of(world, out, overwrite=True, calibration=False, contrasts=("contrast1",))) == 0
    )
    card = load_bundle(out).card
    assert [contrast.label for contrast in card.contrasts] == ["contrast1"]
    assert card.calibration is None
    assert "calibrated" not in card.training


def test_a_ridge_model_serves_as_the_base_of_another(world, fitted, tmp_path):
    assert train.run(settings_of(world, tmp_path / "again", model=str(fitted[0]))) == 0
    first, second = (load_bundle(folder) for folder in (fitted[0], tmp_path / "again"))
    assert first.card.architecture == second.card.architecture


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fdim": 8}, "--fdim 8: given with --architecture ridge"),
        ({"loss": "mse", "epochs": 3}, "--loss mse, --epochs 3: given"),
        ({"learning_rate": 0.1}, "--learning-rate 0.1"),
        ({"schedule": "cosine"}, "--schedule cosine"),
        ({"device": "cuda:1"}, "--device cuda:1"),
        ({"tensorboard": True}, "--tensorboard: given"),
        (
            {"precision": "bf16", "weights": "last", "n_devices": 2},
            "--precision bf16, --weights last, --n-dev",
        ),
    ],
)
def test_options_of_networks_are_refused_by_name(world, tmp_path, changes, words):
    with pytest.raises(UserError) as caught:
        settings_of(world, tmp_path / "out", **changes)
    assert words in str(caught.value)


def test_the_device_cpu_and_no_validation_share_are_accepted(world, tmp_path):
    settings = settings_of(world, tmp_path / "out", device="cpu", validation_share=0, split=None)
    data = gather(settings, world.model, world.model.card.contrasts)
    assert [data.n_participants(name) for name in ("train", "validation", "test")] == [5, 0, 1]


def test_fewer_than_three_families_are_refused(world, tmp_path):
    write_split(tmp_path / "split.tsv", dict.fromkeys(SPLIT, "test") | {"01": "train", "02": "validation"})
    with pytest.raises(InputError, match=r"2 unrelated training participants .* at least 3 "):
        train.run(settings_of(world, tmp_path / "out", split=tmp_path / "split.tsv"))
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.training").exists()


def test_few_families_are_a_warning(world, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "bids_deeptaskgen"):
        train.run(settings_of(world, tmp_path / "out"))
    assert "Only 5 unrelated training participants" in caplog.text


def test_a_ridge_model_is_not_fine_tuned(world, fitted, tmp_path):
    settings = FinetuneSettings(
        out=tmp_path / "out", parent=str(fitted[0]), strategy="new-head", **world.data
    )
    with pytest.raises(UserError, match=r"mine is a ridge model, without layers to fine-tune\.\n.*train OUT"):
        finetune.run(settings)
    assert not (tmp_path / "out").exists()


def test_no_new_and_no_imported_model_is_a_ridge_model(fitted, tmp_path):
    with pytest.raises(UserError, match="a ridge model is fitted to participants, so it cannot be new"):
        ModelsNewSettings(out=tmp_path / "new", rois=tmp_path / "rois.nii.gz", architecture="ridge")
    settings = ModelsImportSettings(
        checkpoint=fitted[0] / "weights.safetensors", out=tmp_path / "out", rois=fitted[0] / ROIS, name="x"
    )
    with pytest.raises(UserError, match="holds a ridge model, but only networks are imported"):
        import_checkpoint.run(settings)
    assert list(tmp_path.iterdir()) == []


def test_models_info_describes_it(fitted, capsys):
    assert workbench.main(["models", "info", str(fitted[0])]) == 0
    text = capsys.readouterr().out
    assert "Architecture: ridge regression, 3 -> 2 channels" in text
    assert "network" not in text
