"""Scores of predictors in ROIs: the regions of atlases, or the parcels of the model's ROI maps."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.roi_connectome import roi_names
from bids_deeptaskgen.cohort_store.atlases.sources import load_atlases
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.grid import model_to_output, unmask
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.across_participants import (
    correlate_across_participants,
    effective_families,
    finite_rows,
    fisher_interval,
)
from bids_deeptaskgen.stats.linear_model import winner_take_all
from bids_deeptaskgen.stats.map_rows import LeaveOneOut, Maps
from bids_deeptaskgen.stats.roi_scores import Roi, RoiScores, score_rois
from bids_deeptaskgen.stats.scores import mean

logger = logging.getLogger("bids_deeptaskgen")

# Label of the parcels of the model in the column `atlas`.
PARCELS = "model ROIs"


@dataclass(frozen=True)
class RoiSet:
    """ROIs of an atlas at the voxels of a study.

    Attributes
    ----------
    label : str
        Label of the atlas.
    numbers : tuple of int
        Number of each ROI in the atlas.
    names : tuple of str
        Name of each ROI.
    rois : tuple of Roi
        Voxels are numbered in the order of the study's mask.
    """

    label: str
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    rois: tuple[Roi, ...]

    def restrict(self, voxels: NDArray[np.bool_]) -> tuple[Roi, ...]:
        """Restrict the ROIs to the scored voxels of a contrast.

        Parameters
        ----------
        voxels : boolean array of shape (n_mask_voxels,)
            Scored voxels.

        Returns
        -------
        tuple of Roi
            Voxels are numbered among the scored ones.
        """
        places = np.cumsum(voxels) - 1
        rois = []
        for roi in self.rois:
            is_scored = voxels[roi.voxels]
            weights = None if roi.weights is None else roi.weights[is_scored]
            rois.append(Roi(places[roi.voxels[is_scored]], weights))
        return tuple(rois)


def load_roi_sets(settings: EvaluateSettings, study: Study) -> tuple[RoiSet, ...]:
    """Load the atlases of an evaluation, or the parcels of its model.

    Parameters
    ----------
    settings : EvaluateSettings
    study : Study

    Returns
    -------
    tuple of RoiSet
        Empty with neither atlas nor model.

    Raises
    ------
    UserError
        If an atlas cannot be fetched, or two have the same label.
    InputError
        If an atlas cannot be used.
    """
    if settings.atlas:
        return _atlas_sets(settings.atlas, study.mask)
    if study.bundle is None:
        logger.info("There is no table of scores by ROI, since neither `atlas` nor `model` was given.")
        return ()
    return (_parcels(study.bundle, study.mask),)


def _atlas_sets(sources: Sequence[str], mask: NDArray[np.bool_]) -> tuple[RoiSet, ...]:
    """Load atlases; they are sampled on the grid of the output, whose voxels have another order."""
    output_mask = model_to_output(mask)
    order = model_to_output(unmask(np.arange(mask.sum()), mask))[output_mask]
    sets = []
    for atlas in load_atlases(sources, output_mask):
        weights = atlas.weights.tocsr()
        rois = []
        for start, end in zip(weights.indptr, weights.indptr[1:], strict=False):
            values = weights.data[start:end].astype(np.float64) if atlas.is_probabilistic else None
            rois.append(Roi(order[weights.indices[start:end]], values))
        sets.append(RoiSet(atlas.label, atlas.numbers, atlas.names, tuple(rois)))
    return tuple(sets)


def _parcels(bundle: Bundle, mask: NDArray[np.bool_]) -> RoiSet:
    """Assign the voxels of the study to the ROI map with the largest value."""
    rois = bundle.rois()
    labels = unmask(winner_take_all(rois), bundle.brain_mask)[mask]
    numbers = tuple(range(1, len(rois) + 1))
    parcels = tuple(Roi(np.flatnonzero(labels == number)) for number in numbers)
    return RoiSet(PARCELS, numbers, roi_names(len(rois)), parcels)


def roi_rows(
    roi_set: RoiSet,
    rois: Sequence[Roi],
    measured: Maps,
    predicted: Maps | LeaveOneOut,
    average: Maps | LeaveOneOut,
    families: NDArray[Any],
) -> Iterator[dict[str, Any]]:
    """Score a predictor of a contrast in each ROI.

    Parameters
    ----------
    roi_set : RoiSet
    rois : sequence of Roi
        The ROIs at the scored voxels, see `RoiSet.restrict`.
    measured : array of shape (n_participants, n_voxels)
        Measured maps; a row of NaN is a participant without a map.
    predicted : array of shape (n_participants, n_voxels) or (n_voxels,), or LeaveOneOut
        Predicted maps.
    average : array of shape (n_voxels,), or LeaveOneOut
        Group average.
    families : array of shape (n_participants,)
        Label of each participant's family.

    Yields
    ------
    dict
        ``atlas``, ``index``, ``name``, ``n_voxels``, ``n_participants``; ``r`` and ``residual_r``, over the
        voxels of the ROI, means over participants; ``r_across`` of the means of the ROI over participants,
        with ``ci_low`` and ``ci_high``. NaN where undefined.
    """
    scores = score_rois(measured, predicted, average, rois)
    is_same_for_all = isinstance(predicted, LeaveOneOut) or predicted.ndim == 1
    r_across, ci_low, ci_high = _correlate_means(scores, families, is_same_for_all=is_same_for_all)
    for number, roi in enumerate(rois):
        r = scores.r[:, number]
        yield {
            "atlas": roi_set.label,
            "index": roi_set.numbers[number],
            "name": roi_set.names[number],
            "n_voxels": len(roi.voxels),
            "n_participants": int(np.isfinite(r).sum()),
            "r": mean(r),
            "residual_r": mean(scores.residual_r[:, number]),
            "r_across": float(r_across[number]),
            "ci_low": float(ci_low[number]),
            "ci_high": float(ci_high[number]),
        }


def _correlate_means(
    scores: RoiScores, families: NDArray[Any], *, is_same_for_all: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Correlate the means of ROIs over participants, with intervals."""
    r_across, ci_low, ci_high = (np.full(scores.r.shape[1], np.nan) for _ in range(3))
    is_usable = np.isfinite(scores.measured_mean).any(axis=0) & np.isfinite(scores.predicted_mean).any(axis=0)
    if is_same_for_all or not is_usable.any():
        return r_across, ci_low, ci_high
    means = [values[:, is_usable] for values in (scores.measured_mean, scores.predicted_mean)]
    rows = finite_rows(*means)
    r_across[is_usable] = correlate_across_participants(*means, rows)
    ci_low[:], ci_high[:] = fisher_interval(r_across, effective_families(families[rows]))
    return r_across, ci_low, ci_high
