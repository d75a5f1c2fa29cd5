"""Scores at places in the brain: r across participants at each voxel, and scores by ROI."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.evaluation.across_participants import AcrossParticipants
from bids_deeptaskgen.evaluation.roi_scores import RoiSet, load_roi_sets, roi_rows
from bids_deeptaskgen.evaluation.scoring import Predictor
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.io.tsv import append_tsv, join_columns
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.map_rows import LeaveOneOut, Maps

# Scores of ROIs of which the page shows the mean over contrasts.
ROI_SCORES = ("r", "residual_r", "r_across")


class LocalScores:
    """Rows of the table ``across_participants``, maps of r across participants, and the table ``roi_scores``.

    The rows of ``roi_scores``, which may be many, are written after each contrast.

    Parameters
    ----------
    out : Path
        Folder of the results.
    settings : EvaluateSettings
    study : Study

    Raises
    ------
    UserError
        If an atlas cannot be used.
    """

    def __init__(self, out: Path, settings: EvaluateSettings, study: Study) -> None:
        self._out, self._study = out, study
        self.roi_sets = load_roi_sets(settings, study)
        self._across = AcrossParticipants(out, study)
        self._rows: list[dict[str, Any]] = []
        self._roi_means: dict[tuple[str, str], _RoiMeans] = {}

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
        roi_sets = [(roi_set, roi_set.restrict(voxels)) for roi_set in self.roi_sets]
        for predictor in predictors:
            role = "baseline" if predictor.is_baseline else "model"
            columns = {"predictor": predictor.name, "role": role, "contrast": contrast}
            maps = predictor.maps
            if not isinstance(maps, LeaveOneOut) and maps.ndim == 2:
                row = self._across.add(predictor.name, contrast, measured, maps, voxels)
                self._rows.append(columns | row)
            for roi_set, weights in roi_sets:
                rows = list(roi_rows(roi_set, weights, measured, maps, average, self._study.families))
                append_tsv(self._out / "roi_scores.tsv", join_columns(columns | row for row in rows))
                key = (predictor.name, roi_set.label)
                self._roi_means.setdefault(key, _RoiMeans(roi_set, columns)).add(rows)
            yield predictor

    def finish(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Write the mean maps over contrasts, and return the rows that are not written yet.

        Returns
        -------
        list of dict
            Rows of the table ``across_participants``.
        list of dict
            Means over contrasts of ``ROI_SCORES`` by predictor and ROI, for the page.
        """
        self._across.finish()
        return self._rows, [row for means in self._roi_means.values() for row in means.rows()]


class _RoiMeans:
    """Means over contrasts of the scores of a predictor in the ROIs of an atlas."""

    def __init__(self, roi_set: RoiSet, columns: dict[str, str]) -> None:
        self._roi_set = roi_set
        self._columns = {name: columns[name] for name in ("predictor", "role")}
        shape = len(ROI_SCORES), len(roi_set.names)
        self._sums, self._counts = np.zeros(shape), np.zeros(shape, np.intp)
        self._n_voxels = np.zeros(len(roi_set.names), np.intp)

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add the rows of a contrast, one per ROI."""
        for number, row in enumerate(rows):
            values = np.array([row[name] for name in ROI_SCORES])
            self._sums[:, number] += np.nan_to_num(values)
            self._counts[:, number] += np.isfinite(values)
            self._n_voxels[number] = max(self._n_voxels[number], row["n_voxels"])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row per ROI."""
        means = np.where(self._counts > 0, self._sums / np.maximum(self._counts, 1), np.nan)
        for number, name in enumerate(self._roi_set.names):
            yield self._columns | {
                "atlas": self._roi_set.label,
                "index": self._roi_set.numbers[number],
                "name": name,
                "n_voxels": int(self._n_voxels[number]),
                "n_skipped": self._roi_set.n_skipped,
                "n_contrasts": int(self._counts[:, number].max()),
                **{score: float(value) for score, value in zip(ROI_SCORES, means[:, number], strict=True)},
            }
