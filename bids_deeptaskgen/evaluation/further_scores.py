"""Scores beside those of whole maps: by ROI, across participants, and against data quality."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.evaluation.across_participants import AcrossParticipants
from bids_deeptaskgen.evaluation.data_quality import quality_tables
from bids_deeptaskgen.evaluation.roi_scores import load_roi_sets, roi_rows
from bids_deeptaskgen.evaluation.scoring import Predictor
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.map_rows import LeaveOneOut, Maps


class FurtherScores:
    """Rows of the tables ``across_participants`` and ``roi_scores``, and maps of r across participants.

    Parameters
    ----------
    settings : EvaluateSettings
    study : Study

    Raises
    ------
    UserError
        If an atlas cannot be used.
    """

    def __init__(self, settings: EvaluateSettings, study: Study) -> None:
        self._settings, self._study = settings, study
        self._roi_sets = load_roi_sets(settings, study)
        self._across = AcrossParticipants(settings.out, study)
        self._rows: dict[str, list[dict[str, Any]]] = {"across_participants": [], "roi_scores": []}

    def score(
        self,
        contrast: str,
        measured: Maps,
        predictors: Iterable[Predictor],
        average: Maps | LeaveOneOut,
        voxels: NDArray[np.bool_],
    ) -> Iterator[Predictor]:
        """Score the predictors of a contrast, and pass each on before the next one is requested.

        Parameters
        ----------
        contrast : str
            Label of the contrast.
        measured : array of shape (n_participants, n_voxels)
            Measured maps.
        predictors : iterable of Predictor
            Iterated once, since its maps may be overwritten by those of the next predictor.
        average : array of shape (n_voxels,), or LeaveOneOut
            Group average.
        voxels : boolean array of shape (n_mask_voxels,)
            Voxels of the maps.

        Yields
        ------
        Predictor
        """
        roi_sets = [(roi_set, roi_set.restrict(voxels)) for roi_set in self._roi_sets]
        for predictor in predictors:
            role = "baseline" if predictor.is_baseline else "model"
            columns = {"predictor": predictor.name, "role": role, "contrast": contrast}
            maps = predictor.maps
            if not isinstance(maps, LeaveOneOut) and maps.ndim == 2:
                row = self._across.add(predictor.name, contrast, measured, maps, voxels)
                self._rows["across_participants"].append(columns | row)
            for roi_set, rois in roi_sets:
                rows = roi_rows(roi_set, rois, measured, maps, average, self._study.families)
                self._rows["roi_scores"] += [columns | row for row in rows]
            yield predictor

    def finish(self, participant_scores: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """Write the mean maps over contrasts, and return the rows of the tables that have rows.

        Parameters
        ----------
        participant_scores : sequence of dict
            Rows of the table ``participant_scores``, which are related to data quality.

        Returns
        -------
        dict of str to list of dict
            Rows by table.
        """
        self._across.finish()
        quality = quality_tables(self._settings, self._study, participant_scores)
        return {name: rows for name, rows in self._rows.items() if rows} | quality
