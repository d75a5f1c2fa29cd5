"""One thread for all tests of networks: fastest for small networks and parallel test processes."""

import pytest

from bids_deeptaskgen.nn.network import set_threads


@pytest.fixture(autouse=True, scope="session")
def single_thread():
    set_threads(1)
