"""A fit is the published one; stopping it or sharing it among processes changes nothing."""

import resource
import signal
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.training.devices import make_fabric
from bids_deeptaskgen.training.fit import STATE, fit
from bids_deeptaskgen.training.fit_records import FitSettings
from bids_deeptaskgen.training.losses import LossSettings
from bids_deeptaskgen.training.masked_unet import MaskedUNet
from bids_deeptaskgen.training.sampling import epoch_order, window_of
from bids_deeptaskgen.training.validation import batch_scores, predict_participant
from tests.golden_files import golden_arrays, network_of, part
from tests.training.fit_scripts import run_script, same_states
from tests.training.participants import (
    NETWORK,
    PARTICIPANTS,
    SETTINGS,
    VALIDATION,
    RandomParticipant,
    fitted,
    in_float64,
    new_module,
    without_seconds,
)
from tests.training.run_fit import PLAIN, first_step

NOBODY_MEASURED = [RandomParticipant(name, lacks=(0, 1)) for name in ("x", "y")]


@dataclass(frozen=True)
class StoredParticipant:
    """A participant with one window, as arrays."""

    name: str
    own_connectome: np.ndarray
    own_statmaps: np.ndarray
    n_windows: int = 1

    def connectome(self, window):  # noqa: ARG002 - there is but one
        """Give (n_rois, n_brain_voxels)."""
        return self.own_connectome

    def statmaps(self):
        """Give (n_contrasts, n_output_voxels)."""
        return self.own_statmaps


def test_three_steps_are_the_published_ones():
    golden, losses = golden_arrays("train_steps"), golden_arrays("losses")
    inside = losses["mask"] > 0
    names = ["a", "b", "c"]
    # In float64: Adam turns the rounding of small float32 gradients into steps, which differ by processor.
    participants = [
        StoredParticipant(name, x.reshape(len(x), -1).astype(np.float64), maps[:, inside].astype(np.float64))
        for name, x, maps in zip(names, golden["input"], losses["target"], strict=True)
    ]
    # The published steps have the participants in one order; the contrast loss depends on it.
    seed = next(
        one for one in range(10_000) if all(epoch_order(one, k, names) == [0, 1, 2] for k in range(3))
    )
    module = MaskedUNet(network_of(part(golden, "sd0/")), np.ones_like(inside), inside).double()
    settings = FitSettings(n_epochs=3, batch_size=3, schedule="constant", seed=seed)
    found = fitted(settings, participants, [], module)
    np.testing.assert_allclose([line.train_loss for line in found.log], golden["losses"], rtol=1e-6)
    # See test_losses: these have nothing but rounding for a gradient, or follow what has.
    idle = (".conv.0.bias", ".running_mean")
    after = {key: value for key, value in part(golden, "sd3/").items() if not key.endswith(idle)}
    assert len(after) == len(found.last_state) - 10
    for key, value in after.items():
        # The published float32 weights are as near as that to those of float64.
        np.testing.assert_allclose(found.last_state[key], value, rtol=0, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("schedule", ["plateau", "constant"])
@pytest.mark.parametrize("n_done", [1, 3])
def test_a_resumed_fit_equals_an_uninterrupted_fit(tmp_path, schedule, n_done):
    settings = replace(SETTINGS, n_epochs=4, schedule=schedule)
    whole = fitted(settings)
    fitted(replace(settings, n_epochs=n_done), folder=tmp_path)
    told = []
    # The first weights are not needed any more.
    resumed = fitted(settings, module=new_module(seed=9), folder=tmp_path, watch=told.append)
    assert without_seconds(resumed.log) == without_seconds(whole.log)
    assert told == list(resumed.log)
    assert resumed.best_epoch == whole.best_epoch
    assert same_states(resumed.last_state, whole.last_state)
    assert same_states(resumed.best_state, whole.best_state)


def test_a_finished_fit_is_not_repeated(tmp_path):
    first = fitted(folder=tmp_path)
    again = fitted(module=new_module(seed=9), participants=[RandomParticipant("other")], folder=tmp_path)
    assert again.log == first.log
    assert same_states(again.last_state, first.last_state)


def test_a_fit_killed_while_writing_resumes_from_the_previous_epoch(tmp_path):
    process = run_script("killed", tmp_path)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert len(list(tmp_path.glob(".*.tmp"))) == 1
    assert len(torch.load(tmp_path / STATE, weights_only=True)["log"]) == 2
    settings = replace(SETTINGS, n_epochs=5)
    resumed, whole = fitted(settings, folder=tmp_path), fitted(settings)
    assert without_seconds(resumed.log) == without_seconds(whole.log)
    assert same_states(resumed.last_state, whole.last_state)
    assert same_states(resumed.best_state, whole.best_state)


def test_a_full_disk_leaves_the_state_of_the_previous_epoch(tmp_path):
    fitted(replace(SETTINGS, n_epochs=1), folder=tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            fitted(folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / STATE)
    assert [path.name for path in tmp_path.iterdir()] == [STATE]
    assert without_seconds(fitted(folder=tmp_path).log) == without_seconds(fitted().log)


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"loss": LossSettings("mse")}, {"n_epochs": 1}, {"strategy": "backbone"}]
)
def test_the_state_of_other_settings_is_refused(tmp_path, changes):
    fitted(folder=tmp_path)
    with pytest.raises(UserError, match=r"state\.pt: is the state after 2 epochs of a training with"):
        fitted(replace(SETTINGS, **changes), folder=tmp_path)


