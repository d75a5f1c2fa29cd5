"""Paths as users write them: conversion to absolute paths, and refusal of texts that are no local path."""

import re
from pathlib import Path

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/(?P<second>/?)")
_REMOTE = re.compile(r"[\w.+-]+@[\w.-]+:")
_WINDOWS = re.compile(r"(?P<drive>[A-Za-z]):[\\/]|\\\\[^\\]")


class UnsuitablePathError(ValueError):
    """Text that is not a local path; the message completes the sentence *--option: TEXT ...*."""


def parse_path(value: object) -> Path:
    """Parse a path; relative paths become absolute, and a leading ``~`` is the home folder.

    Parameters
    ----------
    value : str or Path
        Path on this machine. Every character that a file system allows is legal. Texts that are almost never
        the name of a local file (addresses, Windows paths, white space at an end) are legal only if the file
        exists, and addresses with ``://`` never.

    Returns
    -------
    Path

    Raises
    ------
    TypeError
        If the value is neither text nor a Path.
    UnsuitablePathError
        If the text is an address, a Windows path or not UTF-8, or has white space at its ends.
    ValueError
        If the text is empty or no legal path.

    Examples
    --------
    >>> parse_path("/data/raw #1")
    PosixPath('/data/raw #1')
    >>> parse_path("s3://bucket/raw")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    bids_deeptaskgen.settings.paths.UnsuitablePathError: is an address; only local paths are supported...
    """
    if not isinstance(value, (str, Path)):
        raise TypeError(value)
    text = str(value)
    if not text or "\0" in text:
        raise ValueError(text)
    try:
        text.encode()
    except UnicodeEncodeError as reason:
        # Settings files and sidecars, which contain paths, are UTF-8.
        message = "is a path with bytes that are not UTF-8. Rename that file or folder, or link to it."
        raise UnsuitablePathError(message) from reason
    try:
        # Absolute, because every workflow node runs in another folder.
        path = Path(text).expanduser().absolute()
    except RuntimeError as reason:  # no such user for ~user
        message = "begins with the home folder of a user whom this machine does not know."
        raise UnsuitablePathError(message) from reason
    explanation = _explain(text, path)
    if explanation:
        raise UnsuitablePathError(explanation)
    return path


def _explain(text: str, path: Path) -> str:
    """Explain why a text is unsuitable; empty if it is a local path."""
    address, windows = _URL.match(text), _WINDOWS.match(text)
    # pathlib writes s3:/bucket for s3://bucket, and a folder may have such a name.
    is_address = address is not None and (address["second"] or not _exists(path))
    if address and is_address:
        if address["scheme"].lower() == "file":
            return "is an address; write the path alone, without file://."
        return (
            "is an address; only local paths are supported. Download or mount the data, and name that folder."
        )
    has_white_space = text != text.strip()
    if not (windows or has_white_space or _REMOTE.match(text)) or _exists(path):
        return ""
    if windows:
        drive = (windows["drive"] or "c").lower()
        return (
            "is a Windows path; only Linux paths are supported. Name the folder as this system mounts it, "
            f"e.g. /mnt/{drive}/... in WSL, or the path inside the container."
        )
    if has_white_space:
        return (
            f"({text!r}) begins or ends with white space, and there is no such file or folder. Remove the "
            "white space (scripts with Windows line endings add \\r)."
        )
    return "is a path on another machine; only local paths are supported. Copy or mount the data."


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long, or a folder that cannot be read
        return False
