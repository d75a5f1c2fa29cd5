"""Fixtures and settings of all tests: a small dataset and a small model."""

import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A hook: pytest calls it at the end, where only this file is certain to be loaded.
from tests.faults.fault_table import pytest_terminal_summary  # noqa: F401

# A busy machine is no reason for a law to fail. `make test` draws the same examples each time, so that a
# change is judged by what it changes; `make test-laws` searches with new examples.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same_examples", **_PATIENT, derandomize=True)
settings.register_profile("search", **_PATIENT, max_examples=1000)
settings.load_profile("same_examples")

# Real images and tables outside the repository, which only some machines have.
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
# Volumes of each simulated participant; two thirds of a run's time are proportional to it.
N_SIMULATED = 50


@pytest.fixture(autouse=True)
def _without_log_of_earlier_tests():
    """Undo how a command called in a test has set up logging: its stream is closed by then."""
    root, package = logging.getLogger(), logging.getLogger("bids_deeptaskgen")
    levels = root.level, package.level
    yield
    root.setLevel(levels[0])
    package.setLevel(levels[1])
    for handler in [item for item in root.handlers if item.get_name() == "bids_deeptaskgen.cli"]:
        root.removeHandler(handler)


def small_dataset(folder, **options):
    """Simulate participants on a grid of 8 mm."""
    import numpy as np

    from bids_deeptaskgen.grid import Grid
    from bids_deeptaskgen.simulation.dataset import simulate_dataset

    corner = np.array([[8, 0, 0, -90.0], [0, 8, 0, -126], [0, 0, 8, -72], [0, 0, 0, 1]])
    return simulate_dataset(folder, statmaps=False, grid=Grid.from_image((23, 28, 23), corner), **options)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """Simulate three participants with enough volumes for any cleaning, if --min-dof is lowered."""
    folder = tmp_path_factory.mktemp("simulated") / "fmriprep"
    return small_dataset(folder, n_participants=3, n_volumes=N_SIMULATED, n_dummies=2)


@pytest.fixture(scope="session")
def participants(tmp_path_factory):
    """Simulate four participants with few volumes, for runs of seconds; see `tests.processes.SMALL`."""
    folder = tmp_path_factory.mktemp("participants") / "fmriprep"
    return small_dataset(folder, n_participants=4, n_volumes=30)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Write a small random model with the masks of real brains."""
    from tests.bundles import brain_bundle

    folder = tmp_path_factory.mktemp("model") / "bundle"
    brain_bundle(folder)
    return folder