def test_a_cosine_schedule_is_not_extended(tmp_path):
    fitted(replace(SETTINGS, schedule="cosine"), folder=tmp_path)
    with pytest.raises(UserError, match="Choose another folder, or the same settings"):
        fitted(replace(SETTINGS, schedule="cosine", n_epochs=3), folder=tmp_path)


@dataclass(frozen=True)
class WatchedPerson(RandomParticipant):
    """Notes which windows are read."""

    read: list = field(default_factory=list)

    def connectome(self, window):
        """Give (n_rois, n_brain_voxels)."""
        self.read.append((self.name, window))
        return super().connectome(window)


def test_an_epoch_uses_one_random_window_per_participant_and_validates_on_all_windows():
    read = []
    participants, validation = (
        [WatchedPerson(f"sub-{kind}{number}", 4, read=read) for number in range(n)]
        for kind, n in (("t", 5), ("v", 3))
    )
    fitted(participants=participants, validation=validation)
    names = [participant.name for participant in participants]
    wanted = []
    for epoch in range(2):
        order = [names[one] for one in epoch_order(SETTINGS.seed, epoch, names)]
        wanted += [(name, window_of(SETTINGS.seed, epoch, name, 4)) for name in order]
        wanted += [(participant.name, window) for participant in validation for window in range(4)]
    assert read == wanted


def test_a_participant_without_maps_changes_nothing():
    settings = replace(SETTINGS, n_epochs=1, schedule="constant")
    # In float64, since Adam makes a whole step of a gradient that is nothing but float32's rounding.
    alone, beside = (
        fitted(settings, in_float64(participants), [], new_module(PLAIN).double())
        for participants in (PARTICIPANTS[:1], [PARTICIPANTS[0], NOBODY_MEASURED[0]])
    )
    assert beside.log[0].train_loss == pytest.approx(alone.log[0].train_loss, rel=1e-14)
    for name, value in alone.last_state.items():
        torch.testing.assert_close(beside.last_state[name], value, rtol=0, atol=1e-9, msg=name)
    nothing = fitted(settings, NOBODY_MEASURED, [], new_module(PLAIN))
    assert nothing.log[0].train_loss == 0
    assert same_states(nothing.last_state, new_module(PLAIN).network.state_dict())


def test_missing_contrasts_are_excluded():
    participants = [*PARTICIPANTS[:3], RandomParticipant("a", lacks=(0,)), *NOBODY_MEASURED]
    found = fitted(participants=participants, validation=participants)
    for line in found.log:
        assert np.isfinite([line.train_loss, line.validation_loss, line.r, line.difference]).all()
    assert all(value.isfinite().all() for value in found.last_state.values())


