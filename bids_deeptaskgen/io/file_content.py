"""Recognition of what a file contains in place of an image, for messages."""

import re
from pathlib import Path

COPY_AGAIN = "Copy it again from its source, or re-run the preprocessing of this run."
GZIP_MAGIC = b"\x1f\x8b"

_DOWNLOAD = "Download it again, and look at the page in a browser: it may ask for a login."
_CONVERT = "Convert it to a NIfTI-1 or NIfTI-2 volume image."
_DECOMPRESS = "Decompress it, and compress it with gzip."
# Beginning of a file as a regular expression, content, advice ({path} is the file).
_POINTERS = (
    (rb"[./\w]*/?annex/objects/|[./]*\.git/annex/", "a git-annex pointer", "Run: datalad get {path}"),
    (rb"version https://git-lfs", "a git-lfs pointer", "Run: git lfs pull"),
)
_CONTENTS = (
    *_POINTERS,
    (rb"\s*(<!doctype html|<html|<head)", "a web page, perhaps an error page of a download", _DOWNLOAD),
    (rb"\s*<\?xml", "XML text, perhaps an error message of a download", _DOWNLOAD),
    (rb"\s*[{\[]", "JSON text", "Replace it by the image."),
    (rb"PK\x03\x04", "a zip archive", "Unpack it."),
    (rb"BZh", "compressed with bzip2", _DECOMPRESS),
    (rb"\xfd7zXZ", "compressed with xz", _DECOMPRESS),
    (rb"\x28\xb5\x2f\xfd", "compressed with zstd", _DECOMPRESS),
    (rb"\x89HDF", "HDF5 (MINC or MATLAB)", _CONVERT),
    (rb"MATLAB", "a MATLAB file", _CONVERT),
    (rb"NRRD", "NRRD", _CONVERT),
    (rb"\x93NUMPY", "a numpy array", _CONVERT),
    (rb"[\s\S]{128}DICM", "DICOM", _CONVERT),
    (rb"\x00\x00\x00\x01(\x00\x00..){3}", "an MGH image of FreeSurfer", _CONVERT),
    (rb"\x00*\Z", "zeros, perhaps a copy that was not completed", COPY_AGAIN),
)


def describe_pointer(path: Path, start: bytes) -> str:
    """Describe that a file holds a pointer to its content, which was not fetched, and how to fetch it.

    Parameters
    ----------
    path : Path
        For the advice.
    start : bytes
        First bytes of the file.

    Returns
    -------
    str
        End of a message; empty if the file is no pointer.

    Examples
    --------
    >>> print(describe_pointer(Path("confounds.tsv"), b"version https://git-lfs.github.com/spec/v1"))
    its content is not here (a git-lfs pointer).
    Run: git lfs pull
    """
    for pattern, content, advice in _POINTERS:
        if re.match(pattern, start):
            return f"its content is not here ({content}).\n{advice.format(path=path)}"
    return ""


def describe_content(path: Path, start: bytes) -> str:
    """Describe what a file contains if it is not a NIfTI image, and what to do.

    Parameters
    ----------
    path : Path
        For the advice.
    start : bytes
        First bytes of the file, after decompression.

    Returns
    -------
    str
        End of a message: a clause, and a line with the advice.

    Examples
    --------
    >>> print(describe_content(Path("bold.nii.gz"), b"<!DOCTYPE html><html>"))
    its content is not NIfTI, but a web page, perhaps an error page of a download.
    Download it again, and look at the page in a browser: it may ask for a login.
    """
    if not start:
        return f"the file is empty.\n{COPY_AGAIN}"
    for pattern, content, advice in _CONTENTS:
        if re.match(pattern, start, re.IGNORECASE | re.DOTALL):
            return f"its content is not NIfTI, but {content}.\n{advice.format(path=path)}"
    if start.isascii() and start.decode("ascii").isprintable():
        return f"its content is not NIfTI, but text ({start[:40].decode('ascii')!r}).\n{COPY_AGAIN}"
    return f"its content is not NIfTI.\n{COPY_AGAIN}"
