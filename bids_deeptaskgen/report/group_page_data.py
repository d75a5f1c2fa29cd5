"""Data of the page of a group that its script draws: tables, plots and images as JSON."""

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.report.group_content import (
    CONNECTOME,
    Cell,
    Column,
    DesignContent,
    Embedding,
    GroupContent,
    GroupSetContent,
    IccRow,
    MapGroup,
    QcFcContent,
    Similarity,
)
from bids_deeptaskgen.report.group_page_images import GroupImages, choose_images
from bids_deeptaskgen.report.page_data import retest_words
from bids_deeptaskgen.report.participant_content import MapContent
from bids_deeptaskgen.report.viewer_data import map_data, short, slice_data, viewer_data

# Bytes of a page; the rest of the page, without images and tables, is less than the second.
MAX_PAGE_BYTES = 7_600_000
FRAME_BYTES = 600_000
# Characters of all similarity matrices of a page. More or larger ones show fewer participants.
MAX_SIMILARITY_CHARACTERS = 1_500_000
# Points of a plot.
MAX_POINTS = 2000
N_BINS = 60
N_DISTANCE_BINS = 12
MAX_AXES = 5
NOT_SIGNIFICANT = "No voxel of this test is significant after correction. The colours show t, and no finding."


class Index:
    """Numbers of participants, in the order of their first use."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Return the number of a participant, a further one for a name that is not known.

        Parameters
        ----------
        name : str

        Returns
        -------
        int
        """
        if name not in self._numbers:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return self._numbers[name]

    def numbers(self, names: Sequence[str]) -> list[int]:
        """Return the numbers of participants.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        list of int
        """
        return [self.number(name) for name in names]


def group_page_data(content: GroupContent) -> tuple[dict[str, Any], GroupImages]:
    """Convert the content that the page's script draws.

    Parameters
    ----------
    content : GroupContent

    Returns
    -------
    data : dict
        JSON without NaN.
    images : GroupImages
        Details of the images, and the groups of maps for which there is no space.
    """
    n_matrices = sum(len(part.similarity) for part in content.sets)
    sets = [_set_data(part, n_matrices) for part in content.sets]
    data: dict[str, Any] = {
        "sets": sets,
        "missing": [
            [session.participant, session.session, session.reason, session.page]
            for session in content.missing_sessions
        ],
        "maxPoints": MAX_POINTS,
    }
    groups = [group for part in content.sets for group in part.map_groups]
    images = choose_images(groups, MAX_PAGE_BYTES - FRAME_BYTES - len(json.dumps(data)))
    for part, entry in zip(content.sets, sets, strict=True):
        entry["groups"] = [
            _group_data(group, images)
            for group in part.map_groups
            if group.title not in images.titles_left_out
        ]
    if sets:
        data |= slice_data()
    if any(entry["groups"] for entry in sets):
        data |= viewer_data(images.detail)
    return data, images


def _set_data(part: GroupSetContent, n_matrices: int) -> dict[str, Any]:
    index = Index()
    rows = [index.number(row.participant) for row in part.rows]
    numbers = {row.name: number for number, row in enumerate(part.rows)}
    data: dict[str, Any] = {
        "name": part.name,
        "columns": [
            {
                "title": column.title,
                "unit": _unit(column),
                "description": column.description,
                "limits": column.limits,
                "isNumber": column.is_number,
                "isMetric": column.is_metric,
                "warn": dict(column.warn),
                "fail": dict(column.fail),
            }
            for column in part.columns
        ],
        "rows": {
            "participant": rows,
            "name": [row.name for row in part.rows],
            "page": [row.page for row in part.rows],
        },
        "isSample": bool(part.rows_remark),
        "cells": [[page_cell(row.cells[number]) for row in part.rows] for number in range(len(part.columns))],
        "outliers": [
            [
                numbers.get(outlier.name, -1),
                outlier.measure,
                _number(outlier.value),
                _number(outlier.robust_z),
            ]
            for outlier in part.outliers
        ],
        "design": _design_data(part.design, index) if part.design else None,
        "qcFc": _qc_fc_data(part.qc_fc) if part.qc_fc else None,
        "similarity": [_similarity_data(entry, index, n_matrices) for entry in part.similarity],
        "identification": [
            [
                row.contrast,
                row.pair,
                "yes" if row.is_deviation else "no",
                row.n_participants,
                _number(row.rate),
                _number(1 / row.n_participants) if row.n_participants else None,
                _number(row.mean_rank),
                (row.n_participants + 1) / 2,
                _number(row.idiff),
                _number(row.own_r),
                _number(row.others_r),
            ]
            for row in part.identification
        ],
        "icc": _icc_data(part.icc),
        "embedding": _embedding_data(part.embedding, index) if part.embedding else None,
    }
    return data | {"participants": index.names}


