"""Losses: the published numbers, and what happens where something was not measured."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from bids_deeptaskgen.training.losses import (
    LOSSES,
    LossSettings,
    absolute_error,
    anneal_margins,
    contrastive_distance,
    make_loss,
    reconstruction,
)
from tests.golden_files import every_fourth, golden_arrays, network_of, part

GOLDEN = golden_arrays("losses")
INSIDE = torch.from_numpy(GOLDEN["mask"]) > 0

PUBLISHED = {
    "mse": reconstruction,
    "mae": absolute_error,
    "contrastive": contrastive_distance,
    "crr_a0.10_m1": make_loss(LossSettings()),
    "crr_a0.25_m1": make_loss(LossSettings(alpha=0.25)),
    "crr_a0.25_m20": make_loss(LossSettings(alpha=0.25, margin=20)),
    "crr_a0.50_m0": make_loss(LossSettings(alpha=0.5, margin=0)),
    "rc_anneal_0.5_0.6_0.01_1": make_loss(LossSettings("rc")),
    "rc_anneal_4_5_1_10": make_loss(
        LossSettings("rc", within_margin=4, between_margin=5, within_min=1, between_max=10, anneal_epochs=10)
    ),
}


def voxels_of(maps, where):
    return maps[..., INSIDE] if where == "mask" else maps.flatten(2)


@pytest.mark.parametrize("predicted", ["pred", "pred_rand"])
@pytest.mark.parametrize("where", ["mask", "nomask"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_values_and_gradients_are_the_published_ones(name, where, predicted):
    # In float64, so that what differs from the published float32 is its own rounding, whatever the processor.
    maps = torch.from_numpy(GOLDEN[predicted]).double().requires_grad_()
    measured = torch.from_numpy(GOLDEN["target"]).double()
    loss = PUBLISHED[name](voxels_of(maps, where), voxels_of(measured, where))
    loss.backward()
    case = f"{name}/{where}/{predicted}"
    np.testing.assert_allclose(loss.item(), GOLDEN[f"value/{case}"], rtol=1e-6, atol=0)
    np.testing.assert_allclose(maps.grad.norm(), GOLDEN[f"gradnorm/{case}"], rtol=0, atol=1e-6)
    if f"grad/{case}" in GOLDEN:
        gradient = every_fourth(maps.grad)
        largest = np.abs(gradient).max()
        np.testing.assert_allclose(gradient, GOLDEN[f"grad/{case}"], rtol=0, atol=1e-6 * largest)


def test_every_published_number_that_is_kept_is_compared():
    assert {key.split("/")[1] for key in GOLDEN if key.startswith("value/")} == set(PUBLISHED)
    assert sum(key.startswith("grad/") for key in GOLDEN) == 2


def test_three_steps_of_adam_are_the_published_ones():
    golden = golden_arrays("train_steps")
    # In float64: Adam turns the rounding of small float32 gradients into steps, which differ by processor.
    network, loss_of = network_of(part(golden, "sd0/")).double().train(), make_loss(LossSettings())
    x, measured = (torch.from_numpy(array).double() for array in (golden["input"], GOLDEN["target"]))
    measured = measured[..., INSIDE]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses, gradients = [], []
    for _ in range(3):
        loss = loss_of(network(x)[..., INSIDE], measured)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        gradients.append({key: p.grad.numpy().copy() for key, p in network.named_parameters()})
        optimizer.step()
    np.testing.assert_allclose(losses, golden["losses"], rtol=1e-6, atol=0)
    assert gradients[0].keys() == part(golden, "grad_step1/").keys()
    for key, gradient in part(golden, "grad_step1/").items():
        np.testing.assert_allclose(gradients[0][key], gradient, rtol=0, atol=1e-6, err_msg=key)
    # Batch normalisation takes a constant away again. So a bias in front of it has nothing but rounding for a
    # gradient, which Adam scales up to a step like any other, and running means follow it.
    idle = (".conv.0.bias", ".running_mean")
    after = {key: value for key, value in part(golden, "sd3/").items() if not key.endswith(idle)}
    assert len(after) == len(network.state_dict()) - 10
    for key, value in after.items():
        found = network.state_dict()[key].numpy()
        np.testing.assert_allclose(found, value, rtol=0, atol=1e-6, err_msg=key)


@given(
    epoch=st.integers(0, 100_000),
    step=st.integers(1, 50),
    within_margin=st.floats(0, 10),
    within_min=st.floats(0, 1),
    between_margin=st.floats(0.01, 10),
    between_max=st.floats(0, 20),
)
def test_margins_are_a_function_of_the_epoch_and_the_initial_values(
    epoch, step, within_margin, within_min, between_margin, between_max
):
    settings = LossSettings("rc", 0, 0, within_margin, within_min, between_margin, between_max, step)
    n_times = epoch // step
    grown = between_margin * 2.0**n_times if n_times < 1000 else np.inf
    wanted = max(within_margin * 0.5**n_times, within_min), min(grown, between_max)
    assert anneal_margins(settings, epoch) == pytest.approx(wanted, rel=1e-12, abs=1e-300)


def test_margins_are_the_published_ones_until_those_compound():
    schedule = GOLDEN["margin_schedule"]
    classes = LossSettings("rc", within_margin=4, within_min=1, between_margin=5, between_max=10)
    ours = [
        [epoch, *anneal_margins(LossSettings("rc"), epoch), *anneal_margins(classes, epoch)]
        for epoch in range(61)
    ]
    np.testing.assert_array_equal(schedule[:20], ours[:20])
    assert [schedule[20, 1], ours[20][1]] == [0.0625, 0.125]


def test_the_margins_of_an_epoch_are_those_of_its_loss():
    predicted, measured = (
        voxels_of(torch.from_numpy(GOLDEN[key]), "mask") for key in ("pred_rand", "target")
    )
    settings = LossSettings(
        "rc", within_margin=0.5, within_min=0, between_margin=0.6, between_max=10, anneal_epochs=5
    )
    error, distance = reconstruction(predicted, measured), contrastive_distance(predicted, measured)
    for epoch, within_margin, between_margin in [
        (0, 0.5, 0.6),
        (4, 0.5, 0.6),
        (5, 0.25, 1.2),
        (10, 0.125, 2.4),
    ]:
        wanted = error - within_margin + error - distance + between_margin
        assert make_loss(settings, epoch)(predicted, measured).item() == pytest.approx(wanted.item())


def participants(seed, n_participants, n_contrasts=3, n_voxels=7):
    """Random predicted and measured maps, the predicted ones with a gradient."""
    rng = np.random.default_rng(seed)
    predicted, measured = rng.standard_normal((2, n_participants, n_contrasts, n_voxels), np.float32)
    return torch.from_numpy(predicted).requires_grad_(), torch.from_numpy(measured)


def with_holes(measured, seed):
    """Take away whole contrasts of participants, and single voxels."""
    rng, holes = np.random.default_rng(seed), measured.clone()
    holes[torch.from_numpy(rng.random(measured.shape[:2]) < 0.3)] = torch.nan
    holes[torch.from_numpy(rng.random(measured.shape) < 0.1)] = torch.nan
    return holes


def obvious_contrast(predicted, measured):
    """By its definition, in float64 and without a thought for gradients."""
    p, t, distances = predicted.detach().double().numpy(), measured.double().numpy(), []
    for i, j in combinations(range(len(p)), 2):
        has = ~np.isnan(t).all(axis=2)
        shared = [np.nanmean((p[i, c] - t[j, c]) ** 2) for c in range(p.shape[1]) if has[i, c] and has[j, c]]
        if shared:
            distances.append(np.mean(shared))
    return np.mean(distances) if distances else None


def close(found, wanted):
    assert float(found.detach()) == pytest.approx(float(wanted), rel=1e-5, abs=1e-6)


SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, n_participants=st.integers(1, 5))
def test_missing_values_are_excluded(seed, n_participants):
    predicted, measured = participants(seed, n_participants)
    measured = with_holes(measured, seed)
    errors = (predicted.detach() - measured)[~measured.isnan()].double()
    if errors.numel():
        assert reconstruction(predicted, measured).item() == pytest.approx(
            errors.square().mean().item(), rel=1e-5
        )
        assert absolute_error(predicted, measured).item() == pytest.approx(
            errors.abs().mean().item(), rel=1e-5
        )
    wanted, found = obvious_contrast(predicted, measured), contrastive_distance(predicted, measured)
    assert (found is None) == (wanted is None)
    assert wanted is None or found.item() == pytest.approx(wanted, rel=1e-5)


@given(seed=SEEDS, n_participants=st.integers(2, 5))
def test_missing_contrasts_of_the_first_participant_are_excluded_from_pairs(seed, n_participants):
    predicted, measured = participants(seed, n_participants)
    measured[0, 1] = torch.nan
    assert contrastive_distance(predicted, measured).item() == pytest.approx(
        obvious_contrast(predicted, measured), rel=1e-5
    )


@pytest.mark.parametrize("name", LOSSES)
@given(seed=SEEDS, n_participants=st.integers(1, 5))
def test_gradients_are_finite_and_zero_at_missing_values(name, seed, n_participants):
    predicted, measured = participants(seed, n_participants)
    measured = with_holes(measured, seed)
    make_loss(LossSettings(name, margin=10, between_max=10, between_margin=10))(
        predicted, measured
    ).backward()
    assert predicted.grad.isfinite().all()
    by_nobody = measured.isnan().all(dim=0)
    assert (predicted.grad[:, by_nobody] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
@given(seed=SEEDS, n_participants=st.integers(1, 4))
def test_a_contrast_without_any_map_has_no_effect(name, seed, n_participants):
    loss_of = make_loss(LossSettings(name))
    predicted, measured = participants(seed, n_participants)
    measured[:, 1] = torch.nan
    kept = [0, 2]
    wanted = loss_of(predicted[:, kept], measured[:, kept]).item()
    close(loss_of(predicted, measured), wanted)


@pytest.mark.parametrize("holes", [False, True])
def test_a_single_participant_has_the_reconstruction_loss_only(holes):
    predicted, measured = participants(0, 1)
    if holes:
        measured[0, 0, :3] = torch.nan
    error = reconstruction(predicted, measured)
    assert contrastive_distance(predicted, measured) is None
    assert make_loss(LossSettings("crr", margin=100))(predicted, measured) == error
    assert (
        make_loss(LossSettings("rc", within_margin=0.25, between_margin=100))(predicted, measured)
        == error - 0.25
    )


def test_participants_without_a_common_contrast_have_the_reconstruction_loss_only():
    predicted, measured = participants(0, 2, n_contrasts=2)
    measured[0, 0] = measured[1, 1] = torch.nan
    assert contrastive_distance(predicted, measured) is None
    wanted = reconstruction(predicted, measured)
    assert make_loss(LossSettings("crr", margin=100))(predicted, measured) == wanted


@pytest.mark.parametrize("name", LOSSES)
def test_without_any_map_loss_and_gradients_are_zero(name):
    predicted, measured = participants(0, 3)
    loss = make_loss(LossSettings(name))(predicted, torch.full_like(measured, torch.nan))
    loss.backward()
    assert loss == 0
    assert (predicted.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("holes", [False, True])
def test_a_network_that_diverged_is_not_hidden(name, holes):
    predicted, measured = participants(0, 3)
    if holes:
        measured[1, 0] = torch.nan
    with torch.no_grad():
        predicted[0, 2, 3] = torch.nan
    assert make_loss(LossSettings(name))(predicted, measured).isnan()


class Written(TorchDispatchMode):
    """Counts the numbers that operations write."""

    def __init__(self):
        super().__init__()
        self.n_numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not out._is_view():
            self.n_numbers += out.numel()
        return out


@pytest.mark.parametrize(
    ("loss_of", "plain"),
    [
        (reconstruction, F.mse_loss),
        (absolute_error, F.l1_loss),
        (
            contrastive_distance,
            lambda p, t: [F.mse_loss(p[i], t[j]) for i, j in combinations(range(len(p)), 2)],
        ),
    ],
)
def test_complete_data_cost_no_more_than_a_plain_mean(loss_of, plain):
    predicted, measured = participants(0, 4, n_voxels=1000)
    with Written() as wanted:
        plain(predicted, measured)
    with Written() as found:
        loss_of(predicted, measured)
    assert found.n_numbers - wanted.n_numbers < 50  # single numbers: sums and whether they are NaN


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="unknown loss 'ccr'; choose one of mse, mae, crr, rc"):
        make_loss(LossSettings("ccr"))
