"""Files of the maps of a group."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.sidecars import group_sidecar
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.contrast_statistics import ContrastStatistics
from bids_deeptaskgen.group.design.effects import Effect
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.qc_fc import fd_map
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.models.contrasts import Contrast


def write_statistics(
    root: Path, group_set: GroupSet, contrast: Contrast, statistics: ContrastStatistics, units: str, n: int
) -> None:
    """Write mean, SD and count of a contrast, and its correlation with FD if there is one.

    Parameters
    ----------
    root : Path
        Root of the dataset, or of a folder with its layout.
    group_set : GroupSet
    contrast : Contrast
    statistics : ContrastStatistics
    units : str
        Units of the predicted maps.
    n : int
        Number of participants.
    """
    for stat in ("mean", "sd", "count"):
        path = group_set.path(root, "group_statmap", contrast=contrast.label, stat=stat)
        sidecar = group_sidecar(contrast, stat, group_set.task, n, units)
        save_map(path, getattr(statistics, stat), sidecar, dtype=np.int32 if stat == "count" else np.float32)
    fd_r = fd_map(statistics)
    if fd_r is not None:
        path = group_set.path(root, "group_qcfc_statmap", contrast=contrast.label)
        n_known = int(statistics.fd_n.max())
        sidecar = group_sidecar(contrast, "fd_r", group_set.task, n_known, "Pearson r")
        save_map(path, fd_r, sidecar)


def write_effect(
    root: Path,
    group_set: GroupSet,
    contrast: Contrast,
    effect: Effect,
    maps: Mapping[str, NDArray[Any]],
    facts: Mapping[str, Any],
) -> None:
    """Write the maps of a tested effect.

    Parameters
    ----------
    root : Path
        Root of the dataset, or of a folder with its layout.
    group_set : GroupSet
    contrast : Contrast
    effect : Effect
    maps : dict of str to array of shape (91, 109, 91)
        By label of the statistic: ``t``, ``effect``, ``r``, ``p``, ``q``, ``pMaxT``, ``pTfce``.
    facts : dict
        ``NumberOfParticipants`` and other facts of the test, for the sidecars.
    """
    words = load_table("outputs.json")["effect_stats"]
    for stat, values in maps.items():
        path = group_set.path(
            root, "group_effect_statmap", contrast=contrast.label, stat=stat, effect=effect.label
        )
        sidecar = group_sidecar(contrast, "effect", group_set.task, facts["NumberOfParticipants"])
        sidecar["Description"] = f"{words[stat]} Effect: {effect.title}."
        sidecar["DeepTaskGen"] |= {"Effect": effect.title, "EffectUnit": effect.unit, **facts}
        save_map(path, values, sidecar)


def save_map(
    path: Path, values: NDArray[Any], sidecar: dict[str, Any], dtype: type[np.generic] = np.float32
) -> None:
    """Write a map on the grid of all maps, and its sidecar.

    Parameters
    ----------
    path : Path
    values : array of shape (91, 109, 91)
    sidecar : dict
    dtype : type
        Of the file.
    """
    save_nifti(path, values, OUTPUT_GRID.matrix, dtype=dtype)
    write_json(sidecar_path(path), sidecar)
