"""Sidecars that cannot be read: found before pybids meets them, which cannot index past one."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.bids.filenames import BidsName, parse_name
from bids_deeptaskgen.errors import InputError

# Where metadata of a person's series may stand: BIDS lets them be inherited.
_FOLDERS = ("", "sub-{}", "sub-{}/func", "sub-{}/ses-*", "sub-{}/ses-*/func")


class InvalidSidecar(NamedTuple):
    """A JSON file that holds nothing that can be used, and why."""

    path: Path
    name: BidsName
    why: str


def find_invalid_sidecars(root: Path, subject: str) -> list[InvalidSidecar]:
    """Find the sidecars of BOLD series that are no JSON objects.

    Parameters
    ----------
    root : Path
        Of the dataset.
    subject : str
        Label without ``sub-``.

    Returns
    -------
    list of Spoilt
        Sorted by path; those of other people are not looked at.
    """
    paths = {
        path
        for folder in _FOLDERS
        for path in root.glob(f"{folder.format(subject)}/*bold.json".lstrip("/"))
        if parse_name(path.name).suffix == "bold"
    }
    found = ((path, _explain_invalid(path)) for path in sorted(paths))
    return [InvalidSidecar(path, parse_name(path.name), why) for path, why in found if why]


def check_sidecars(invalid_sidecars: Sequence[InvalidSidecar], bold: Path) -> None:
    """Refuse a series whose metadata may stand in a file that cannot be read.

    Parameters
    ----------
    invalid_sidecars : sequence of Spoilt
    bold : Path
        The series.

    Raises
    ------
    InputError
        If one of the files belongs to the series: all entities of its name are the series', too, and it
        lies beside the series or above it.
    """
    entities = set(parse_name(bold.name).entities)
    for one in invalid_sidecars:
        if set(one.name.entities) <= entities and bold.is_relative_to(one.path.parent):
            message = (
                f"{one.path}: cannot be read as JSON: {one.why}.\n"
                "Copy it again from its source, mend it, or re-run the preprocessing of this person."
            )
            raise InputError(message)


def _explain_invalid(path: Path) -> str:
    """Say in a few words what is wrong with a JSON file; empty if it holds an object."""
    try:
        text = path.read_text("utf-8")
        content = json.loads(text) if text.strip() else None
    except FileNotFoundError:
        return "it is a link to a file that is not here"
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
    return "it holds no names with values" if text.strip() else "the file is empty"
