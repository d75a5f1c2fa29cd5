"""Whom and what a model is trained on: found, paired, looked at once, divided, and read when it is wanted."""

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.bids.output.connectome_files import (
    check_connectomes,
    find_connectomes,
    read_window,
)
from bids_deeptaskgen.bids.participants_table import participants_table
from bids_deeptaskgen.errors import InputError, UserError, shown
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.models.contrasts import (
    Contrast,
    choose_contrasts,
    contrast_label,
    contrast_spellings,
    find_contrast,
    load_contrasts,
)
from bids_deeptaskgen.settings.training import TrainingSettings
from bids_deeptaskgen.training.pairs import Pair, check_targets, load_targets, make_pairs
from bids_deeptaskgen.training.sampling import SPLITS, TRAIN, VALIDATION, split_people
from bids_deeptaskgen.training.split_file import bonds_of, read_split

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

    def n_people(self, name: str) -> int:
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


def measured_contrasts(
    source: Path, known: Sequence[Contrast], wanted: Sequence[str]
) -> tuple[Contrast, ...]:
    """Choose what a new last layer predicts.

    Parameters
    ----------
    source : Path
        Dataset of task maps or table of their paths.
    known : sequence of Contrast
        Those whose published names are known; maps may have them in other spellings.
    wanted : sequence of str
        Labels, published names or tasks; all that are measured if empty.

    Returns
    -------
    tuple of Contrast
        Known ones in their order, then others in the order of the files.

    Raises
    ------
    UserError
        If something is wanted that is neither known nor measured.
    """
    spellings = contrast_spellings(known)
    measured: dict[str, Contrast] = {}
    for file in find_statmaps(source):
        task = parse_name(file.path.name).get("task") or ""
        label = find_contrast(spellings, file.contrast, task)
        if label is None:
            label = file.contrast if re.fullmatch("[0-9A-Za-z]+", file.contrast) else _label(file.contrast)
            measured.setdefault(label, Contrast(label, file.contrast, task.upper()))
        else:
            measured.setdefault(label, next(one for one in known if one.label == label))
    others = [one for one in measured.values() if one not in known]
    if not wanted:
        return tuple(one for one in known if one.label in measured) + tuple(others)
    there = shown(sorted(measured))
    chosen = choose_contrasts(
        (*known, *others), wanted, whose="task maps and models have", listed=f"Measured: {there}."
    )
    return tuple(one for one in (*known, *others) if one.label in chosen)


def _label(name: str) -> str:
    """Make a label of a name in a table of paths, which may hold anything."""
    label = re.sub("[^0-9A-Za-z]", "", contrast_label(name))
    if not label:
        message = f"A contrast is called {name!r}; letters and digits are wanted.\nMend the table of paths."
        raise InputError(message)
    return label


def known_contrasts(bundle: Bundle) -> tuple[Contrast, ...]:
    """List the contrasts of a model, and the published ones that it does not have."""
    own = {one.label: one for one in bundle.card.contrasts}
    return (*own.values(), *(one for one in load_contrasts() if one.label not in own))


def parents_contrasts(bundle: Bundle, source: Path, wanted: Sequence[str]) -> tuple[Contrast, ...]:
    """Choose which of a model's outputs are trained on: those wanted, or those that are measured."""
    if wanted:
        labels = choose_contrasts(bundle.card.contrasts, wanted)
    else:
        labels = tuple(file.contrast for file in find_statmaps(source, bundle.card.contrasts))
    return tuple(one for one in bundle.card.contrasts if one.label in labels)


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
    bonds = bonds_of(pairs, keep_sites=settings.keep_sites)
    if settings.split:
        if not settings.split.is_file():
            message = f"--split {settings.split}: no such file."
            raise UserError(message)
        split = read_split(settings.split, bonds)
    else:
        shares = (
            1 - settings.validation_share - settings.test_share,
            settings.validation_share,
            settings.test_share,
        )
        split = split_people(bonds, shares, settings.seed)
    of = {name: tuple(pair for pair in pairs if split[pair.subject] == name) for name in SPLITS}
    data = TrainingData(tuple(contrasts), of, split, bundle.output_mask)
    _check_splits(settings, data)
    logger.info(
        "%d people to train on, %d to validate on, %d put aside; %d contrasts.",
        *(data.n_people(name) for name in SPLITS), len(contrasts),
    )  # fmt: skip
    return data


def _check_splits(settings: TrainingSettings, data: TrainingData) -> None:
    """Refuse splits with which nothing can be learned, or an epoch cannot be chosen."""
    if not data.pairs[TRAIN] or (settings.schedule == "plateau" and not data.pairs[VALIDATION]):
        found = ", ".join(f"{data.n_people(name)} {name}" for name in SPLITS)
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
            f"Nobody of the {data.n_people(TRAIN)} people to train on has a task map of {shown(lacking)}.\n"
            "Leave these contrasts out, or divide the people in another way (--split, --seed)."
        )
        raise InputError(message)


@dataclass(frozen=True)
class CachedPerson:
    """A person as `fit` reads them, the measured maps from a file that holds the model's voxels alone.

    Attributes
    ----------
    pair : Pair
    data : TrainingData
    folder : Path
        Of the files.
    seen : function
        Called for each window that is read.
    """

    pair: Pair
    data: TrainingData
    folder: Path
    seen: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        """Name that no other person has."""
        return self.pair.name

    @property
    def n_windows(self) -> int:
        """Number of connectomes."""
        return self.pair.connectome.n_windows

    def connectome(self, window: int) -> Floats:
        """Read a connectome, (n_rois, n_brain_voxels)."""
        self.seen()
        return read_window(self.pair.connectome, window)

    def statmaps(self) -> Floats:
        """Read the measured maps, (n_contrasts, n_output_voxels); NaN where nothing was measured."""
        path = self.folder / f"{self.name.replace(' ', '_')}.npy"
        if path.is_file():
            kept: Floats = np.load(path)
            return kept
        maps = load_targets(self.pair, self.data.labels, self.data.output_mask)
        save_array(path, maps)
        return maps


def read_everybody(data: TrainingData, folder: Path) -> None:
    """Read all measured maps once and keep them; the log tells of values that are missing.

    Raises
    ------
    InputError
        If a map cannot be used.
    """
    check_targets(
        data.shown, data.labels, data.output_mask, lambda pair: CachedPerson(pair, data, folder).statmaps()
    )


def mean_maps(people: Sequence[CachedPerson]) -> Floats:
    """Mean of people's measured maps over those who have a value, (n_contrasts, n_voxels); 0 without any."""
    total, n_people = np.float64(0), np.intp(0)
    for person in people:
        maps = person.statmaps()
        known = np.isfinite(maps)
        total = total + np.where(known, maps, 0)
        n_people = n_people + known
    means: Floats = (total / np.maximum(n_people, 1)).astype(np.float32)
    return means
