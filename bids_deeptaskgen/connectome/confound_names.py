"""Names of confounds columns: those of all versions of fMRIPrep become those of fMRIPrep 21."""

import re
from collections.abc import Iterable, Mapping

from bids_deeptaskgen.nuisance_presets import MOTION

# fMRIPrep up to 1.1 wrote names in CamelCase.
_CAMEL = {
    "CSF": "csf",
    "WhiteMatter": "white_matter",
    "GlobalSignal": "global_signal",
    "FramewiseDisplacement": "framewise_displacement",
    **dict(zip(("X", "Y", "Z", "RotX", "RotY", "RotZ"), MOTION, strict=True)),
}
_CAMEL_NUMBERED = {
    "aCompCor": "a_comp_cor_",
    "Cosine": "cosine",
    "NonSteadyStateOutlier": "non_steady_state_outlier",
    "AROMAAggrComp": "aroma_motion_",
}
_TISSUES = {"CSF": "c_comp_cor_", "WM": "w_comp_cor_"}


def modern_names(names: Iterable[str], masks: Mapping[str, str]) -> dict[str, str]:
    """Map column names to those of fMRIPrep 21 and later, where they differ.

    Parameters
    ----------
    names : iterable of str
        Columns of a table of any version.
    masks : dict of str to str
        ``Mask`` of components in the table's JSON. From fMRIPrep 1.4 to 20.2, only this field distinguishes
        white matter from cerebrospinal fluid; earlier versions wrote joint components only.

    Returns
    -------
    dict of str to str
        Name in the table to name in fMRIPrep 21.
    """
    names = list(names)
    new_names = {name: _CAMEL[name] for name in names if name in _CAMEL}
    for name in names:
        parts = re.fullmatch(r"([A-Za-z]+?)(\d+)", name)
        if parts and parts[1] in _CAMEL_NUMBERED:
            new_names[name] = _CAMEL_NUMBERED[parts[1]] + parts[2]
    if any(name.startswith(tuple(_TISSUES.values())) for name in names):
        return new_names
    for tissue, prefix in _TISSUES.items():
        # As text, 100 would sort before 70.
        of_tissue = sorted(
            (name for name in names if name.startswith("a_comp_cor_") and masks.get(name) == tissue),
            key=lambda name: int(name.rpartition("_")[2]),
        )
        new_names |= {name: f"{prefix}{number:02d}" for number, name in enumerate(of_tissue)}
    return new_names
