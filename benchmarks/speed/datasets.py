"""Simulated datasets for the benchmarks."""

import shutil
from pathlib import Path
from typing import Any

from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.simulation.dataset import simulate_dataset

# A resting-state run of UK Biobank.
N_VOLUMES, T_R = 490, 0.735
# 8 mm: reading and computing a volume takes almost no time.
_COARSE = Grid((23, 28, 23), ((8, 0, 0, -90), (0, 8, 0, -126), (0, 0, 8, -72), (0, 0, 0, 1)))
_COARSE_VOLUMES = 30


def simulate_participants(folder: Path, n_participants: int, **options: Any) -> Path:  # noqa: ANN401
    """Simulate participants without task maps, unless the dataset exists.

    Parameters
    ----------
    folder : Path
        Folder of the dataset.
    n_participants : int
    **options
        Options of `simulate_dataset`.

    Returns
    -------
    Path
        `folder`.
    """
    # The simulator writes this file of a run last.
    if len(list(folder.glob("sub-*/func/*-confounds_timeseries.json"))) == n_participants:
        return folder
    return simulate_dataset(folder, n_participants=n_participants, statmaps=False, **options)


def one_participant(work: Path, dtype: str, n_volumes: int) -> Path:
    """Simulate one participant with the repetition time of UK Biobank.

    Parameters
    ----------
    work : Path
        Folder that contains the dataset.
    dtype : str
        Data type of the BOLD values on disk: float32 or int16.
    n_volumes : int
        Number of volumes; a run of UK Biobank has 490.

    Returns
    -------
    Path
        Folder of the dataset.
    """
    return simulate_participants(
        work / f"one-participant-{dtype}-{n_volumes}", 1, n_volumes=n_volumes, t_r=T_R, dtype=dtype
    )


def few_voxels(folder: Path, n_participants: int) -> Path:
    """Simulate participants on a grid of 8 mm, unless the dataset exists.

    Parameters
    ----------
    folder : Path
        Folder of the dataset.
    n_participants : int

    Returns
    -------
    Path
        `folder`.
    """
    return simulate_participants(folder, n_participants, n_volumes=_COARSE_VOLUMES, grid=_COARSE)


def multiply_participants(dataset: Path, folder: Path, n_participants: int) -> Path:
    """Create a dataset of many participants from the files of a few, with hard links.

    Parameters
    ----------
    dataset : Path
        Dataset without sessions.
    folder : Path
        Folder of the new dataset on the same disk; existing files are kept.
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
