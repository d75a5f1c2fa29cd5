"""Errors that users can resolve; messages name the problem, its place and a solution."""

import errno
import re
from collections.abc import Sequence


class UserError(Exception):
    """Invalid command, settings or model.

    Examples
    --------
    The exit code of the command line is an attribute.

    >>> try:
    ...     raise UserError("There is no model of this name.")
    ... except UserError as error:
    ...     print(error.exit_code, error)
    2 There is no model of this name.
    """

    exit_code = 2


class InputError(UserError):
    """Unusable input data, of one participant or of the whole dataset.

    Examples
    --------
    Handlers of `UserError` catch it too.

    >>> try:
    ...     raise InputError("sub-01: the BOLD series is empty.")
    ... except UserError as error:
    ...     print(error.exit_code, error)
    3 sub-01: the BOLD series is empty.
    """

    exit_code = 3


_ROOM = "Free some space and start again; finished results are kept"
_FOLDER = "Choose another folder, or move the existing file or folder"
_DISK = "Check the disk or the network drive, then start again; finished results are kept"
_RIGHT = "Change the permissions, or choose another folder"
_PROCESSES = "Increase the limit (ulimit -u), or start again with fewer --nprocs and --omp-nthreads"
_FILES = "Increase the limit (ulimit -n), or start again with fewer --nprocs"
_MEMORY = "Start again with fewer --nprocs, or on a machine with more memory"
# Errors of the operating system: exit code, problem, solution.
_REFUSALS = {
    errno.ENOSPC: (1, "the disk is full", _ROOM),
    errno.EDQUOT: (1, "the disk quota is used up", _ROOM),
    errno.EFBIG: (1, "the file would exceed the size limit", "Increase the limit (ulimit -f)"),
    errno.EACCES: (2, "access is denied", _RIGHT),
    errno.EPERM: (2, "access is denied", _RIGHT),
    errno.EROFS: (2, "the file system is read-only", "Choose a writable folder"),
    errno.ENOTDIR: (2, "a file exists instead of a folder", _FOLDER),
    errno.EEXIST: (2, "a file or folder of this name exists", _FOLDER),
    errno.EISDIR: (2, "a folder exists instead of a file", _FOLDER),
    errno.ENAMETOOLONG: (2, "the path is too long", "Choose a folder with a shorter path"),
    errno.ELOOP: (2, "the links form a loop", "Choose another folder, or correct the links"),
    errno.EIO: (1, "the disk cannot be read or written", _DISK),
    errno.ESTALE: (1, "the network drive has lost the file", _DISK),
    errno.ETIMEDOUT: (1, "the network drive does not answer", _DISK),
    errno.EHOSTDOWN: (1, "the network drive does not answer", _DISK),
    errno.ENOTCONN: (1, "the network drive is not connected", _DISK),
    errno.EREMOTEIO: (1, "the network drive cannot be read or written", _DISK),
    errno.EMFILE: (1, "too many files are open", _FILES),
    errno.ENFILE: (1, "too many files are open on this machine", _FILES),
    errno.EAGAIN: (1, "no further process can be started", _PROCESSES),
}
# Words of libraries and of the loader, which raise errors of other types.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|allocate memory|failed to map segment|std::bad_alloc",
    re.IGNORECASE,
)
_NO_THREAD = re.compile(r"can't start new thread|Resource temporarily unavailable")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the memory of a GPU or of the machine is exhausted.

    Parameters
    ----------
    error : BaseException

    Examples
    --------
    >>> is_out_of_memory(ImportError("libtorch.so: failed to map segment from shared object"))
    True
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError | ImportError) and bool(_OUT_OF_MEMORY.search(str(error)))


# Faults of a disk or network drive; the same file may be read a moment later.
DISK_ERRORS = (
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
    errno.EREMOTEIO,
)


def raise_disk_error(error: BaseException, path: object) -> None:
    """Raise the error of a disk or network drive again, for handlers of files with unusable content.

    A file that the disk refuses is not damaged: results that leave it out would silently differ from those
    of the next run.

    Parameters
    ----------
    error : BaseException
        Others are ignored.
    path : Path
        File for the message, if the error names none.

    Raises
    ------
    OSError
        If the error is one of `DISK_ERRORS`.
    """
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        if error.filename is None:
            error.filename = str(path)
        raise error


def system_refusal(error: BaseException) -> tuple[int, str] | None:
    """Describe an error of the operating system.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    (int, str) or None
        Exit code if the error ends the run, and the message; None for other errors.
    """
    if is_out_of_memory(error):
        return 1, f"out of memory. {_MEMORY}."
    number = getattr(error, "errno", None) if isinstance(error, OSError) else None
    if isinstance(error, RuntimeError | ImportError) and _NO_THREAD.search(str(error)):
        number = errno.EAGAIN
    if number not in _REFUSALS:
        return None
    code, problem, solution = _REFUSALS[number]
    # The second name is the target of a copy or of a rename.
    file = getattr(error, "filename2", None) or getattr(error, "filename", None)
    file = f" ({file})" if file else ""
    return code, f"{problem}{file}. {solution}."


def quantity(n: int, noun: str) -> str:
    """Format a number of things.

    Parameters
    ----------
    n : int
    noun : str
        Singular; the first word has the plural.

    Returns
    -------
    str

    Examples
    --------
    >>> quantity(1, "participant"), quantity(1200, "family"), quantity(2, "map of tests")
    ('1 participant', '1,200 families', '2 maps of tests')
    """
    head, space, rest = noun.partition(" ")
    if n != 1:
        head = f"{head[:-1]}ies" if head.endswith("y") else f"{head}s"
    return f"{n:,} {head}{space}{rest}"


N_SHOWN = 5


def abbreviate(names: Sequence[str]) -> str:
    """Format names for a message: the first few, and the number of the others.

    Parameters
    ----------
    names : sequence of str
        All names, in the order of the message.

    Returns
    -------
    str
        At most ``N_SHOWN`` names, separated by commas.

    Examples
    --------
    >>> abbreviate(["sub-01", "sub-02"])
    'sub-01, sub-02'
    >>> abbreviate(list("ABCDEFG"))
    'A, B, C, D, E and 2 more'
    """
    return ", ".join(names[:N_SHOWN]) + (f" and {len(names) - N_SHOWN} more" if len(names) > N_SHOWN else "")
