"""Scores of predictors in ROIs: the regions of atlases, or the parcels of the model's ROI maps."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bids_deeptaskgen.bids.output.roi_connectome import roi_names
from bids_deeptaskgen.cohort_store.atlases.sources import load_atlases
from bids_deeptaskgen.errors import abbreviate
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
from bids_deeptaskgen.stats.roi_scores import MIN_VOXELS, RoiScores, score_rois
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
    source : str
        File of the atlas, or its name in TemplateFlow, with its hash; or the model of the parcels.
    numbers : tuple of int
        Number of each ROI in the atlas.
    names : tuple of str
        Name of each ROI.
    weights : sparse array of shape (n_rois, n_mask_voxels)
        Weight of each voxel in each ROI: 1 for labels, or the probability.
    n_skipped : int
        Number of ROIs of the atlas with too few voxels, which are not in the other attributes.
    """

    label: str
    source: str
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    weights: csr_array
    n_skipped: int = 0

    def restrict(self, voxels: NDArray[np.bool_]) -> csr_array:
        """Restrict the ROIs to the scored voxels of a contrast.

        Parameters
        ----------
        voxels : boolean array of shape (n_mask_voxels,)
            Scored voxels.

        Returns
        -------
        sparse array of shape (n_rois, n_scored_voxels)
        """
        return self.weights if voxels.all() else self.weights[:, np.flatnonzero(voxels)]


def _skip_small_rois(roi_set: RoiSet) -> RoiSet:
    """Remove ROIs with fewer than ``MIN_VOXELS`` voxels of the study."""
    is_kept = np.diff(roi_set.weights.indptr) >= MIN_VOXELS
    indices, small_indices = np.flatnonzero(is_kept), np.flatnonzero(~is_kept)
    if not len(small_indices):
        return roi_set
    small_names = [roi_set.names[i] for i in small_indices]
    logger.warning(
        "%s: %d of %d ROIs have fewer than %d scored voxels and are left out of the scores by ROI: %s.",
        roi_set.label, len(small_indices), len(is_kept), MIN_VOXELS, abbreviate(small_names),
    )  # fmt: skip
    return replace(
        roi_set,
        numbers=tuple(roi_set.numbers[i] for i in indices),
        names=tuple(roi_set.names[i] for i in indices),
        weights=roi_set.weights[indices],
        n_skipped=len(small_indices),
    )


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
        return tuple(map(_skip_small_rois, _atlas_sets(settings.atlas, study.mask)))
    if study.bundle is None:
        logger.info("There is no table of scores by ROI, since neither `atlas` nor `model` was given.")
        return ()
    return (_skip_small_rois(_parcels(study.bundle, study.mask)),)


def _atlas_sets(sources: Sequence[str], mask: NDArray[np.bool_]) -> tuple[RoiSet, ...]:
    """Load atlases; they are sampled on the grid of the output, whose voxels have another order."""
    output_mask = model_to_output(mask)
    order = model_to_output(unmask(np.arange(mask.sum()), mask))[output_mask]
    sets = []
    for atlas in load_atlases(sources, output_mask):
        weights = csr_array(atlas.weights, dtype=np.float64)
        # Labels weight all voxels equally.
        values = weights.data if atlas.is_probabilistic else np.ones(weights.nnz)
        ordered = csr_array((values, order[weights.indices], weights.indptr), shape=weights.shape)
        ordered.sort_indices()
        source = f"{atlas.source} (sha256 {atlas.sha256})"
        sets.append(RoiSet(atlas.label, source, atlas.numbers, atlas.names, ordered))
    return tuple(sets)


def _parcels(bundle: Bundle, mask: NDArray[np.bool_]) -> RoiSet:
    """Assign the voxels of the study to the ROI map with the largest value."""
    rois = bundle.rois()
    labels = unmask(winner_take_all(rois), bundle.brain_mask)[mask]
    numbers = tuple(range(1, len(rois) + 1))
    voxels = np.flatnonzero(labels)
    weights = csr_array(
        (np.ones(len(voxels)), (labels[voxels].astype(np.intp) - 1, voxels)), shape=(len(rois), len(labels))
    )
    source = f"parcels of the ROI maps of {bundle.card.name}"
    return RoiSet(PARCELS, source, numbers, roi_names(len(rois)), weights)


def roi_rows(
    roi_set: RoiSet,
    weights: csr_array,
    measured: Maps,
    predicted: Maps | LeaveOneOut,
    average: Maps | LeaveOneOut,
    families: NDArray[Any],
) -> Iterator[dict[str, Any]]:
    """Score a predictor of a contrast in each ROI.

    Parameters
    ----------
    roi_set : RoiSet
    weights : sparse array of shape (n_rois, n_voxels)
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
        with ``ci_low``, ``ci_high``, ``n_across`` (participants) and ``n_effective`` (unrelated ones). NaN
        where undefined.
    """
    scores = score_rois(measured, predicted, average, weights)
    is_same_for_all = isinstance(predicted, LeaveOneOut) or predicted.ndim == 1
    correlations = _correlate_means(scores, families, is_same_for_all=is_same_for_all)
    for number, n_voxels in enumerate(np.diff(weights.indptr)):
        r = scores.r[:, number]
        yield {
            "atlas": roi_set.label,
            "index": roi_set.numbers[number],
            "name": roi_set.names[number],
            "n_voxels": int(n_voxels),
            "n_participants": int(np.isfinite(r).sum()),
            "r": mean(r),
            "residual_r": mean(scores.residual_r[:, number]),
            **{name: float(values[number]) for name, values in correlations.by_roi.items()},
            "n_across": correlations.n_participants,
            "n_effective": correlations.n_effective,
        }


class _MeanCorrelations(NamedTuple):
    """Correlations of the means of ROIs over participants, with intervals.

    Attributes
    ----------
    by_roi : dict of str to array of shape (n_rois,)
    n_participants : int
    n_effective : float
        Number of unrelated participants with as much information; NaN without participants.
    """

    by_roi: dict[str, NDArray[np.float64]]
    n_participants: int
    n_effective: float


def _correlate_means(
    scores: RoiScores, families: NDArray[Any], *, is_same_for_all: bool
) -> _MeanCorrelations:
    """Correlate the means of ROIs over participants, with intervals."""
    by_roi = {name: np.full(scores.r.shape[1], np.nan) for name in ("r_across", "ci_low", "ci_high")}
    is_usable = np.isfinite(scores.measured_mean).any(axis=0) & np.isfinite(scores.predicted_mean).any(axis=0)
    if is_same_for_all or not is_usable.any():
        return _MeanCorrelations(by_roi, 0, float("nan"))
    means = [values[:, is_usable] for values in (scores.measured_mean, scores.predicted_mean)]
    rows = finite_rows(*means)
    n_effective = effective_families(families[rows])
    by_roi["r_across"][is_usable] = correlate_across_participants(*means, rows)
    by_roi["ci_low"], by_roi["ci_high"] = fisher_interval(by_roi["r_across"], n_effective)
    return _MeanCorrelations(by_roi, len(rows), n_effective)
