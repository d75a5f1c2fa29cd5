"""Checksums of files."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Compute the sha256 of a file's content, as 64 hexadecimal digits.

    Parameters
    ----------
    path : Path
        File to read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
