"""What the tests of the command line share."""

import logging
import sys
import types
import warnings
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _messages_as_before():
    """Restore the logging configuration of the process."""
    root, own_value = logging.getLogger(), logging.getLogger("bids_deeptaskgen")
    handlers, levels = list(root.handlers), (root.level, own_value.level)
    yield
    logging.captureWarnings(capture=False)
    warnings.resetwarnings()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own_value.setLevel(levels[1])


@pytest.fixture(autouse=True)
def _package_for_other_processes(monkeypatch):
    """Add the tested package to the path of the processes that a test starts."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture
def fake_command(monkeypatch):
    """Replace a command's module by functions that append their settings to a list."""
    calls = []

    def install(module, function="run", outcome=0):
        def run(settings):
            calls.append(settings)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        name = f"bids_deeptaskgen.commands.{module}"
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**{function: run}))
        return calls

    return install
