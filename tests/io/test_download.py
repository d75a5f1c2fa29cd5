"""Downloads: files with verified content, or an error with its reason and no file."""

import hashlib
import resource
import socket
import subprocess
import time

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
def _without_proxy(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server():
    with file_server() as running:
        running.files["a.ckpt"] = BODY
        yield running


@pytest.fixture
def path(tmp_path):
    return tmp_path / "downloads" / "a.ckpt"


def fetch(server, path, retry_policy=QUICK, url=None):
    download(url or f"{server.url}/x/a.ckpt", path, SHA1, "Do this or that.", retry_policy)


def refusal(server, path, **options):
    """Return the error message of a download and check that no file remains."""
    with pytest.raises(UserError) as caught:
        fetch(server, path, **options)
    assert not path.exists()
    assert not list(path.parent.glob(".*"))
    message = str(caught.value)
    assert message.startswith("http")
    assert message.endswith("Do this or that.")
    return message


def test_the_hash_is_the_git_blob_hash(tmp_path):
    (tmp_path / "a").write_bytes(BODY)
    assert git_blob_sha1(tmp_path / "a") == SHA1
    result = subprocess.run(
        ["git", "hash-object", "a"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if result.returncode == 0:
        assert result.stdout.strip() == SHA1
    (tmp_path / "empty").touch()
    assert git_blob_sha1(tmp_path / "empty") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_a_file_is_downloaded_only_once(server, path):
    fetch(server, path)
    assert path.read_bytes() == BODY
    fetch(server, path)
    assert server.asked == ["/x/a.ckpt"]
    assert [entry.name for entry in path.parent.iterdir()] == ["a.ckpt"]


def test_an_existing_file_with_other_content_is_replaced(server, path):
    path.parent.mkdir()
    path.write_bytes(BODY[1:])
    assert not is_valid(path, SHA1)
    fetch(server, path)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("habit", "words"),
    [
        (fileserver.tampered, "not the published file, or it was modified"),
        (fileserver.lengthened, "not the published file, or it was modified"),
        (fileserver.cut_without_notice, "modified or truncated (384,000 bytes;"),
        (fileserver.empty, "empty (0 bytes;"),
        (fileserver.web_page, "web page"),
        (fileserver.pointer, "Git LFS pointer"),
    ],
)
def test_other_content_is_refused_with_both_hashes_and_its_kind(server, path, habit, words):
    server.habits["a.ckpt"] = habit
    message = refusal(server, path)
    assert words in message
    assert f"expected {SHA1}" in message
    assert "git blob sha1 " in message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("habit", "words"),
    [
        (
            fileserver.truncated,
            "interrupted: IncompleteRead(384000 bytes read, 384000 more expected) (3 attempts)",
        ),
        (fileserver.slow, "interrupted: no data for 0.3 s (3 attempts)"),
        (fileserver.silent, "no connection: no data for 0.3 s (3 attempts)"),
        (fileserver.hangs_up, "no connection: Remote end closed connection without response (3 attempts)"),
    ],
)
def test_an_interrupted_response_is_retried_and_then_reported(server, path, habit, words):
    server.habits["a.ckpt"] = habit
    assert words in refusal(server, path)
    assert len(server.asked) == 3


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_an_overloaded_server_is_retried_and_then_reported(server, path, code):
    server.habits["a.ckpt"] = status(code)
    assert f"the server responded {code} " in refusal(server, path)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "habit",
    [status(503), fileserver.truncated, fileserver.slow, fileserver.hangs_up],
    ids=["503", "truncated", "slow", "hangs up"],
)
def test_a_transient_error_is_not_reported(server, path, habit):
    server.habits["a.ckpt"] = at_first(habit, 2)
    fetch(server, path)
    assert path.read_bytes() == BODY
    assert len(server.asked) == 3


def test_pauses_before_retries_follow_the_policy(server, path, monkeypatch):
    pauses = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    server.habits["a.ckpt"] = status(503)
    refusal(server, path, retry_policy=RetryPolicy(waits_s=(1, 4, 9)))
    assert pauses == [1, 4, 9]
    assert list(RetryPolicy().waits_s) == sorted(RetryPolicy().waits_s)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "the server requires a login (401"),
        (403, "denied access (403"),
        (404, "does not exist at this URL (404"),
        (407, "the proxy requires a login"),
        (410, "does not exist at this URL (410"),
        (204, "did not send the file (204"),
        (418, "did not send the file (418"),
    ],
)
def test_a_refusal_is_not_retried(server, path, code, words):
    server.habits["a.ckpt"] = status(code)
    assert words in refusal(server, path)
    assert len(server.asked) == 1


def test_redirects_are_followed(server, path):
    server.habits["a.ckpt"] = fileserver.moved
    fetch(server, path)
    assert path.read_bytes() == BODY
    assert server.asked == ["/x/a.ckpt", "/elsewhere/x/a.ckpt"]


def test_circular_redirects_end_with_an_error(server, path):
    server.habits["a.ckpt"] = fileserver.moved_in_a_circle
    assert "30 redirects" in refusal(server, path)


def test_a_content_encoding_header_is_ignored(server, path):
    server.habits["a.ckpt"] = fileserver.labelled_compressed
    fetch(server, path)
    assert path.read_bytes() == BODY


def test_a_response_that_is_too_long_is_refused(server, path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    assert "larger than 1,000 bytes" in refusal(server, path)


def test_a_slow_but_steady_response_is_accepted(server, path):
    server.habits["a.ckpt"] = fileserver.drips
    start = time.monotonic()
    fetch(server, path)
    assert time.monotonic() - start > QUICK.read_s
    assert path.read_bytes() == BODY
    assert len(server.asked) == 1


def test_a_closed_port_is_reported(path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x/a.ckpt"
        assert "no connection: [Errno 111] Connection refused" in refusal(None, path, url=url)


def test_a_password_in_a_url_is_not_printed(server, path):
    server.habits["a.ckpt"] = status(404)
    url = server.url.replace("http://", "http://me:secret@") + "/x/a.ckpt"
    assert "secret" not in refusal(server, path, url=url)


def test_the_proxy_of_the_environment_is_used(server, path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    fetch(server, path, url="http://models.invalid/x/a.ckpt")
    assert path.read_bytes() == BODY
    assert server.asked == ["http://models.invalid/x/a.ckpt"]


def test_the_proxy_of_secure_connections_is_used_and_its_refusal_is_reported(server, path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    message = refusal(server, path, url="https://models.invalid/x/a.ckpt")
    assert "no connection: of the proxy: Tunnel connection failed: 403" in message
    assert set(server.asked) == {"CONNECT models.invalid:443"}


def test_hosts_in_no_proxy_are_contacted_directly(server, path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fetch(server, path)
    assert path.read_bytes() == BODY


def test_a_missing_certificate_file_is_named(server, path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    message = refusal(server, path, url=server.url.replace("http", "https") + "/x/a.ckpt")
    assert "/nowhere/ca.pem" in message


def test_a_write_error_is_an_oserror_and_leaves_no_file(server, path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(BODY) // 2, limits[1]))
        with pytest.raises(OSError, match="File too large") as caught:
            fetch(server, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(path) in system_refusal(caught.value)[1]
    assert list(path.parent.iterdir()) == []
    assert len(server.asked) == 1
