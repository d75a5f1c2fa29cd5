"""Temporary folders of a run that other programs may delete while files are written to them.

Writing a file creates its folder again, so that the files of a deleted folder would be incomplete without an
error. A marked folder has a hidden file, which whoever deletes the folder deletes, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bids_deeptaskgen.errors import UserError

MARK = ".deeptaskgen"


@contextmanager
def mark_folder(folder: Path) -> Iterator[None]:
    """Mark a folder, and name its deletion as the reason of any error that follows from it.

    Parameters
    ----------
    folder : Path
        Existing folder.

    Raises
    ------
    UserError
        If the folder was deleted before it could be marked, or the block raises an error and it was deleted.
    """
    try:
        (folder / MARK).touch()
    except FileNotFoundError:
        refuse_deleted(folder)
    try:
        yield
    except Exception:
        # A missing file may be reported as an unreadable input, or as the end of another process.
        refuse_deleted(folder)
        raise


def refuse_deleted(folder: Path) -> None:
    """Refuse a folder that has lost its mark: another program has deleted files, which may not be all there.

    Parameters
    ----------
    folder : Path
        Folder of `mark_folder`.

    Raises
    ------
    UserError
        If it has no mark.

    Examples
    --------
    >>> try:
    ...     refuse_deleted(folder)
    ... except UserError as error:
    ...     print(str(error).splitlines()[1])
    Start again; finished results are kept.
    """
    if not (folder / MARK).is_file():
        message = (
            f"{folder}: this work folder was deleted during the run.\nStart again; finished results are kept."
        )
        raise UserError(message)


def remove_mark(folder: Path) -> None:
    """Remove the mark of a complete folder, which is then renamed.

    Parameters
    ----------
    folder : Path
        Folder of `mark_folder`.

    Raises
    ------
    UserError
        If it has no mark.
    """
    refuse_deleted(folder)
    (folder / MARK).unlink()
