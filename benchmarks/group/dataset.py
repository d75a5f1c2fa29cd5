"""Output datasets of many participants, written without predicting their maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from bids_deeptaskgen.bids.output.completion import write_completion
from bids_deeptaskgen.bids.output.output_mask import save_output_mask
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.roi_connectome import roi_names, write_roi_connectome
from bids_deeptaskgen.bids.output.sidecars import describe_model
from bids_deeptaskgen.grid import CROP, OUTPUT_GRID, unmask
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_maps, save_nifti
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.models.bundle import open_bundle
from bids_deeptaskgen.models.store import embedded_bundle

Values = NDArray[np.float32]

N_ROIS = 50
# Patterns that the maps of participants are sums of, and their smoothness in voxels.
_N_PATTERNS, _SMOOTHNESS = 24, 2.5
# Share of a map that is common to all participants.
_COMMON = 1.5
# Depth in voxels up to which masks of participants differ.
_EDGE = 1.0
_SETTINGS_HASH = "a" * 64


@dataclass(frozen=True)
class Session:
    """Labels of a session."""

    subject: str
    session: str | None = None
    entities: tuple[tuple[str, str], ...] = (("task", "rest"),)


@dataclass(frozen=True)
class Patterns:
    """Smooth patterns in a brain mask, of which the maps of participants are sums.

    Attributes
    ----------
    mask : boolean array of shape (91, 109, 91)
    values : float32 array of shape (n_patterns, n_voxels)
        Standard deviation 1.
    depth : float32 array of shape (n_voxels,)
        Distance from the edge of the mask in voxels.
    """

    mask: NDArray[np.bool_]
    values: Values
    depth: Values

    def draw(self, rng: np.random.Generator, n_maps: int) -> Values:
        """Draw the maps of a participant as volumes; see `draw_voxels`.

        Parameters
        ----------
        rng : Generator
        n_maps : int

        Returns
        -------
        float32 array of shape (n_maps, 91, 109, 91)
        """
        return unmask(self.draw_voxels(rng, n_maps), self.mask)

    def draw_voxels(self, rng: np.random.Generator, n_maps: int) -> Values:
        """Draw the maps of a participant, which are 0 outside the participant's mask.

        Parameters
        ----------
        rng : Generator
        n_maps : int

        Returns
        -------
        float32 array of shape (n_maps, n_voxels)
            At the voxels of `mask`.
        """
        weights = rng.normal(size=(n_maps + 1, len(self.values))).astype(np.float32)
        weights /= np.sqrt(len(self.values))
        maps = weights @ self.values
        # The patterns in turn are what the maps of all participants have in common.
        maps[:-1] += _COMMON * self.values[np.arange(n_maps) % len(self.values)]
        is_inside = self.depth > _EDGE * (1 + maps[-1]) / 2
        return np.where(is_inside, maps[:-1], np.float32(0))


def make_patterns(rng: np.random.Generator) -> Patterns:
    """Draw smooth patterns in the brain mask of the embedded model.

    Parameters
    ----------
    rng : Generator

    Returns
    -------
    Patterns
    """
    mask = np.zeros(OUTPUT_GRID.shape, bool)
    mask[::-1][CROP] = open_bundle(embedded_bundle()).roi_space.brain_mask
    values = np.stack(
        [
            gaussian_filter(rng.normal(size=mask.shape).astype(np.float32), _SMOOTHNESS)[mask]
            for _ in range(_N_PATTERNS)
        ]
    )
    values /= values.std(axis=1, keepdims=True)
    return Patterns(mask, values, distance_transform_edt(mask)[mask].astype(np.float32))


def write_dataset(
    folder: Path, n_participants: int, contrasts: Sequence[str], layout: str = "3d", seed: int = 0
) -> Path:
    """Write an output dataset with one session per participant, unless it exists.

    Parameters
    ----------
    folder : Path
        Root of the dataset.
    n_participants : int
    contrasts : sequence of str
        Labels.
    layout : {"3d", "4d"}
        One image for each contrast, or one image of all contrasts.
    seed : int

    Returns
    -------
    Path
        `folder`.
    """
    table = folder / "participants.tsv"
    if table.exists():
        return folder
    rng = np.random.default_rng(seed)
    patterns = make_patterns(rng)
    save_output_mask(folder, open_bundle(embedded_bundle()))
    labels = [f"{number:05d}" for number in range(1, n_participants + 1)]
    for label in labels:
        session = Session(label)
        files = _write_maps(folder, session, contrasts, patterns.draw(rng, len(contrasts)), layout)
        files += _write_connectome(folder, session, rng)
        write_completion(
            folder,
            session,
            _draw_metrics(rng),
            files=files,
            settings_hash=_SETTINGS_HASH,
            fingerprint="f",
            contrasts=contrasts if layout == "4d" else (),
        )
    # The last file, which marks the dataset as complete.
    write_tsv(table, _draw_participants(rng, labels))
    return folder


def _draw_participants(rng: np.random.Generator, labels: Sequence[str]) -> dict[str, list[Any]]:
    """Draw age, sex and site."""
    n = len(labels)
    return {
        "participant_id": [f"sub-{label}" for label in labels],
        "age": rng.uniform(45, 80, n).round(1).tolist(),
        "sex": rng.choice(["F", "M"], n).tolist(),
        "site": rng.choice(["A", "B", "C"], n).tolist(),
    }


def _draw_metrics(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the quality metrics of a session; the ranges are typical of a scan of 8 minutes."""
    return {
        "n_runs": 1,
        "n_volumes": 490,
        "minutes_kept": round(float(rng.uniform(5, 8)), 3),
        "fd_mean_mm": round(float(rng.gamma(4, 0.04)), 4),
        "tsnr_median": round(float(rng.normal(60, 8)), 3),
        "coverage_grey_matter": round(float(rng.uniform(0.95, 1)), 4),
    }