def _unit(column: Column) -> str:
    """Return the unit unless it is 1 or the title names it, as in ``Runs (runs)``."""
    return "" if column.unit == "1" or column.unit.lower() in column.title.lower() else column.unit


def _group_data(group: MapGroup, images: GroupImages) -> dict[str, Any]:
    tasks = list(dict.fromkeys(image.task for image in group.maps))
    maps = []
    for image in sorted(group.maps, key=lambda image: tasks.index(image.task)):
        entry = map_data(image, _map_facts(group, image), images.detail)
        if image.label in group.thresholds and np.isfinite(group.thresholds[image.label]):
            entry["threshold"] = short(group.thresholds[image.label])
        elif group.effect:
            entry["warning"] = NOT_SIGNIFICANT
        maps.append(entry)
    return {
        "name": group.title,
        "explanation": group.explanation,
        "isPredicted": group.is_predicted,
        "effect": group.effect,
        "maps": maps,
    }


def _map_facts(group: MapGroup, image: MapContent) -> Iterator[tuple[str, str]]:
    yield "Contrast", image.source_name
    yield "Units", image.units
    if group.is_predicted:
        yield "Retest reliability", retest_words(image)
    yield from group.facts.get(image.label, {}).items()


def _number(value: float | None) -> float | None:
    """Round to 4 significant digits; None if the value is not finite."""
    return None if value is None or not np.isfinite(value) else short(float(value))


