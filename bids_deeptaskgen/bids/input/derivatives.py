"""Folders of derivatives: their search, and messages on what a folder holds instead."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from bids_deeptaskgen.bids.input.participant_folders import list_participant_folders, scan_participants
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.io.json_file import read_json

logger = logging.getLogger("bids_deeptaskgen")

# Number of participants whose file names distinguish derivatives without a description from raw data.
N_PEEKED = 5
# Parts of file names that only derivatives have.
_DERIVED = re.compile(r"_(space|desc|setting)-")


def read_description(folder: Path) -> dict[str, Any]:
    """Read a dataset's ``dataset_description.json``; log a warning if it is broken.

    Parameters
    ----------
    folder : Path
        Root of the dataset.

    Returns
    -------
    dict
        Empty if the file is missing or broken: derivatives are usable without a description.
    """
    path = folder / "dataset_description.json"
    if not os.path.lexists(path):
        return {}
    try:
        return read_json(path)
    except InputError as error:
        # Each line of a warning that begins with the path; a dataset is read several times.
        _warn_once(" ".join(str(error).split("\n")))
        return {}


@cache
def _warn_once(reason: str) -> None:
    logger.warning("%s The dataset is read without its description.", reason)


class Derivatives(NamedTuple):
    """Root of a dataset, with its description to read the file only once.

    Attributes
    ----------
    root : Path
    description : dict
        Content of ``dataset_description.json``; see `read_description`.
    """

    root: Path
    description: dict[str, Any]


def list_pipelines(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the pipelines that wrote a dataset, from its description; empty for raw data.

    An entry is for example ``{"Name": "fMRIPrep", "Version": "23.2.0"}``. fMRIPrep up to 20.1 writes
    ``PipelineDescription`` instead of ``GeneratedBy``.

    Parameters
    ----------
    description : mapping
        Content of ``dataset_description.json``.

    Returns
    -------
    list of dict

    Examples
    --------
    >>> list_pipelines({"PipelineDescription": {"Name": "fMRIPrep"}})
    [{'Name': 'fMRIPrep'}]
    """
    value = description.get("GeneratedBy") or description.get("PipelineDescription") or []
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, dict)]


def locate_derivatives(base: Path, pipeline: str = "fmriprep", *, is_named: bool = False) -> Derivatives:
    """Find the only derivatives of a pipeline in a folder, and log their path.

    Parameters
    ----------
    base : Path
        The derivatives themselves, or a raw dataset that has them in ``derivatives``.
    pipeline : str
        Pipeline that wrote them: a key of ``pipelines`` in ``data/queries.json``.
    is_named : bool
        Whether the user named this folder as output of the pipeline. Then it is accepted unless its files
        are raw data.

    Returns
    -------
    Derivatives
        Its root is absolute and has ``sub-*`` folders.

    Raises
    ------
    InputError
        If there are no such derivatives, or several that fit equally well.
    """
    base = base.absolute()
    require_folder(base)
    candidates = find_derivatives(base, pipeline)
    if len(candidates) > 1:
        roots = "\n".join(f"  {candidate.root}" for candidate in candidates)
        message = (
            f"{base}: {len(candidates)} {_title(pipeline)} derivatives were found:\n{roots}\n"
            f"Name one with -d {pipeline}=PATH."
        )
        raise InputError(message)
    if not candidates and is_named and list_participant_folders(base) and not _has_raw_names(base):
        candidates = [Derivatives(base, read_description(base))]
    if not candidates:
        raise InputError(_explain_no_derivatives(base, pipeline, is_named=is_named))
    logger.info(
        "Input: the derivatives in %s%s", candidates[0].root, _generated_by(candidates[0].description)
    )
    return candidates[0]


def find_derivatives(base: Path, pipeline: str) -> list[Derivatives]:
    """List the derivatives of a pipeline in a folder.

    Parameters
    ----------
    base : Path
        As in `locate_derivatives`.
    pipeline : str
        As in `locate_derivatives`.

    Returns
    -------
    list of Derivatives
        The folder itself if it holds derivatives; else those in its usual subfolders.
    """
    candidate = Derivatives(base, read_description(base))
    return [candidate] if _is_derivative(candidate) else _derivatives_below(base, pipeline)


def find_pipeline(description: Mapping[str, Any]) -> str | None:
    """Return the pipeline that wrote a dataset: a key of ``pipelines`` in ``data/queries.json``, or None.

    Only the first entry counts, as each pipeline adds itself before those whose output it has read.

    Parameters
    ----------
    description : mapping
        Content of ``dataset_description.json``.

    Returns
    -------
    str or None

    Examples
    --------
    >>> find_pipeline({"GeneratedBy": [{"Name": "fMRIPrep"}, {"Name": "heudiconv"}]})
    'fmriprep'
    """
    entries = list_pipelines(description)[:1]
    for name, pipeline in load_table("queries.json")["pipelines"].items():
        if any(_letters(str(entry.get("Name", ""))) == _letters(pipeline["name"]) for entry in entries):
            return str(name)
    return None


