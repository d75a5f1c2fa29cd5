"""A file comes whole and with the right content, or nothing comes and it is said why."""

import hashlib
import resource
import socket
import subprocess
import time
from types import SimpleNamespace

import pytest

from bids_deeptaskgen.errors import UserError, system_refusal
from bids_deeptaskgen.io import download as module
from bids_deeptaskgen.io.download import RetryPolicy, download, git_blob_sha1, is_valid
from tests import fileserver
from tests.fileserver import QUICK, at_first, file_server, status

BODY = bytes(range(256)) * 3000
SHA1 = hashlib.sha1(b"blob %d\0" % len(BODY) + BODY).hexdigest()
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy_but_ours(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Seconds that pooch would wait between attempts."""
    waited = []
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture
def server():
    with file_server() as running:
        running.files["a.ckpt"] = BODY
        yield running


@pytest.fixture
def place(tmp_path):
    return tmp_path / "downloads" / "a.ckpt"


def fetch(server, place, retry_policy=QUICK, url=None):
    download(url or f"{server.url}/x/a.ckpt", place, SHA1, "Do this or that.", retry_policy)


def refusal(server, place, **how):
    """The message with which a file is refused; nothing may be left of it."""
    with pytest.raises(UserError) as caught:
        fetch(server, place, **how)
    assert not place.exists()
    assert not list(place.parent.glob(".*"))
    message = str(caught.value)
    assert message.startswith("http")
    assert message.endswith("Do this or that.")
    return message


def test_the_hash_is_gits_own(tmp_path):
    (tmp_path / "a").write_bytes(BODY)
    assert git_blob_sha1(tmp_path / "a") == SHA1
    done = subprocess.run(
        ["git", "hash-object", "a"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        assert done.stdout.strip() == SHA1
    (tmp_path / "nothing").touch()
    assert git_blob_sha1(tmp_path / "nothing") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_a_file_is_fetched_whole_and_only_once(server, place):
    fetch(server, place)
    assert place.read_bytes() == BODY
    fetch(server, place)
    assert server.asked == ["/x/a.ckpt"]
    assert [path.name for path in place.parent.iterdir()] == ["a.ckpt"]


def test_a_file_that_is_there_with_other_content_is_replaced(server, place):
    place.parent.mkdir()
    place.write_bytes(BODY[1:])
    assert not is_valid(place, SHA1)
    fetch(server, place)
    assert place.read_bytes() == BODY


@pytest.mark.parametrize(
    ("habit", "words"),
    [
        (fileserver.tampered, "not the published file"),
        (fileserver.lengthened, "not the published file"),
        (fileserver.cut_without_notice, "modified or truncated (384,000 bytes;"),
        (fileserver.empty, "this file is empty (0 bytes;"),
        (fileserver.web_page, "web page"),
        (fileserver.pointer, "Git LFS pointer"),
    ],
)
def test_another_content_is_refused_with_both_hashes_and_what_it_is(server, place, habit, words):
    server.habits["a.ckpt"] = habit
    message = refusal(server, place)
    assert words in message
    assert f"expected {SHA1}" in message
    assert "git blob sha1 " in message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("habit", "words"),
    [
        (
            fileserver.truncated,
            "384000 bytes read, 384000 more expected) (3 tries)",
        ),
        (fileserver.slow, "no data for 0.3 s (3 tries)"),
        (fileserver.silent, "no data for 0.3 s (3 tries)"),
        (fileserver.hangs_up, "Remote end closed connection without response (3 tries)"),
    ],
)
def test_an_interrupted_response_is_retried_and_then_reported(server, place, habit, words):
    server.habits["a.ckpt"] = habit
    assert words in refusal(server, place)
    assert len(server.asked) == 3


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_a_busy_server_is_retried_and_then_reported(server, place, code):
    server.habits["a.ckpt"] = status(code)
    assert f"answered {code} " in refusal(server, place)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "habit",
    [status(503), fileserver.truncated, fileserver.slow, fileserver.hangs_up],
    ids=["503", "truncated", "slow", "hangs up"],
)
def test_a_transient_error_is_not_an_error(server, place, habit):
    server.habits["a.ckpt"] = at_first(habit, 2)
    fetch(server, place)
    assert place.read_bytes() == BODY
    assert len(server.asked) == 3


def test_waits_grow_from_attempt_to_attempt(server, place, waits):
    server.habits["a.ckpt"] = status(503)
    refusal(server, place, retry_policy=RetryPolicy(n_retries=3))
    assert len(server.asked) == 4
    assert waits == [1, 2, 3]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "login (401"),
        (403, "denied by the server or a proxy (403"),
        (404, "no longer exists at this address (404"),
        (407, "HTTPS_PROXY"),
        (410, "no longer exists at this address (410"),
        (204, "204"),
        (418, "418"),
    ],
)
def test_a_clear_no_is_not_asked_again(server, place, code, words):
    server.habits["a.ckpt"] = status(code)
    assert words in refusal(server, place)
    assert len(server.asked) == 1


def test_a_file_that_has_moved_is_followed(server, place):
    server.habits["a.ckpt"] = fileserver.moved
    fetch(server, place)
    assert place.read_bytes() == BODY
    assert server.asked == ["/x/a.ckpt", "/elsewhere/x/a.ckpt"]


def test_moves_in_a_circle_come_to_an_end(server, place):
    server.habits["a.ckpt"] = fileserver.moved_in_a_circle
    assert "30 redirects" in refusal(server, place)


def test_a_server_that_calls_the_file_compressed_changes_nothing(server, place):
    server.habits["a.ckpt"] = fileserver.labelled_compressed
    fetch(server, place)
    assert place.read_bytes() == BODY


def test_an_answer_without_end_is_broken_off(server, place, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    assert "larger than 1,000 bytes" in refusal(server, place)


def test_an_answer_that_comes_slowly_but_steadily_is_waited_for(server, place):
    server.habits["a.ckpt"] = fileserver.drips
    start = time.monotonic()
    fetch(server, place)
    assert time.monotonic() - start > QUICK.read_s
    assert place.read_bytes() == BODY
    assert len(server.asked) == 1


def test_a_refused_connection_is_reported(place):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x/a.ckpt"
        assert "Connection refused" in refusal(None, place, url=url)


def test_the_password_in_an_address_is_not_shown(server, place):
    server.habits["a.ckpt"] = status(404)
    url = server.url.replace("http://", "http://me:secret@") + "/x/a.ckpt"
    assert "secret" not in refusal(server, place, url=url)


def test_the_proxy_of_the_environment_is_asked(server, place, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    fetch(server, place, url="http://models.invalid/x/a.ckpt")
    assert place.read_bytes() == BODY
    assert server.asked == ["http://models.invalid/x/a.ckpt"]


def test_a_refusal_by_the_https_proxy_is_reported(server, place, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    message = refusal(server, place, url="https://models.invalid/x/a.ckpt")
    assert "proxy: Tunnel connection failed: 403" in message
    assert set(server.asked) == {"CONNECT models.invalid:443"}


def test_hosts_without_proxy_are_asked_directly(server, place, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fetch(server, place)
    assert place.read_bytes() == BODY


def test_a_missing_certificate_file_is_reported(server, place, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    message = refusal(server, place, url=server.url.replace("http", "https") + "/x/a.ckpt")
    assert "/nowhere/ca.pem" in message


def test_a_file_that_cannot_be_written_is_the_systems_refusal_and_leaves_nothing(server, place):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(BODY) // 2, before[1]))
        with pytest.raises(OSError, match="File too large") as caught:
            fetch(server, place)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(place) in system_refusal(caught.value)[1]
    assert list(place.parent.iterdir()) == []
    assert len(server.asked) == 1
