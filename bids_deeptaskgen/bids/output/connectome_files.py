"""Connectome files for training: a ``.npy`` file for each session, and its JSON sidecar.

The array of shape (n_windows, n_rois, n_voxels), over the voxels of the model's brain mask, can be memory
mapped, so that reading a window costs only the bytes of that window. ``docs/decisions`` discusses the
alternatives.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import Entities, parse_name
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.sidecars import Provenance, statmap_sidecar
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError, raise_disk_error
from bids_deeptaskgen.grid import MODEL_GRID, Grid
from bids_deeptaskgen.grid_comparison import describe_difference
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.npy import Stack, save_stack
from bids_deeptaskgen.models.bundle import BRAIN_MASK, ROIS
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.models.ridge_arrays import at_output_voxels

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]

_AXES = ["window", "roi", "voxel"]
_REMEDY = "Delete it and re-run this participant with --save-connectome."
_SUFFIX = "_desc-connectome_relmat.json"
# Entities that do not distinguish the connectomes of a session.
_COMMON = ("sub", "ses", "space", "res", "stat", "desc")


@dataclass(frozen=True)
class ConnectomeFile:
    """Connectomes of one session of a participant.

    Attributes
    ----------
    path : Path
        The ``.npy`` file.
    subject : str
    session : str or None
    entities : tuple of (str, str)
        Entities that distinguish the files of a session, e.g. ``(("task", "rest"),)``.
    n_windows, n_rois, n_voxels : int
        Shape of the array.
    roi_set, brain_mask : str
        Hashes (sha256) of the ROI maps and the brain mask of the model bundle that was used.
    grid : Grid
        Grid of the brain mask.
    window_minutes : float
        Mean duration of the kept volumes in a window, in minutes.
    settings_hash : str
        Hash of the settings and the model; connectomes with the same hash are comparable.
    names_task : bool
        `name` contains the task, because the dataset has several.
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
    names_task: bool = False

    @property
    def name(self) -> str:
        """Return a short name for messages and random draws, e.g. ``sub-01 ses-1``."""
        labels = [f"sub-{self.subject}", *([f"ses-{self.session}"] if self.session else [])]
        entities = [pair for pair in self.entities if self.names_task or pair[0] != "task"]
        return " ".join(labels + [f"{key}-{value}" for key, value in entities])


def save_connectomes(path: Path, connectomes: Floats | Stack, sidecar: Mapping[str, Any]) -> None:
    """Save connectomes and their sidecar; the sidecar exists only while it describes a complete array.

    Parameters
    ----------
    path : Path
        Path of the ``.npy`` file.
    connectomes : float32 array of shape (n_windows, n_rois, n_voxels)
        Pearson r.
    sidecar : dict
        Result of `connectome_sidecar`.
    """
    sidecar_path(path).unlink(missing_ok=True)
    save_stack(path, connectomes)
    write_json(sidecar_path(path), sidecar)


def save_brain_mask(output_dir: Path, brain_mask: NDArray[np.bool_]) -> Path:
    """Save the brain mask of a dataset's connectomes, which tells the positions of their voxels.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    brain_mask : boolean array of shape (76, 93, 78)
        On ``MODEL_GRID``.

    Returns
    -------
    Path
        The image.
    """
    path = output_path(output_dir, "connectome_mask")
    save_nifti(path, brain_mask, MODEL_GRID.matrix, dtype=np.uint8)
    return path


