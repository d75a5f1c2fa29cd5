"""Errors that a user can act on: what was found, where, and what to do."""

import errno


class UserError(Exception):
    """The command or the model does not fit; nothing can be computed as asked."""

    exit_code = 2


class InputError(UserError):
    """The data of a person, or of all, cannot be used."""

    exit_code = 3


_ROOM = "Make room and start again; what is finished is kept"
_RIGHT = "Give yourself the right to it, or choose another folder"
# What the system may refuse: the exit code, what was found, what to do.
_REFUSALS = {
    errno.ENOSPC: (1, "the disk is full", _ROOM),
    errno.EDQUOT: (1, "the disk quota is used up", _ROOM),
    errno.EFBIG: (1, "the file would be larger than is allowed here", "Raise the limit (ulimit -f)"),
    errno.EACCES: (2, "access is denied", _RIGHT),
    errno.EPERM: (2, "access is denied", _RIGHT),
    errno.EROFS: (2, "the file system is read-only", "Choose a folder that can be written"),
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
