"""Folder of a group run: files are written beside the dataset and moved into it when all are complete."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.atomic import atomic_path, remove_stale_files, temporary_sibling, write_json
from bids_deeptaskgen.io.json_file import read_json

logger = logging.getLogger("bids_deeptaskgen")

# Lists the files of the most recent run, so that the next one removes those that it does not replace.
RECORD = Path("group/group.json")


@contextmanager
def staging_folder(work_dir: Path) -> Iterator[Path]:
    """Create a temporary folder for the files of a run, and delete it at the end.

    Parameters
    ----------
    work_dir : Path
        Created if needed; deleted at the end if it is empty.

    Yields
    ------
    Path
        Empty folder, with the layout of the output dataset.
    """
    has_folder = work_dir.is_dir()
    work_dir.mkdir(parents=True, exist_ok=True)
    # Those of a run that was killed.
    remove_stale_files(work_dir, recursive=False)
    folder = temporary_sibling(work_dir / "group", "new")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not has_folder and not any(work_dir.iterdir()):
            work_dir.rmdir()


def publish(staging: Path, output: Path) -> list[Path]:
    """Move the files of a run into the dataset, and remove those of the run before that it does not replace.

    Parameters
    ----------
    staging : Path
        Complete files, with the layout of the output dataset.
    output : Path
        Root of the dataset.

    Returns
    -------
    list of Path
        Files relative to `output`, sorted.
    """
    files = sorted(path.relative_to(staging) for path in staging.rglob("*") if path.is_file())
    earlier_files = _recorded_files(output)
    for file in files:
        # The work folder may be on another file system.
        with atomic_path(output / file) as temporary:
            shutil.move(staging / file, temporary)
    for file in earlier_files - set(files):
        (output / file).unlink(missing_ok=True)
    write_json(output / RECORD, {"Files": [file.as_posix() for file in files]})
    return files


def _recorded_files(output: Path) -> set[Path]:
    """List the files of the run before that are in the folder ``group`` or a page of it."""
    try:
        names = [str(name) for name in read_json(output / RECORD)["Files"]]
    except (InputError, OSError, KeyError, TypeError):
        return set()
    paths = {Path(name) for name in names}
    # An edited record must not delete other files.
    return {path for path in paths if ".." not in path.parts and path.parts[0] in ("group", "group.html")}