def test_a_single_participant_can_be_trained_and_validated_on():
    log = fitted(participants=PARTICIPANTS[:1], validation=VALIDATION[:1]).log
    assert np.isfinite([[line.train_loss, line.validation_loss, line.r] for line in log]).all()
    assert np.isnan([line.difference for line in log]).all()


def test_a_fit_learns_the_maps():
    settings = replace(SETTINGS, n_epochs=25, learning_rate=0.03)
    log = fitted(settings, in_float64(PARTICIPANTS), in_float64(VALIDATION), new_module().double()).log
    # In float64, processors agree in far more digits than these bounds have: 0.25, 0.89 and 0.90 are reached.
    assert log[-1].train_loss < 0.3 * log[0].train_loss
    assert log[-1].r > 0.7
    assert log[-1].difference > 0.7


@pytest.mark.parametrize("n_done", [13, 8])
def test_the_rate_falls_to_a_tenth_after_ten_epochs_without_gain_stopped_or_not(tmp_path, n_done):
    # So small a rate changes next to nothing, and without batch normalisation nothing else does.
    settings = replace(SETTINGS, n_epochs=13, learning_rate=1e-7)
    for n_epochs in (n_done, 13):
        one = replace(settings, n_epochs=n_epochs)
        log = fitted(one, PARTICIPANTS[:2], VALIDATION[:1], new_module(PLAIN), folder=tmp_path).log
    assert [line.learning_rate for line in log] == pytest.approx([1e-7] * 12 + [1e-8], rel=1e-9)


def test_a_cosine_rate_ends_at_zero_and_a_constant_rate_stays():
    rates = {
        schedule: [
            line.learning_rate for line in fitted(replace(SETTINGS, n_epochs=4, schedule=schedule)).log
        ]
        for schedule in ("cosine", "constant")
    }
    assert rates["cosine"] == pytest.approx([0.01 * (1 + np.cos(np.pi * k / 4)) / 2 for k in range(4)])
    assert rates["constant"] == [0.01] * 4


def states_of(validation):
    """Fit in float64, in which processors agree which epoch is the best; keep the state after each epoch."""
    module, states = new_module().double(), []

    def watch(_):
        states.append({key: value.clone() for key, value in module.network.state_dict().items()})

    settings = replace(SETTINGS, n_epochs=6, learning_rate=0.03)
    return fitted(settings, in_float64(PARTICIPANTS), in_float64(validation), module, watch=watch), states


@dataclass(frozen=True)
class FicklePerson(RandomParticipant):
    """Has maps of the other sign from the fourth time on that they are asked for."""

    asked: list = field(default_factory=list)

    def statmaps(self):
        """Give (n_contrasts, n_output_voxels)."""
        self.asked.append(None)
        return super().statmaps() * (1 if len(self.asked) <= 3 else -1)


def test_the_best_state_is_that_of_the_highest_r():
    found, states = states_of(validation=[FicklePerson("sub-v0", 3)])
    best = int(np.argmax([line.r for line in found.log]))
    assert 0 < best < 3
    assert found.best_epoch == found.log[best].epoch == best + 1
    assert same_states(found.best_state, states[best])
    assert same_states(found.last_state, states[-1])
    assert not same_states(found.best_state, found.last_state)


def test_the_best_state_survives_a_resume(tmp_path):
    participants, validation = in_float64(PARTICIPANTS), in_float64([FicklePerson("sub-v0", 3)])
    before, after = (
        fitted(
            replace(SETTINGS, n_epochs=n), participants, validation, new_module().double(), folder=tmp_path
        )
        for n in (4, 6)
    )
    assert after.best_epoch == before.best_epoch < 4
    assert same_states(after.best_state, before.best_state)
    assert not same_states(after.last_state, before.last_state)


def test_the_best_state_is_the_last_where_no_r_is_known():
    found, states = states_of(validation=NOBODY_MEASURED)
    assert np.isnan([line.r for line in found.log]).all()
    assert found.best_epoch == 6
    assert same_states(found.best_state, states[-1])


