"""Pairs of sessions or runs, between which participants are identified."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.group.map_rows import RowPlan

# With fewer participants, a rate has hardly any values.
MIN_PARTICIPANTS = 3
MAX_PAIRS = 6
# Of more participants, a random sample: the matrix of 2,000 rows takes 32 MB and some seconds.
MAX_PARTICIPANTS = 1000


@dataclass(frozen=True)
class MapPair:
    """Rows of two sessions or runs of the same participants.

    Attributes
    ----------
    title : str
        For example ``ses-1 and ses-2``.
    participants : sequence of str
        Labels without ``sub-``.
    rows_a, rows_b : integer array of shape (n_participants,)
        Rows of the first and of the second session or run.
    """

    title: str
    participants: Sequence[str]
    rows_a: NDArray[np.intp]
    rows_b: NDArray[np.intp]


def list_pairs(plan: RowPlan, rng: np.random.Generator) -> list[MapPair]:
    """List the pairs of sessions and of runs that several participants have.

    Parameters
    ----------
    plan : RowPlan
    rng : Generator
        Source of samples of more than ``MAX_PARTICIPANTS`` participants.

    Returns
    -------
    list of MapPair
        At most ``MAX_PAIRS`` of sessions and of runs: those of most participants, each with at least
        ``MIN_PARTICIPANTS``.
    """
    # A participant may have files in a folder of a session, and others in none.
    sessions = {
        (subject, f"ses-{label}" if label else "no session"): row
        for (subject, label), row in plan.sessions.items()
    }
    return [*_pairs(sessions, rng), *_pairs(plan.runs, rng)]


def _pairs(rows: Mapping[tuple[str, str], int], rng: np.random.Generator) -> list[MapPair]:
    by_label: dict[str, dict[str, int]] = {}
    for (subject, label), row in rows.items():
        by_label.setdefault(label, {})[subject] = row
    pairs = []
    for first, second in combinations(sorted(by_label), 2):
        members = [subject for subject in by_label[first] if subject in by_label[second]]
        if len(members) < MIN_PARTICIPANTS:
            continue
        if len(members) > MAX_PARTICIPANTS:
            members = [members[i] for i in np.sort(rng.choice(len(members), MAX_PARTICIPANTS, replace=False))]
        rows_a, rows_b = (
            np.array([by_label[label][subject] for subject in members]) for label in (first, second)
        )
        pairs.append(MapPair(f"{first} and {second}", tuple(members), rows_a, rows_b))
    return sorted(pairs, key=lambda pair: -len(pair.participants))[:MAX_PAIRS]
