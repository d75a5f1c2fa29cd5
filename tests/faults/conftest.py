"""A run that is left alone, to which all others are compared."""

import subprocess
import time
from contextlib import ExitStack

import pytest

from tests.faults.command_stage import Stage
from tests.faults.fault_table import FaultRecorder
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


@pytest.fixture(scope="session")
def stages(tmp_path_factory):
    """Return a function that prepares a case of `command_cases` once, with its undisturbed run."""
    ready = {}
    with ExitStack() as stack:

        def stage_of(case):
            if case.name not in ready:
                folder = tmp_path_factory.mktemp(case.name)
                inputs, place, logs = folder / "inputs", folder / "place", folder / "logs"
                inputs.mkdir()
                logs.mkdir()
                case.prepare(inputs)
                environment = stack.enter_context(case.serve(inputs))
                stage = Stage(case, inputs, place, logs, environment)
                stack.callback(stage.end)
                stage.run_undisturbed()
                ready[case.name] = stage
            return ready[case.name]

        yield stage_of


@pytest.fixture
def stage(case, stages):
    """Prepare the case of a test that is parametrised with `case`, with an empty place."""
    stage = stages(case)
    stage.reset()
    yield stage
    stage.end()


@pytest.fixture
def faults(request):
    """Return the recorder of the faults of a test."""
    return FaultRecorder(request.node)


@pytest.fixture
def disk():
    """Return a function that mounts a disk of a given size on a folder, or gives it another size."""
    places = set()

    def mount(place, options, *, is_required=True):
        remount = f"remount,{options}" if place in places else options
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", remount, "tmpfs", place],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and not is_required:
            raise OSError(done.stderr.strip())
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        places.add(place)

    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", place], check=True)
