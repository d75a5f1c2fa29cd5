"""Files of one participant, indexed by pybids.

pybids finds the files and inherits the metadata. File names alone decide which files belong together: pybids
reads entities from the whole path, so that a parent folder ``run-2`` of the dataset would make every file
run 2.
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
from bids_deeptaskgen.io.text import explain_unreadable

if TYPE_CHECKING:
    from bids import BIDSLayout


@dataclass(frozen=True)
class File:
    """File of a participant.

    Attributes
    ----------
    path : Path
    name : BidsName
        Parts of the file name.
    session : str or None
        Label of the ``ses-*`` folder, which may contradict the file name.
    """

    path: Path
    name: BidsName
    session: str | None

    def series(self, *ignored_keys: str) -> Entities:
        """Return the entities that identify the measurement within a session, in the order of BIDS.

        Participant, session, ``desc``, grid and `ignored_keys` are left out.

        Parameters
        ----------
        *ignored_keys : str
            Keys of further entities to leave out, e.g. ``run``.

        Returns
        -------
        tuple of (str, str)
            Keys and values.
        """
        return sort_entities(
            self.name.entities_without(
                ("sub", "ses", "desc", *load_table("queries.json")["grid"], *ignored_keys)
            )
        )


@contextmanager
def participant_layout(
    root: Path, subject: str, ignored_paths: Iterable[Path] = ()
) -> Iterator["BIDSLayout"]:
    """Open an index of one participant's functional files, and empty it at the end of the block.

    Parameters
    ----------
    root : Path
        fMRIPrep derivatives.
    subject : str
        Label without ``sub-``.
    ignored_paths : iterable of Path
        Files to exclude, such as JSON files that pybids cannot read.

    Yields
    ------
    BIDSLayout
        In memory; it has metadata of BOLD series only.

    Raises
    ------
    InputError
        If a JSON file cannot be read.
    """
    from bids import BIDSLayout
    from bids.layout import BIDSLayoutIndexer

    table = load_table("queries.json")
    participant = re.escape(f"sub-{subject}")
    functional_folders = "|".join(re.escape(folder) for folder in table["folders"])
    ignore = [
        # In the root: keep this participant's folder, and files with an extension (inherited metadata).
        re.compile(rf"^/(?!{participant}(/|$))(sub-|[^/.]+$|[^/]+/)"),
        # In the participant's folder: figures and anatomy are many files without use here.
        re.compile(rf"^/{participant}(/ses-[^/]+)?/(?!{functional_folders})[^/.]+(/|$)"),
        *(re.compile(f"^/{re.escape(path.relative_to(root).as_posix())}$") for path in ignored_paths),
    ]
    bold = table["files"]["bold"]
    indexer = BIDSLayoutIndexer(ignore=ignore, suffix=bold["suffix"], extension=list(bold["extension"]))
    try:
        layout = BIDSLayout(root, validate=False, config=["bids", "derivatives"], indexer=indexer)
    except (OSError, ValueError, TypeError) as error:
        # The message of pybids contains the file name.
        match = re.search(r"filename='([^']+)'", str(error))
        path = match[1] if match else root / f"sub-{subject}"
        problem = "cannot be read as JSON" if match else f"its files cannot be indexed ({error})"
        message = (
            f"{path}: {problem}.\n"
            "Copy it again from its source, or re-run the preprocessing of this participant."
        )
        raise InputError(message) from error
    try:
        yield layout
    finally:
        layout.session.close()
        layout.connection_manager.engine.dispose()
        # pybids caches the last 128 layouts of a process; empty layouts take little memory.
        vars(layout).clear()


def list_files(layout: "BIDSLayout", root: Path, kind: str) -> list[File]:
    """List the files of a kind of ``queries.json``, sorted by path.

    Parameters
    ----------
    layout : BIDSLayout
        Index of a participant's files.
    root : Path
        Root of the dataset.
    kind : str
        A key of ``files`` in ``data/queries.json``.

    Returns
    -------
    list of File
    """
    pattern = load_table("queries.json")["files"][kind]
    paths = sorted(
        Path(item.path) for item in layout.get(suffix=pattern["suffix"], extension=pattern["extension"])
    )
    files = []
    for path in paths:
        name = parse_name(path.name)
        if "desc" in pattern and name.get("desc") != pattern["desc"]:
            continue
        folders = path.relative_to(root).parts[:-1]
        session = next((part.removeprefix("ses-") for part in folders if part.startswith("ses-")), None)
        files.append(File(path, name, session))
    return files


def require_target(path: Path) -> Path:
    """Return the path itself; refuse a link whose target does not exist.

    Parameters
    ----------
    path : Path
        File or folder, which may be a link.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the path is a broken link.
    """
    if path.exists():
        return path
    message = f"{path}: {explain_unreadable(path, FileNotFoundError())}"
    raise InputError(message)
