"""Presets of nuisance regressors: which columns of fMRIPrep's table each of them takes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bids_deeptaskgen.data import read_data

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
SIGNALS = ("global_signal", "csf", "white_matter")


@dataclass(frozen=True)
class Preset:
    """A named choice of regressors.

    Attributes
    ----------
    columns : tuple of str
        Columns to take; derivatives and squares are made where the table lacks them.
    compcor, aroma : bool
        Take the first components of white matter and of cerebrospinal fluid; ICA-AROMA's noise components.
    methods : str
        What was done, as a methods section says it.
    """

    columns: tuple[str, ...]
    compcor: bool
    aroma: bool
    methods: str

    @property
    def removes_global_signal(self) -> bool:
        """Whether the global signal is among the columns: the published models have never seen that."""
        return "global_signal" in self.columns

    @property
    def needs_table(self) -> bool:
        """Whether it takes anything from fMRIPrep's table; such a preset also removes slow drifts."""
        return bool(self.columns or self.compcor or self.aroma)


def _load() -> dict[str, Preset]:
    text = read_data("nuisance.json")
    table = json.loads(text)
    return {name: _preset(entry, table["expansions"]) for name, entry in table["presets"].items()}


def _preset(entry: dict[str, Any], expansions: dict[str, Sequence[str]]) -> Preset:
    columns = list(entry.get("columns", ()))
    wanted = (*(MOTION if "motion" in entry else ()), *(SIGNALS if "signals" in entry else ()))
    for suffix in expansions["full"]:
        for name in wanted:
            kind = entry["motion"] if name in MOTION else entry["signals"]
            if suffix in expansions[kind]:
                columns.append(name + suffix)
    return Preset(
        tuple(columns), bool(entry.get("compcor")), bool(entry.get("aroma")), str(entry.get("methods", ""))
    )


PRESETS = _load()
# For fMRIPrep's output, where no other preset is asked for.
FMRIPREP_PRESET = "acompcor"
