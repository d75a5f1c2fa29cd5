"""A network of one's own: what it takes, what comes out, how it goes on, and what is refused."""

import json
import logging
import resource
import shutil
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from bids_deeptaskgen.bids.measured_map_images import read_statmap
from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.commands import participant, train
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.machine import require_library
from bids_deeptaskgen.models.bundle import BRAIN_MASK, OUTPUT_MASK, ROIS, load_bundle
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.predict import predict
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.stats.calibration import Calibration
from bids_deeptaskgen.training import run as training
from bids_deeptaskgen.training.cached_participants import read_cached_participants
from bids_deeptaskgen.training.data import gather
from bids_deeptaskgen.training.devices import is_out_of_memory
from bids_deeptaskgen.training.fit_records import Epoch
from bids_deeptaskgen.training.masked_unet import MaskedUNet
from bids_deeptaskgen.training.progress import epoch_words
from bids_deeptaskgen.training.split_file import write_split
from bids_deeptaskgen.training.target_contrasts import known_contrasts, measured_contrasts
from bids_deeptaskgen.training.work_folder import work_folder
from tests.bids.trees import touch
from tests.commands.learning import (
    LABELS,
    SPLIT,
    one_thread,
    read_log,
    start,
    statmap_path,
    write_connectome,
)

PATIENCE_S = 300


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


def test_the_model_predicts_what_the_network_that_was_trained_predicts(world, trained):
    bundle = load_bundle(trained)
    connectome = np.load(next((world.root / "connectomes").glob("sub-06/func/*.npy")))
    maps = predict(load_network(bundle, "cpu"), connectome)
    assert maps.shape == (2, *bundle.output_mask.shape)
    assert [item.label for item in bundle.card.contrasts] == list(LABELS)
    # The module of the training, with the best state that it has kept.
    network = new_network(bundle.card.architecture, seed=0)
    state = torch.load(work_folder(world.settings(trained), trained) / "state.pt", weights_only=True)
    network.load_state_dict(state["best"])
    module = MaskedUNet(network.eval(), bundle.brain_mask, bundle.output_mask)
    with torch.no_grad():
        expected = module(torch.from_numpy(connectome))[0].numpy()
    assert expected.std(axis=1).min() > 0
    # Folding batch normalisation rounds otherwise.
    assert np.abs(maps[:, bundle.output_mask] - expected).max() < 1e-5 * expected.std()


def test_it_takes_the_connectomes_that_it_was_trained_on(world, trained):
    own_value, reference_value = load_bundle(trained).card, world.model.card
    for name in (ROIS, BRAIN_MASK, OUTPUT_MASK):
        assert own_value.sha256[name] == reference_value.sha256[name]


def test_its_card_says_where_it_and_its_roi_maps_are_from(world, trained):
    card = load_bundle(trained).card
    assert (card.name, card.parent, card.licence, card.window_minutes) == ("mine", None, "not stated", 5.0)
    notice = "The ROI maps of this model are those of tiny, which is not for science."
    assert (card.for_science, card.notice) == (True, notice)
    assert card.architecture == world.model.card.architecture
    for words in (
        "3 participants",
        "of 2",
        "crr (alpha 0.1, margin 1)",
        "batches of 2",
        "on 2 validation",
        "torch",
    ):
        assert words in card.training


def measured_maps(world, bundle):
    """Read the measured maps of the training and validation participants, NaN where there are none."""
    shape = (len(LABELS), int(bundle.output_mask.sum()))
    maps = {participant: np.full(shape, np.nan) for participant, split in SPLIT.items() if split != "test"}
    for file in find_statmaps(world.root / "measured"):
        if file.subject in maps:
            maps[file.subject][LABELS.index(file.contrast)] = read_statmap(file, bundle.output_mask)
    return maps


def test_mean_maps_use_all_participants_but_those_of_the_test(world, trained):
    bundle = load_bundle(trained)
    maps = measured_maps(world, bundle)
    assert sorted(maps) == ["01", "02", "03", "04", "05"]
    np.testing.assert_allclose(bundle.mean_statmaps(), np.nanmean(list(maps.values()), axis=0), atol=1e-5)


