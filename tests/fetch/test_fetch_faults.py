"""Fetching that is interrupted, killed, concurrent, or cannot write."""

import shutil
import signal
import subprocess
import threading
import time

import pytest

from bids_deeptaskgen.commands.models.fetch import fetch_model, find_published
from bids_deeptaskgen.models.bundle import load_bundle
from tests import fileserver
from tests.bundles import tiny_bundle
from tests.fetch.fetching import (
    HCP_YA,
    MASK,
    ROIS,
    TIMEOUT_S,
    deeptaskgen,
    file_names,
    refusal,
    start,
    wait_for,
)
from tests.fileserver import QUICK, at_first, good
from tests.processes import without_root_powers


def test_ctrl_c_leaves_no_partial_file_and_the_next_run_completes(home, server, registry):
    server.habits[ROIS] = at_first(fileserver.slow, 1)
    process = start(registry, "models", "fetch", "hcp-ya")
    end = time.monotonic() + TIMEOUT_S
    while not list(home.rglob(f".{ROIS}.*.tmp")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, output = wait_for(process)
    assert code == 130, output
    assert file_names(home) == [MASK]
    fetch_model(find_published("hcp-ya"), None, QUICK)


def test_temporary_files_of_a_killed_fetch_are_removed_by_the_next(home, server, registry):
    server.habits[ROIS] = at_first(fileserver.slow, 1)
    process = start(registry, "models", "fetch", "hcp-ya")
    end = time.monotonic() + TIMEOUT_S
    while not list(home.rglob(f".{ROIS}.*.tmp")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    wait_for(process)
    (temporary,) = home.rglob("*.tmp")
    incomplete = home / "models" / temporary.name.replace(ROIS, "hcp-ya")
    incomplete.mkdir(parents=True)
    (incomplete / "weights.safetensors").touch()
    fetch_model(find_published("hcp-ya"), None, QUICK)
    assert list(home.rglob("*.tmp")) == []


def test_two_concurrent_processes_both_succeed_with_one_model(home, server, registry):
    barrier = threading.Barrier(2)

    def wait_for_both(handler, body):
        barrier.wait(TIMEOUT_S)
        good(handler, body)

    server.habits.update(dict.fromkeys((MASK, ROIS, HCP_YA), wait_for_both))
    processes = [start(registry, "models", "fetch", "hcp-ya") for _ in range(2)]
    ends = [wait_for(process) for process in processes]
    assert [code for code, _ in ends] == [0, 0], ends
    assert len(server.asked) == 6
    load_bundle(home / "models" / "hcp-ya")
    assert [path.name for path in (home / "models").iterdir()] == ["hcp-ya"]
    assert list(home.rglob("*.tmp")) == []


@pytest.mark.parametrize("is_same", [True, False])
def test_a_concurrently_written_model_is_accepted_only_if_it_is_the_same(home, server, fetched, is_same):
    def write_model_first(handler, body):
        place = home / "models" / "hcp-ya"
        shutil.copytree(fetched / "models" / "hcp-ya", place) if is_same else tiny_bundle(place)
        good(handler, body)

    server.habits[HCP_YA] = write_model_first
    if is_same:
        fetch_model(find_published("hcp-ya"), None, QUICK)
    else:
        assert "not created from the published files" in refusal()
    assert [path.name for path in (home / "models").iterdir()] == ["hcp-ya"]


def test_a_home_without_write_access_is_reported(home, server, registry):
    prefix = without_root_powers()
    if prefix is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    home.mkdir(mode=0o555)
    code, output = wait_for(start(registry, "models", "fetch", "hcp-ya", prefix=prefix))
    assert code == 2, output
    assert f"access is denied ({home / 'downloads'}" in output.splitlines()[-1]
    assert "Traceback" not in output


def test_a_model_in_a_home_without_write_access_can_be_used(home, server, registry, fetched):
    prefix = without_root_powers()
    if prefix is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    shutil.copytree(fetched, home)
    folders = [path for path in (home, *home.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        for words, expected in (
            (("fetch", "hcp-ya"), "is already installed"),
            (("info", "hcp-ya"), "GPL-3.0"),
        ):
            code, output = wait_for(start(registry, "models", *words, prefix=prefix))
            assert code == 0, output
            assert expected in output
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert server.asked == []


@pytest.fixture
def disk(home):
    """Return a function that mounts a file system at the home, or remounts it with other options."""
    home.mkdir()

    def mount(options):
        options_text = f"remount,{options}" if home.is_mount() else options
        words = ["mount", "-t", "tmpfs", "-o", options_text, "tmpfs", str(home)]
        result = subprocess.run(words, capture_output=True, text=True, check=False)
        if result.returncode:
            pytest.skip(f"no file system can be mounted here: {result.stderr.strip()}")

    yield mount
    if home.is_mount():
        subprocess.run(["umount", "--lazy", home], check=True)


def test_a_read_only_file_system_is_reported(disk, home, capsys):
    disk("ro")
    code, _, sentence = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 2
    assert sentence.startswith("the file system is read-only (")
    assert str(home) in sentence


def test_a_full_disk_is_reported_and_the_next_run_completes(disk, home, server, files, capsys):
    disk("size=300k")
    code, _, sentence = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 1
    assert sentence.startswith(f"the disk is full ({home / 'downloads'}")
    assert "Free some space" in sentence
    assert file_names(home) == []
    # Enough for the files, but too little for the model.
    size_kb = sum(len(files[name]) for name in (MASK, ROIS, HCP_YA)) // 1024 + 60
    disk(f"size={size_kb}k")
    code, _, sentence = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 1
    assert sentence.startswith(f"the disk is full ({home / 'models'}")
    assert "Free some space" in sentence
    assert file_names(home) == sorted([MASK, ROIS, HCP_YA])
    server.asked.clear()
    disk("size=100m")
    assert deeptaskgen(capsys, "models", "fetch", "hcp-ya")[0] == 0
    assert server.asked == []
