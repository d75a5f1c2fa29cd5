"""Reader of JSON files that hold one object: sidecars, descriptions, records."""

import json
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.text import read_text


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Parameters
    ----------
    path : Path
        UTF-8, with or without byte order mark.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If the file does not exist, cannot be read, or holds no JSON object.

    Examples
    --------
    >>> path = folder / "sub-01_bold.json"
    >>> _ = path.write_text('{"RepetitionTime": 2}')
    >>> read_json(path)
    {'RepetitionTime': 2}
    >>> _ = path.write_text('{"RepetitionTime": 2')
    >>> read_json(path)
    Traceback (most recent call last):
    bids_deeptaskgen.errors.InputError: ...sub-01_bold.json: is not valid JSON: Expecting ',' delimiter ...
    """
    text = read_text(path)
    try:
        content = json.loads(text) if text.strip() else None
    except json.JSONDecodeError as error:
        problem = f"is not valid JSON: {error.msg} in line {error.lineno}"
    except RecursionError:
        problem = "is not valid JSON: it is nested too deep"
    else:
        if isinstance(content, dict):
            return content
        problem = "is not a JSON object" if text.strip() else "is empty"
    message = (
        f"{path}: {problem}.\nCopy it again from its source, correct it, or re-run the program that wrote it."
    )
    raise InputError(message)
