"""Download of single files with verified content."""

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

# GitHub accepts no larger files in a repository, so a longer response is not a published file.
MAX_BYTES = 100 * 2**20
_CHUNK_BYTES = 2**18
_LOG_INTERVAL_S = 10.0
_OK, _BUSY, _SERVER_ERROR = 200, 429, 500

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """Time limits and number of retries of a download.

    Attributes
    ----------
    connect_s : float
        Time limit for a connection in s.
    read_s : float
        Time limit between two chunks of a response in s.
    waits_s : tuple of float
        Pause before each retry in s; the number of retries is its length.
    """

    connect_s: float = 20.0
    read_s: float = 60.0
    waits_s: tuple[float, ...] = (2.0, 8.0)


class _TransientError(Exception):
    """Error that a retry may resolve: no connection, interrupted response, overloaded server."""


def git_blob_sha1(path: Path) -> str:
    """Compute git's blob hash of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        40 hexadecimal digits: sha1 of ``blob SIZE``, a NUL, and the content.
    """
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def is_valid(path: Path, sha1: str) -> bool:
    """Return whether a file exists and has the expected content.

    Parameters
    ----------
    path : Path
    sha1 : str
        Expected git blob hash.

    Returns
    -------
    bool
    """
    return path.is_file() and git_blob_sha1(path) == sha1


def describe_mismatch(path: Path, sha1: str) -> str | None:
    """Describe how a file differs from the expected one.

    Parameters
    ----------
    path : Path
        Existing file or broken link.
    sha1 : str
        Expected git blob hash.

    Returns
    -------
    str or None
        Description to append to a path or URL; None if the content is correct.
    """
    if not path.exists():
        return "this is a broken link (DataLad: run datalad get)"
    actual_sha1 = git_blob_sha1(path)
    if actual_sha1 == sha1:
        return None
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        kind = "this is a Git LFS pointer, not the file itself"
    elif start.startswith((b"<!doctype html", b"<html")):
        kind = "this is a web page, perhaps of a login or a proxy, not the file"
    elif not start:
        kind = "this file is empty"
    else:
        kind = "this is not the published file, or it was modified or truncated"
    return f"{kind} ({path.stat().st_size:,} bytes; git blob sha1 {actual_sha1}, expected {sha1})"


def download(url: str, path: Path, sha1: str, advice: str, retry_policy: RetryPolicy) -> None:
    """Download a file unless it exists already.

    Proxies are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``). Redirects are followed because the
    content is verified whatever server it comes from.

    Parameters
    ----------
    url : str
        URL of the file.
    path : Path
        Path of the local file; replaced if its content differs.
    sha1 : str
        Expected git blob hash.
    advice : str
        Last sentence of error messages: how to obtain the file by other means.
    retry_policy : RetryPolicy
        Time limits and retries.

    Raises
    ------
    UserError
        If the server does not send the file or sends another content. No files remain then.
    OSError
        If the file cannot be written.
    """
    if is_valid(path, sha1):
        return
    for wait_s in (*retry_policy.waits_s, None):
        try:
            _try_download(url, path, sha1, advice, retry_policy)
        except _TransientError as error:
            if wait_s is None:
                n_tries = len(retry_policy.waits_s) + 1
                raise _refusal(url, f"{error} ({n_tries} attempts)", advice) from error
            log.warning("%s: %s; next attempt in %g s", _without_password(url), error, wait_s)
            time.sleep(wait_s)
        else:
            return


def _try_download(url: str, path: Path, sha1: str, advice: str, retry_policy: RetryPolicy) -> None:
    """Download a file once; raise `_TransientError` if a retry may help."""
    from requests import RequestException

    log.info("%s: downloading from %s", path.name, _without_password(url))
    with _request(url, advice, retry_policy) as response, atomic_path(path) as temporary:
        try:
            _write_content(response, temporary, path.name)
        except RequestException as error:
            # The connection was lost, or no data came within the time limit.
            problem = f"the response was interrupted: {_explain(error, retry_policy)}"
            raise _TransientError(problem) from error
        if temporary.stat().st_size > MAX_BYTES:
            problem = f"the response is larger than {MAX_BYTES:,} bytes, so it is not a published file"
            raise _refusal(url, problem, advice)
        if mismatch := describe_mismatch(temporary, sha1):
            raise _refusal(url, mismatch, advice)


def _write_content(response: "Response", path: Path, name: str) -> None:
    """Write the content chunk by chunk; stop after `MAX_BYTES`."""
    last_log_s, n_bytes = time.monotonic(), 0
    with path.open("wb") as file:
        for chunk in response.iter_content(_CHUNK_BYTES):
            n_bytes += file.write(chunk)
            if n_bytes > MAX_BYTES:
                return
            if time.monotonic() - last_log_s > _LOG_INTERVAL_S:
                last_log_s = time.monotonic()
                log.info("%s: %.1f MB downloaded", name, n_bytes / 1e6)


def _request(url: str, advice: str, retry_policy: RetryPolicy) -> "AbstractContextManager[Response]":
    """Send the request for a file and return the response, whose content has not been read."""
    import requests

    try:
        response = requests.get(
            url,
            stream=True,
            timeout=(retry_policy.connect_s, retry_policy.read_s),
            headers={"Accept-Encoding": "identity"},
        )
    except requests.exceptions.SSLError as error:
        problem = (
            f"no secure connection: {_explain(error, retry_policy)}. If a proxy decrypts connections, set "
            "REQUESTS_CA_BUNDLE to its certificate"
        )
        raise _refusal(url, problem, advice) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        problem = f"no connection: {_explain(error, retry_policy)}"
        raise _TransientError(problem) from error
    except OSError as error:  # other errors of requests, or a missing certificate file
        raise _refusal(url, f"the request failed: {_explain(error, retry_policy)}", advice) from error
    code = response.status_code
    if code == _OK:
        # Some servers declare a .gz file as compressed content, which requests would decompress.
        response.raw.headers.pop("Content-Encoding", None)
        return closing(response)
    response.close()
    if code >= _SERVER_ERROR or code == _BUSY:
        problem = f"the server responded {code} {response.reason}"
        raise _TransientError(problem)
    raise _refusal(url, _explain_status(code, response.reason), advice)


def _explain_status(code: int, reason: str) -> str:
    explanations = {
        401: "the server requires a login",
        403: "the server or a proxy denied access",
        404: "the file does not exist at this URL",
        407: "the proxy requires a login (HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT)",
        410: "the file does not exist at this URL",
    }
    return f"{explanations.get(code, 'the server did not send the file')} ({code} {reason})"


def _explain(error: Exception, retry_policy: RetryPolicy) -> str:
    """Explain briefly why a connection failed, by the first cause in the chain of exceptions."""
    from requests import ConnectTimeout, Timeout
    from requests.exceptions import ProxyError

    if isinstance(error, ConnectTimeout):
        return f"no connection within {retry_policy.connect_s:g} s"
    if isinstance(error, Timeout) or "Read timed out" in str(error):
        return f"no data for {retry_policy.read_s:g} s"
    proxy = "of the proxy: " if isinstance(error, ProxyError) else ""
    cause: BaseException = error
    for _ in range(8):
        candidates = (*cause.args, cause.__cause__)
        inner = next((item for item in candidates if isinstance(item, Exception)), None)
        if inner is None:
            break
        cause = inner
    return f"{proxy}{str(cause)[:200]}"


def _refusal(url: str, problem: str, advice: str) -> UserError:
    return UserError(f"{_without_password(url)}: {problem}.\n{advice}")


def _without_password(url: str) -> str:
    """Remove user name and password from a URL."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
