"""Maps of simulated participants, drawn one participant at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.group.dataset import Patterns, make_patterns
from bids_deeptaskgen.models.contrasts import load_contrasts

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Cohort:
    """Participants with one session each.

    Attributes
    ----------
    n_participants : int
    contrasts : tuple of str
    patterns : Patterns
        Smooth patterns that the maps are sums of.
    """

    n_participants: int
    contrasts: tuple[str, ...]
    patterns: Patterns

    @property
    def labels(self) -> list[str]:
        """Return the labels of the participants without ``sub-``."""
        return [f"{number:05d}" for number in range(1, self.n_participants + 1)]

    def maps(self, row: int) -> Values:
        """Draw the maps of a participant; the same values each time.

        Parameters
        ----------
        row : int
            Number of the participant, from 0.

        Returns
        -------
        float32 array of shape (n_contrasts, n_voxels)
            0 outside the participant's mask.
        """
        return self.patterns.draw_voxels(np.random.default_rng([1, row]), len(self.contrasts))


def make_cohort(n_participants: int, n_contrasts: int) -> Cohort:
    """Make a cohort with contrasts of the published models.

    Parameters
    ----------
    n_participants, n_contrasts : int

    Returns
    -------
    Cohort
    """
    labels = tuple(contrast.label for contrast in load_contrasts()[:n_contrasts])
    return Cohort(n_participants, labels, make_patterns(np.random.default_rng(0)))


def size_on_disk(folder: Path) -> int:
    """Return the bytes of the files of a folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    int
    """
    return sum(path.stat().st_size for path in files_of(folder))


def files_of(folder: Path) -> Sequence[Path]:
    """List the files of a folder and its subfolders.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Path
    """
    return [path for path in folder.rglob("*") if path.is_file()]
