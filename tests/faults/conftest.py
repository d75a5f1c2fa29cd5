"""A run that is left alone, to which all others are compared."""

import time

import pytest

from tests.processes import App, results


@pytest.fixture(scope="session")
def alone(participants, model, tmp_path_factory):
    """Files of a run by one process with one thread."""
    output = tmp_path_factory.mktemp("alone") / "out"
    with App(participants, output, model, "--nprocs", "1") as app:
        assert app.wait() == 0, app.words
    return results(output)


@pytest.fixture
def start(participants, model, tmp_path):
    """Start the app on the small dataset; what still runs when the test ends is killed."""
    started = []

    def begin(*options, output=tmp_path / "out", **how):
        log = tmp_path / f"said-{len(started)}.log"
        started.append(App(participants, output, model, *options, log=log, **how))
        return started[-1]

    yield begin
    for app in started:
        app.__exit__()


@pytest.fixture
def duration(start, alone, tmp_path):
    """Measure how long an undisturbed run takes, in s, on the way checking its files."""

    def measure(*options):
        output = tmp_path / "undisturbed"
        begun = time.monotonic()
        app = start(*options, output=output)
        assert app.wait() == 0, app.words
        took = time.monotonic() - begun
        assert results(output) == alone
        return took

    return measure
