"""Two processes train as one does, and a lost process is detected."""

import pytest
import torch

from bids_deeptaskgen.training.devices import is_lost_process, make_fabric
from bids_deeptaskgen.training.sampling import epoch_order, window_of
from tests.training.fit_scripts import run_script, same_states
from tests.training.participants import PARTICIPANTS, in_float64, new_module
from tests.training.run_fit import STILL, results


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What two processes and one have."""
    folder = tmp_path_factory.mktemp("two")
    process = run_script("two", folder)
    assert process.returncode == 0, process.stderr
    # What libraries say of each other is not for users.
    assert "Warning" not in process.stderr
    assert "deprecated" not in process.stderr
    two = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]
    return two, results(make_fabric("cpu"))


def test_two_processes_have_the_gradients_of_one(processes):
    two, one = processes
    for each in two:
        assert each["loss"] == pytest.approx(one["loss"], abs=1e-6)
        assert each["exact_loss"] == pytest.approx(one["exact_loss"], rel=1e-14)
        for name, wanted in one["gradients"].items():
            torch.testing.assert_close(each["gradients"][name], wanted, rtol=0, atol=1e-6, msg=name)
            # Some are of the size of float32's rounding; in float64 all are the same.
            found, wanted = each["exact_gradients"][name], one["exact_gradients"][name]
            assert (found - wanted).abs().max() <= 1e-12 * wanted.abs().max(), name


def test_two_processes_gather_participants_in_the_order_of_one(processes):
    two, one = processes
    for rank, each in enumerate(two):
        assert torch.equal(each["gathered"], one["gathered"])
        # Of x squared, at the rows of this process.
        assert torch.equal(each["gathered_gradient"], 2 * one["gathered"][rank::2])


def test_two_processes_write_the_log_of_one(processes):
    two, one = processes
    for each in two:
        for line, wanted in zip(each["log"], one["log"], strict=True):
            line, wanted = ({**each, "seconds": 0} for each in (line, wanted))
            # The scores are of maps that were rounded to float32.
            assert line == pytest.approx(wanted, rel=1e-6, abs=1e-6)
            assert line["train_loss"] == pytest.approx(wanted["train_loss"], rel=1e-12)
        for name, wanted in one["last"].items():
            # A gradient's error in float64, scaled up by Adam to at most 1e8 of it times the rate.
            torch.testing.assert_close(each["last"][name], wanted, rtol=0, atol=1e-9, msg=name)


def test_two_processes_end_with_one_network(processes):
    (first, second), _ = processes
    # Each has normalised its own participants: the network is not that of one process, but one all the same.
    assert same_states(first["normed"], second["normed"])
    for line, other in zip(first["normed_log"], second["normed_log"], strict=True):
        assert {**line, "seconds": 0} == {**other, "seconds": 0}


def measured_by(rank):
    """Train a network on the participants of one of two processes; return its state and statistics."""
    module, participants = new_module().double().train(), in_float64(PARTICIPANTS)
    order = epoch_order(STILL.seed, 0, [participant.name for participant in participants])
    for start in range(0, len(order), STILL.batch_size):
        step = order[start : start + STILL.batch_size]
        # Of two participants, each process has one; the last one is shown to both.
        participant = participants[step[rank % len(step)]]
        window = window_of(STILL.seed, 0, participant.name, participant.n_windows)
        module(torch.from_numpy(participant.connectome(window))[None])
    return module.network.state_dict()


def test_two_processes_have_the_mean_of_what_each_has_measured(processes):
    two, _ = processes
    own = [measured_by(rank) for rank in range(2)]
    for name, value in two[0]["still"].items():
        wanted = torch.stack([state[name].double() for state in own]).mean(dim=0)
        torch.testing.assert_close(value.double(), wanted, rtol=1e-12, atol=1e-12, msg=name)


def test_a_lost_process_is_distinguished_from_other_failures(tmp_path):
    run_script("lost", tmp_path)
    assert (tmp_path / "lost.txt").read_text().startswith("True: ")
    assert not is_lost_process(RuntimeError("shapes do not fit"))
