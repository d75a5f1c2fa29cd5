"""Find the folder of fMRIPrep derivatives, or say what was found in its place."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError

logger = logging.getLogger("bids_deeptaskgen")

# So many people are looked at to tell derivatives without a dataset_description.json from raw data.
N_PEEKED = 5
# BIDS allows + in labels since 1.10; sub-01_old or sub- are nobody.
_PARTICIPANT = re.compile(r"sub-[0-9A-Za-z+]+")


def read_description(folder: Path) -> dict[str, Any]:
    """Read a dataset's ``dataset_description.json``.

    Parameters
    ----------
    folder : Path
        Root of the dataset.

    Returns
    -------
    dict
        Empty where there is none, or none that can be read: derivatives are used without it too.
    """
    try:
        content = json.loads((folder / "dataset_description.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


class Derivatives(NamedTuple):
    """A dataset and its description, which is read once.

    Attributes
    ----------
    root : Path
    description : dict
        Content of ``dataset_description.json``; see `read_description`.
    """

    root: Path
    description: dict[str, Any]


def pipelines(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the pipelines that made a dataset, by its description; empty for raw data.

    An entry is for example ``{"Name": "fMRIPrep", "Version": "23.2.0"}``. ``PipelineDescription`` is how
    fMRIPrep up to 20.1 wrote it.
    """
    listed = description.get("GeneratedBy") or description.get("PipelineDescription") or []
    listed = listed if isinstance(listed, list) else [listed]
    return [entry for entry in listed if isinstance(entry, dict)]


def locate_derivatives(base: Path, maker: str = "fmriprep") -> Derivatives:
    """Find the derivatives that a folder stands for, and log which were taken.

    Parameters
    ----------
    base : Path
        The derivatives themselves, or a raw dataset that has them in ``derivatives``.
    maker : str
        What made them: a key of ``pipelines`` in ``data/queries.json``.

    Returns
    -------
    Derivatives
        Its root is absolute and has ``sub-*`` folders.

    Raises
    ------
    InputError
        If there are none, or several that fit equally.
    """
    base = base.absolute()
    must_be_folder(base)
    found = find_derivatives(base, maker)
    if len(found) > 1:
        listed = "\n".join(f"  {candidate.root}" for candidate in found)
        message = (
            f"{base}: several {_title(maker)} derivatives were found:\n{listed}\n"
            f"Name one with -d {maker}=PATH."
        )
        raise InputError(message)
    if not found:
        raise InputError(_nothing_found(base, maker))
    logger.info("Input: the derivatives in %s%s", found[0].root, _generated_by(found[0].description))
    return found[0]


def find_derivatives(base: Path, maker: str) -> list[Derivatives]:
    """List the derivatives that a folder may stand for; see `locate_derivatives`."""
    candidate = Derivatives(base, read_description(base))
    return [candidate] if _is_derivative(candidate) else _derivatives_below(base, maker)


def known_pipeline(description: Mapping[str, Any]) -> str | None:
    """Return which pipeline made a dataset: a key of ``pipelines`` in ``data/queries.json``, if it is known.

    What was made first is listed last, as each pipeline puts itself before those whose output it read.
    """
    makers = pipelines(description)[:1]
    for name, known in load_table("queries.json")["pipelines"].items():
        if any(_letters(str(entry.get("Name", ""))) == _letters(known["name"]) for entry in makers):
            return str(name)
    return None


def _letters(name: str) -> str:
    """Leave out what is spelt now so, now so: fMRIPost-AROMA, fmripost_aroma."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _title(maker: str) -> str:
    return str(load_table("queries.json")["pipelines"][maker]["name"])


def must_be_folder(folder: Path) -> None:
    """Refuse a path that is no folder.

    Raises
    ------
    InputError
    """
    if folder.is_dir():
        return
    found = "is a file, not a folder" if folder.exists() else "no such folder"
    message = (
        f"{folder}: {found}.\nGive the folder of fMRIPrep derivatives (the one that has the sub-* folders)."
    )
    raise InputError(message)


def is_participant_folder(folder_name: str) -> bool:
    """Tell whether a folder's name is that of a person: ``sub-01`` is, ``sub-01_old`` is not."""
    return _PARTICIPANT.fullmatch(folder_name) is not None


