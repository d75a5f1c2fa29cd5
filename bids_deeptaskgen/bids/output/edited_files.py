"""Files of an output dataset that users may edit: they are recognised, and merged or kept."""

import hashlib
import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.atomic import write_text
from bids_deeptaskgen.io.lock import file_lock
from bids_deeptaskgen.io.text import explain_unreadable, read_text

logger = logging.getLogger("bids_deeptaskgen")

_FIELD = "DeepTaskGen"
_HASHES = "Files"
# Fields of the description that a user may rewrite.
_EDITABLE = ("Name", "HowToAcknowledge")
_EDITED = "was edited since it was written"
_NO_HASH = (
    "may have been edited, or be a file of another program (dataset_description.json has no hash of it)"
)
# Name in descriptions of early versions.
_FORMER_NAME = "bids_deeptaskgen"


def update_file(
    output_dir: Path, name: str, text: str, description: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """Write a text file of the dataset, unless the existing file was changed by a user.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    name : str
        Name of the file.
    text : str
        Content.
    description : dict
        Existing ``dataset_description.json``. It holds the hashes of the files that were written last, by
        which an unchanged file is recognised and replaced.
    overwrite : bool
        Whether to replace a changed file. Otherwise the text is written to ``logs``, and a warning names both
        files.
    """
    path = output_dir / name
    if os.path.lexists(path):
        try:
            content = path.read_bytes()
        except OSError as error:
            logger.warning("%s: %s The file is left as it is.", path, explain_unreadable(path, error))
            return
        record = description.get(_FIELD)
        hashes = record.get(_HASHES) if isinstance(record, dict) else None
        hash_of_file = hashes.get(name) if isinstance(hashes, dict) else None
        is_ours = hash_of_file == _hash(content)
        if content != text.encode() and not is_ours:
            if not overwrite:
                copy = output_dir / "logs" / name
                write_text(copy, text)
                logger.warning(
                    "%s: %s, and is kept. The text for the present maps is in %s. To replace the file, "
                    "delete it or add `overwrite`.",
                    path, _EDITED if hash_of_file else _NO_HASH, copy,
                )  # fmt: skip
                return
            logger.warning(
                "%s: %s, and is replaced (`overwrite`).", path, _EDITED if hash_of_file else _NO_HASH
            )
    write_text(path, text)


def update_lines(path: Path, lines: Collection[str]) -> None:
    """Add lines to a text file, and keep those that it has.

    Parameters
    ----------
    path : Path
        File; created if it does not exist, and left alone if it cannot be read.
    lines : collection of str
        Lines that the file must have.
    """
    try:
        if _missing_lines(path, lines):
            with file_lock(path):
                if missing_lines := _missing_lines(path, lines):
                    existing = read_text(path) if os.path.lexists(path) else ""
                    separator = "\n" if existing and not existing.endswith("\n") else ""
                    write_text(path, existing + separator + "\n".join(missing_lines) + "\n")
    except InputError as error:
        logger.warning("%s\nThe file is left as it is.", error)


def _missing_lines(path: Path, lines: Collection[str]) -> list[str]:
    existing = read_text(path) if os.path.lexists(path) else ""
    present_lines = {line.strip() for line in existing.splitlines()}
    return [line for line in lines if line not in present_lines]


def merge_description(
    existing: Mapping[str, Any], description: Mapping[str, Any], texts: Mapping[str, str]
) -> dict[str, Any]:
    """Merge the description of a dataset with the existing one, to which users and other runs may have added.

    Parameters
    ----------
    existing : dict
        Content of the existing ``dataset_description.json``; empty if there is none.
    description : dict
        Description of the present run.
    texts : dict of str to str
        Content of the files of `update_file` by name; their hashes are recorded.

    Returns
    -------
    dict
        Fields of `description`, then other fields of `existing`. The existing name and acknowledgement are
        kept; existing links and pipelines are added.
    """
    merged = dict(description)
    merged |= {name: existing[name] for name in _EDITABLE if isinstance(existing.get(name), str)}
    links = existing.get("DatasetLinks")
    if isinstance(links, dict):
        merged["DatasetLinks"] = description["DatasetLinks"] | {
            name: link for name, link in links.items() if name not in description["DatasetLinks"]
        }
    # A list, since a name that a user wrote may be of any type.
    names = [*(entry.get("Name") for entry in description["GeneratedBy"]), _FORMER_NAME]
    pipelines = existing.get("GeneratedBy")
    for entry in pipelines if isinstance(pipelines, list) else ():
        if isinstance(entry, dict) and entry.get("Name") not in names:
            merged["GeneratedBy"] = [*merged["GeneratedBy"], entry]
    hashes = {name: _hash(text.encode()) for name, text in sorted(texts.items())}
    merged[_FIELD] = {**description[_FIELD], _HASHES: hashes}
    return merged | {name: value for name, value in existing.items() if name not in merged}


def warn_changed_links(output_dir: Path, existing: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """Warn of an input dataset that was another one when earlier maps of the dataset were made.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    existing, description : dict
        As in `merge_description`.
    """
    former_links = existing.get("DatasetLinks")
    for name, link in description["DatasetLinks"].items():
        former = former_links.get(name) if isinstance(former_links, dict) else None
        if isinstance(former, str) and _resolve_link(output_dir, former) != _resolve_link(output_dir, link):
            logger.warning(
                "%s: the dataset %r was %s and is now %s (DatasetLinks of dataset_description.json). The "
                "Sources of earlier maps refer to the former one.",
                output_dir, name, former, link,
            )  # fmt: skip


def _resolve_link(output_dir: Path, link: str) -> str:
    """Return the real path of a relative or ``file:`` link; other and invalid links as they are."""
    try:
        parts = urlsplit(link)
        is_path = parts.scheme in ("", "file")
        return os.path.realpath(output_dir / unquote(parts.path)) if is_path else link
    except ValueError:
        return link


def dataset_link(root: Path, output_dir: Path) -> str:
    """Return the value of ``DatasetLinks`` for an input dataset.

    Parameters
    ----------
    root : Path
        Root of the input dataset.
    output_dir : Path
        Root of the output dataset.

    Returns
    -------
    str
        Relative to `output_dir` if both are below a common folder, such that both can be moved together; else
        a ``file:`` URI.

    Examples
    --------
    >>> dataset_link(Path("/study/derivatives/fmriprep"), Path("/study/derivatives/deeptaskgen"))
    '../fmriprep'
    >>> dataset_link(Path("/data"), Path("/out"))
    'file:///data'
    """
    source, output = (Path(os.path.realpath(path)) for path in (root, output_dir))
    if os.path.commonpath([source, output]) == source.anchor:
        return source.as_uri()
    return quote(Path(os.path.relpath(source, output)).as_posix())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
