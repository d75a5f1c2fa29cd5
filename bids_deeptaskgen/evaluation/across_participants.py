"""Correlation over participants of measured and predicted values at each voxel: maps and table."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.evaluation.output_files import evaluation_path
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.stats.across_participants import (
    MIN_PARTICIPANTS,
    chance_sd,
    correlate_across_participants,
    effective_families,
)
from bids_deeptaskgen.stats.map_rows import Maps, has_variance

# Step of r in the images, far below its noise; integers take a third of the space of float32.
R_STEP = 1e-4
_QUANTILES = {"q05_r": 0.05, "median_r": 0.5, "q95_r": 0.95}
_DESCRIPTION = (
    "Pearson correlation over participants of the measured with the predicted value of a contrast, at each "
    "voxel. 0 outside the scored voxels, and where values do not differ between participants. Not a test: "
    "without information, r scatters around 0 with an SD of 1 / sqrt(n - 1), where n is the effective number "
    "of unrelated participants."
)


def mean_map_path(path: Path) -> Path:
    """Return the file of the mean over contrasts that belongs to a map of a contrast.

    Parameters
    ----------
    path : Path
        Map of r of a predictor and contrast.

    Returns
    -------
    Path
    """
    label = path.name.partition("_")[0].removeprefix("predictor-")
    return evaluation_path(path.parents[1], "mean_r_map", predictor=label)


def predictor_label(predictor: str) -> str:
    """Return the label of a predictor in names of files.

    Parameters
    ----------
    predictor : str
        Name of the predictor.

    Returns
    -------
    str
        Letters and digits.

    Examples
    --------
    >>> predictor_label("linear model"), predictor_label("mine, calibrated")
    ('linearModel', 'mineCalibrated')
    """
    first, *words = re.split("[^A-Za-z0-9]+", predictor)
    return first + "".join(word[:1].upper() + word[1:] for word in words)


class AcrossParticipants:
    """Maps of r across participants; one map per predictor is in memory.

    Parameters
    ----------
    out : Path
        Output folder of the evaluation.
    study : Study
    """

    def __init__(self, out: Path, study: Study) -> None:
        self._out, self._study = out, study
        self._labels: dict[str, str] = {}
        shape = int(study.mask.sum())
        self._new_sums = lambda: np.zeros((2, shape))
        self._sums: dict[str, NDArray[np.float64]] = {}

    def add(
        self, predictor: str, contrast: str, measured: Maps, predicted: Maps, voxels: NDArray[np.bool_]
    ) -> dict[str, Any]:
        """Correlate the maps of a contrast, and write the map of r.

        Parameters
        ----------
        predictor : str
            Name of the predictor.
        contrast : str
            Label of the contrast.
        measured : array of shape (n_participants, n_voxels)
            Measured maps.
        predicted : array of shape (n_participants, n_voxels)
            Predicted maps.
        voxels : boolean array of shape (n_mask_voxels,)
            Voxels of the maps.

        Returns
        -------
        dict
            ``n_participants``, ``n_voxels``, ``q05_r``, ``median_r``, ``q95_r``, ``share_above_0``,
            ``n_effective``, ``chance_sd`` and ``map``: the file, relative to the output folder. Values are
            NaN, and there is no file, if there are too few participants or no differences between them.
        """
        participants = np.flatnonzero(has_variance(measured) & has_variance(predicted))
        r = correlate_across_participants(measured, predicted, participants)
        finite_r = r[np.isfinite(r)]
        row: dict[str, Any] = {"n_participants": len(participants), "n_voxels": len(finite_r)}
        row |= dict.fromkeys((*_QUANTILES, "share_above_0"), float("nan"))
        n_effective = effective_families(self._study.families[participants])
        is_enough = len(participants) >= MIN_PARTICIPANTS
        row |= {
            "n_effective": n_effective,
            "chance_sd": chance_sd(n_effective) if is_enough else float("nan"),
        }
        row["map"] = None
        if not finite_r.size:
            return row
        quantiles = np.quantile(finite_r, list(_QUANTILES.values()))
        row |= {name: float(value) for name, value in zip(_QUANTILES, quantiles, strict=True)}
        row["share_above_0"] = float((finite_r > 0).mean())
        values = np.full(len(voxels), np.nan)
        values[voxels] = r
        sums = self._sums.setdefault(predictor, self._new_sums())
        sums += np.isfinite(values), np.nan_to_num(values)
        label = self._label(predictor)
        path = evaluation_path(self._out, "r_map", predictor=label, contrast=contrast)
        self._write(path, values, predictor, {"Contrast": contrast, **_facts(row)})
        return row | {"map": path.relative_to(self._out).as_posix()}

    def finish(self) -> None:
        """Write the mean over contrasts of the maps of each predictor."""
        for predictor, (counts, sums) in self._sums.items():
            values = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
            path = evaluation_path(self._out, "mean_r_map", predictor=self._label(predictor))
            self._write(path, values, predictor, {"NumberOfContrasts": int(counts.max())})

    def _label(self, predictor: str) -> str:
        """Return a label that no other predictor has, on any file system."""
        if predictor not in self._labels:
            first = predictor_label(predictor)
            is_free = {label.lower() for label in self._labels.values()}.isdisjoint
            self._labels[predictor] = next(label for label in _numbered(first) if is_free({label.lower()}))
        return self._labels[predictor]

    def _write(self, path: Path, values: NDArray[np.float64], predictor: str, facts: dict[str, Any]) -> None:
        volume = model_to_output(unmask(np.nan_to_num(values), self._study.mask))
        save_nifti(path, volume, OUTPUT_GRID.matrix, dtype=np.int16, slope=R_STEP)
        mean_text = "" if "Contrast" in facts else " This map is the mean over contrasts."
        content = {
            "Description": _DESCRIPTION + mean_text,
            "SkullStripped": True,
            **load_table("outputs.json")["space"],
            "DeepTaskGen": {"Predictor": predictor, "Units": "Pearson r", **facts},
        }
        write_json(sidecar_path(path), content)


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """Return facts of a map for its sidecar."""
    return {
        "NumberOfParticipants": row["n_participants"],
        "EffectiveNumberOfParticipants": row["n_effective"],
        "NumberOfVoxels": row["n_voxels"],
        "MedianR": row["median_r"],
        "ChanceSD": row["chance_sd"],
    }


def _numbered(label: str) -> Iterator[str]:
    """Yield a label, and then the label with a number."""
    yield label
    number = 2
    while True:
        yield f"{label}{number}"
        number += 1
