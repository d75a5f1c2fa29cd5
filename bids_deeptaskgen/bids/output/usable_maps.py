"""Predicted maps of a session, without those that cannot be read or hold no values."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.errors import InputError

logger = logging.getLogger("bids_deeptaskgen")

Maps = dict[str, NDArray[np.float32]]


def read_session_maps(
    output: Path,
    result: Result,
    contrasts: Sequence[str],
    mask: NDArray[np.bool_],
    faults: list[ResultFault],
) -> NDArray[np.float32]:
    """Read the maps of a session or run at the voxels of a mask.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    result : Result
    contrasts : sequence of str
        Labels.
    mask : boolean array of shape (91, 109, 91)
        On ``OUTPUT_GRID``.
    faults : list of ResultFault
        Maps that cannot be read, or hold no values, are added, unless they are listed.

    Returns
    -------
    float32 array of shape (n_contrasts, n_voxels)
        Voxels in C order of `mask`. NaN where a map has no value (0 or not finite), and for contrasts without
        a usable map.
    """
    rows = np.full((len(contrasts), int(mask.sum())), np.nan, np.float32)
    maps = read_usable_maps(output, result, contrasts, faults)
    for row, label in zip(rows, contrasts, strict=True):
        if label in maps:
            values = maps.pop(label)[mask]
            row[:] = np.where(np.isfinite(values) & (values != 0), values, np.float32(np.nan))
    return rows


def read_usable_maps(
    output: Path, result: Result, contrasts: Sequence[str], faults: list[ResultFault]
) -> Maps:
    """Read the maps of a session or run, for those contrasts that it has.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    result : Result
    contrasts : sequence of str
        Labels.
    faults : list of ResultFault
        Maps that cannot be read, or hold no values, are added, unless they are listed.

    Returns
    -------
    dict of str to float32 array of shape (91, 109, 91)
    """
    labels = [label for label in contrasts if label in result.maps.contrasts]
    try:
        maps = dict(zip(labels, result.read(output, labels), strict=True)) if labels else {}
    except InputError:
        # A damaged image must not exclude the images of other contrasts.
        maps = dict(_read_each(output, result, labels, faults))
    for label in list(maps):
        if not np.any(np.isfinite(maps[label]) & (maps[label] != 0)):
            del maps[label]
            path = result.statmap(output, label)
            reason = f"{path}: the map is 0 or NaN everywhere. Delete it and re-run this participant."
            _add_fault(faults, result, label, reason)
    return maps


def _read_each(
    output: Path, result: Result, labels: Sequence[str], faults: list[ResultFault]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for label in labels:
        try:
            yield label, result.read(output, [label])[0]
        except InputError as error:
            _add_fault(faults, result, label, str(error))


def _add_fault(faults: list[ResultFault], result: Result, label: str, reason: str) -> None:
    fault = ResultFault(result.subject, result.session, (label,), reason)
    # Maps are read several times; a fault is listed and logged once.
    if fault not in faults:
        logger.error("%s", reason)
        faults.append(fault)