def _letters(name: str) -> str:
    """Remove differences in spelling: ``fMRIPost-AROMA`` and ``fmripost_aroma`` become equal."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _title(pipeline: str) -> str:
    return str(load_table("queries.json")["pipelines"][pipeline]["name"])


def require_folder(folder: Path) -> None:
    """Refuse a path that is not a folder.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    InputError
        If the path is a file or does not exist.
    """
    if folder.is_dir():
        return
    problem = "is a file, not a folder" if folder.exists() else "no such folder"
    message = f"{folder}: {problem}.\nName the folder of fMRIPrep derivatives, which has the sub-* folders."
    raise InputError(message)


def _is_derivative(candidate: Derivatives) -> bool:
    """Return whether a folder holds derivatives, by its description or its file names.

    ``DatasetType`` alone does not decide against: it is often missing, misspelt or copied from raw data.
    """
    root, description = candidate
    if not list_participant_folders(root):
        return False
    dataset_type = str(description.get("DatasetType") or "").strip().lower()
    if dataset_type.removesuffix("s") == "derivative" or find_pipeline(description):
        return True
    if not dataset_type and list_pipelines(description) and not _has_raw_names(root):
        return True
    return any(_DERIVED.search(name) for name in _peek(root))


def _has_raw_names(folder: Path) -> bool:
    """Return whether BOLD images of the first participants are named as in raw data."""
    return any("_bold.nii" in name and not _DERIVED.search(name) for name in _peek(folder))


def _peek(folder: Path) -> Iterator[str]:
    """Yield file names of the first few participants."""
    for subject in list_participant_folders(folder)[:N_PEEKED]:
        for pattern in ("func/*", "ses-*/func/*"):
            yield from (path.name for path in (folder / subject).glob(pattern))


def _derivatives_below(folder: Path, pipeline: str) -> list[Derivatives]:
    """List a pipeline's derivatives in the usual folders of a raw dataset.

    The usual folder name takes precedence over all other names.
    """
    names: list[str] = load_table("queries.json")["pipelines"][pipeline]["folders"]
    usual_paths = [folder / parent / name for parent in ("derivatives", "") for name in names]
    matches = [path for path in usual_paths if list_participant_folders(path)]
    if matches:
        if len(matches) > 1:
            logger.warning(
                "%d folders are named like derivatives of %s: %s is used, %s not. Name one with -d %s=PATH.",
                len(matches), _title(pipeline), matches[0], ", ".join(map(str, matches[1:])), pipeline,
            )  # fmt: skip
        return [Derivatives(matches[0], read_description(matches[0]))]
    candidates = [
        Derivatives(path, read_description(path))
        for parent in (folder / "derivatives", folder)
        for path in _folders(parent)
    ]
    return [
        candidate
        for candidate in candidates
        if find_pipeline(candidate.description) == pipeline and list_participant_folders(candidate.root)
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


def _explain_no_derivatives(folder: Path, pipeline: str, *, is_named: bool) -> str:
    """Describe the content of a folder without derivatives of a pipeline, and the remedy."""
    scan = scan_participants(folder)
    if scan.usable:
        title, output_spaces = _title(pipeline), load_table("queries.json")["output_spaces"]
        options = f" first, with --output-spaces {output_spaces}" if pipeline == "fmriprep" else ""
        problem = (
            f"{folder}: raw data of {len(scan.usable)} participants and no {title} derivatives "
            f"(neither here nor in {folder / 'derivatives'})."
        )
        if is_named:
            return (
                f"{problem}\n-d {pipeline}={folder} must name the folder that {title} wrote, whose files "
                f"have _space- or _desc- in their names. Run {title}{options}."
            )
        return f"{problem}\nRun {title}{options}, or name its output with -d {pipeline}=PATH."
    if scan.unusable:
        return f"{folder}: no usable sub-* folder: {abbreviate(list(scan.unusable.values()))}."
    with os.scandir(folder) as entries:
        names = sorted(islice((entry.name for entry in entries), 1000))
    examples = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    problem = f"there is no sub-* folder (found: {examples})" if names else "the folder is empty"
    return f"{folder}: {problem}.\nName the folder of fMRIPrep derivatives, which has the sub-* folders."


def resolve_link(address: str, root: Path) -> Path | None:
    """Return the local folder of a link to a dataset.

    Parameters
    ----------
    address : str
        Relative or absolute path, or ``file:`` URI, as in ``DatasetLinks``.
    root : Path
        Root of the dataset that has the link.

    Returns
    -------
    Path or None
        None for addresses of other machines, and for texts that are no address.

    Examples
    --------
    >>> resolve_link("file:///my%20data/raw", Path("/d")), resolve_link("../raw", Path("/d/x"))
    (PosixPath('/my data/raw'), PosixPath('/d/x/../raw'))
    >>> resolve_link("https://example.org", Path("/d")), resolve_link("", Path("/d"))
    (None, None)
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    folder = unquote(parts.path) if parts.scheme == "file" else "" if parts.scheme else address
    return root / folder if folder and "\0" not in folder else None


def raw_dataset(root: Path, description: Mapping[str, Any]) -> Path | None:
    """Return the raw dataset of derivatives.

    Parameters
    ----------
    root : Path
        Root of the derivatives.
    description : dict
        Content of their ``dataset_description.json``.

    Returns
    -------
    Path or None
        From ``DatasetLinks``, else from the location of `root`; None if neither tells.
    """
    links = description.get("DatasetLinks")
    link = str(links.get("raw") or "") if isinstance(links, dict) else ""
    if folder := resolve_link(link, root):
        return Path(os.path.normpath(folder))
    return root.parent.parent if root.parent.name == "derivatives" else None


def _generated_by(description: Mapping[str, Any]) -> str:
    entries = list_pipelines(description)
    if not entries:
        return " (dataset_description.json names no pipeline)"
    return f" ({entries[0].get('Name', 'unnamed')} {entries[0].get('Version', '')})".replace(" )", ")")
