"""Filter files as fMRIPrep and its kin take them: which runs to use, by the entities of their names."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from bids_deeptaskgen.errors import UserError

# Words of pybids to keys of file names.
ENTITIES = {
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "direction": "dir",
    "run": "run",
    "task": "task",
}
# fMRIPrep's other queries choose what it preprocesses; here there is nothing of theirs to choose.
OTHER_QUERIES = ("fmap", "sbref", "flair", "t1w", "t2w", "roi", "asl", "dwi", "xfm")
# What has an option of its own, or is what a BOLD series is in any case.
_ELSEWHERE = {
    "subject": "--participant-label",
    "desc": "--desc",
    "space": "nothing: the models want MNI152NLin6Asym",
    "res": "nothing: resolutions are chosen by their grids",
    "resolution": "nothing: resolutions are chosen by their grids",
    "echo": "nothing: single echoes are never used",
    "part": "nothing: phase images are never used",
}
_ALWAYS = {"datatype": ["func"], "suffix": ["bold"], "extension": [".nii", ".nii.gz", "nii", "nii.gz"]}
ANY = "*"


class FilterFile(NamedTuple):
    """A filter file that has been read.

    Attributes
    ----------
    path : Path
    allowed : tuple of (str, tuple of str or None)
        For keys of file names, the values to use, sorted: None stands for a name without that key, ``*``
        for any value.
    ignored : tuple of str
        Queries of the file that are for fMRIPrep alone.
    """

    path: Path
    allowed: tuple[tuple[str, tuple[str | None, ...]], ...]
    ignored: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.path)

    def as_json(self) -> dict[str, list[str | None]]:
        """Give the filter as JSON values: the same for files that mean the same."""
        return {key: list(values) for key, values in self.allowed}


def read_filter_file(given: object) -> FilterFile:
    """Read a filter file.

    Parameters
    ----------
    given : str, Path or FilterFile
        A FilterFile has been read already.

    Returns
    -------
    FilterFile

    Raises
    ------
    UserError
        If it cannot be read, or asks for what is not known.
    ValueError
        If `given` is no path.
    """
    if isinstance(given, FilterFile):
        return given
    if not isinstance(given, (str, Path)) or not str(given):
        raise ValueError(given)
    path = Path(given).expanduser().absolute()
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as reason:
        message = f"--bids-filter-file {path}: can't be read as JSON ({reason})."
        raise UserError(message) from reason
    if not isinstance(content, dict):
        message = f'--bids-filter-file {path}: holds no queries; {{"bold": {{"session": "1"}}}} would be one.'
        raise UserError(message)
    unknown = sorted(set(content) - {"bold", *OTHER_QUERIES})
    if unknown:
        message = (
            f"--bids-filter-file {path}: {', '.join(unknown)}: no such query; bold is the one that is used "
            "here."
        )
        raise UserError(message)
    query = content.get("bold", {})
    if not isinstance(query, dict):
        message = (
            f"--bids-filter-file {path}: the query bold is {query!r}; entities and their values are wanted."
        )
        raise UserError(message)
    entities = {name: value for name, value in query.items() if not _goes_without(name, value)}
    allowed = dict(_read_entity(path, name, value) for name, value in entities.items())
    return FilterFile(path, tuple(sorted(allowed.items())), tuple(sorted(set(content) - {"bold"})))


def _goes_without(name: str, value: Any) -> bool:  # noqa: ANN401
    """Whether an entry asks for what a BOLD series is in any case."""
    values = value if isinstance(value, list) else [value]
    return name in _ALWAYS and all(one in _ALWAYS[name] for one in values)


def _read_entity(path: Path, name: str, value: Any) -> tuple[str, tuple[str | None, ...]]:  # noqa: ANN401
    """Turn an entry into a key of file names and its values."""
    if name not in ENTITIES:
        advice = f"use {_ELSEWHERE[name]}" if name in _ELSEWHERE else f"there are {', '.join(ENTITIES)}"
        message = f"--bids-filter-file {path}: {name} = {json.dumps(value)} can't be asked for; {advice}."
        raise UserError(message)
    values = value if isinstance(value, list) else [value]
    if not values or not all(one is None or _is_label(one) for one in values):
        message = (
            f"--bids-filter-file {path}: {name} = {json.dumps(value)}; a label, a number, null (no such "
            'entity), "*" (any) or a list of them is wanted.'
        )
        raise UserError(message)
    key = ENTITIES[name]
    labels = {None if one is None else str(one).removeprefix(f"{key}-") for one in values}
    return key, tuple(sorted(labels, key=lambda label: (label is not None, label or "")))


def _is_label(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return False
    text = str(value)
    return text == ANY or text.replace("+", "").replace("-", "").isalnum()
