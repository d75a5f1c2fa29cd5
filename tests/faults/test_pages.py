"""Pages of real runs whose processes are killed or stopped: maps, closing table and pages stay whole."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.processes import finished_files

pytestmark = pytest.mark.slow
OPTIONS = ("--reports", "full", "--participant-label", "01", "02")
MAPS = "_statmap."


def page_worker(app):
    """Find a process that makes a page: nipype runs each page in a folder of its own."""
    for pid in app.family():
        try:
            folder = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115
        except OSError:
            continue
        if any(part.startswith("_pages0") for part in Path(folder).parts):
            return pid
    return None


def maps_of(files):
    return {name: content for name, content in files.items() if MAPS in name}


def pages_of(output):
    return {path.name: path.read_text("utf-8") for path in output.glob("*.html")}


@pytest.fixture
def expected_maps(alone):
    return {
        name: content for name, content in maps_of(alone).items() if name.startswith(("sub-01/", "sub-02/"))
    }


def test_a_killed_page_leaves_maps_and_closing_table_and_can_be_made_later(start, expected_maps):
    app = start("--nprocs", "2", *OPTIONS)
    worker = app.wait_for(page_worker)
    assert worker != app.pid
    os.kill(worker, signal.SIGKILL)
    assert app.wait() == 0, app.words
    assert maps_of(finished_files(app.output)) == expected_maps
    table = app.words[app.words.rindex("participant  status") :]
    assert len(re.findall(r"^sub-0[12] +done ", table, re.MULTILINE)) == 2
    assert "the page could not be made; its maps are not affected" in table
    assert "its process ended before it was done" in table
    assert "lower --nprocs" in table
    assert "Make the page with --reports-only." in table
    assert "Traceback" not in app.words
    assert not list(app.output.rglob("*.tmp"))
    assert not (app.output / "work").exists()
    app = start("--nprocs", "1", *OPTIONS, "--reports-only")
    assert app.wait() == 0, app.words
    assert pages_of(app.output).keys() == {"sub-01.html", "sub-02.html"}


@pytest.mark.parametrize("n_procs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_during_a_page_leaves_no_half_written_page(
    start, expected_maps, n_procs, number
):
    app = start("--nprocs", n_procs, *OPTIONS)
    app.wait_for(page_worker)
    app.signal(number)
    assert app.wait() == {signal.SIGTERM: 143, signal.SIGINT: 130}[number], app.words
    assert app.wait_for_silence(10) == {}
    assert "Traceback" not in app.words
    assert not list(app.output.rglob("*.tmp"))
    assert maps_of(finished_files(app.output)) == expected_maps
    assert all(page.rstrip().endswith("</html>") for page in pages_of(app.output).values())
    app = start("--nprocs", n_procs, *OPTIONS)
    assert app.wait() == 0, app.words
    assert pages_of(app.output).keys() == {"sub-01.html", "sub-02.html"}
    assert all(page.rstrip().endswith("</html>") for page in pages_of(app.output).values())
