"""Presets of nuisance regressors: the columns of fMRIPrep's confounds table in each preset."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bids_deeptaskgen.data import read_data

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
SIGNALS = ("global_signal", "csf", "white_matter")
# fMRIPrep's high-pass: a period of 128 s.
FMRIPREP_HIGH_PASS_HZ = 1 / 128
# aCompCor components of each tissue.
N_COMPCOR = 5


@dataclass(frozen=True)
class Preset:
    """Named set of nuisance regressors.

    Attributes
    ----------
    columns : tuple of str
        Columns of the table; missing derivatives and squares are computed.
    compcor : bool
        Include the first aCompCor components of white matter and of cerebrospinal fluid.
    aroma : bool
        Include the noise components of ICA-AROMA.
    methods : str
        Sentences of the methods text.
    """

    columns: tuple[str, ...]
    compcor: bool
    aroma: bool
    methods: str

    @property
    def removes_global_signal(self) -> bool:
        """Return whether the global signal is removed; the published models were trained without that."""
        return "global_signal" in self.columns

    @property
    def needs_table(self) -> bool:
        """Return whether the preset uses fMRIPrep's confounds table; then slow drifts are removed as well."""
        return bool(self.columns or self.compcor or self.aroma)


def _load() -> dict[str, Preset]:
    text = read_data("nuisance.json")
    table = json.loads(text)
    return {name: _preset(entry, table["expansions"]) for name, entry in table["presets"].items()}


def _preset(entry: dict[str, Any], expansions: dict[str, Sequence[str]]) -> Preset:
    columns = list(entry.get("columns", ()))
    names = (*(MOTION if "motion" in entry else ()), *(SIGNALS if "signals" in entry else ()))
    for suffix in expansions["full"]:
        for name in names:
            kind = entry["motion"] if name in MOTION else entry["signals"]
            if suffix in expansions[kind]:
                columns.append(name + suffix)
    return Preset(
        tuple(columns), bool(entry.get("compcor")), bool(entry.get("aroma")), str(entry.get("methods", ""))
    )


PRESETS = _load()
# Preset of ``--nuisance-regressors auto`` for fMRIPrep's output.
FMRIPREP_PRESET = "acompcor"
