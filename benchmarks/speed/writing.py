"""How fast maps are written: beside nibabel's way."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.timing import Comparison, in_new_process, side_by_side
from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.simulation.participant import simulate_participant

Write = Callable[[Path, NDArray[np.float32]], None]


def measure_writing(work: Path, n_repeats: int) -> list[Comparison]:
    """Time writing a person's 47 maps.

    Parameters
    ----------
    work : Path
        Where they are written.
    n_repeats : int

    Returns
    -------
    list of Comparison
        One; among its facts, how many bytes ours take for one of nibabel's.
    """
    maps = work / "maps.npy"
    if not maps.exists():
        temporary = work / "maps.tmp.npy"
        np.save(temporary, _maps())
        temporary.rename(maps)
    ways = {
        name: partial(in_new_process, _writing, maps, work / f"maps-{name}", write)
        for name, write in (("nibabel", with_nibabel), ("ours", with_ours))
    }
    timings = side_by_side(ways, n_repeats)
    sizes = {name: some[-1].result for name, some in timings.items()}
    facts = {"size": sizes["ours"] / sizes["nibabel"]}
    return [Comparison("writing 47 maps", "nibabel", timings, facts)]


def with_nibabel(path: Path, volume: NDArray[np.float32]) -> None:
    """Write a map as nibabel does by default."""
    nib.Nifti1Image(volume, OUTPUT_GRID.matrix).to_filename(path)


def with_ours(path: Path, volume: NDArray[np.float32]) -> None:
    """Write a map as a run does."""
    save_nifti(path, volume, OUTPUT_GRID.matrix)


def _maps() -> NDArray[np.float32]:
    """Simulate a person's maps without noise, as predicted ones are, in grey matter: (47, x, y, z)."""
    participant = simulate_participant(0, 0, grid=MODEL_GRID)
    grey, statmaps = grey_matter_mask(), participant.statmaps(0.0)
    return unmask(statmaps, brain_mask()) * grey


def _writing(maps: Path, folder: Path, write: Write) -> Callable[[], int]:
    """Write all maps; give their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    volumes = model_to_output(np.load(maps))

    def work() -> int:
        paths = [folder / f"{number}.nii.gz" for number in range(len(volumes))]
        for path, volume in zip(paths, volumes, strict=True):
            write(path, volume)
        return sum(path.stat().st_size for path in paths)

    return work
