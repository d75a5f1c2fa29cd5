"""Training data: contrasts, pairs of connectomes and measured maps, and their split."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.bids.output.connectome_files import (
    check_connectomes,
    find_connectomes,
)
from bids_deeptaskgen.bids.participants_table import participants_table
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, raise_disk_error
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
    """The data of a training.

    Attributes
    ----------
    contrasts : tuple of Contrast
        In channel order.
    pairs : dict of str to tuple of Pair
        Pairs by split. For a ridge model, the training pairs include those of the validation participants.
    split : dict of str to str
        Split of each participant, also of those whose pairs are left out.
    output_mask : boolean array of shape (76, 93, 78)
    """

    contrasts: tuple[Contrast, ...]
    pairs: dict[str, tuple[Pair, ...]]
    split: dict[str, str]
    output_mask: NDArray[np.bool_]

    @property
    def labels(self) -> list[str]:
        """Return the labels of the contrasts, in channel order."""
        return [contrast.label for contrast in self.contrasts]

    @property
    def fit_pairs(self) -> tuple[Pair, ...]:
        """Return the pairs of the training and the validation split."""
        return self.pairs[TRAIN] + self.pairs[VALIDATION]

    @property
    def window_minutes(self) -> float:
        """Return the mean uncensored time in a training window, in minutes."""
        return float(np.mean([pair.connectome.window_minutes for pair in self.pairs[TRAIN]]))

    def n_participants(self, name: str) -> int:
        """Count the participants with pairs of a split.

        Parameters
        ----------
        name : str
            One of `SPLITS`.

        Returns
        -------
        int
        """
        return len({pair.subject for pair in self.pairs[name]})

    def restrict(self, pairs: Mapping[str, tuple[Pair, ...]]) -> "TrainingData":
        """Return the data with other pairs, for example without those that cannot be used.

        Parameters
        ----------
        pairs : dict of str to tuple of Pair
            Pairs by split; splits that are not listed keep theirs.

        Returns
        -------
        TrainingData
        """
        return replace(self, pairs=self.pairs | dict(pairs))

    def facts(self) -> dict[str, str]:
        """Hash the contrasts, settings, split and files, to detect other data in a resumed training."""
        files = [pair.connectome.path for pair in self.fit_pairs]
        files += [file.path for pair in self.fit_pairs for file in pair.statmaps.values()]
        stats = [_stat(path) for path in sorted(set(files))]
        return {
            "contrasts": ", ".join(self.labels),
            "connectomes' settings": self.fit_pairs[0].connectome.settings_hash,
            "participants": _digest(sorted(self.split.items())),
            "files": _digest(stats),
        }


def _stat(path: Path) -> tuple[str, int, int]:
    """Return name, size and modification time of a file; 0 for a link without content."""
    try:
        status = path.stat()
    except OSError as error:
        raise_disk_error(error, path)
        return path.name, 0, 0
    return path.name, status.st_size, status.st_mtime_ns


def _digest(content: object) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()


def gather(settings: TrainingSettings, bundle: Bundle, contrasts: Sequence[Contrast]) -> TrainingData:
    """Find the connectomes and measured maps, pair them and split the participants.

    For a ridge model, which needs no validation, the pairs of the validation participants become training
    pairs. The split keeps these participants apart, so that a network can be compared on the same split.

    Parameters
    ----------
    settings : TrainingSettings
    bundle : Bundle
        Model whose ROI maps and masks the connectomes must have been computed with.
    contrasts : sequence of Contrast

    Returns
    -------
    TrainingData

    Raises
    ------
    InputError
        If no participant has both files, if files do not fit the model or one another, or if the split does
        not fit the participants.
    UserError
        If the split file does not exist, or there are too few participants to split.
    """
    files = find_connectomes(settings.connectomes, task=settings.task_id)
    check_connectomes(files, bundle.card)
    statmaps = find_statmaps(settings.statmaps, contrasts)
    labels = [contrast.label for contrast in contrasts]
    table = participants_table(settings.participants_tsv, settings.statmaps)
    pairs = make_pairs(files, statmaps, labels, table, with_sites=settings.keep_sites).pairs
    group_labels = group_labels_of(pairs, keep_sites=settings.keep_sites)
    if settings.split:
        if not settings.split.is_file():
            message = f"`split` {settings.split}: no such file. Check the path."
            raise UserError(message)
        split = read_split(settings.split, group_labels)
    else:
        shares = (
            1 - settings.validation_share - settings.test_share,
            settings.validation_share,
            settings.test_share,
        )
        split = split_participants(group_labels, shares, settings.seed)
    n_validation = list(split.values()).count(VALIDATION)
    use = {name: name for name in SPLITS}
    if n_validation and not settings.is_network:
        logger.info(
            "The ridge model is fitted to the training participants of the split and to its %d validation "
            "participants.",
            n_validation,
        )
        use[VALIDATION] = TRAIN
    pairs_by_split = {
        name: tuple(pair for pair in pairs if use[split[pair.subject]] == name) for name in SPLITS
    }
    data = TrainingData(tuple(contrasts), pairs_by_split, split, bundle.output_mask)
    _check_splits(settings, data)
    logger.info(
        "%d training, %d validation and %d test participants; %d contrasts.",
        *(data.n_participants(name) for name in SPLITS), len(contrasts),
    )  # fmt: skip
    return data


def _check_splits(settings: TrainingSettings, data: TrainingData) -> None:
    """Refuse splits without the participants or measured maps that the training needs."""
    needs_validation = settings.is_network and settings.schedule == "plateau"
    if not data.pairs[TRAIN] or (needs_validation and not data.pairs[VALIDATION]):
        counts = ", ".join(f"{data.n_participants(name)} {name}" for name in SPLITS)
        message = (
            f"`split` {settings.split}: has {counts} participants. Training needs at least one training "
            "participant, and `schedule` plateau at least one validation participant.\n"
            "Correct the table, or choose `schedule` cosine or constant."
        )
        raise InputError(message)
    missing_labels = [
        label for label in data.labels if not any(label in pair.statmaps for pair in data.pairs[TRAIN])
    ]
    if missing_labels:
        message = (
            f"None of the {data.n_participants(TRAIN)} training participants has a measured map for "
            f"{abbreviate(missing_labels)}.\n"
            "Exclude these contrasts (`contrasts`), or change the split (`split`, `seed`)."
        )
        raise InputError(message)
