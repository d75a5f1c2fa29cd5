"""Each strategy moves the tensors that it names and no other."""

from dataclasses import replace

import pytest
import torch

from bids_deeptaskgen.nn.network_state import HEAD, replace_head, select_channels
from bids_deeptaskgen.training.finetuning import STRATEGIES, choose_parts
from tests.training.participants import NETWORK, SETTINGS, fitted, new_module

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
# Written out, so that a change of names or of layers is seen here.
NORMS = {
    f"{block}.conv.1.{value}"
    for block in ("downs.0", "ups.0", "in_block", "bottleneck", "out_block.0")
    for value in ("weight", "bias")
}
IDLE = {name.replace(".conv.1.", ".conv.0.") for name in NORMS if name.endswith("bias")}


def parameters(module):
    return {name for name in module.state_dict() if not name.endswith(STATISTICS)}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_epochs_move_what_the_strategy_names_and_nothing_else(strategy):
    module = new_module()
    before = {name: value.clone() for name, value in module.network.state_dict().items()}
    after = fitted(replace(SETTINGS, strategy=strategy), module=module).last_state
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    everything = parameters(module.network)
    named = {"backbone": everything - set(HEAD), "batchnorm": NORMS}.get(strategy, everything)
    found = {name for name in moved if not name.endswith(STATISTICS)}
    # Batch normalisation takes away what a bias in front of it adds: at most rounding moves that.
    assert named - IDLE <= found <= named
    # What batch normalisation measures follows the data, whatever else stands still.
    assert {name for name in moved if name.endswith(STATISTICS)} == set(before) - everything


def test_a_second_strategy_replaces_the_first():
    network = new_module().network
    choose_parts(network, "batchnorm")
    chosen = choose_parts(network, "backbone")
    names = {name for name, value in network.named_parameters() if value.requires_grad}
    assert names == parameters(network) - set(HEAD)
    assert len(chosen) == len(names)


def test_a_network_without_batch_normalisation_has_none_to_move():
    with pytest.raises(
        ValueError, match="without batch normalisation has no parameters that strategy batchnorm"
    ):
        choose_parts(new_module(replace(NETWORK, batch_norm=False)).network, "batchnorm")


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="unknown strategy 'head'; choose one of backbone, batchnorm"):
        choose_parts(new_module().network, "head")


def test_kept_outputs_predict_what_they_did():
    whole = new_module().eval()
    cut = new_module(replace(NETWORK, out_channels=1)).eval()
    cut.network.load_state_dict(select_channels(whole.network.state_dict(), [1]))
    connectomes = torch.randn(1, 3, len(whole.input_voxels), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(cut(connectomes), whole(connectomes)[:, 1:])
    swapped = select_channels(whole.network.state_dict(), [1, 0])
    assert torch.equal(swapped[HEAD[0]], whole.network.state_dict()[HEAD[0]].flip(0))


def test_restoring_the_last_layer_changes_nothing_else():
    cut, whole = (new_module(seed=seed).network.state_dict() for seed in (1, 2))
    joined = replace_head(select_channels(cut, [0]), whole)
    assert list(joined) == list(whole)
    for name, value in joined.items():
        assert torch.equal(value, (whole if name in HEAD else cut)[name]), name
