"""Whom and what a model is trained on: found, paired, looked at once, divided, and read when it is wanted."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.bids.output.connectome_files import (
    check_connectomes,
    find_connectomes,
)
from bids_deeptaskgen.bids.participants_table import participants_table
from bids_deeptaskgen.errors import InputError, UserError, shown
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.models.contrasts import (
    Contrast,
)
from bids_deeptaskgen.settings.training import TrainingSettings
from bids_deeptaskgen.training.pairs import Pair, make_pairs
from bids_deeptaskgen.training.sampling import SPLITS, TRAIN, VALIDATION, split_participants
from bids_deeptaskgen.training.split_file import group_labels_of, read_split

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingData:
    """What a model is trained on.

    Attributes
    ----------
    contrasts : tuple of Contrast
        In channel order.
    pairs : dict of str to tuple of Pair
        By split.
    split : dict of str to str
        Person to split.
    output_mask : boolean array of shape (76, 93, 78)
    """

    contrasts: tuple[Contrast, ...]
    pairs: dict[str, tuple[Pair, ...]]
    split: dict[str, str]
    output_mask: NDArray[np.bool_]

    @property
    def labels(self) -> list[str]:
        """Labels of the contrasts."""
        return [one.label for one in self.contrasts]

    @property
    def shown(self) -> tuple[Pair, ...]:
        """Those that training reads: to train and to validate on."""
        return self.pairs[TRAIN] + self.pairs[VALIDATION]

    @property
    def window_minutes(self) -> float:
        """Kept time in a window, on average."""
        return float(np.mean([pair.connectome.window_minutes for pair in self.pairs[TRAIN]]))

    def n_participants(self, name: str) -> int:
        """Count the people of a split."""
        return sum(one == name for one in self.split.values())

    def facts(self) -> dict[str, str]:
        """Say what it is, such that other data say something else."""
        files = [pair.connectome.path for pair in self.shown]
        files += [file.path for pair in self.shown for file in pair.statmaps.values()]
        stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(set(files))]
        return {
            "contrasts": ", ".join(self.labels),
            "connectomes' settings": self.shown[0].connectome.settings_hash,
            "people": _digest(sorted(self.split.items())),
            "files": _digest(stats),
        }


def _digest(content: object) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()


def gather(settings: TrainingSettings, bundle: Bundle, contrasts: Sequence[Contrast]) -> TrainingData:
    """Find the people, pair their files and divide them.

    Parameters
    ----------
    settings : TrainingSettings
    bundle : Bundle
        Whose ROI maps and masks the connectomes must have been made with.
    contrasts : sequence of Contrast

    Returns
    -------
    TrainingData

    Raises
    ------
    InputError
        If nobody can be trained on, files do not fit the model or each other, or the split does not fit the
        people.
    UserError
        If the people are too few to be divided.
    """
    files = find_connectomes(settings.connectomes)
    check_connectomes(files, bundle.card)
    statmaps = find_statmaps(settings.statmaps, contrasts)
    labels = [one.label for one in contrasts]
    table = participants_table(settings.participants_tsv, settings.statmaps)
    pairs = make_pairs(files, statmaps, labels, table).pairs
    group_labels = group_labels_of(pairs, keep_sites=settings.keep_sites)
    if settings.split:
        if not settings.split.is_file():
            message = f"--split {settings.split}: no such file."
            raise UserError(message)
        split = read_split(settings.split, group_labels)
    else:
        shares = (
            1 - settings.validation_share - settings.test_share,
            settings.validation_share,
            settings.test_share,
        )
        split = split_participants(group_labels, shares, settings.seed)
    of = {name: tuple(pair for pair in pairs if split[pair.subject] == name) for name in SPLITS}
    data = TrainingData(tuple(contrasts), of, split, bundle.output_mask)
    _check_splits(settings, data)
    logger.info(
        "%d people to train on, %d to validate on, %d put aside; %d contrasts.",
        *(data.n_participants(name) for name in SPLITS), len(contrasts),
    )  # fmt: skip
    return data


def _check_splits(settings: TrainingSettings, data: TrainingData) -> None:
    """Refuse splits with which nothing can be learned, or an epoch cannot be chosen."""
    if not data.pairs[TRAIN] or (settings.schedule == "plateau" and not data.pairs[VALIDATION]):
        found = ", ".join(f"{data.n_participants(name)} {name}" for name in SPLITS)
        message = (
            f"--split {settings.split}: has {found}; somebody to train on is needed, and with --schedule "
            "plateau somebody to validate on.\nMend the table, or choose --schedule cosine or constant."
        )
        raise InputError(message)
    lacking = [
        label for label in data.labels if not any(label in pair.statmaps for pair in data.pairs[TRAIN])
    ]
    if lacking:
        message = (
            f"Nobody of the {data.n_participants(TRAIN)} people to train on has a task map of "
            f"{shown(lacking)}.\n"
            "Leave these contrasts out, or divide the people in another way (--split, --seed)."
        )
        raise InputError(message)
