"""People to time with: simulated ones, and many made of the files of a few."""

import shutil
from pathlib import Path
from typing import Any

from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.simulation.dataset import simulate_dataset

# A resting-state run of UK Biobank.
N_VOLUMES, T_R = 490, 0.735
# 8 mm: next to nothing is read and computed of a volume.
_COARSE = Grid((23, 28, 23), ((8, 0, 0, -90), (0, 8, 0, -126), (0, 0, 8, -72), (0, 0, 0, 1)))
_COARSE_VOLUMES = 30


def simulated(folder: Path, n_participants: int, **options: Any) -> Path:  # noqa: ANN401 - simulate_dataset's own
    """Simulate people without maps, unless an earlier call did.

    Parameters
    ----------
    folder : Path
        Of the dataset.
    n_participants : int
    **options
        Of `simulate_dataset`.

    Returns
    -------
    Path
        `folder`.
    """
    # What is written last of a run.
    if len(list(folder.glob("sub-*/func/*-confounds_timeseries.json"))) == n_participants:
        return folder
    return simulate_dataset(folder, n_participants=n_participants, statmaps=False, **options)


def one_participant(work: Path, dtype: str, n_volumes: int) -> Path:
    """Simulate one person with a run as UK Biobank has it, or a shorter one, in a folder of `work`."""
    return simulated(work / f"one-person-{dtype}-{n_volumes}", 1, n_volumes=n_volumes, t_r=T_R, dtype=dtype)


def few_voxels(folder: Path, n_participants: int) -> Path:
    """Simulate people on a grid of 8 mm, unless an earlier call did.

    Parameters
    ----------
    folder : Path
        Of the dataset.
    n_participants : int

    Returns
    -------
    Path
        `folder`.
    """
    return simulated(folder, n_participants, n_volumes=_COARSE_VOLUMES, grid=_COARSE)


def multiplied(dataset: Path, folder: Path, n_participants: int) -> Path:
    """Make a dataset of many people of the files of a few, by hard links.

    Parameters
    ----------
    dataset : Path
        Of people without sessions.
    folder : Path
        Of the new dataset, on the same disk; what is there stays.
    n_participants : int

    Returns
    -------
    Path
        `folder`.
    """
    originals = sorted(dataset.glob("sub-*"))
    for number in range(n_participants):
        original, name = originals[number % len(originals)], f"sub-{number + 1:05d}"
        func = folder / name / "func"
        func.mkdir(parents=True, exist_ok=True)
        for path in (original / "func").iterdir():
            target = func / path.name.replace(original.name, name)
            if not target.exists():
                target.hardlink_to(path)
    shutil.copyfile(dataset / "dataset_description.json", folder / "dataset_description.json")
    return folder
