"""Download a file with pooch and check its content by its git hash."""

import hashlib
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import temporary_sibling

if TYPE_CHECKING:
    from requests import Response

# GitHub accepts no larger file into a repository: more can only be something else.
MAX_BYTES = 100 * 2**20
_CHUNK_BYTES = 2**18
_LOG_EVERY_S = 10.0
_OK, _BUSY, _SERVER_ERROR = 200, 429, 500

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """Time limits of a download, and the number of further attempts.

    Attributes
    ----------
    connect_s : float
        Seconds within which the server must accept the connection.
    read_s : float
        Seconds between two parts of a response.
    n_retries : int
        Attempts after the first one, if the connection or the server failed. pooch waits 1 s before the first
        of them, 2 s before the second, and so on.
    """

    connect_s: float = 20.0
    read_s: float = 60.0
    n_retries: int = 3


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
    """Download a file, unless it exists with the expected content.

    Proxies are those of the environment (``HTTPS_PROXY``, ``NO_PROXY``). Redirects are followed: the hash
    decides whether the content is right, not the server.

    Parameters
    ----------
    url : str
    path : Path
        File to write. An existing file with other content is replaced.
    sha1 : str
        Git's hash of the expected content.
    advice : str
        What to do if the file cannot be downloaded; ends the message of the error.
    retry_policy : RetryPolicy

    Raises
    ------
    UserError
        If the server does not send the file, or sends something else. No file is left behind.
    OSError
        If the file cannot be written.
    """
    if is_valid(path, sha1):
        return
    import pooch
    from requests import RequestException

    # Its messages would show a password in a URL; the downloader logs in its place.
    pooch.get_logger().disabled = True

    def check_content(file: str, _action: str, _pooch: object) -> Path:
        if difference := describe_mismatch(Path(file), sha1):
            raise _refusal(url, difference, advice)
        return Path(file).replace(path)

    # A folder whose name `remove_stale_files` knows, should this process be killed.
    folder = temporary_sibling(path, "download")
    folder.mkdir(parents=True)
    registry = pooch.create(
        folder,
        base_url="",
        registry={path.name: None},
        urls={path.name: url},
        retry_if_failed=retry_policy.n_retries,
    )
    downloader = _Downloader(path, advice, retry_policy)
    try:
        registry.fetch(path.name, processor=check_content, downloader=downloader)
    except RequestException as error:
        reason = f"{_reason(error, retry_policy)} ({downloader.n_attempts} tries)"
        raise _refusal(url, reason, advice) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Downloader:
    """Downloader for pooch: raises `UserError` for errors that another attempt would not resolve."""

    def __init__(self, path: Path, advice: str, retry_policy: RetryPolicy) -> None:
        self.path = path
        self.advice = advice
        self.retry_policy = retry_policy
        self.n_attempts = 0

    def __call__(self, url: str, output_file: str, pooch: object, *, check_only: bool = False) -> None:  # noqa: ARG002
        """Download a file.

        Parameters
        ----------
        url : str
        output_file : str
            Temporary file, which pooch moves into place.
        pooch : Pooch
            Not used.
        check_only : bool
            Not used.
        """
        import requests
        from pooch import HTTPDownloader

        self.n_attempts += 1
        log.info("%s: download from %s", self.path.name, _without_password(url))
        http = HTTPDownloader(
            progressbar=_Progress(self.path.name, url, self.advice),
            chunk_size=_CHUNK_BYTES,
            timeout=(self.retry_policy.connect_s, self.retry_policy.read_s),
            headers={"Accept-Encoding": "identity"},
            hooks={"response": self._check_status},
        )
        try:
            http(url, output_file, None)
        except requests.exceptions.SSLError as error:
            reason = (
                f"no secure connection: {_reason(error, self.retry_policy)}. If a proxy opens secure "
                "connections, name its certificate in REQUESTS_CA_BUNDLE"
            )
            raise _refusal(url, reason, self.advice) from error
        except (requests.ConnectionError, requests.Timeout, requests.HTTPError) as error:
            self._warn(url, error)
            raise
        except requests.exceptions.ChunkedEncodingError as error:
            self._warn(url, error)
            raise
        except requests.RequestException as error:
            raise _refusal(url, _reason(error, self.retry_policy), self.advice) from error
        except OSError as error:
            if error.errno is None:  # how requests reports a missing certificate file
                raise _refusal(url, _reason(error, self.retry_policy), self.advice) from error
            error.filename = str(self.path)
            raise

    def _warn(self, url: str, error: Exception) -> None:
        if self.n_attempts <= self.retry_policy.n_retries:
            reason = _reason(error, self.retry_policy)
            log.warning("%s: %s; another attempt follows.", _without_password(url), reason)

    def _check_status(self, response: "Response", **_options: Any) -> None:  # noqa: ANN401
        """Raise `UserError` for a status that another attempt would not change."""
        from requests import HTTPError

        code = response.status_code
        if response.is_redirect:
            return
        if code == _OK:
            # Some servers call a .gz file compressed content; requests would decompress it.
            response.raw.headers.pop("Content-Encoding", None)
            return
        if code >= _SERVER_ERROR or code == _BUSY:
            message = f"the server answered {code} {response.reason}"
            raise HTTPError(message, response=response)
        raise _refusal(response.url, _explain_status(code, response.reason), self.advice)