def page_cell(value: Cell) -> Cell:
    """Convert a value of a table; numbers are rounded to 4 significant digits.

    Parameters
    ----------
    value : float, int, str or None

    Returns
    -------
    float, int, str or None
        None for numbers that are not finite.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return int(value) if isinstance(value, int | np.integer) else _number(value)


def pack(values: NDArray[np.floating]) -> dict[str, Any]:
    """Store numbers as bytes.

    Parameters
    ----------
    values : array of shape (n,)

    Returns
    -------
    dict
        ``bytes`` in base64: 1 is ``low``, 255 is ``high``, 0 is no value.

    Examples
    --------
    >>> pack(np.array([0.0, 1.0, np.nan]))
    {'low': 0.0, 'high': 1.0, 'bytes': 'Af8A'}
    """
    values = np.asarray(values, np.float64)
    is_finite = np.isfinite(values)
    finite = values[is_finite] if is_finite.any() else np.array([0.0, 1.0])
    minimum, maximum = float(finite.min()), float(finite.max())
    share = (np.where(is_finite, values, minimum) - minimum) / (maximum - minimum or 1.0)
    codes = np.where(is_finite, 1 + np.rint(254 * share), 0).astype(np.uint8)
    return {"low": minimum, "high": maximum, "bytes": b64encode(codes.tobytes()).decode("ascii")}


def _similarity_data(entry: Similarity, index: Index, n_matrices: int) -> dict[str, Any]:
    n_space = int(np.sqrt(2 * MAX_SIMILARITY_CHARACTERS * 3 / 4 / n_matrices))
    step = -(-len(entry.participants) // n_space)
    matrix = np.asarray(entry.matrix, np.float64)[::step, ::step]
    return {
        "title": entry.title,
        "participants": index.numbers(entry.participants[::step]),
        "values": pack(matrix[np.triu_indices(len(matrix), 1)]),
        "meanR": _number(entry.mean_r),
        "nParticipants": entry.n_participants,
    }


def _design_data(design: DesignContent, index: Index) -> dict[str, Any]:
    matrix = np.asarray(design.matrix, np.float64)
    return {
        "columns": list(design.columns),
        "participants": index.numbers(design.participants),
        "values": [pack(column) for column in matrix.T],
        "rows": [
            [
                row.contrast,
                row.effect,
                int(row.n_participants),
                int(row.dof),
                int(row.n_voxels),
                int(row.n_fdr),
                page_cell(row.n_max_t),
                page_cell(row.n_tfce),
                _number(row.peak_t),
                ", ".join(f"{value:g}".replace("-", "\u2212") for value in row.peak_mm),
                _number(row.peak_r),
            ]
            for row in design.rows
        ],
    }


def _qc_fc_data(qc_fc: QcFcContent) -> dict[str, Any]:
    data: dict[str, Any] = {
        "rows": [
            [
                row.name,
                int(row.n_participants),
                int(row.n_values),
                *map(_number, (row.median_r, row.median_abs_r, row.max_abs_r, row.share_p, row.share_fdr)),
            ]
            for row in qc_fc.rows
        ],
        "edges": None,
        "distance": None,
    }
    if qc_fc.edges is None:
        return data
    edges = np.asarray(qc_fc.edges, np.float64)
    is_finite = np.isfinite(edges)
    if not is_finite.any():
        return data
    limit = max(0.1, float(np.ceil(np.abs(edges[is_finite]).max() * 20) / 20))
    counts, _ = np.histogram(edges[is_finite], N_BINS, (-limit, limit))
    numbers = [row.n_participants for row in qc_fc.rows if row.name == CONNECTOME]
    data["edges"] = {
        "counts": counts.tolist(),
        "limit": limit,
        "median": _number(float(np.median(edges[is_finite]))),
        "nParticipants": int(numbers[-1]) if numbers else None,
    }
    if qc_fc.distances_mm is not None:
        is_known = is_finite & np.isfinite(qc_fc.distances_mm)
        data["distance"] = _distance_data(edges[is_known], np.asarray(qc_fc.distances_mm)[is_known])
    return data


def _distance_data(edges: NDArray[np.float64], distances_mm: NDArray[np.float64]) -> dict[str, Any]:
    """Sample points, and compute the median in bins of distance with equal numbers of pairs."""
    order = np.argsort(distances_mm, kind="stable")
    bins = [part for part in np.array_split(order, N_DISTANCE_BINS) if len(part)]
    points = order[:: -(-len(order) // MAX_POINTS)] if len(order) else order
    return {
        "n": len(order),
        "mm": [short(value) for value in distances_mm[points]],
        "r": [short(value) for value in edges[points]],
        "binMm": [short(float(np.median(distances_mm[part]))) for part in bins],
        "binR": [short(float(np.median(edges[part]))) for part in bins],
    }


def _icc_data(rows: Sequence[IccRow]) -> dict[str, Any]:
    contrasts = list(dict.fromkeys(row.contrast for row in rows))
    rois = list(dict.fromkeys(row.roi for row in rows))
    places = {name: number for number, name in enumerate(contrasts)}
    roi_places = {name: number for number, name in enumerate(rois)}
    return {
        "contrasts": contrasts,
        "rois": rois,
        "rows": [
            [
                places[row.contrast],
                roi_places[row.roi],
                int(row.n_participants),
                int(row.n_sessions),
                *map(_number, (row.icc, row.lower_bound, row.upper_bound)),
            ]
            for row in rows
        ],
    }


def _embedding_data(embedding: Embedding, index: Index) -> dict[str, Any]:
    axes = np.asarray(embedding.axes, np.float64)[:, :MAX_AXES]
    return {
        "title": embedding.title,
        "participants": index.numbers(embedding.participants),
        "axes": [[_number(value) for value in axis] for axis in axes.T.tolist()],
        "explained": [_number(value) for value in embedding.explained[: axes.shape[1]]],
    }


def count_participants(content: GroupContent) -> int:
    """Count the participants with maps in any set.

    Parameters
    ----------
    content : GroupContent

    Returns
    -------
    int
    """
    return len(set(chain.from_iterable(part.participants for part in content.sets)))
