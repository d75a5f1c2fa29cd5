"""ROI x ROI connectomes of a group: their mean, and how typical each participant is of the others."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.bids.output.roi_connectome import RoiConnectome, read_roi_connectome, roi_names
from bids_deeptaskgen.connectome.roi_geometry import RoiGeometry, is_compact
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError, raise_disk_error
from bids_deeptaskgen.group.map_rows import group_by_session

Floats = NDArray[np.float64]

logger = logging.getLogger("bids_deeptaskgen")

# With fewer participants, the others are a single one.
MIN_PARTICIPANTS = 3
# A correlation of 1 has no finite Fisher z.
_MAX_R = 1 - 1e-7


@dataclass(frozen=True)
class GroupConnectome:
    """Mean ROI x ROI connectome of a group.

    Attributes
    ----------
    matrix : array of shape (n_rois, n_rois)
        Fisher's z, averaged over the sessions of each participant and then over participants, as Pearson r;
        NaN for pairs of ROIs that no participant has.
    typicality : dict of str to float or None
        By label of the participant: Pearson r over pairs of ROIs with the mean of the other participants;
        None under three participants.
    n_sessions : int
    peaks_mm : array of shape (n_rois, 3)
        Position of the largest weight of each ROI.
    roi_set : str
        Hash of the ROI maps.
    values : array of shape (n_participants, n_pairs)
        Fisher's z of each participant in the order of `typicality`, for the pairs of ROIs in the upper
        triangle; NaN where undefined.
    geometry : RoiGeometry or None
        Centroid and spread of each ROI; None in files of earlier versions.
    """

    matrix: Floats
    typicality: Mapping[str, float | None]
    n_sessions: int
    peaks_mm: Floats
    roi_set: str
    values: Floats
    geometry: RoiGeometry | None = None

    @property
    def centres_mm(self) -> Floats | None:
        """Return the centroid of each ROI, (n_rois, 3); None if distances between them have no meaning."""
        is_usable = self.geometry is not None and is_compact(self.geometry.spreads_mm)
        return self.geometry.centroids_mm if self.geometry is not None and is_usable else None

    @property
    def distance_remark(self) -> str:
        """Return why distances between the ROIs have no meaning; empty if they have one."""
        if self.geometry is None:
            return (
                "The ROI x ROI connectomes are of an earlier version, which did not store the centres of the "
                "ROIs. Re-run the participants with --overwrite."
            )
        if self.centres_mm is not None:
            return ""
        spread = float(np.median(self.geometry.spreads_mm))
        return (
            f"The ROI maps spread over the brain (median distance from the centre {spread:.0f} mm), so "
            "distances between them have no meaning."
        )


def average_connectomes(output_dir: Path, results: Sequence[Result]) -> GroupConnectome | None:
    """Average the ROI x ROI connectomes of a group; a warning names sessions without a usable file.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    results : sequence of Result
        Sessions of one series.

    Returns
    -------
    GroupConnectome or None
        None if no session has a usable file.
    """
    if not any(os.path.lexists(result.path(output_dir, "roi_connectome")) for result in results):
        # Datasets of earlier versions: a warning for each session would hide all others.
        logger.warning("No session of %d has an ROI x ROI connectome.", len(results))
        return None
    roi_sets = _read(output_dir, results)
    if not roi_sets:
        return None
    main_set = max(roi_sets, key=lambda roi_set: len(roi_set.results))
    for roi_set in roi_sets:
        for result in roi_set.results if roi_set is not main_set else ():
            _warn(result, f"its ROI maps ({roi_set.sha256[:8]}) differ from those of most sessions.")
    labels = tuple(main_set.participants)
    # Both forms of all values would double the memory.
    values = np.stack([main_set.participants.pop(label) for label in labels])
    n_rois = len(main_set.peaks_mm)
    pairs = np.triu_indices(n_rois, 1)
    matrix = np.full((n_rois, n_rois), np.nan)
    matrix[pairs] = np.tanh(_mean(values))
    matrix.T[pairs] = matrix[pairs]
    has_values = np.isfinite(matrix).any(axis=0)
    matrix[has_values, has_values] = 1.0
    return GroupConnectome(
        matrix=matrix,
        typicality=dict(zip(labels, cohort_typicality(values), strict=True)),
        n_sessions=len(main_set.results),
        peaks_mm=main_set.peaks_mm,
        roi_set=main_set.sha256,
        values=values,
        geometry=main_set.geometry,
    )


def cohort_typicality(participants: Floats) -> list[float | None]:
    """Correlate the connectome of each participant with the mean of the others.

    Parameters
    ----------
    participants : array of shape (n_participants, n_pairs)
        Fisher's z; NaN where undefined.

    Returns
    -------
    list of float or None
        Pearson r, of correlations and not of Fisher's z; None under three participants.

    Examples
    --------
    >>> values = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])
    >>> [round(r) for r in cohort_typicality(values)][2]
    -1
    """
    if len(participants) < MIN_PARTICIPANTS:
        return [None] * len(participants)
    counts, totals = np.isfinite(participants).sum(axis=0), np.nansum(participants, axis=0)
    values: list[float | None] = []
    for row in participants:
        is_defined = np.isfinite(row) & (counts > 1)
        mean_of_rest = (totals[is_defined] - row[is_defined]) / (counts[is_defined] - 1)
        correlations = np.tanh(row[is_defined])
        is_flat = is_defined.sum() < 2 or not np.ptp(correlations) or not np.ptp(mean_of_rest)
        r = None if is_flat else float(np.corrcoef(correlations, np.tanh(mean_of_rest))[0, 1])
        values.append(None if r is None else float(f"{r:.6g}"))
    return values


def group_connectome_sidecar(connectome: GroupConnectome, task: str) -> dict[str, Any]:
    """Describe the mean ROI x ROI connectome.

    Parameters
    ----------
    connectome : GroupConnectome
    task : str
        Task of the input, ``rest``.

    Returns
    -------
    dict
        JSON values.
    """
    table = load_table("outputs.json")
    names = roi_names(len(connectome.peaks_mm))
    peaks: list[list[float]] = connectome.peaks_mm.tolist()
    return {
        **table["roi_connectome"],
        "Description": table["group_connectome"],
        "TaskName": task,
        "DeepTaskGen": {
            "NumberOfParticipants": len(connectome.typicality),
            "NumberOfSessions": connectome.n_sessions,
            "RoiSet": {"Sha256": connectome.roi_set},
            "Rois": [{"Name": name, "PeakMm": peak} for name, peak in zip(names, peaks, strict=True)],
        },
    }


@dataclass(frozen=True)
class _RoiSet:
    """Connectomes with equal ROI maps.

    Attributes
    ----------
    sha256 : str
        Hash of the ROI maps.
    peaks_mm : array of shape (n_rois, 3)
    geometry : RoiGeometry or None
    results : list of Result
        Sessions and runs.
    participants : dict of str to array of shape (n_pairs,)
        Fisher's z of the upper triangle, averaged over the runs of each session, then over sessions.
    """

    sha256: str
    peaks_mm: Floats
    geometry: RoiGeometry | None
    results: list[Result] = field(default_factory=list)
    participants: dict[str, Floats] = field(default_factory=dict)


def _read(output_dir: Path, results: Sequence[Result]) -> list[_RoiSet]:
    """Read the connectomes of one participant at a time; averages alone are kept."""
    roi_sets: dict[tuple[str, int], _RoiSet] = {}
    for subject, by_session in group_by_session(results).items():
        values: dict[tuple[str, int], dict[str | None, list[Floats]]] = {}
        for result in chain.from_iterable(by_session.values()):
            connectome = _read_session(output_dir, result)
            if connectome is None:
                continue
            key = (connectome.roi_set, len(connectome.matrix))
            if key not in roi_sets:
                roi_sets[key] = _RoiSet(connectome.roi_set, connectome.peaks_mm, connectome.geometry)
            roi_sets[key].results.append(result)
            upper_triangle = connectome.matrix[np.triu_indices(len(connectome.matrix), 1)]
            z = np.arctanh(np.clip(upper_triangle, -_MAX_R, _MAX_R))
            values.setdefault(key, {}).setdefault(result.session, []).append(z)
        for key, sessions in values.items():
            means = [_mean(np.stack(runs)) for runs in sessions.values()]
            roi_sets[key].participants[subject] = _mean(np.stack(means))
    return list(roi_sets.values())


def _read_session(output_dir: Path, result: Result) -> RoiConnectome | None:
    try:
        return read_roi_connectome(result.path(output_dir, "roi_connectome"))
    except InputError as error:
        _warn(result, str(error))
    except OSError as error:
        raise_disk_error(error, result.path(output_dir, "roi_connectome"))
        _warn(result, f"{type(error).__name__}: {error}")
    return None


def _warn(result: Result, reason: str) -> None:
    session = f" ses-{result.session}" if result.session else ""
    logger.warning(
        "sub-%s%s: its ROI x ROI connectome is not in the mean: %s",
        result.subject,
        session,
        " ".join(reason.split()),
    )


def _mean(rows: Floats) -> Floats:
    """Average rows where they are defined: NaN where none is."""
    counts = np.isfinite(rows).sum(axis=0)
    return np.where(counts > 0, np.nansum(rows, axis=0) / np.maximum(counts, 1), np.nan)