def test_a_nan_loss_ends_the_fit():
    broken = StoredParticipant(
        "a", np.full_like(PARTICIPANTS[0].connectome(0), np.inf), PARTICIPANTS[0].statmaps()
    )
    with pytest.raises(FloatingPointError, match="the loss of epoch 1 is nan"):
        fitted(participants=[broken, PARTICIPANTS[1]])


def test_half_the_precision_gives_nearly_the_same_step():
    # Of one step: from the second on, Adam has made whole steps of what is nothing but rounding.
    (loss, found), (wanted_loss, wanted) = (
        first_step(make_fabric("cpu", precision=precision), new_module(), PARTICIPANTS)
        for precision in ("bf16", "fp32")
    )
    layers = (torch.nn.Conv3d, torch.nn.ConvTranspose3d)
    n_convolutions = sum(isinstance(layer, layers) for layer in new_module().modules())
    rounding = n_convolutions * torch.finfo(torch.bfloat16).eps / 2
    # Errors of voxels are independent of each other, so that their mean is smaller.
    n_values = sum(participant.statmaps().size for participant in PARTICIPANTS)
    assert loss != wanted_loss
    assert loss == pytest.approx(wanted_loss, rel=rounding / np.sqrt(n_values))
    found, wanted = (torch.cat([value.flatten() for value in one.values()]) for one in (found, wanted))
    # Each convolution rounds once on the way there and once on the way back.
    assert (found - wanted).norm() < 2 * rounding * wanted.norm()


def test_half_the_precision_keeps_weights_and_state_whole_and_learns():
    settings = replace(SETTINGS, n_epochs=25, learning_rate=0.03)
    found = fit(make_fabric("cpu", precision="bf16"), new_module(), PARTICIPANTS, VALIDATION, settings)
    assert all(value.dtype in (torch.float32, torch.int64) for value in found.last_state.values())
    # The loss falls to 0.24 of what it was, and r rises from 0.46 to 0.89; rounding moves these by 0.02.
    assert found.log[-1].train_loss < 0.5 * found.log[0].train_loss
    assert found.log[-1].r > found.log[0].r + 0.15


@pytest.mark.parametrize(
    ("changes", "participants", "validation", "message"),
    [
        ({}, [], VALIDATION, "0 training, 3 validation"),
        ({}, PARTICIPANTS, [], "5 training, 0 validation"),
        (
            {"schedule": "step"},
            PARTICIPANTS,
            VALIDATION,
            "unknown schedule 'step'; choose one of plateau, cosine",
        ),
    ],
)
def test_invalid_settings_are_refused(changes, participants, validation, message):
    with pytest.raises(ValueError, match=message):
        fitted(replace(SETTINGS, **changes), participants, validation)


def test_a_participants_prediction_is_the_mean_over_all_windows():
    module = new_module().eval()
    with torch.no_grad():
        each = [module(torch.from_numpy(VALIDATION[0].connectome(window))[None])[0] for window in range(3)]
    found = predict_participant(module, VALIDATION[0], torch.device("cpu"))
    np.testing.assert_allclose(found, torch.stack(each).mean(dim=0), rtol=0, atol=1e-6)


def test_scores_are_means_over_contrasts_of_participants_with_that_contrast():
    rng = np.random.default_rng(0)
    predicted, noise = rng.standard_normal((2, 3, NETWORK.out_channels, 40)).astype(np.float32)
    measured = predicted + noise
    measured[0, 1] = np.nan
    measured[2, 0, :5] = np.nan
    own, differences = [], []
    for contrast, participants, voxels in ((0, [0, 1, 2], slice(5, None)), (1, [1, 2], slice(None))):
        r = np.corrcoef(measured[participants, contrast, voxels], predicted[participants, contrast, voxels])
        r = r[: len(participants), len(participants) :]
        others = (r.sum(axis=1) - r.diagonal()) / (len(participants) - 1)
        own.append(r.diagonal().mean())
        differences.append((r.diagonal() - others).mean())
    assert batch_scores(predicted, measured) == pytest.approx((np.mean(own), np.mean(differences)), abs=1e-6)
