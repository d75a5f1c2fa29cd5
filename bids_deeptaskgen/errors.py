"""Errors that a user can act on: what was found, where, and what to do."""

import errno
from collections.abc import Sequence


class UserError(Exception):
    """The command or the model does not fit; nothing can be computed as asked."""

    exit_code = 2


class InputError(UserError):
    """The data of a person, or of all, cannot be used."""

    exit_code = 3


_ROOM = "Make room and start again; what is finished is kept"
_FOLDER = "Choose another folder, or move away what is there"
_DISK = "Look after the disk or the network drive, then start again; what is finished is kept"
_RIGHT = "Give yourself the right to it, or choose another folder"
# What the system may refuse: the exit code, what was found, what to do.
_REFUSALS = {
    errno.ENOSPC: (1, "the disk is full", _ROOM),
    errno.EDQUOT: (1, "the disk quota is used up", _ROOM),
    errno.EFBIG: (1, "the file would be larger than is allowed here", "Raise the limit (ulimit -f)"),
    errno.EACCES: (2, "access is denied", _RIGHT),
    errno.EPERM: (2, "access is denied", _RIGHT),
    errno.EROFS: (2, "the file system is read-only", "Choose a folder that can be written"),
    errno.ENOTDIR: (2, "a file is where a folder should be", _FOLDER),
    errno.EEXIST: (2, "something else is there already", _FOLDER),
    errno.EISDIR: (2, "a folder is where a file should be", _FOLDER),
    errno.ENAMETOOLONG: (2, "the path is too long", "Choose a folder with a shorter path"),
    errno.ELOOP: (2, "the links lead in a circle", "Choose another folder, or mend the links"),
    errno.EIO: (1, "the disk cannot be read or written", _DISK),
    errno.ESTALE: (1, "the network drive has lost the file", _DISK),
}


def system_refusal(error: BaseException) -> tuple[int, str] | None:
    """Say what the system has refused.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    (int, str) or None
        Exit code, if that ends the run, and a sentence; None if the error is of another kind.
    """
    if not isinstance(error, OSError) or error.errno not in _REFUSALS:
        return None
    code, what, advice = _REFUSALS[error.errno]
    where = f" ({error.filename})" if error.filename else ""
    return code, f"{what}{where}. {advice}."


N_SHOWN = 5


def shown(names: Sequence[str]) -> str:
    """List the first of some names for a message."""
    return ", ".join(names[:N_SHOWN]) + (f" and {len(names) - N_SHOWN} more" if len(names) > N_SHOWN else "")
