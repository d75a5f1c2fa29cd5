"""Faults of the machine, each once and small; `make test-faults` has more moments and more ways."""

import os
import resource
import shutil
import signal
import subprocess

import pytest

from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.pipeline.failures import explain_lost_worker
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.processes import (
    App,
    finished_files,
    leftovers,
    map_in_the_making,
    reader_of_bold,
    results,
    without_root_powers,
)


@pytest.fixture(scope="session")
def run_here(participants, model):
    """Return a function that processes two participants here, with the options of `tests.processes.SMALL`."""

    def run(output):
        options = {"min_minutes": 0.5, "min_dof": 5, "omp_nthreads": 1, "nprocs": 1, "model": str(model)}
        participants_here = {
            "participant_label": ("01", "02"),
            "bids_dir": participants,
            "output_dir": output,
        }
        return participant.run(ParticipantSettings(**participants_here, reports="none", **options))

    return run


@pytest.fixture(scope="session")
def undisturbed(run_here, tmp_path_factory):
    """Return the files of an undisturbed run."""
    output = tmp_path_factory.mktemp("alone") / "out"
    assert run_here(output) == 0
    return results(output)


@pytest.fixture
def start(participants, model, tmp_path):
    """Start the app; what still runs when the test ends is killed."""
    started = []

    def begin(*options, labels=("01", "02"), output=tmp_path / "out", **keywords):
        words = ("--participant-label", *labels, *options)
        started.append(
            App(participants, output, model, *words, log=tmp_path / f"said-{len(started)}.log", **keywords)
        )
        return started[-1]

    yield begin
    for app in started:
        app.__exit__()


@pytest.fixture
def assert_whole(run_here, undisturbed):
    """Return a check that existing files are complete and that the next run adds the missing ones."""

    def check(output):
        assert finished_files(output).items() <= undisturbed.items()
        assert run_here(output) == 0
        assert results(output) == undisturbed
        assert leftovers(output) == []

    return check


def test_kills_while_reading_and_while_writing_change_no_byte(start, assert_whole):
    for sign in (reader_of_bold, map_in_the_making):
        app = start("--nprocs", "1")
        app.wait_for(sign)
        app.kill()
    assert_whole(app.output)


# A small run may be over before the signal reaches it; `make test-faults` gives it more time.
@pytest.mark.slow
def test_sigterm_leaves_neither_process_nor_temporary_file(start):
    app = start("--nprocs", "1", labels=("01",))
    app.wait_for(reader_of_bold)
    app.signal(signal.SIGTERM)
    assert app.wait() == 143, app.words
    assert app.wait_for_silence(10) == {}
    assert "stopped by SIGTERM" in app.words
    assert leftovers(app.output) == []


def test_remaining_participants_are_rerun_after_the_death_of_a_worker(start, assert_whole):
    app = start("--nprocs", "2")
    worker = app.wait_for(reader_of_bold)
    assert worker != app.pid
    os.kill(worker, signal.SIGKILL)
    assert app.wait() == 0, app.words
    assert app.wait_for_silence(10) == {}
    assert "A process was killed; 2 participants are repeated with 1 processes." in app.words
    assert_whole(app.output)


def test_two_runs_at_once_without_home_and_network_make_the_bytes_of_one(start, undisturbed, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    cut_off, sober = ("unshare", "--net", "--"), without_root_powers()
    if sober is None or subprocess.run([*cut_off, "true"], capture_output=True, check=False).returncode:
        pytest.skip("the network, or root's power over files, cannot be taken away here")
    elsewhere = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TEMPLATEFLOW_HOME", "MPLCONFIGDIR")
    options = {"prefix": (*cut_off, *sober), "environment": {"HOME": str(home)} | dict.fromkeys(elsewhere)}
    runs = [start("--nprocs", "1", labels=(label,), **options) for label in ("01", "02")]
    assert [app.wait() for app in runs] == [0, 0], [app.words for app in runs]
    assert results(runs[0].output) == undisturbed
    assert leftovers(runs[0].output) == []
    assert list(home.iterdir()) == []


def test_a_refused_write_is_reported_with_a_message(start):
    if not shutil.which("prlimit"):
        pytest.skip("there is no prlimit here")
    app = start("--nprocs", "1", labels=("01",), prefix=("prlimit", "--fsize=100000", "--"))
    assert app.wait() == 1, app.words
    assert "the file would exceed the size limit" in app.words
    assert "Traceback" not in app.words
    assert leftovers(app.output) == []


def test_the_reason_of_a_lost_worker_is_the_disk_or_a_kill(tmp_path):
    assert "lower --nprocs" in explain_lost_worker(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        assert "exceed the size limit" in explain_lost_worker(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert leftovers(tmp_path) == []


def test_an_unwritable_folder_is_reported_before_computation(start, tmp_path):
    sober = without_root_powers()
    if sober is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    app = start(output=locked / "out", prefix=sober)
    assert app.wait() == 2, app.words
    assert f"access is denied ({locked / 'out'}). Change the permissions" in app.words
    assert "connectome made" not in app.words
