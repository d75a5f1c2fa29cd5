"""One file from the network, whole and with the right content or not at all."""

import hashlib
import logging
import time
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import atomic_path

if TYPE_CHECKING:
    from requests import Response

# GitHub takes no larger file into a repository; more than this can only be something else.
MAX_BYTES = 100 * 2**20
_CHUNK_BYTES = 2**18
_TELL_EVERY_S = 10.0
_OK, _BUSY, _SERVER_ERROR = 200, 429, 500

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait for a server, and how often to ask again.

    Attributes
    ----------
    connect_s : float
        Seconds until a connection must be there.
    read_s : float
        Seconds between two pieces of an answer.
    waits_s : tuple of float
        Seconds before each further try, where one might mend it.
    """

    connect_s: float = 20.0
    read_s: float = 60.0
    waits_s: tuple[float, ...] = (2.0, 8.0)


class _TransientError(Exception):
    """What another try may mend: no connection, an answer that breaks off, a server at its limits."""


def git_blob_sha1(path: Path) -> str:
    """Compute the hash by which git knows a file's content.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        40 hexadecimal digits: sha1 of ``blob SIZE``, a NUL, and the bytes.
    """
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def is_valid(path: Path, sha1: str) -> bool:
    """Tell whether a file is there and has the content that is wanted."""
    return path.is_file() and git_blob_sha1(path) == sha1


def describe_mismatch(path: Path, sha1: str) -> str | None:
    """Say what a file is, if it is not the one that is wanted.

    Parameters
    ----------
    path : Path
        A file, or a link that leads nowhere.
    sha1 : str
        Git's hash of the content that is wanted.

    Returns
    -------
    str or None
        Words to go behind a name or an address; None if the content is right.
    """
    if not path.exists():
        return "this is a link to a file that is not here (for DataLad: datalad get)"
    found = git_blob_sha1(path)
    if found == sha1:
        return None
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        kind = "this is a pointer of Git LFS, not the file itself"
    elif start.startswith((b"<!doctype html", b"<html")):
        kind = "this is a web page, perhaps of a login or a proxy, not the file"
    elif not start:
        kind = "this is empty"
    else:
        kind = "this is not the published file, or it was altered or cut off on its way"
    return f"{kind} ({path.stat().st_size:,} bytes; git blob sha1 {found}, expected {sha1})"


def download(url: str, path: Path, sha1: str, advice: str, retry_policy: RetryPolicy) -> None:
    """Fetch a file, unless it is there already.

    Proxies are those of the environment (``HTTPS_PROXY``, ``NO_PROXY``); redirects are followed, since the
    content decides and not who serves it.

    Parameters
    ----------
    url : str
        Where it is served.
    path : Path
        Where it shall be. What is there with another content is replaced.
    sha1 : str
        Git's hash of the content that is wanted.
    advice : str
        What to do where it cannot be had; ends the message of the error.
    retry_policy : Patience

    Raises
    ------
    UserError
        If the server does not give the file, or gives something else; nothing is left behind then.
    OSError
        If the file cannot be written.
    """
    if is_valid(path, sha1):
        return
    for wait_s in (*retry_policy.waits_s, None):
        try:
            _once(url, path, sha1, advice, retry_policy)
        except _TransientError as trouble:
            if wait_s is None:
                n_tries = len(retry_policy.waits_s) + 1
                raise _refusal(url, f"{trouble} ({n_tries} tries)", advice) from trouble
            log.warning("%s: %s; another try in %g s.", _shown(url), trouble, wait_s)
            time.sleep(wait_s)
        else:
            return


def _once(url: str, path: Path, sha1: str, advice: str, retry_policy: RetryPolicy) -> None:
    """Try to fetch a file; `_TransientError` where another try may mend what was wrong."""
    from requests import RequestException

    log.info("%s: fetching it from %s", path.name, _shown(url))
    with _answer(url, advice, retry_policy) as response, atomic_path(path) as temporary:
        try:
            _write(response, temporary, path.name)
        except RequestException as error:
            # The connection broke, or nothing came for too long.
            what = f"the answer broke off: {_reason(error, retry_policy)}"
            raise _TransientError(what) from error
        if temporary.stat().st_size > MAX_BYTES:
            what = f"this is larger than {MAX_BYTES:,} bytes, which no published file is"
            raise _refusal(url, what, advice)
        if differs := describe_mismatch(temporary, sha1):
            raise _refusal(url, differs, advice)


def _write(response: "Response", path: Path, name: str) -> None:
    """Write the content as it comes, and a little more than `MAX_BYTES` at most."""
    told_s, n_bytes = time.monotonic(), 0
    with path.open("wb") as file:
        for piece in response.iter_content(_CHUNK_BYTES):
            n_bytes += file.write(piece)
            if n_bytes > MAX_BYTES:
                return
            if time.monotonic() - told_s > _TELL_EVERY_S:
                told_s = time.monotonic()
                log.info("%s: %.1f MB are here", name, n_bytes / 1e6)


def _answer(url: str, advice: str, retry_policy: RetryPolicy) -> "AbstractContextManager[Response]":
    """Ask for a file; the answer's content is still to be read."""
    import requests

    try:
        response = requests.get(
            url,
            stream=True,
            timeout=(retry_policy.connect_s, retry_policy.read_s),
            headers={"Accept-Encoding": "identity"},
        )
    except requests.exceptions.SSLError as error:
        what = (
            f"no secure connection: {_reason(error, retry_policy)}. Where a proxy opens connections, its "
            "certificate is named by REQUESTS_CA_BUNDLE"
        )
        raise _refusal(url, what, advice) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        what = f"no connection: {_reason(error, retry_policy)}"
        raise _TransientError(what) from error
    except OSError as error:  # all that requests raises, and a bundle of certificates that is not there
        raise _refusal(url, f"it cannot be asked for: {_reason(error, retry_policy)}", advice) from error
    code = response.status_code
    if code == _OK:
        # Some servers call a .gz file compressed content, and it would be unpacked on arrival.
        response.raw.headers.pop("Content-Encoding", None)
        return closing(response)
    response.close()
    if code >= _SERVER_ERROR or code == _BUSY:
        what = f"the server answered {code} {response.reason}"
        raise _TransientError(what)
    raise _refusal(url, _what_code_says(code, response.reason), advice)


