"""A small world to learn from and a network that has learned from it, made once."""

import pytest


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Return six participants, a model and a split; do not modify them."""
    from tests.commands.learning import make_world

    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def trained(world, tmp_path_factory):
    """Train a model and return its folder; do not modify it."""
    from bids_deeptaskgen.commands import train
    from tests.commands.learning import one_thread

    out = tmp_path_factory.mktemp("trained") / "mine"
    with one_thread():
        assert train.run(world.settings(out)) == 0
    return out
