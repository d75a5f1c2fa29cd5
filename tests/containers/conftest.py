"""Both kinds of images. Where one of them is absent, its tests fail: they never pass unseen."""

import pytest

from tests.containers.engines import find_engine

# A fixture that prepares a command with the files of a run outside a container.
from tests.faults.conftest import stages  # noqa: F401

ENGINES = ("docker", "apptainer")
_sizes = []


@pytest.fixture(scope="session")
def engines():
    """Return a function that finds an engine once."""
    ready = {}

    def engine_of(name):
        if name not in ready:
            ready[name] = find_engine(name)
            _sizes.append((ready[name].image, ready[name].size()))
        return ready[name]

    return engine_of


@pytest.fixture(scope="session", params=ENGINES)
def engine(request, engines):
    """Find one engine with its image."""
    return engines(request.param)


def pytest_terminal_summary(terminalreporter):
    """Print the sizes of the images."""
    for image, size in _sizes:
        terminalreporter.write_line(f"size of {image}: {size / 1e6:,.0f} MB")