def _what_code_says(code: int, reason: str) -> str:
    words = {
        401: "the server wants a login",
        403: "access is denied by the server or a proxy",
        404: "the file is gone from there",
        407: "the proxy wants a login (HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT)",
        410: "the file is gone from there",
    }
    return f"{words.get(code, 'the server does not give it')} ({code} {reason})"


def _reason(error: Exception, retry_policy: RetryPolicy) -> str:
    """Say in a few words why a connection failed: what lies at the bottom of a chain of exceptions."""
    from requests import ConnectTimeout, Timeout
    from requests.exceptions import ProxyError

    if isinstance(error, ConnectTimeout):
        return f"no connection within {retry_policy.connect_s:g} s"
    if isinstance(error, Timeout) or "Read timed out" in str(error):
        return f"nothing came for {retry_policy.read_s:g} s"
    proxy = "of the proxy: " if isinstance(error, ProxyError) else ""
    cause: BaseException = error
    for _ in range(8):
        inner = next((one for one in (*cause.args, cause.__cause__) if isinstance(one, Exception)), None)
        if inner is None:
            break
        cause = inner
    return f"{proxy}{str(cause)[:200]}"


def _refusal(url: str, what: str, advice: str) -> UserError:
    return UserError(f"{_shown(url)}: {what}.\n{advice}")


def _shown(url: str) -> str:
    """Write an address without the name and password that may stand in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