def subject_folders(folder: Path) -> list[str]:
    """List the names of people's folders, ``sub-`` and a label, sorted; empty where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name for entry in entries if is_participant_folder(entry.name) and entry.is_dir()
            )
    except OSError:
        return []


def _is_derivative(candidate: Derivatives) -> bool:
    """Return whether a folder holds derivatives, by its description or else by its file names."""
    root, description = candidate
    if not subject_folders(root):
        return False
    if "DatasetType" in description:
        return bool(description["DatasetType"] == "derivative")
    if pipelines(description):
        return True
    return any("_space-" in name or "_desc-preproc" in name for name in _peek(root))


def _peek(folder: Path) -> Iterator[str]:
    """Yield file names of the first few people."""
    for subject in subject_folders(folder)[:N_PEEKED]:
        for pattern in ("func/*", "ses-*/func/*"):
            yield from (path.name for path in (folder / subject).glob(pattern))


def _derivatives_below(folder: Path, maker: str) -> list[Derivatives]:
    """List a pipeline's derivatives in the usual places of a raw dataset; the usual name comes alone."""
    names: list[str] = load_table("queries.json")["pipelines"][maker]["folders"]
    usual = [folder / place / name for place in ("derivatives", "") for name in names]
    named = [path for path in usual if subject_folders(path)]
    if named:
        return [Derivatives(named[0], read_description(named[0]))]
    below = [
        Derivatives(path, read_description(path))
        for parent in (folder / "derivatives", folder)
        for path in _folders(parent)
    ]
    return [
        candidate
        for candidate in below
        if known_pipeline(candidate.description) == maker and subject_folders(candidate.root)
    ]


def _folders(parent: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            return sorted(
                parent / entry.name
                for entry in entries
                if not entry.name.startswith((".", "sub-")) and entry.is_dir()
            )
    except OSError:
        return []


def _nothing_found(folder: Path, maker: str) -> str:
    """Say what is in a folder that holds no derivatives of a pipeline, and what to do."""
    subjects = subject_folders(folder)
    if subjects:
        title, output_spaces = _title(maker), load_table("queries.json")["output_spaces"]
        advice = f" first, with --output-spaces {output_spaces}" if maker == "fmriprep" else ""
        return (
            f"{folder}: raw data of {len(subjects)} participants and no {title} derivatives "
            f"(neither here nor in {folder / 'derivatives'}).\n"
            f"Run {title}{advice}, or name its output with -d {maker}=PATH."
        )
    with os.scandir(folder) as entries:
        names = sorted(islice((entry.name for entry in entries), 1000))
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    found = f"there is no sub-* folder (found: {shown})" if names else "the folder is empty"
    return f"{folder}: {found}.\nGive the folder of fMRIPrep derivatives: the one that has the sub-* folders."


def raw_dataset(root: Path, description: Mapping[str, Any]) -> Path | None:
    """Return the raw dataset that derivatives were made of, by description or place; None if unknown."""
    links = description.get("DatasetLinks")
    link = str(links.get("raw") or "") if isinstance(links, dict) else ""
    if link.startswith(("file://", "/")):
        return Path(link.removeprefix("file://"))
    return root.parent.parent if root.parent.name == "derivatives" else None


def _generated_by(description: Mapping[str, Any]) -> str:
    entries = pipelines(description)
    if not entries:
        return " (no word in dataset_description.json on what made them)"
    return f" ({entries[0].get('Name', 'unnamed')} {entries[0].get('Version', '')})".replace(" )", ")")
