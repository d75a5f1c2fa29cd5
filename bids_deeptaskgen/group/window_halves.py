"""Identification of participants between the first and the second half of the windows."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.bids.output.window_halves import WindowHalves, read_halves
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.group.contrast_statistics import correlate_blocks
from bids_deeptaskgen.group.individuality import Identification
from bids_deeptaskgen.group.pairs import MAX_PARTICIPANTS, MIN_PARTICIPANTS
from bids_deeptaskgen.report.group_content import IdentificationRow

TITLE = "first and second half of the windows"
# Bytes of the maps in memory.
_MAX_BYTES = 200 * 2**20

logger = logging.getLogger("bids_deeptaskgen")


def identify_by_halves(
    output: Path, results: Sequence[Result], contrasts: Sequence[str], rng: np.random.Generator
) -> list[IdentificationRow]:
    """Score the identification of participants between halves of the windows of one session.

    Participants whose file cannot be used are left out, with a warning.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
        Of one set.
    contrasts : sequence of str
    rng : Generator
        Source of a sample of many participants.

    Returns
    -------
    list of IdentificationRow
        For the mean over contrasts and each contrast that participants have and in which they differ; empty
        if fewer than three participants have the file.
    """
    files = _first_files(output, results)
    if len(files) > MAX_PARTICIPANTS:
        files = [files[i] for i in np.sort(rng.choice(len(files), MAX_PARTICIPANTS, replace=False))]
    files, n_blocks = _usable_files(files)
    if len(files) < MIN_PARTICIPANTS:
        return []
    n_per_pass = max(1, _MAX_BYTES // (2 * len(files) * n_blocks * 4))
    identification = Identification([TITLE])
    for start in range(0, len(contrasts), n_per_pass):
        batch = contrasts[start : start + n_per_pass]
        for label, values in _read_contrasts(files, batch):
            r, r_deviations = correlate_blocks(values[0], values[1])
            identification.add(label, [r], [r_deviations])
    return identification.rows


def _first_files(output: Path, results: Sequence[Result]) -> list[Path]:
    """List the file of each participant, of the first session or run that has one."""
    files: dict[str, Path] = {}
    for result in results:
        path = result.path(output, "window_halves")
        if result.subject not in files and path.is_file():
            files[result.subject] = path
    return list(files.values())


def _usable_files(files: Sequence[Path]) -> tuple[list[Path], int]:
    """Select the files with the most frequent settings and blocks, and count these blocks."""
    keys: dict[Path, tuple[str, int, bytes]] = {}
    for path in files:
        try:
            content = read_halves(path)
            keys[path] = (content.settings_hash, len(content.blocks), content.blocks.tobytes())
        except InputError as error:
            logger.warning("Left out of the identification between halves of the windows: %s", error)
    if not keys:
        return [], 0
    frequent = Counter(keys.values()).most_common(1)[0][0]
    for path, key in keys.items():
        if key != frequent:
            logger.warning(
                "Left out of the identification between halves of the windows: %s: has other settings or "
                "blocks than the files of most participants.\nRe-run this participant with --overwrite.",
                path,
            )
    return [path for path, key in keys.items() if key == frequent], frequent[1]


def _read_contrasts(
    files: Sequence[Path], contrasts: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the halves of all participants, (2, n_participants, n_blocks), NaN where unavailable."""
    halves: list[list[NDArray[np.float32]]] = [[] for _ in contrasts]
    for path in files:
        content = read_halves(path)
        for number, label in enumerate(contrasts):
            halves[number].append(_of_contrast(content, label))
    for label, values in zip(contrasts, halves, strict=True):
        yield label, np.stack(values, axis=1)


def _of_contrast(content: WindowHalves, label: str) -> NDArray[np.float32]:
    if label not in content.contrasts:
        return np.full((2, content.values.shape[2]), np.nan, np.float32)
    return np.asarray(content.values[:, content.contrasts.index(label)], np.float32)
