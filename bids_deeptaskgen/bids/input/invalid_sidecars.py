"""Sidecars that are no valid JSON, which pybids cannot index."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.bids.filenames import BidsName, parse_name
from bids_deeptaskgen.errors import InputError

# Folders of sidecars that a participant's series inherit (BIDS inheritance principle).
_FOLDERS = ("", "sub-{}", "sub-{}/func", "sub-{}/ses-*", "sub-{}/ses-*/func")


class InvalidSidecar(NamedTuple):
    """JSON file without usable content.

    Attributes
    ----------
    path : Path
    name : BidsName
        Parts of the file name.
    reason : str
        What is wrong with the content.
    """

    path: Path
    name: BidsName
    reason: str


def find_invalid_sidecars(root: Path, subject: str) -> list[InvalidSidecar]:
    """Find the sidecars of BOLD series that are not JSON objects.

    Parameters
    ----------
    root : Path
        Root of the dataset.
    subject : str
        Label without ``sub-``; sidecars of other participants are not read.

    Returns
    -------
    list of InvalidSidecar
        Sorted by path.
    """
    paths = {
        path
        for folder in _FOLDERS
        for path in root.glob(f"{folder.format(subject)}/*bold.json".lstrip("/"))
        if parse_name(path.name).suffix == "bold"
    }
    reasons = ((path, _explain_invalid(path)) for path in sorted(paths))
    return [InvalidSidecar(path, parse_name(path.name), reason) for path, reason in reasons if reason]


def check_sidecars(invalid_sidecars: Sequence[InvalidSidecar], bold: Path) -> None:
    """Check that no invalid sidecar holds metadata of a series.

    Parameters
    ----------
    invalid_sidecars : sequence of InvalidSidecar
    bold : Path
        The series.

    Raises
    ------
    InputError
        If one of the sidecars belongs to the series: the series has all entities of the sidecar, and the
        sidecar is in the folder of the series or a parent folder.
    """
    entities = set(parse_name(bold.name).entities)
    for sidecar in invalid_sidecars:
        if set(sidecar.name.entities) <= entities and bold.is_relative_to(sidecar.path.parent):
            message = (
                f"{sidecar.path}: cannot be read as JSON: {sidecar.reason}.\n"
                "Copy it again from its source, correct it, or re-run the preprocessing of this participant."
            )
            raise InputError(message)


def _explain_invalid(path: Path) -> str:
    """Describe what is wrong with a JSON file; empty if it holds an object."""
    try:
        text = path.read_text("utf-8")
        content = json.loads(text) if text.strip() else None
    except FileNotFoundError:
        return "it is a link whose target does not exist"
    except json.JSONDecodeError as error:
        return f"{error.msg} in line {error.lineno}"
    except UnicodeDecodeError:
        return "its text is not in UTF-8"
    except OSError as error:
        return str(error.strerror)
    except RecursionError:
        return "it is nested too deep"
    if isinstance(content, dict):
        return ""
    return "it is not a JSON object" if text.strip() else "the file is empty"
