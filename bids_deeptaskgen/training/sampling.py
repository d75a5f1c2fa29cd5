"""Random numbers of training as functions of their purpose, independent of the order of calls.

A hash of seed, epoch and participant replaces the state of a generator, so that further workers, a resumed
training or further GPUs change nothing.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence

from bids_deeptaskgen.errors import UserError

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")


def seeded_integer(*purpose: object) -> int:
    """Return an integer from 0 to 2**64 - 1, the hash of the arguments' text.

    Parameters
    ----------
    purpose : object
        Seed and words that identify the number. Values with the same text give the same integer.

    Returns
    -------
    int

    Examples
    --------
    >>> seeded_integer("window", 0, 1) == seeded_integer("window", 0, "1")
    True
    >>> seeded_integer("window", 0, 1) == seeded_integer("window", 0, 2)
    False
    """
    text = "\x1f".join(map(str, purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def window_of(seed: int, epoch: int, participant: str, n_windows: int) -> int:
    """Draw the window of a participant for an epoch.

    Parameters
    ----------
    seed, epoch : int
    participant : str
        Name of the pair; see `Pair.name`.
    n_windows : int
        Number of windows.

    Returns
    -------
    int
        From 0 to ``n_windows - 1``, all equally likely.
    """
    return seeded_integer("window", seed, epoch, participant) % n_windows


def epoch_order(seed: int, epoch: int, participants: Sequence[str]) -> list[int]:
    """Draw the order of participants for an epoch.

    Parameters
    ----------
    seed, epoch : int
    participants : sequence of str
        Unique names of the pairs, in any order.

    Returns
    -------
    list of int
        Positions in `participants`. Process ``rank`` of ``n`` takes ``order[rank::n]``.
    """
    return sorted(
        range(len(participants)), key=lambda row: seeded_integer("order", seed, epoch, participants[row])
    )


def split_participants(
    group_labels: Mapping[str, Collection[str]],
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> dict[str, str]:
    """Split participants into training, validation and test participants.

    Parameters
    ----------
    group_labels : dict of str to collection of str
        Groups of each participant, e.g. family and site. Participants who share a group, directly or through
        other participants, are in the same split.
    shares : tuple of three float
        Shares of `SPLITS`, which sum to 1. A share of 0 gives an empty split; any other split has at least
        one group. All but the largest share are upper limits, unless all remaining groups are larger.
    seed : int
        Seed of the order in which the groups are assigned.

    Returns
    -------
    dict of str to str
        One of `SPLITS` for each participant, sorted by participant, whatever the order of `group_labels`.

    Raises
    ------
    UserError
        If the shares are invalid, or there are fewer groups than splits.

    Examples
    --------
    Members of a family are in the same split.

    >>> families = {f"{number:02d}": [f"family {number // 2}"] for number in range(20)}
    >>> split = split_participants(families)
    >>> [list(split.values()).count(name) for name in SPLITS]
    [16, 2, 2]
    >>> split["00"] == split["01"]
    True
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        message = f"The shares of {', '.join(SPLITS)} are {shares}. They must be 0 or more and sum to 1."
        raise UserError(message)
    share_of = dict(zip(SPLITS, shares, strict=True))
    names = [name for name in SPLITS if share_of[name]]
    # The largest share gets the remaining groups; of equal shares, training is the largest.
    *smaller, largest = sorted(names, key=lambda name: (share_of[name], name == TRAIN))
    groups = sorted(connected_groups(group_labels), key=lambda group: seeded_integer("split", seed, group[0]))
    if len(groups) <= len(smaller):
        message = (
            f"The {len(group_labels)} participants form {len(groups)} groups that must not be divided "
            f"(families, sites), but {', '.join([largest, *smaller])} need {len(smaller) + 1} groups.\n"
            "Set the share of a split to 0, or allow sites to be divided."
        )
        raise UserError(message)
    split: dict[str, str] = {}
    for n_to_keep, name in zip(range(len(smaller), 0, -1), smaller, strict=True):
        assigned, groups = fill_split(groups, max(1, round(share_of[name] * len(group_labels))), n_to_keep)
        split |= {participant: name for group in assigned for participant in group}
    split |= {participant: largest for group in groups for participant in group}
    return dict(sorted(split.items()))


def fill_split(
    groups: list[list[str]], n_participants: int, n_to_keep: int
) -> tuple[list[list[str]], list[list[str]]]:
    """Assign groups to a split, in order, while they fit.

    Parameters
    ----------
    groups : list of list of str
    n_participants : int
        Largest size of the split; if no group fits, the split is the smallest group.
    n_to_keep : int
        Number of groups to keep for further splits.

    Returns
    -------
    assigned, remaining : list of list of str
    """
    assigned: list[list[str]] = []
    remaining: list[list[str]] = []
    for group in groups:
        if len(group) <= n_participants and len(groups) - len(assigned) > n_to_keep:
            assigned.append(group)
            n_participants -= len(group)
        else:
            remaining.append(group)
    if not assigned:
        assigned = [remaining.pop(remaining.index(min(remaining, key=len)))]
    return assigned, remaining


def connected_groups(group_labels: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Group participants who share groups, directly or through other participants.

    Parameters
    ----------
    group_labels : dict of str to collection of str
        As for `split_participants`.

    Returns
    -------
    list of list of str
        Sorted groups, ordered by their first participant.

    Examples
    --------
    >>> connected_groups({"01": ["site A"], "02": ["site B"], "03": ["site A"]})
    [['01', '03'], ['02']]
    """
    # Imported here, since importing scipy's clustering takes longer than the rest of this module.
    from scipy.cluster.hierarchy import DisjointSet

    groups = DisjointSet(group_labels)
    first_member: dict[str, str] = {}
    for participant, labels in group_labels.items():
        for label in labels:
            groups.merge(first_member.setdefault(label, participant), participant)
    return sorted(sorted(group) for group in groups.subsets())