def connectome_sidecar(
    provenance: Provenance, shape: Sequence[int], window_minutes: Sequence[float]
) -> dict[str, Any]:
    """Build the sidecar of a session's connectomes.

    Parameters
    ----------
    provenance : Provenance
    shape : sequence of int
        n_windows, n_rois, n_voxels.
    window_minutes : sequence of float, length n_windows
        Duration of the kept volumes in each window, in minutes.

    Returns
    -------
    dict
        JSON values.
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


def find_connectomes(
    root: Path, participants: Sequence[str] = (), *, task: str | None = None
) -> list[ConnectomeFile]:
    """List the connectomes of a dataset that ``participant --save-connectome`` wrote.

    Parameters
    ----------
    root : Path
        Root of the dataset, or of a copy of its ``*_relmat.*`` files.
    participants : sequence of str
        Labels of the participants to use; all if empty.
    task : str or None
        Task of the resting-state runs; None for all.

    Returns
    -------
    list of ConnectomeFile
        Sorted by subject, session and name.

    Raises
    ------
    InputError
        If there are no connectomes that can be used. If only some cannot, the log names them.
    """
    files, faults = [], []
    for path in (path for subject in participants or ("*",) for path in _sidecars(root, subject)):
        try:
            files.append(_read_sidecar(path))
        except InputError as error:
            faults.append(error)
    if faults and not files:
        raise faults[0]
    for fault in faults:
        logger.warning("%s\nThis session is left out.", fault)
    if not files:
        message = (
            f"{root}: no connectomes were found (files sub-*/[ses-*/]func/*{_SUFFIX}).\n"
            "Compute them with bids-deeptaskgen BIDS_DIR OUTPUT_DIR participant --save-connectome, and name "
            "that OUTPUT_DIR here."
        )
        raise InputError(message)
    tasks = sorted({dict(file.entities).get("task", "none") for file in files})
    if task is not None and task not in tasks:
        message = (
            f"{root}: no connectome is of task-{task} (tasks found: {', '.join(tasks)}).\nCorrect `task_id`."
        )
        raise InputError(message)
    files = [
        replace(file, names_task=task is None and len(tasks) > 1)
        for file in files
        if task in (None, dict(file.entities).get("task"))
    ]
    return sorted(files, key=lambda file: (file.subject, file.session or "", file.path.name))


def _sidecars(root: Path, subject: str) -> Iterator[Path]:
    for folder in (f"sub-{subject}", f"sub-{subject}/ses-*"):
        yield from root.glob(f"{folder}/func/*{_SUFFIX}")


def _read_sidecar(sidecar: Path) -> ConnectomeFile:
    """Read a sidecar, and check the header of its array."""
    path, name = sidecar.with_suffix(".npy"), parse_name(sidecar.name)
    try:
        content = json.loads(sidecar.read_text("utf-8"))["DeepTaskGen"]
        facts = content["Connectome"]
        n_windows, n_rois, n_voxels = facts["Shape"]
        file = ConnectomeFile(
            path=path,
            subject=str(name.get("sub")),
            session=name.get("ses"),
            entities=name.entities_without(_COMMON),
            n_windows=n_windows,
            n_rois=n_rois,
            n_voxels=n_voxels,
            roi_set=str(facts["RoiSet"]["Sha256"]),
            brain_mask=str(facts["BrainMask"]["Sha256"]),
            grid=Grid.from_image(tuple(facts["Grid"]["Shape"]), np.array(facts["Grid"]["Affine"], float)),
            window_minutes=float(np.mean(facts["WindowMinutes"])),
            settings_hash=str(content["SettingsHash"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_disk_error(error, sidecar)
        message = f"{sidecar}: does not describe a connectome ({type(error).__name__}: {error}).\n{_REMEDY}"
        raise InputError(message) from error
    _open(file)
    return file


def read_window(file: ConnectomeFile, window: int) -> Floats:
    """Read one window of a session; other windows are not read.

    Parameters
    ----------
    file : ConnectomeFile
    window : int
        From 0 to ``file.n_windows - 1``.

    Returns
    -------
    float32 array of shape (n_rois, n_voxels)
        Pearson r; 0 for voxels without signal.

    Raises
    ------
    InputError
        If the array contradicts its sidecar.
    IndexError
        If there is no such window.
    """
    if not 0 <= window < file.n_windows:
        message = f"{file.path}: there is no window {window}; the file has {file.n_windows} windows."
        raise IndexError(message)
    return np.array(_open(file)[window])


def read_mean_connectome(
    files: Sequence[ConnectomeFile], brain_mask: NDArray[np.bool_], output_mask: NDArray[np.bool_]
) -> Floats:
    """Average connectomes over all windows of all sessions, one window in memory at a time.

    Parameters
    ----------
    files : sequence of ConnectomeFile
        Sessions of a participant, at least one.
    brain_mask, output_mask : boolean array of shape (76, 93, 78)
        Voxels of the connectomes; voxels to return.

    Returns
    -------
    float32 array of shape (n_rois, n_output_voxels)
        Pearson r; 0 for voxels without signal and for those outside the brain mask.

    Raises
    ------
    InputError
        If an array contradicts its sidecar.
    """
    windows = [(file, window) for file in files for window in range(file.n_windows)]
    mean = np.zeros((files[0].n_rois, int(output_mask.sum())), np.float32)
    for file, window in windows:
        mean += at_output_voxels(read_window(file, window), brain_mask, output_mask)
    mean /= np.float32(len(windows))
    return mean


def _open(file: ConnectomeFile) -> Floats:
    """Map the array into memory; only its header is read."""
    shape = (file.n_windows, file.n_rois, file.n_voxels)
    try:
        array: Floats = np.load(file.path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise_disk_error(error, file.path)
        message = f"{file.path}: the connectomes cannot be read ({error}).\n{_REMEDY}"
        raise InputError(message) from error
    if array.shape != shape or array.dtype != np.float32:
        message = (
            f"{file.path}: holds {array.dtype} values of shape {array.shape}, but its JSON says float32 of "
            f"shape {shape}.\n{_REMEDY}"
        )
        raise InputError(message)
    return array


def check_connectomes(files: Sequence[ConnectomeFile], card: Card) -> None:
    """Check that connectomes fit a model bundle and are comparable with each other.

    Parameters
    ----------
    files : sequence of ConnectomeFile
    card : Card
        Card of the bundle that trains on them or predicts from them.

    Raises
    ------
    InputError
        If ROI maps, brain mask or grid are not those of the bundle, or the settings differ between files.
    """
    parts = {"ROI set": ("roi_set", ROIS), "brain mask": ("brain_mask", BRAIN_MASK)}
    for title, (attribute, file_name) in parts.items():
        mismatches = [file for file in files if getattr(file, attribute) != card.sha256[file_name]]
        if mismatches:
            file_hash, model_hash = getattr(mismatches[0], attribute)[:12], card.sha256[file_name][:12]
            message = (
                f"{mismatches[0].path}: was made with another {title} (sha256 {file_hash}) than that of the "
                f"model {card.name} ({model_hash}); so were {len(mismatches)} of {len(files)} connectomes.\n"
                f"Compute them with --model {card.name} --save-connectome, or train a model with their ROI "
                "set."
            )
            raise InputError(message)
    misplaced = next((file for file in files if not file.grid.fits(MODEL_GRID)), None)
    if misplaced is not None:
        difference = describe_difference(misplaced.grid, MODEL_GRID)
        message = (
            f"{misplaced.path}: is not on the model's grid by its JSON: it {difference}.\n"
            "Compute it with this version and --save-connectome."
        )
        raise InputError(message)
    hashes = sorted({file.settings_hash for file in files})
    if len(hashes) > 1:
        examples = [next(file for file in files if file.settings_hash == value) for value in hashes[:2]]
        message = (
            f"The connectomes were made with {len(hashes)} different settings or models, e.g. "
            f"{examples[0].path} and {examples[1].path}.\nCompute all with the same settings (--overwrite)."
        )
        raise InputError(message)