def test_validation_participants_are_calibrated_against_mean_maps_without_their_own(world, trained):
    bundle, calibration = load_bundle(trained), Calibration(len(LABELS))
    maps, network = measured_maps(world, bundle), load_network(bundle, "cpu")
    for label in ("04", "05"):
        path = next((world.root / "connectomes").glob(f"sub-{label}/func/*.npy"))
        predicted = predict(network, np.load(path))[:, bundle.output_mask]
        others = [values for name, values in maps.items() if name != label]
        calibration.add(predicted, maps[label], np.nanmean(others, axis=0))
    np.testing.assert_allclose(bundle.card.calibration, calibration.weights, atol=0.011)
    assert set(bundle.card.calibration) == {round(calibration.pooled_weight, 2)}
    for words in (
        "mean maps of 5 training and validation participants",
        "calibrated on the 2 validation participants against mean maps without their own",
        "pooled over contrasts, for all 2 contrasts, since none has maps of 10 of them",
    ):
        assert words in bundle.card.training


def test_calibrated_predictions_of_the_app_use_its_calibration(simulated, trained, tmp_path):
    weights = load_bundle(trained).card.calibration
    assert all(0 <= weight <= 1 for weight in weights)
    settings = ParticipantSettings(
        simulated, tmp_path / "out", participant_label=("01",), model=str(trained), calibrated=True,
        min_minutes=0.5, min_dof=5, nprocs=1,
    )  # fmt: skip
    assert participant.run(settings) == 0
    sidecars = sorted((tmp_path / "out").glob("sub-01/func/*_statmap.json"))
    entry = [
        json.loads(path.read_text())["DeepTaskGen"]["Contrast"]["CalibrationWeight"] for path in sidecars
    ]
    assert entry == list(weights)


def test_split_log_and_settings_are_kept_and_the_cache_is_not(world, trained):
    folder = work_folder(world.settings(trained), trained)
    assert (folder / "split.tsv").read_bytes() == (world.root / "split.tsv").read_bytes()
    assert [row["epoch"] for row in read_log(folder)] == ["1", "2"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "log.csv", "settings.toml", "split.tsv", "state.pt", "training.json",
    ]  # fmt: skip


def test_a_training_that_was_killed_goes_on_as_if_nothing_had_happened(world, trained, tmp_path):
    out = tmp_path / "mine"
    settings = world.settings(out)
    words = ["train", out, "--connectomes", settings.connectomes, "--statmaps", settings.statmaps]
    words += ["--split", settings.split, "--model", settings.model, "--architecture", "unetminimal"]
    words += ["--fdim", 1, "--epochs", 2, "--batch-size", 2, "--learning-rate", 0.01, "--device", "cpu"]
    process, state = start(*words), work_folder(settings, out) / "state.pt"
    end = time.monotonic() + PATIENCE_S
    while not state.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.communicate()
    assert not out.exists()
    (done,) = torch.load(state, weights_only=True)["log"]
    assert train.run(settings) == 0
    # The epoch that was done was not done again, which would have taken another time.
    assert f",{done['seconds']!r}\n" in (work_folder(settings, out) / "log.csv").read_text()
    assert read_log(work_folder(settings, out)) == read_log(work_folder(settings, trained))
    assert load_bundle(out).weights_sha256 == load_bundle(trained).weights_sha256


def test_more_epochs_go_on_from_where_a_training_ended(world, trained, tmp_path, capsys):
    folder = tmp_path / "training"
    shutil.copytree(work_folder(world.settings(trained), trained), folder)
    initial_state = (folder / "log.csv").read_text()
    settings = world.settings(tmp_path / "more", epochs=3, work_dir=folder, weights="last", name="longer")
    assert train.run(settings) == 0
    assert (folder / "log.csv").read_text().startswith(initial_state)
    assert len(read_log(folder)) == 3
    card = load_bundle(tmp_path / "more").card
    assert "epoch 3 of 3" in card.training
    assert card.name == "longer"
    entry = capsys.readouterr().out
    r = [float(row["r"]) for row in read_log(folder)]
    assert f"Best epoch: {1 + int(np.argmax(r))} of 3 (" in entry
    assert "; the model is that of epoch 3\n" in entry


