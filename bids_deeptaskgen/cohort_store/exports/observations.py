"""Observations of a normative model: the mean over the sessions and runs of each participant."""

import re
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.exports.roi_values import Row


class Observation(NamedTuple):
    """Row of an exported table.

    Attributes
    ----------
    participant_id : str
    sessions : tuple of (str or None)
        Labels (``ses-1``) of the sessions behind it; None in datasets without sessions.
    """

    participant_id: str
    sessions: tuple[str | None, ...]


def make_observations(
    rows: Sequence[Row], values: NDArray[np.float32], sessions: str = "mean"
) -> tuple[list[Observation], NDArray[np.float32]]:
    """Average over the runs of each session, then over the sessions of each participant.

    Parameters
    ----------
    rows : sequence of Row
    values : float32 array of shape (n_rows, n_variables)
    sessions : {"mean", "first", "all"}
        Average over sessions, keep the first session of each participant in the order of labels, or keep all
        sessions as observations, which are then not independent.

    Returns
    -------
    list of Observation
        In the order of the rows.
    float32 array of shape (n_observations, n_variables)
        Means over the values that are not NaN.
    """
    keys = [(row.participant_id, row.session_id) for row in rows]
    by_session = list(dict.fromkeys(keys))
    values = _mean_by_group(values, keys)
    labels: dict[str, list[str | None]] = {}
    for participant, session in by_session:
        labels.setdefault(participant, []).append(session)
    if sessions == "all":
        return [Observation(participant, (session,)) for participant, session in by_session], values
    if sessions == "first":
        labels = {name: [min(row, key=_session_order)] for name, row in labels.items()}
        numbers = {key: number for number, key in enumerate(by_session)}
        first_rows = [numbers[name, row[0]] for name, row in labels.items()]
        values = values if len(first_rows) == len(values) else values[first_rows]
    else:
        values = _mean_by_group(values, [participant for participant, _ in by_session])
    return [Observation(name, tuple(row)) for name, row in labels.items()], values


def _session_order(session: str | None) -> tuple[bool, int, str]:
    """Order labels of digits as numbers, before labels of letters."""
    digits = re.search(r"(\d+)$", session or "")
    is_number = digits is not None and (session or "").removeprefix("ses-") == digits[1]
    return not is_number, int(digits[1]) if is_number and digits else 0, session or ""


def _mean_by_group(values: NDArray[np.float32], keys: Sequence[Hashable]) -> NDArray[np.float32]:
    """Average rows with equal keys, without NaN; one row of NaN stays NaN."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    if len(numbers) == len(keys):
        return values
    sums = np.zeros((len(numbers), values.shape[1]), np.float32)
    counts = np.zeros(sums.shape, np.uint16)
    for row, key in zip(values, keys, strict=True):
        is_valid = ~np.isnan(row)
        sums[numbers[key]] += np.where(is_valid, row, 0)
        counts[numbers[key]] += is_valid
    with np.errstate(invalid="ignore"):
        return np.divide(sums, counts, out=sums)
