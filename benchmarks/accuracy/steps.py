"""Steps of a long benchmark whose results are stored, so that a repeated call continues."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.accuracy.test_set import Row
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import atomic_path


class Steps:
    """Scored steps of a part of the benchmark.

    Parameters
    ----------
    folder : Path
        Folder of the results; created if it does not exist.
    settings : mapping
        Settings that all results depend on.

    Raises
    ------
    UserError
        If the folder holds results of other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "settings.json"
        text = json.dumps(settings, indent=1, sort_keys=True)
        if not path.exists():
            _write(path, text)
        elif path.read_text("utf-8") != text:
            message = (
                f"{folder}: holds results of the settings {path.read_text('utf-8')}, but the current "
                f"settings are {text}.\nRepeat the call with the same options, or choose another folder."
            )
            raise UserError(message)

    def score(self, name: str, compute: Callable[[], Row]) -> Row:
        """Return the scores of a step, computed only once.

        Parameters
        ----------
        name : str
            Name of the step.
        compute : function
            Computes the scores.

        Returns
        -------
        dict of str to list of float
        """
        path = self.folder / f"{name.replace(' ', '-').replace(',', '')}.json"
        if not path.exists():
            start = time.monotonic()
            row = compute()
            content = {"name": name, "scores": row, "seconds": time.monotonic() - start}
            _write(path, json.dumps(content, indent=1))
            print(
                f"{self.folder.name}, {name}: r {row['r'][0]:.3f}, residual r {row['residual r'][0]:.3f} "
                f"({content['seconds']:.0f} s)",
                flush=True,
            )
        scores: Row = json.loads(path.read_text("utf-8"))["scores"]
        return scores


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