def test_a_disk_that_is_full_costs_neither_the_training_nor_the_model_that_was_there(
    world, trained, tmp_path, monkeypatch
):
    out, initial_state, write = (
        tmp_path / "mine",
        resource.getrlimit(resource.RLIMIT_FSIZE),
        training.write_bundle,
    )
    shutil.copytree(trained, out)
    settings = world.settings(out, overwrite=True, name="new")

    def write_little(*what):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, initial_state[1]))
        try:
            return write(*what)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, initial_state)

    with monkeypatch.context() as patch:
        patch.setattr(training, "write_bundle", write_little)
        with pytest.raises(OSError, match="File too large") as caught:
            train.run(settings)
    assert caught.value.filename == str(out)
    assert load_bundle(out).card == load_bundle(trained).card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "mine.training"]
    # It was done to the end: with an OUT of its own it only has to be written.
    repetition = world.settings(tmp_path / "other", work_dir=work_folder(settings, out), name="new")
    log = (work_folder(settings, out) / "log.csv").read_text()
    assert train.run(repetition) == 0
    assert (work_folder(settings, out) / "log.csv").read_text() == log
    assert load_bundle(tmp_path / "other").weights_sha256 == load_bundle(trained).weights_sha256


def refusal(settings, error=UserError):
    """Return the error message of a training, and check that OUT does not exist."""
    existed = settings.out.exists()
    with pytest.raises(error) as caught:
        train.run(settings)
    assert settings.out.exists() == existed
    return str(caught.value)


def test_a_model_that_is_there_is_not_replaced_unasked(world, trained):
    assert "is already a model" in refusal(world.settings(trained))
    assert "exists and is not a model" in refusal(world.settings(world.root))
    assert "is the model that the training begins with" in refusal(
        world.settings(world.model.folder, overwrite=True)
    )


def test_a_folder_with_another_training_is_not_gone_on_with(world, trained, tmp_path):
    folder = work_folder(world.settings(trained), trained)
    counterpart = world.settings(tmp_path / "other", work_dir=folder, alpha=0.25, contrasts=("contrast0",))
    sentence = refusal(counterpart)
    assert "`alpha` (0.1 then, 0.25 now)" in sentence
    assert "`contrasts` (not set then, ['contrast0'] now)" in sentence
    assert "`overwrite`" in sentence
    (tmp_path / "mine.txt").touch()
    foreign = world.settings(tmp_path / "other", work_dir=tmp_path, overwrite=True)
    assert "is not empty and holds no training" in refusal(foreign)
    assert (tmp_path / "mine.txt").exists()


def test_other_participants_mean_another_training(world, trained, tmp_path):
    folder = work_folder(world.settings(trained), trained)
    write_split(tmp_path / "split.tsv", SPLIT | {"06": "train"})
    sentence = refusal(world.settings(tmp_path / "other", work_dir=folder, split=tmp_path / "split.tsv"))
    assert "participants (" in sentence


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("sub-01\ttrain\nsub-01\ttest\n", "sub-01 is in two splits, train and test"),
        ("sub-01\ttrain\n", "5 participants are not in the table"),
        ("".join(f"{participant}\ttrain\n" for participant in SPLIT), "has 6 train, 0 validation, 0 test"),
    ],
)
def test_a_split_that_does_not_do_is_refused(world, tmp_path, rows, words):
    table = touch(tmp_path / "split.tsv", "participant_id\tsplit\n" + rows)
    assert words in refusal(world.settings(tmp_path / "out", split=table), InputError)


def test_participants_are_split_by_shares_without_a_split_file(world, tmp_path):
    settings = world.settings(tmp_path / "out", split=None, validation_share=0.3, test_share=0.2)
    contrasts = known_contrasts(world.model)[:2]
    data = gather(settings, world.model, contrasts)
    assert [data.n_participants(name) for name in ("train", "validation", "test")] == [3, 2, 1]
    assert data.split == gather(settings, world.model, contrasts).split


def test_connectomes_of_another_roi_set_are_refused(world, tmp_path):
    write_connectome(tmp_path / "connectomes", world.model, "01", np.zeros((1, 3, 7), np.float32), "f" * 64)
    sentence = refusal(world.settings(tmp_path / "out", connectomes=tmp_path / "connectomes"), InputError)
    assert "was made with another ROI set (sha256 ffffffffffff)" in sentence


def test_task_maps_of_another_space_are_refused(world, tmp_path):
    touch(statmap_path(tmp_path / "measured", "01", "contrast0", "MNI152NLin2009cAsym"))
    sentence = refusal(world.settings(tmp_path / "out", statmaps=tmp_path / "measured"), InputError)
    assert "is in space-MNI152NLin2009cAsym only" in sentence


