"""One person's files, indexed by pybids, and nobody else's.

pybids finds the files and inherits the metadata. Which file belongs to which is decided by the file names
alone: pybids reads entities off the whole path, so that a folder called ``run-2`` above the dataset would
make every file run 2.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bids_deeptaskgen.bids.filenames import BidsName, Entities, parse_name, sort_entities
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError

if TYPE_CHECKING:
    from bids import BIDSLayout


@dataclass(frozen=True)
class File:
    """A file, its name taken apart, and the session of its folder."""

    path: Path
    name: BidsName
    session: str | None

    def series(self, *left_out: str) -> Entities:
        """Entities that tell what was measured: all but the person's, the grid's, desc and those named."""
        return sort_entities(
            self.name.without(("sub", "ses", "desc", *load_table("queries.json")["grid"], *left_out))
        )


@contextmanager
def participant_layout(root: Path, subject: str, leave_out: Iterable[Path] = ()) -> Iterator["BIDSLayout"]:
    """Index one person's functional files, and nobody else's; emptied at the end of the block.

    Parameters
    ----------
    root : Path
        fMRIPrep derivatives.
    subject : str
        Label without ``sub-``.
    leave_out : iterable of Path
        Files that are not indexed, such as JSON files that pybids could not read.

    Yields
    ------
    BIDSLayout
        In memory; metadata are read for BOLD series only.

    Raises
    ------
    InputError
        If a JSON file cannot be read.
    """
    from bids import BIDSLayout
    from bids.layout import BIDSLayoutIndexer

    table = load_table("queries.json")
    participant = re.escape(f"sub-{subject}")
    opened = "|".join(re.escape(folder) for folder in table["folders"])
    ignore = [
        # At the top: this person's folder, and files with an extension, which may pass on metadata.
        re.compile(rf"^/(?!{participant}(/|$))(sub-|[^/.]+$|[^/]+/)"),
        # Below it: figures and anatomy are many and of no use.
        re.compile(rf"^/{participant}(/ses-[^/]+)?/(?!{opened})[^/.]+(/|$)"),
        *(re.compile(f"^/{re.escape(path.relative_to(root).as_posix())}$") for path in leave_out),
    ]
    bold = table["files"]["bold"]
    indexer = BIDSLayoutIndexer(ignore=ignore, suffix=bold["suffix"], extension=list(bold["extension"]))
    try:
        layout = BIDSLayout(root, validate=False, config=["bids", "derivatives"], indexer=indexer)
    except (OSError, ValueError, TypeError) as error:
        # pybids names the file in the middle of words of its own.
        named = re.search(r"filename='([^']+)'", str(error))
        where = named[1] if named else root / f"sub-{subject}"
        what = "cannot be read as JSON" if named else f"its files cannot be indexed ({error})"
        message = (
            f"{where}: {what}.\nCopy it again from its source, or re-run the preprocessing of this person."
        )
        raise InputError(message) from error
    try:
        yield layout
    finally:
        layout.session.close()
        layout.connection_manager.engine.dispose()
        # pybids caches the last 128 layouts of a process; emptied, they are no burden.
        vars(layout).clear()


def list_files(layout: "BIDSLayout", root: Path, kind: str) -> list[File]:
    """List the files of a kind of ``queries.json``, sorted by path.

    Parameters
    ----------
    layout : BIDSLayout
    root : Path
        Of the dataset.
    kind : str
        A key of ``files``.

    Returns
    -------
    list of File
    """
    wanted = load_table("queries.json")["files"][kind]
    paths = sorted(
        Path(item.path) for item in layout.get(suffix=wanted["suffix"], extension=wanted["extension"])
    )
    files = []
    for path in paths:
        name = parse_name(path.name)
        if "desc" in wanted and name.get("desc") != wanted["desc"]:
            continue
        folders = path.relative_to(root).parts[:-1]
        session = next((part.removeprefix("ses-") for part in folders if part.startswith("ses-")), None)
        files.append(File(path, name, session))
    return files


def present(path: Path) -> Path:
    """Return a path as it is; refuse a link whose target is not here.

    Raises
    ------
    InputError
    """
    if path.exists():
        return path
    message = (
        f"{path}: is a link to a file that is not here.\n"
        "Fetch its content (for DataLad: datalad get), or mount the folder that it points to."
    )
    raise InputError(message)