class _Progress:
    """Progress bar for pooch that writes to the log, and stops responses that never end."""

    def __init__(self, name: str, url: str, advice: str) -> None:
        self.name, self.url, self.advice = name, url, advice
        self.total = 0
        self.n_bytes = 0
        self.logged_s = time.monotonic()

    def update(self, n_bytes: int) -> None:
        """Count received bytes."""
        self.n_bytes += n_bytes
        if self.n_bytes - _CHUNK_BYTES > MAX_BYTES:
            reason = f"the file is larger than {MAX_BYTES:,} bytes, which no published file is"
            raise _refusal(self.url, reason, self.advice)
        if time.monotonic() - self.logged_s > _LOG_EVERY_S:
            self.logged_s = time.monotonic()
            log.info("%s: %.1f of %.1f MB received", self.name, self.n_bytes / 1e6, self.total / 1e6)

    def reset(self) -> None:
        """Start again from zero, as pooch asks at the end."""
        self.n_bytes = 0

    def close(self) -> None:
        """Close nothing: the log stays open."""


def _explain_status(code: int, reason: str) -> str:
    explanations = {
        401: "the server requires a login",
        403: "access is denied by the server or a proxy",
        404: "the file no longer exists at this address",
        407: "the proxy requires a login (HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT)",
        410: "the file no longer exists at this address",
    }
    return f"{explanations.get(code, 'the server does not send the file')} ({code} {reason})"


def _reason(error: Exception, retry_policy: RetryPolicy) -> str:
    """Explain in a few words why a connection failed: the innermost of a chain of exceptions."""
    from requests import ConnectTimeout, Timeout
    from requests.exceptions import ProxyError

    if isinstance(error, ConnectTimeout):
        return f"no connection within {retry_policy.connect_s:g} s"
    if isinstance(error, Timeout) or "Read timed out" in str(error):
        return f"no data for {retry_policy.read_s:g} s"
    proxy = "proxy: " if isinstance(error, ProxyError) else ""
    cause: BaseException = error
    for _ in range(8):
        inner = next((arg for arg in (*cause.args, cause.__cause__) if isinstance(arg, Exception)), None)
        if inner is None:
            break
        cause = inner
    return f"{proxy}{str(cause)[:200]}"


def _refusal(url: str, reason: str, advice: str) -> UserError:
    return UserError(f"{_without_password(url)}: {reason}.\n{advice}")


def _without_password(url: str) -> str:
    """Return a URL without the user name and password that it may contain."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
