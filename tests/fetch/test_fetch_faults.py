"""A fetch that is stopped, killed, crowded, or has nowhere to write to."""

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
    PATIENCE_S,
    ROIS,
    deeptaskgen,
    ended,
    names_below,
    refusal,
    start,
)
from tests.fileserver import QUICK, at_first, good
from tests.processes import without_root_powers


def test_ctrl_c_leaves_nothing_half_written_and_the_next_run_makes_the_model(home, server, registry):
    server.habits[ROIS] = at_first(fileserver.slow, 1)
    process = start(registry, "models", "fetch", "hcp-ya")
    end = time.monotonic() + PATIENCE_S
    while not list(home.rglob(f".{ROIS}.*.tmp")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 130, said
    assert names_below(home) == [MASK]
    fetch_model(find_published("hcp-ya"), None, QUICK)


def test_what_a_killed_fetch_has_left_is_swept_by_the_next(home, server, registry):
    server.habits[ROIS] = at_first(fileserver.slow, 1)
    process = start(registry, "models", "fetch", "hcp-ya")
    end = time.monotonic() + PATIENCE_S
    while not list(home.rglob(f".{ROIS}.*.tmp")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    ended(process)
    (left,) = home.rglob("*.tmp")
    half_made = home / "models" / left.name.replace(ROIS, "hcp-ya")
    half_made.mkdir(parents=True)
    (half_made / "weights.safetensors").touch()
    fetch_model(find_published("hcp-ya"), None, QUICK)
    assert list(home.rglob("*.tmp")) == []


def test_two_processes_that_fetch_at_once_both_end_well_with_one_model(home, server, registry):
    both = threading.Barrier(2)

    def when_both_ask(handler, body):
        both.wait(PATIENCE_S)
        good(handler, body)

    server.habits.update(dict.fromkeys((MASK, ROIS, HCP_YA), when_both_ask))
    processes = [start(registry, "models", "fetch", "hcp-ya") for _ in range(2)]
    ends = [ended(process) for process in processes]
    assert [code for code, _ in ends] == [0, 0], ends
    assert len(server.asked) == 6
    load_bundle(home / "models" / "hcp-ya")
    assert [path.name for path in (home / "models").iterdir()] == ["hcp-ya"]
    assert list(home.rglob("*.tmp")) == []


@pytest.mark.parametrize("same", [True, False])
def test_who_comes_second_is_content_with_the_same_model_and_with_no_other(home, server, fetched, same):
    def somebody_is_faster(handler, body):
        place = home / "models" / "hcp-ya"
        shutil.copytree(fetched / "models" / "hcp-ya", place) if same else tiny_bundle(place)
        good(handler, body)

    server.habits[HCP_YA] = somebody_is_faster
    if same:
        fetch_model(find_published("hcp-ya"), None, QUICK)
    else:
        assert "not made of the files that are published" in refusal()
    assert [path.name for path in (home / "models").iterdir()] == ["hcp-ya"]


def test_a_home_that_cannot_be_written_is_told_in_a_sentence(home, server, registry):
    prefix = without_root_powers()
    if prefix is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    home.mkdir(mode=0o555)
    code, said = ended(start(registry, "models", "fetch", "hcp-ya", prefix=prefix))
    assert code == 2, said
    assert f"access is denied ({home / 'downloads'})" in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_model_in_a_home_that_cannot_be_written_can_be_used(home, server, registry, fetched):
    prefix = without_root_powers()
    if prefix is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    shutil.copytree(fetched, home)
    folders = [path for path in (home, *home.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        for words, told in ((("fetch", "hcp-ya"), "is already installed"), (("info", "hcp-ya"), "GPL-3.0")):
            code, said = ended(start(registry, "models", *words, prefix=prefix))
            assert code == 0, said
            assert told in said
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert server.asked == []


@pytest.fixture
def disk(home):
    """Mount a file system in the place of the home, or change the one that is there."""
    home.mkdir()

    def mount(options):
        again = f"remount,{options}" if home.is_mount() else options
        words = ["mount", "-t", "tmpfs", "-o", again, "tmpfs", str(home)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")

    yield mount
    if home.is_mount():
        subprocess.run(["umount", "--lazy", home], check=True)


def test_a_read_only_file_system_is_told_in_a_sentence(disk, home, capsys):
    disk("ro")
    code, _, sentence = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 2
    assert sentence.startswith("the file system is read-only (")
    assert str(home) in sentence


def test_a_full_cache_is_told_and_room_mends_it(disk, home, server, files, capsys):
    disk("size=300k")
    code, _, sentence = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 1
    assert sentence.startswith(f"the disk is full ({home / 'downloads'}")
    assert "Free some space and start again" in sentence
    assert names_below(home) == []
    # Enough for the files, and too little for the model that is made of them.
    room_kb = sum(len(files[name]) for name in (MASK, ROIS, HCP_YA)) // 1024 + 60
    disk(f"size={room_kb}k")
    code, _, sentence = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code in (1, 2)
    assert "No space left" in sentence
    assert names_below(home) == sorted([MASK, ROIS, HCP_YA])
    server.asked.clear()
    disk("size=100m")
    assert deeptaskgen(capsys, "models", "fetch", "hcp-ya")[0] == 0
    assert server.asked == []
