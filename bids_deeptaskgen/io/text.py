"""Reader of text files: UTF-8 with or without byte order mark; other encodings are named, never guessed."""

from pathlib import Path

from bids_deeptaskgen.errors import DISK_ERRORS, InputError, raise_disk_error
from bids_deeptaskgen.io.file_content import describe_pointer

# Byte order marks, longest first, since that of UTF-16 begins that of UTF-32.
_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
# git-annex keeps the content of a file below this folder, and the file is a link to it.
_ANNEX = "annex/objects"
# Enough for the beginning of a pointer.
_START_BYTES = 512


def read_text(path: Path) -> str:
    r"""Read a text file.

    Parameters
    ----------
    path : Path
        UTF-8, with or without byte order mark.

    Returns
    -------
    str
        Without byte order mark; line ends are not converted.

    Raises
    ------
    InputError
        If the file does not exist, is a link without target or a pointer, or has another encoding.
        The message names the encoding and the line of the first byte that is not UTF-8.

    Examples
    --------
    >>> path = folder / "participants.tsv"
    >>> _ = path.write_bytes(b"\xef\xbb\xbfparticipant_id\tage\n")
    >>> read_text(path)
    'participant_id\tage\n'
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise_disk_error(error, path)
        message = f"{path}: {explain_unreadable(path, error)}"
        raise InputError(message) from error
    pointer = describe_pointer(path, content[:_START_BYTES])
    if pointer:
        message = f"{path}: {pointer}"
        raise InputError(message)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path}: {_explain_encoding(content, error.start)}"
        raise InputError(message) from error
    if "\0" in text:
        message = f"{path}: {_explain_encoding(content, content.index(0))}"
        raise InputError(message)
    return text


def explain_unreadable(path: Path, error: OSError) -> str:
    """Explain why a file cannot be opened, and what to do.

    Parameters
    ----------
    path : Path
        File, or link to a file.
    error : OSError
        Error of the attempt.

    Returns
    -------
    str
        End of a message that begins with the path.
    """
    if path.is_symlink() and not path.exists():
        target = path.readlink().as_posix()
        if _ANNEX in target:
            return f"its content is not here (a link of git-annex).\nRun: datalad get {path}"
        return (
            f"is a link whose target does not exist ({target}).\n"
            "Mount the folder of the target, or replace the link by the file."
        )
    if isinstance(error, FileNotFoundError):
        return "no such file.\nCorrect the path, or copy the file there."
    if error.errno in DISK_ERRORS:
        return f"cannot be read ({error.strerror}).\nCheck the disk or the network drive, then start again."
    return f"cannot be read ({error.strerror}).\nCheck its permissions, or copy it again from its source."


def _explain_encoding(content: bytes, position: int) -> str:
    line = content.count(b"\n", 0, position) + 1
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _advise_conversion(f"is {name} text, not UTF-8", name)
    if 0 in content[:position] or content[position] == 0:
        if content[1:2] == b"\0" or content[:1] == b"\0":
            return _advise_conversion("is UTF-16 text without byte order mark, not UTF-8", "UTF-16")
        return (
            f"contains binary data (line {line}), not text.\n"
            "Replace it by the text file, not by a spreadsheet or an archive."
        )
    byte = content[position]
    return _advise_conversion(
        f"is not UTF-8 text (byte 0x{byte:02x} in line {line}; it may be Latin-1 or Windows-1252)",
        "WINDOWS-1252",
    )


def _advise_conversion(problem: str, encoding: str) -> str:
    return f"{problem}.\nSave it as UTF-8, e.g. with: iconv -f {encoding} -t UTF-8 FILE > NEW_FILE"