def test_unmeasured_and_unknown_contrasts_are_refused(world, tmp_path):
    sentence = refusal(world.settings(tmp_path / "out", contrasts=("wm2bk",)), InputError)
    assert "the task maps are of other contrasts (contrast0, contrast1) than" in sentence
    both = ("contrast0", "wm2bk")
    sentence = refusal(world.settings(tmp_path / "out", contrasts=both), InputError)
    assert "None of the 6 sessions" in sentence
    assert "wm2bk" in sentence
    sentence = refusal(world.settings(tmp_path / "out", contrasts=("nonsense",)))
    assert "`contrasts`: nonsense: task maps and models have no such contrast (" in sentence
    assert sentence.endswith(" Measured: contrast0, contrast1.")


def test_a_contrast_without_training_participants_is_refused(world, tmp_path):
    split = SPLIT | {"01": "test", "03": "test"}
    write_split(tmp_path / "split.tsv", split)
    sentence = refusal(world.settings(tmp_path / "out", split=tmp_path / "split.tsv"), InputError)
    assert "None of the 1 training participants" in sentence
    assert "contrast1" in sentence


def test_voxels_without_a_value_are_counted_and_named(world, tmp_path, caplog):
    contrasts = measured_contrasts(world.root / "measured", world.model.card.contrasts, ())
    data = gather(world.settings(tmp_path / "out"), world.model, contrasts)
    with caplog.at_level(logging.WARNING, "bids_deeptaskgen"):
        read_cached_participants(data, tmp_path / "cache")
    assert "2 measured maps have no value" in caplog.text
    assert "sub-03 contrast0 (5), sub-03 contrast1 (5)" in caplog.text
    kept_rows = np.load(tmp_path / "cache" / "sub-02.npy")
    assert np.isnan(kept_rows[1]).all()
    assert np.isfinite(kept_rows[0]).all()


def test_out_of_memory_is_distinguished_from_other_errors():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**16)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused_before_anything_is_read(world, tmp_path):
    assert "device cuda is not available" in refusal(world.settings(tmp_path / "out", device="cuda"))
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_ends_the_training_with_advice(world, tmp_path):
    sentence = refusal(world.settings(tmp_path / "out", learning_rate=1e30, epochs=1))
    assert "diverged" in sentence
    assert "`learning_rate`" in sentence


def test_what_is_not_installed_is_named_with_the_command_that_installs_it():
    require_library("numpy", "Training", "numpy")
    with pytest.raises(UserError, match=r"Training needs no_such_library.*\n.*pip install 'the\[extra\]'"):
        require_library("no_such_library", "Training", "the[extra]")


def test_known_contrasts_are_found_in_other_spellings_and_others_keep_their_names(tmp_path):
    for task, contrast in (("emotion", "facesVsShapes"), ("wm", "2bk"), ("pain", "hotVsWarm")):
        touch(tmp_path / "sub-01" / f"sub-01_task-{task}_contrast-{contrast}_stat-z_statmap.nii.gz")
    result = measured_contrasts(tmp_path, load_contrasts(), ())
    assert [item.label for item in result] == ["emotionFacesMinusShapes", "wm2bk", "hotVsWarm"]
    assert result[-1].task == "PAIN"
    (only,) = measured_contrasts(tmp_path, load_contrasts(), ("PAIN",))
    assert only.label == "hotVsWarm"


def test_the_stored_split_can_be_read(world, trained):
    rows = read_tsv(work_folder(world.settings(trained), trained) / "split.tsv")
    assert {row["participant_id"].removeprefix("sub-"): row["split"] for row in rows} == SPLIT


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": None, "validation_share": 0.5, "test_share": 0.5}, "no training participants"),
        ({"split": None, "validation_share": 0.0}, "--schedule plateau"),
        ({"batch_size": 5, "n_devices": 2}, "must be a multiple"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(world, tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        world.settings(tmp_path / "out", **changes)


def test_an_epoch_is_described_without_missing_scores():
    line = Epoch(2, 0.001, 1.5, 1.25, 0.5, 0.125, 61.4)
    words = epoch_words(line)
    assert words.startswith("loss 1.5000, validation 1.2500, r 0.500 (+0.125 above other participants')")
    assert words.endswith("; learning rate 0.001, 61 s")
    assert "other participants" not in epoch_words(replace(line, difference=np.nan))
    none = replace(line, validation_loss=np.nan, r=np.nan, difference=np.nan)
    assert epoch_words(none) == "loss 1.5000; learning rate 0.001, 61 s"
