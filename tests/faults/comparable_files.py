"""Times and durations taken out of files, so that the files of two runs can be compared."""

import csv
import hashlib
import io
import json
import re
from zipfile import BadZipFile

# Marks files that cannot be read.
TORN = b"torn "


def page(content):
    """Remove the time and the duration of the run, which a page names."""
    return re.sub(rb"<dt>(Finished|Duration)</dt><dd>[^<]*</dd>", rb"<dt>\1</dt>", content)


def states_failure(name, content):
    """Return whether a file is a whole page of a participant that failed, which the next run replaces."""
    is_whole = content.rstrip().endswith(b"</html>")
    return name.endswith(".html") and is_whole and b"There are no maps of this participant" in content


def figures(content):
    """Return a hash for each array of a page's figures, and the facts of the run without times."""
    import numpy as np

    try:
        arrays = np.load(io.BytesIO(content))
        hashes = {name: _hash(arrays[name]) for name in arrays.files if name != "facts"}
        facts = json.loads(str(arrays["facts"])) if "facts" in arrays.files else {}
    except (BadZipFile, ValueError, EOFError):
        return TORN + content
    facts = {name: value for name, value in facts.items() if name not in ("Finished", "Seconds")}
    return json.dumps([hashes, facts]).encode()


def log(content):
    """Remove the duration of each epoch from the log of a training."""
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    return json.dumps([{name: row[name] for name in row if name != "seconds"} for row in rows]).encode()


def settings_file(content):
    """Remove `overwrite`, with which a run replaces what a killed run has written."""
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.strip().startswith(b"overwrite"))


def analysis(content):
    """Remove `overwrite` from the settings of an analysis; invalid JSON stays as it is."""
    try:
        fields = json.loads(content)
    except ValueError:
        return content
    fields.get("Settings", {}).pop("overwrite", None)
    return json.dumps(fields).encode()


def state(content):
    """Return a hash for each tensor of the state of a training, and everything else without durations."""
    import torch

    try:
        values = torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # noqa: BLE001 - torch raises many types
        return TORN + content
    return json.dumps(_described(values)).encode()


def _described(value):
    if hasattr(value, "numpy"):
        return _hash(value.numpy())
    if isinstance(value, dict):
        return {str(key): _described(part) for key, part in value.items() if key != "seconds"}
    if isinstance(value, list | tuple):
        return [_described(part) for part in value]
    return repr(value)


def _hash(array):
    return f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"


PAGES = {r"^out/sub-[^/]*\.html$": page, r"_desc-report_figures\.npz$": figures}
ANALYSES = {r"/biomarkers\.json$": analysis}
TRAININGS = {r"/settings\.toml$": settings_file, r"/log\.csv$": log, r"/state\.pt$": state}
