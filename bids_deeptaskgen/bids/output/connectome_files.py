"""Connectomes that stay in a dataset to be trained on: a ``.npy`` file a session, and its JSON.

An array of shape (n_windows, n_rois, n_voxels) over the voxels of the model's brain mask can be mapped into
memory, so that a window of it costs what it holds; ``docs/decisions`` says what else was considered.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import Entities, parse_name
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.sidecars import Provenance, statmap_sidecar
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import MODEL_GRID, Grid
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.models.bundle import BRAIN_MASK, ROIS
from bids_deeptaskgen.models.card import Card

Floats = NDArray[np.float32]

_AXES = ["window", "roi", "voxel"]
_AGAIN = "Delete it and do this person again with --save-connectome."
_SUFFIX = "_desc-connectome_relmat.json"
# What all files of a kind have, or that is told apart.
_COMMON = ("sub", "ses", "space", "res", "stat", "desc")


@dataclass(frozen=True)
class ConnectomeFile:
    """The connectomes of one session of a person.

    Attributes
    ----------
    path : Path
        The ``.npy`` file.
    subject : str
    session : str or None
    entities : tuple of (str, str)
        What else tells it from its siblings, e.g. ``(("task", "rest"),)``.
    n_windows, n_rois, n_voxels : int
        Shape of the array.
    roi_set, brain_mask : str
        Hashes (sha256) of the files of the model's bundle that they were made with.
    grid : Grid
        Of the brain mask.
    window_minutes : float
        Kept time in a window, on average.
    settings_hash : str
        Of the settings and the model; people of one hash can be compared.
    """

    path: Path
    subject: str
    session: str | None
    entities: Entities
    n_windows: int
    n_rois: int
    n_voxels: int
    roi_set: str
    brain_mask: str
    grid: Grid
    window_minutes: float
    settings_hash: str

    @property
    def name(self) -> str:
        """Short name for messages and draws, e.g. ``sub-01 ses-1``."""
        own = [f"sub-{self.subject}", *([f"ses-{self.session}"] if self.session else [])]
        return " ".join(own + [f"{key}-{value}" for key, value in self.entities if key != "task"])


def save_connectomes(path: Path, connectomes: Floats, sidecar: Mapping[str, Any]) -> None:
    """Write connectomes and their JSON, which is there only while the array is whole and its own.

    Parameters
    ----------
    path : Path
        Where the ``.npy`` file shall be.
    connectomes : float32 array of shape (n_windows, n_rois, n_voxels)
        May be mapped from a file.
    sidecar : dict
        As `connectome_sidecar` gives it.
    """
    sidecar_path(path).unlink(missing_ok=True)
    save_array(path, connectomes)
    write_json(sidecar_path(path), sidecar)


def save_brain_mask(output_dir: Path, brain_mask: NDArray[np.bool_]) -> Path:
    """Write, once for a dataset, where the voxels of its connectomes are."""
    path = output_path(output_dir, "connectome_mask")
    save_nifti(path, brain_mask, MODEL_GRID.matrix, dtype=np.uint8)
    return path


def connectome_sidecar(
    provenance: Provenance, shape: Sequence[int], window_minutes: Sequence[float]
) -> dict[str, Any]:
    """Describe the connectomes of a session.

    Parameters
    ----------
    provenance : Provenance
    shape : sequence of int
        n_windows, n_rois, n_voxels.
    window_minutes : sequence of float
        Kept time in each window.

    Returns
    -------
    dict
    """
    table, card = load_table("outputs.json"), provenance.card
    content = statmap_sidecar(provenance, None, "connectome")
    mask = output_path(Path(), "connectome_mask")
    content["Resolution"] = table["connectome_resolution"]
    content["DeepTaskGen"]["Connectome"] = {
        "Axes": _AXES,
        "Shape": list(shape),
        "Units": "Pearson r",
        "VoxelOrder": f"non-zero voxels of /{mask}, the last axis fastest (C order)",
        "WindowMinutes": [float(f"{minutes:.6g}") for minutes in window_minutes],
        "RoiSet": {"Name": card.roi_set, "Sha256": card.sha256[ROIS]},
        "BrainMask": {"Sha256": card.sha256[BRAIN_MASK]},
        "Grid": {"Shape": list(MODEL_GRID.shape), "Affine": [list(row) for row in MODEL_GRID.affine]},
    }
    return content


def find_connectomes(root: Path, participants: Sequence[str] = ()) -> list[ConnectomeFile]:
    """List the connectomes of a dataset that ``participant --save-connectome`` wrote.

    Parameters
    ----------
    root : Path
        Root of the dataset, or of a copy of what is called ``*_relmat.*`` in it.
    participants : sequence of str
        Only these; all if empty.

    Returns
    -------
    list of ConnectomeFile
        Sorted by subject, session and name.

    Raises
    ------
    InputError
        If there is none, or the file of one does not fit what its JSON says of it.
    """
    found = [_described(path) for subject in participants or ("*",) for path in _sidecars(root, subject)]
    if not found:
        message = (
            f"{root}: no connectomes were found (files sub-*/[ses-*/]func/*{_SUFFIX}).\n"
            "Make them with bids-deeptaskgen BIDS_DIR OUTPUT_DIR participant --save-connectome, and name "
            "that OUTPUT_DIR here."
        )
        raise InputError(message)
    return sorted(found, key=lambda one: (one.subject, one.session or "", one.path.name))


def _sidecars(root: Path, subject: str) -> Iterator[Path]:
    for folder in (f"sub-{subject}", f"sub-{subject}/ses-*"):
        yield from root.glob(f"{folder}/func/*{_SUFFIX}")


def _described(sidecar: Path) -> ConnectomeFile:
    """Read what a sidecar says of its array, and hold the array's header to it."""
    path, name = sidecar.with_suffix(".npy"), parse_name(sidecar.name)
    try:
        own = json.loads(sidecar.read_text("utf-8"))["DeepTaskGen"]
        about = own["Connectome"]
        n_windows, n_rois, n_voxels = about["Shape"]
        file = ConnectomeFile(
            path=path,
            subject=str(name.get("sub")),
            session=name.get("ses"),
            entities=name.without(_COMMON),
            n_windows=n_windows,
            n_rois=n_rois,
            n_voxels=n_voxels,
            roi_set=str(about["RoiSet"]["Sha256"]),
            brain_mask=str(about["BrainMask"]["Sha256"]),
            grid=Grid.of(tuple(about["Grid"]["Shape"]), np.array(about["Grid"]["Affine"], float)),
            window_minutes=float(np.mean(about["WindowMinutes"])),
            settings_hash=str(own["SettingsHash"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{sidecar}: does not describe a connectome ({type(error).__name__}: {error}).\n{_AGAIN}"
        raise InputError(message) from error
    _open(file)
    return file


def read_window(file: ConnectomeFile, window: int) -> Floats:
    """Read one window of a person; the others are not touched.

    Parameters
    ----------
    file : ConnectomeFile
    window : int
        From 0 to ``file.n_windows - 1``.

    Returns
    -------
    float32 array of shape (n_rois, n_voxels)
        Pearson r, 0 where there is no signal.

    Raises
    ------
    InputError
        If the file is not what its JSON says.
    IndexError
        If there is no such window.
    """
    if not 0 <= window < file.n_windows:
        message = f"{file.path}: window {window} is asked for, there are {file.n_windows}."
        raise IndexError(message)
    return np.array(_open(file)[window])


def _open(file: ConnectomeFile) -> Floats:
    """Map the array into memory: nothing but its header is read."""
    wanted = (file.n_windows, file.n_rois, file.n_voxels)
    try:
        array: Floats = np.load(file.path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        message = f"{file.path}: the connectomes cannot be read ({error}).\n{_AGAIN}"
        raise InputError(message) from error
    if array.shape != wanted or array.dtype != np.float32:
        message = (
            f"{file.path}: holds {array.dtype} values of shape {array.shape}, but its JSON says float32 of "
            f"shape {wanted}.\n{_AGAIN}"
        )
        raise InputError(message)
    return array


def check_connectomes(files: Sequence[ConnectomeFile], card: Card) -> None:
    """Refuse connectomes that are not those that a bundle takes, or that cannot be compared with each other.

    Parameters
    ----------
    files : sequence of ConnectomeFile
    card : Card
        Of the bundle that is trained or that predicts.

    Raises
    ------
    InputError
        If they were made with other ROI maps or another brain mask, or with several settings.
    """
    kinds = {"ROI set": ("roi_set", ROIS), "brain mask": ("brain_mask", BRAIN_MASK)}
    for words, (attribute, name) in kinds.items():
        others = [file for file in files if getattr(file, attribute) != card.sha256[name]]
        if others:
            theirs, ours = getattr(others[0], attribute)[:12], card.sha256[name][:12]
            message = (
                f"{others[0].path}: was made with another {words} (sha256 {theirs}) than that of the model "
                f"{card.name} ({ours}); so were {len(others)} of {len(files)} connectomes.\n"
                f"Make them with --model {card.name} --save-connectome, or train a model of their ROI set."
            )
            raise InputError(message)
    hashes = sorted({file.settings_hash for file in files})
    if len(hashes) > 1:
        examples = [next(file for file in files if file.settings_hash == value) for value in hashes[:2]]
        message = (
            f"The connectomes were made with {len(hashes)} different settings or models, e.g. "
            f"{examples[0].path} and {examples[1].path}.\nMake all with the same settings (--overwrite)."
        )
        raise InputError(message)