def _write_maps(
    folder: Path, session: Session, contrasts: Sequence[str], maps: Values, layout: str
) -> list[Path]:
    """Write the maps of a session and their sidecars."""
    names = {"subject": session.subject, "entities": session.entities}
    descriptions = [_describe(label) for label in contrasts]
    if layout == "4d":
        path = output_path(folder, "statmaps", **names)
        save_maps(path, maps, len(maps), OUTPUT_GRID)
        return [path, _write_sidecar(path, {"Contrasts": descriptions})]
    files = []
    for label, values, description in zip(contrasts, maps, descriptions, strict=True):
        path = output_path(folder, "statmap", contrast=label, **names)
        save_nifti(path, values, OUTPUT_GRID.matrix)
        files += [path, _write_sidecar(path, {"Contrast": description})]
    return files


def _write_connectome(folder: Path, session: Session, rng: np.random.Generator) -> list[Path]:
    """Write a random ROI x ROI connectome of a session, and its sidecar."""
    path = output_path(folder, "roi_connectome", subject=session.subject, entities=session.entities)
    rois = [{"Name": name, "PeakMm": [0.0, 0.0, 0.0]} for name in roi_names(N_ROIS)]
    facts = {"RoiSet": {"Name": "random", "Sha256": "b" * 64}, "Rois": rois, "PooledRuns": 1}
    matrix = np.corrcoef(rng.normal(size=(N_ROIS, 200)) + rng.normal(size=200)).round(6)
    sidecar = {"DeepTaskGen": {"RoiConnectome": facts, "SettingsHash": _SETTINGS_HASH}}
    write_roi_connectome(path, matrix, sidecar)
    return [path, sidecar_path(path)]


def _write_sidecar(path: Path, fields: Mapping[str, Any]) -> Path:
    model = describe_model(open_bundle(embedded_bundle()).card)
    content = {**fields, "Model": model, "SettingsHash": _SETTINGS_HASH}
    write_json(sidecar_path(path), {"DeepTaskGen": content})
    return sidecar_path(path)


def _describe(label: str) -> dict[str, Any]:
    return {
        "Label": label,
        "SourceName": label,
        "Task": "WM",
        "TypicalRetestCorrelation": None,
        "Units": "z",
    }
