"""Networks of a few numbers are computed fastest by one thread, above all where tests run side by side."""

import pytest

from bids_deeptaskgen.nn.inference import set_threads


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    set_threads(1)
