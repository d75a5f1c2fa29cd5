"""Time of writing maps, compared with nibabel."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.timing import Comparison, measure_alternately, measure_in_new_process
from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.simulation.participant import simulate_participant

Write = Callable[[Path, NDArray[np.float32]], None]


def measure_writing(work: Path, n_repeats: int) -> list[Comparison]:
    """Measure the time of writing the 47 maps of a participant.

    Parameters
    ----------
    work : Path
        Folder for the maps.
    n_repeats : int
        Number of measurements of each variant.

    Returns
    -------
    list of Comparison
        One comparison. Its fact is the file size divided by that of nibabel.
    """
    maps = work / "maps.npy"
    if not maps.exists():
        temporary = work / "maps.tmp.npy"
        np.save(temporary, _maps())
        temporary.rename(maps)
    ways = {
        name: partial(measure_in_new_process, _writing, maps, work / f"maps-{name}", write)
        for name, write in (("nibabel", with_nibabel), ("bids_deeptaskgen", with_save_nifti))
    }
    timings = measure_alternately(ways, n_repeats)
    sizes = {name: repeats[-1].result for name, repeats in timings.items()}
    facts = {"file size / nibabel": sizes["bids_deeptaskgen"] / sizes["nibabel"]}
    return [Comparison("writing 47 maps", "nibabel", timings, facts)]


def with_nibabel(path: Path, volume: NDArray[np.float32]) -> None:
    """Write a map with the defaults of nibabel.

    Parameters
    ----------
    path : Path
    volume : array of shape (x, y, z)
        Map on the output grid.
    """
    nib.Nifti1Image(volume, OUTPUT_GRID.matrix).to_filename(path)


def with_save_nifti(path: Path, volume: NDArray[np.float32]) -> None:
    """Write a map with `io.nifti_writer.save_nifti`.

    Parameters
    ----------
    path : Path
    volume : array of shape (x, y, z)
        Map on the output grid.
    """
    save_nifti(path, volume, OUTPUT_GRID.matrix)


def _maps() -> NDArray[np.float32]:
    """Simulate maps of a participant in grey matter, (47, x, y, z), without noise like predicted maps."""
    participant = simulate_participant(0, 0, grid=MODEL_GRID)
    grey, statmaps = grey_matter_mask(), participant.statmaps(0.0)
    return unmask(statmaps, brain_mask()) * grey


def _writing(maps: Path, folder: Path, write: Write) -> Callable[[], int]:
    """Prepare to write all maps; the returned function returns their total size in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    volumes = model_to_output(np.load(maps))

    def work() -> int:
        paths = [folder / f"{number}.nii.gz" for number in range(len(volumes))]
        for path, volume in zip(paths, volumes, strict=True):
            write(path, volume)
        return sum(path.stat().st_size for path in paths)

    return work
