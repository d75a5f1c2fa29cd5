"""Filter files as fMRIPrep reads them: the entities in the names of the runs to use."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.paths import parse_path

# Entity names of pybids to keys of file names.
ENTITIES = {
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "direction": "dir",
    "run": "run",
    "task": "task",
}
# Queries that select what fMRIPrep preprocesses; this software ignores them.
OTHER_QUERIES = ("fmap", "sbref", "flair", "t1w", "t2w", "roi", "asl", "dwi", "xfm")
# Entities that another option selects, or that every usable BOLD series has.
_ELSEWHERE = {
    "subject": "Use --participant-label",
    "desc": "Use --desc",
    "space": "Remove it: the models require MNI152NLin6Asym",
    "res": "Remove it: the resolution is chosen by the grid",
    "resolution": "Remove it: the resolution is chosen by the grid",
    "echo": "Remove it: single echoes are never used",
    "part": "Remove it: phase images are never used",
}
_ALWAYS = {"datatype": ["func"], "suffix": ["bold"], "extension": [".nii", ".nii.gz", "nii", "nii.gz"]}
ANY_VALUE = "*"


class FilterFile(NamedTuple):
    """Content of a filter file.

    Attributes
    ----------
    path : Path
    labels : tuple of (str, tuple of str or None)
        For keys of file names, the labels to use, sorted: None stands for a name without that key, ``*``
        for any label.
    ignored : tuple of str
        Queries of the file that only fMRIPrep uses.
    """

    path: Path
    labels: tuple[tuple[str, tuple[str | None, ...]], ...]
    ignored: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.path)

    def omit(self, keys: Collection[str]) -> "FilterFile | None":
        """Return the filter without some keys of file names.

        Parameters
        ----------
        keys : collection of str
            E.g. ``ses``.

        Returns
        -------
        FilterFile or None
            None if no key remains: such a filter accepts every name.
        """
        labels = tuple((key, accepted) for key, accepted in self.labels if key not in keys)
        return self._replace(labels=labels) if labels else None

    def as_json(self) -> dict[str, list[str | None]]:
        """Return the filter as JSON values, which are equal for equivalent files."""
        return {key: list(labels) for key, labels in self.labels}


def read_filter_file(value: object) -> FilterFile:
    """Read a filter file.

    Parameters
    ----------
    value : str, Path or FilterFile
        A FilterFile is returned unchanged.

    Returns
    -------
    FilterFile

    Raises
    ------
    UserError
        If the file cannot be read, or has an unknown query or entity.
    ValueError
        If `value` is not a path.
    """
    if isinstance(value, FilterFile):
        return value
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError(value)
    path = parse_path(value)
    try:
        content = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_without_duplicates)
    except (OSError, ValueError) as reason:
        message = f"--bids-filter-file {path}: cannot be read as JSON ({reason})."
        raise UserError(message) from reason
    if not isinstance(content, dict):
        message = (
            f"--bids-filter-file {path}: contains no queries. Write an object such as "
            '{"bold": {"session": "1"}}.'
        )
        raise UserError(message)
    unknown_queries = sorted(set(content) - {"bold", *OTHER_QUERIES})
    if unknown_queries:
        message = f"--bids-filter-file {path}: {', '.join(unknown_queries)}: no such query. Use bold."
        raise UserError(message)
    query = content.get("bold", {})
    if not isinstance(query, dict):
        message = (
            f"--bids-filter-file {path}: the query bold is {query!r}; it must be an object of entities and "
            "their labels."
        )
        raise UserError(message)
    entities = {name: labels for name, labels in query.items() if not _is_implied(name, labels)}
    by_key = dict(_read_entity(path, name, labels) for name, labels in entities.items())
    return FilterFile(path, tuple(sorted(by_key.items())), tuple(sorted(set(content) - {"bold"})))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build the dictionary of a JSON object; refuse a key that occurs twice, of which json keeps the last."""
    keys = [key for key, _ in pairs]
    duplicate = next((key for key in keys if keys.count(key) > 1), None)
    if duplicate is not None:
        message = f"{duplicate} is set twice; use a list of values"
        raise ValueError(message)
    return dict(pairs)


def _is_implied(name: str, value: Any) -> bool:  # noqa: ANN401
    """Return whether every BOLD series passes an entry."""
    items = value if isinstance(value, list) else [value]
    return name in _ALWAYS and all(item in _ALWAYS[name] for item in items)


def _read_entity(path: Path, name: str, value: Any) -> tuple[str, tuple[str | None, ...]]:  # noqa: ANN401
    """Convert an entry to a key of file names and its labels."""
    if name not in ENTITIES:
        advice = _ELSEWHERE.get(name, f"Use one of {', '.join(ENTITIES)}")
        message = f"--bids-filter-file {path}: {name} = {json.dumps(value)} is not supported. {advice}."
        raise UserError(message)
    items = value if isinstance(value, list) else [value]
    if not items or not all(item is None or _is_label(item) for item in items):
        message = (
            f"--bids-filter-file {path}: {name} = {json.dumps(value)}; it must be a label, a number, null "
            '(no such entity), "*" (any label) or a list of them.'
        )
        raise UserError(message)
    key = ENTITIES[name]
    labels = {None if item is None else str(item).removeprefix(f"{key}-") for item in items}
    return key, tuple(sorted(labels, key=lambda label: (label is not None, label or "")))


def _is_label(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return False
    text = str(value)
    return text == ANY_VALUE or text.replace("+", "").replace("-", "").isalnum()
