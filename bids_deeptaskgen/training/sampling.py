"""Chance in training as a function of what it is for: the same wherever and in whatever order it is asked.

A hash of seed, epoch and person stands where a generator's state would: a worker, a resumed run or a GPU more
change nothing.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence

from bids_deeptaskgen.errors import UserError

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")


def draw(*what: object) -> int:
    """Give a number from 0 to 2**64 - 1 that follows from its arguments alone, by their text."""
    text = "\x1f".join(map(str, what))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def window_of(seed: int, epoch: int, participant: str, n_windows: int) -> int:
    """Draw which window of a person is shown in an epoch.

    Parameters
    ----------
    seed, epoch : int
    participant : str
        Name of the pair; see `Pair.name`.
    n_windows : int
        How many there are.

    Returns
    -------
    int
        From 0 to ``n_windows - 1``, each as likely as the others.
    """
    return draw("window", seed, epoch, participant) % n_windows


def epoch_order(seed: int, epoch: int, participants: Sequence[str]) -> list[int]:
    """Shuffle people for an epoch.

    Parameters
    ----------
    seed, epoch : int
    participants : sequence of str
        Names of the pairs, no two the same. Their order does not matter.

    Returns
    -------
    list of int
        Positions in `participants`. Process ``rank`` of ``n`` takes ``order[rank::n]``.
    """
    return sorted(range(len(participants)), key=lambda one: draw("order", seed, epoch, participants[one]))


def split_participants(
    group_labels: Mapping[str, Collection[str]],
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> dict[str, str]:
    """Divide people into those to train on, to validate on, and to test on.

    Parameters
    ----------
    group_labels : dict of str to collection of str
        What ties each person to others, e.g. the names of family and site: whoever shares one, directly or by
        others, is in the same split.
    shares : tuple of three float
        Wanted shares of `SPLITS`, which sum to 1; one of 0 is left empty, any other gets somebody. All but
        the largest are not exceeded, unless every group that is left is larger than what is wanted.
    seed : int

    Returns
    -------
    dict of str to str
        Person to one of `SPLITS`, sorted by person; the order of `group_labels` does not matter.

    Raises
    ------
    UserError
        If the shares are none, or there are fewer groups than splits.
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        message = f"The shares of {', '.join(SPLITS)} are {shares}; they must be 0 or more and sum to 1."
        raise UserError(message)
    share_of = dict(zip(SPLITS, shares, strict=True))
    wanted = [name for name in SPLITS if share_of[name]]
    # The largest takes what is left; of equal ones that is the training's.
    *smaller, largest = sorted(wanted, key=lambda name: (share_of[name], name == TRAIN))
    groups = sorted(connected_groups(group_labels), key=lambda group: draw("split", seed, group[0]))
    if len(groups) <= len(smaller):
        message = (
            f"{len(group_labels)} people are in {len(groups)} groups that may not be divided (families, "
            f"sites); {len(smaller) + 1} are needed for {', '.join([largest, *smaller])}.\n"
            "Give fewer splits a share, or let sites be divided."
        )
        raise UserError(message)
    split: dict[str, str] = {}
    for n_to_keep, name in zip(range(len(smaller), 0, -1), smaller, strict=True):
        taken, groups = _fill(groups, max(1, round(share_of[name] * len(group_labels))), n_to_keep)
        split |= {participant: name for group in taken for participant in group}
    split |= {participant: largest for group in groups for participant in group}
    return dict(sorted(split.items()))


def _fill(groups: list[list[str]], room: int, n_to_keep: int) -> tuple[list[list[str]], list[list[str]]]:
    """Take groups in order while there is room, at least one, and leave enough for the splits to come."""
    taken: list[list[str]] = []
    left: list[list[str]] = []
    for group in groups:
        if len(group) <= room and len(groups) - len(taken) > n_to_keep:
            taken.append(group)
            room -= len(group)
        else:
            left.append(group)
    if not taken:
        taken = [left.pop(left.index(min(left, key=len)))]
    return taken, left


def connected_groups(group_labels: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Gather people who are tied to each other.

    Parameters
    ----------
    group_labels : dict of str to collection of str
        As for `split_participants`.

    Returns
    -------
    list of list of str
        Groups, each sorted, and sorted by their first person.
    """
    group_of = {participant: [participant] for participant in sorted(group_labels)}
    first_with: dict[str, str] = {}
    for participant in group_of:
        for bond in group_labels[participant]:
            one, other = group_of[participant], group_of[first_with.setdefault(bond, participant)]
            if one is not other:
                other += one
                group_of |= dict.fromkeys(one, other)
    return sorted({id(group): sorted(group) for group in group_of.values()}.values())
