"""Index of one participant's files by pybids, in the job of this participant.

The preflight lists names without it: indexing 1,000 participants takes minutes. pybids reads entities from
the whole path, so that a parent folder ``run-2`` would make every file run 2; therefore file names alone
decide which files belong together. It also refuses JSON with a byte order mark, and stops at broken sidecars
of other runs; therefore `sidecars` reads metadata.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from bids_deeptaskgen.bids.input.layout import File, list_files
from bids_deeptaskgen.errors import InputError

ListFiles = Callable[[Path, str, str | None], list[File] | None]


def make_index(subject: str) -> ListFiles:
    """Return a function that lists a participant's functional files, and indexes each dataset once.

    Parameters
    ----------
    subject : str
        Label without ``sub-``.

    Returns
    -------
    callable
        Same parameters, results and errors as `layout.list_files`.
    """
    indexed_paths = cache(lambda root: index_paths(root, subject))

    def query_files(root: Path, _subject: str, session: str | None) -> list[File] | None:
        # Without the folder, or permission to read it, there is nothing to index.
        files = list_files(root, subject, session)
        if files is None:
            return None
        # A folder with the name of a file is not indexed; whoever needs the file refuses it.
        return [file for file in files if file.path in indexed_paths(root) or file.path.is_dir()]

    return query_files


def index_paths(root: Path, subject: str) -> frozenset[Path]:
    """List the functional files of a participant with pybids.

    Parameters
    ----------
    root : Path
        Derivatives; absolute.
    subject : str
        Label without ``sub-``.

    Returns
    -------
    frozenset of Path

    Raises
    ------
    InputError
        If the files cannot be indexed.
    """
    from bids import BIDSLayout
    from bids.layout import BIDSLayoutIndexer

    # The participant's folder is the root: pybids stops at a dataset_description.json that is no object.
    folder = root / f"sub-{subject}"
    ignore = [
        # Figures and anatomy are many files without use here.
        re.compile(r"^/(ses-[^/]+/)?(?!func|ses-)[^/.]+(/|$)"),
        re.compile(r"/\."),
    ]
    indexer = BIDSLayoutIndexer(ignore=ignore, index_metadata=False)
    try:
        layout = BIDSLayout(folder, validate=False, config=["bids", "derivatives"], indexer=indexer)
    except (OSError, ValueError, TypeError) as error:
        message = (
            f"{folder}: its files cannot be indexed ({error}).\n"
            "Copy the folder again from its source, or re-run the preprocessing of this participant."
        )
        raise InputError(message) from error
    try:
        return frozenset(Path(path) for path in layout.get(return_type="filename"))
    finally:
        layout.session.close()
        layout.connection_manager.engine.dispose()
        # pybids caches the last 128 layouts of a process; empty layouts take little memory.
        vars(layout).clear()
