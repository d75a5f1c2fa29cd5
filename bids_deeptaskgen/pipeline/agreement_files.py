"""Table of the agreement of a session's maps, contrast by contrast, and its summary."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.pipeline.map_collection import PredictedMaps
from bids_deeptaskgen.stats.map_agreement import Agreement, Scores, relative_sd

_RESIDUAL_MAPS = (
    "of the maps minus the mean measured maps of the model (what the model adds to the maps of all "
    "participants remains)"
)
_TOTAL_MAPS = "of plain maps, which share the pattern of all participants, since the model has no mean maps"

# Description of each column; {maps} is the text above.
AGREEMENT_COLUMNS: dict[str, str] = {
    "contrast": "Label of the contrast.",
    "window_r": "Mean over all pairs of windows of the spatial correlation {maps}.",
    "n_windows": "Number of windows of all runs.",
    "split_half_r": "Spatial correlation {maps}, between the mean of odd and the mean of even windows.",
    "split_half_reliability": (
        "Reliability of the mean over all windows: 2 r / (1 + r) of split_half_r (Spearman 1910, Brown "
        "1910), 0 if that is negative. It assumes that windows are exchangeable and that the errors of the "
        "halves are independent. Neighbouring windows share slow changes, so this is an upper bound."
    ),
    "run_r": (
        "Mean over all pairs of runs of the spatial correlation {maps}, each predicted from its own data."
    ),
    "n_runs": "Number of runs.",
    "bootstrap_r": "Mean over resamples of the spatial correlation with the map, {maps}.",
    "bootstrap_relative_sd": (
        "Mean over voxels of the SD over resamples, divided by the SD of the map over voxels."
    ),
}
# Columns whose median over contrasts is a metric of the session, by name of the metric.
_METRICS = {
    "window_agreement": "window_r",
    "run_agreement": "run_r",
    "split_half_reliability": "split_half_reliability",
    "bootstrap_agreement": "bootstrap_r",
    "bootstrap_relative_sd": "bootstrap_relative_sd",
}


def agreement_scores(maps: PredictedMaps) -> dict[str, Scores | None]:
    """Collect the scores of all contrasts of the model.

    Parameters
    ----------
    maps : PredictedMaps
        Maps as they are written.

    Returns
    -------
    dict of str to array of shape (n_contrasts,) or None
        By column of the table; None where there is nothing to compare.
    """
    agreement = maps.agreement or Agreement(minus_mean_maps=False)
    sd = maps.bootstrap_sd
    return {
        "window_r": agreement.window_r,
        "split_half_r": agreement.split_half_r,
        "split_half_reliability": agreement.split_half_reliability,
        "run_r": agreement.run_r,
        "bootstrap_r": agreement.bootstrap_r,
        "bootstrap_relative_sd": None if sd is None else relative_sd(sd, maps.mean, agreement.voxels),
    }


def agreement_metrics(scores: Mapping[str, Scores | None]) -> dict[str, float | None]:
    """Compute the metrics of a session: medians over all contrasts of the model.

    Parameters
    ----------
    scores : dict
        From `agreement_scores`.

    Returns
    -------
    dict of str to float or None
        None where there is nothing to compare.

    Examples
    --------
    >>> scores = {"window_r": np.array([0.2, 0.4, np.nan])}
    >>> agreement_metrics(scores)["window_agreement"], agreement_metrics(scores)["run_agreement"]
    (0.3, None)
    """
    return {metric: _median(scores.get(column)) for metric, column in _METRICS.items()}


def _median(values: Scores | None) -> float | None:
    if values is None or np.isnan(values).all():
        return None
    return float(f"{np.nanmedian(values):.6g}")


def write_agreement(
    path: Path,
    agreement: Agreement,
    scores: Mapping[str, Scores | None],
    contrasts: Mapping[int, Contrast],
    bootstrap: Mapping[str, Any] | None = None,
) -> None:
    """Write the table of agreement and its JSON sidecar.

    Parameters
    ----------
    path : Path
        Of the table.
    agreement : Agreement
    scores : dict
        From `agreement_scores`.
    contrasts : dict of int to Contrast
        Rows of the table: contrast by channel of the network.
    bootstrap : dict, optional
        Facts of the bootstrap; JSON values.
    """
    channels = list(contrasts)
    columns: dict[str, Sequence[object]] = {"contrast": [contrasts[channel].label for channel in channels]}
    numbers = {"n_windows": agreement.n_windows, "n_runs": agreement.n_runs}
    for name in list(AGREEMENT_COLUMNS)[1:]:
        values = scores.get(name)
        if name in numbers:
            columns[name] = [numbers[name]] * len(channels)
        elif values is None:
            columns[name] = [None] * len(channels)
        else:
            columns[name] = [float(values[channel]) for channel in channels]
    write_tsv(path, columns)
    maps = _RESIDUAL_MAPS if agreement.minus_mean_maps else _TOTAL_MAPS
    table = load_table("outputs.json")
    content: dict[str, Any] = {
        "Description": table["descriptions"]["agreement"],
        "MeanMapsSubtracted": agreement.minus_mean_maps,
        **({"Bootstrap": dict(bootstrap)} if bootstrap else {}),
    }
    content |= {name: {"Description": text.format(maps=maps)} for name, text in AGREEMENT_COLUMNS.items()}
    write_json(sidecar_path(path), content)
