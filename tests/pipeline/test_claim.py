"""Laws of the claim of an output dataset: all of its runs have the same settings."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io import active_runs as module
from bids_deeptaskgen.io.active_runs import active_runs, register_run
from bids_deeptaskgen.pipeline.claim import RUNNING_FOLDER, claim_dataset, refuse_mixture
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.processes import PATIENCE_S

# Forked processes start at once; the library would take a second to load in each new one.
PROCESSES = multiprocessing.get_context("fork")
HASHES = ("a" * 64, "b" * 64)


def settings_of(output, **changes):
    return ParticipantSettings(bids_dir=output.parent / "in", output_dir=output, **changes)


def claim(output, settings_hash, start, results, end):
    """Claim the dataset, write a file, and keep the claim until the end of the test."""
    start.wait(PATIENCE_S)
    try:
        with claim_dataset(settings_of(output), settings_hash):
            (output / f"written-{os.getpid()}").touch()
            results.put((settings_hash, ""))
            end.wait(PATIENCE_S)
    except UserError as error:
        results.put((settings_hash, str(error)))


def claim_at_once(output, hashes):
    """Start a process for each hash at the same time; return the outcome of each."""
    start, end, queue = PROCESSES.Barrier(len(hashes)), PROCESSES.Event(), PROCESSES.Queue()
    processes = [PROCESSES.Process(target=claim, args=(output, each, start, queue, end)) for each in hashes]
    for process in processes:
        process.start()
    outcomes = [queue.get(timeout=PATIENCE_S) for _ in processes]
    end.set()
    for process in processes:
        process.join(PATIENCE_S)
    return outcomes


@pytest.mark.parametrize("attempt", range(10))
def test_of_two_settings_at_once_one_is_refused_before_it_writes(tmp_path, attempt):
    output = tmp_path / "out"
    outcomes = claim_at_once(output, HASHES * 3)
    claimed = {settings_hash for settings_hash, problem in outcomes if not problem}
    refused = {settings_hash for settings_hash, problem in outcomes if problem}
    assert len(claimed) == len(refused) == 1, attempt
    assert claimed != refused
    problems = {problem for _, problem in outcomes if problem}
    assert all("another run writes maps with other settings or another model" in text for text in problems)
    assert sum(path.name.startswith("written-") for path in output.iterdir()) == 3
    assert list(output.rglob(".*")) == []


def test_a_dataset_without_maps_is_free_when_its_run_ends(tmp_path):
    for settings_hash in HASHES:
        with claim_dataset(settings_of(tmp_path), settings_hash):
            assert [run.pid for run in active_runs(tmp_path / RUNNING_FOLDER)] == [os.getpid()]
        assert active_runs(tmp_path / RUNNING_FOLDER) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_active_run_with_other_settings_is_named_and_nothing_is_written(tmp_path, overwrite):
    settings = settings_of(tmp_path, overwrite=overwrite)
    with register_run(tmp_path / RUNNING_FOLDER, HASHES[0]) as path:
        initial_state = sorted(tmp_path.rglob("*"))
        expected = rf"process {os.getpid()} of .*, see {path.relative_to(tmp_path)}"
        with pytest.raises(UserError, match=expected) as caught:
            refuse_mixture(settings, HASHES[1], [])
        assert caught.value.exit_code == 2
        with pytest.raises(UserError, match=expected), claim_dataset(settings, HASHES[1]):
            pass
        refuse_mixture(settings, HASHES[0], [])
        assert sorted(tmp_path.rglob("*")) == initial_state


def hold(output):
    with claim_dataset(settings_of(output), HASHES[0]):
        time.sleep(PATIENCE_S)


def test_the_claim_of_a_killed_run_of_this_machine_is_void_at_once(tmp_path):
    process = PROCESSES.Process(target=hold, args=(tmp_path,))
    process.start()
    end = time.monotonic() + PATIENCE_S
    while not active_runs(tmp_path / RUNNING_FOLDER):
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE_S)
    with claim_dataset(settings_of(tmp_path), HASHES[1]):
        assert [run.pid for run in active_runs(tmp_path / RUNNING_FOLDER)] == [os.getpid()]
    assert list(tmp_path.rglob(".*")) == []


def write_file(output, namespace, pid, age_s):
    """Write the file of a run that was renewed some time ago."""
    path = output / RUNNING_FOLDER / f".{HASHES[0][:16]}.{namespace}.{pid}.tmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time.time() - age_s,) * 2)


@pytest.mark.parametrize(("age_s", "is_active"), [(0, True), (500, True), (700, False), (-1000, True)])
def test_a_run_of_another_machine_has_ended_if_its_file_is_not_renewed(tmp_path, age_s, is_active):
    write_file(tmp_path, "another-machine", 1, age_s)
    assert bool(active_runs(tmp_path / RUNNING_FOLDER)) == is_active
    if is_active:
        with pytest.raises(UserError, match="wait 10 minutes"):
            refuse_mixture(settings_of(tmp_path), HASHES[1], [])
    with claim_dataset(settings_of(tmp_path), HASHES[0]):
        assert len(active_runs(tmp_path / RUNNING_FOLDER)) == 1 + is_active
    assert (tmp_path / RUNNING_FOLDER).exists() == is_active


def test_the_number_of_a_killed_process_may_be_that_of_another_one(tmp_path):
    write_file(tmp_path, module.process_namespace(), os.getpid(), 700)
    assert active_runs(tmp_path / RUNNING_FOLDER) == []


def test_a_run_renews_its_file_even_if_it_was_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_RENEW_EVERY_S", 0.01)
    with register_run(tmp_path / RUNNING_FOLDER, HASHES[0]) as path:
        os.utime(path, (0, 0))
        end = time.monotonic() + PATIENCE_S
        while not active_runs(tmp_path / RUNNING_FOLDER):
            assert time.monotonic() < end
            time.sleep(0.005)
        path.unlink()
        while not path.exists():
            assert time.monotonic() < end
            time.sleep(0.005)
    assert not path.exists()


@pytest.mark.parametrize("name", ["_create", "threading"])
def test_a_signal_while_a_run_registers_leaves_no_file(tmp_path, monkeypatch, name):
    create = module._create

    def interrupted(*arguments):
        create(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if name == "_create":
            patch.setattr(module, "_create", interrupted)
        else:
            patch.setattr(module.threading.Thread, "start", stop)
        with pytest.raises(KeyboardInterrupt), register_run(tmp_path / "folder", HASHES[0]):
            pass
    assert list(tmp_path.iterdir()) == []


def stop(_thread):
    raise KeyboardInterrupt


def test_a_run_that_ends_between_two_steps_of_another_one_does_no_harm(tmp_path):
    """The folder is removed by each run that ends, and created again by each that starts."""
    code = (
        "import sys; from pathlib import Path; from bids_deeptaskgen.io.active_runs import *\n"
        "for _ in range(200):\n with register_run(Path(sys.argv[1]), 64 * 'a'): pass"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / "out" / ".running"]) for _ in range(3)
    ]
    assert [process.wait(PATIENCE_S) for process in processes] == [0, 0, 0]
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]
