"""Errors of libraries that call every file they cannot open missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bids_deeptaskgen.errors import UserError


@contextmanager
def name_reason(path: Path) -> Iterator[None]:
    """Raise the error of the system if a library reports an existing file as missing.

    safetensors does so for each file that cannot be opened: without permission, on a disk with errors, or
    while too many files are open.

    Parameters
    ----------
    path : Path
        File of a model that the block opens.

    Raises
    ------
    OSError
        If the system refuses the file.
    UserError
        If the file is missing, or was refused for a moment only.

    Examples
    --------
    >>> try:
    ...     with name_reason(folder / "weights.safetensors"):
    ...         raise FileNotFoundError("No such file or directory")
    ... except UserError as error:
    ...     print(str(error).splitlines()[1])
    Fetch or import the model again.
    """
    try:
        yield
    except FileNotFoundError as error:
        try:
            path.open("rb").close()
        except FileNotFoundError:
            message = f"{path}: no such file.\nFetch or import the model again."
            raise UserError(message) from error
        message = f"{path}: cannot be opened for a moment.\nStart again."
        raise UserError(message) from error
